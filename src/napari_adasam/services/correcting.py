"""The clinician's points and boxes: each is a question to the decoder, its answer the mask of the same undo step."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_adasam.domain.prompts import Box, Point, Prompt
from napari_adasam.domain.records import Mask
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.domain.steps import CLOSED
from napari_adasam.domain.structures import Structure
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.parts import asks_anew, bounds, grown, join_parts, pixel_of, same_part
from napari_adasam.services.ports import Pixels, Predictor, SegmentAnswer
from napari_adasam.services.sentences import stays, suggested_here
from napari_adasam.services.workbench import Workbench

REMEMBERED = 64
Points = tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What stands on a frame for one structure; equal questions are one, so undo and redo find its answer again."""

    frame_id: str
    structure: int
    points: Points
    box: Box | None


ModelKey = tuple[ModelSettings, str]
"""The settings and the fingerprint of a model; the same weights answer at another size with logits of another shape."""


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """A question's answer, and the model that gave it."""

    answer: SegmentAnswer
    model: ModelKey


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """What a first correction goes on from: a suggestion's prompt, and its answer's logits where they were kept."""

    prompt: Prompt
    logits: NDArray[np.float32] | None = field(repr=False)

    def dense(self, predictor: Predictor, frame_id: str, grey: Pixels) -> NDArray[np.float32]:
        """The answer's logits; asked for again where they were not kept."""
        kept = self.logits
        return predictor.segment(frame_id, grey, self.prompt, None).logits if kept is None else kept


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What is known about a question.

    From which point on it is about one part, whether it is the first correction of a suggestion (or of one part of it),
    its answer's logits and the model that they are of.
    """

    start: int = 0
    first: bool = False
    logits: NDArray[np.float32] | None = field(default=None, repr=False)
    model: ModelKey | None = None


class Correcting:
    """Asks the decoder for the clinician. GUI thread."""

    withdrawn = Signal(str)
    """A point or box on a frame (its id) could not be answered and was taken back."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._memory: OrderedDict[Question, Memory] = OrderedDict()
        self._asked_at: dict[tuple[str, int], int] = {}

    def click(self, frame_id: str, structure: Structure, point: Point) -> None:
        """Add a point. On a structure of several parts it may add a part, or be about another one than those before."""
        session = self._bench.session
        points, box = session.prompts(frame_id, structure.value)
        mask = session.labels(frame_id) == structure.value
        before = self._memory.get(Question(frame_id, structure.value, points, box), Memory())
        start, untouched = before.start, False
        if structure.several_parts and asks_anew(mask, point, points[start:], box if start == 0 else None):
            start, untouched = len(points), self._is_as_suggested(frame_id, structure.value, mask, point)
        self._ask(Question(frame_id, structure.value, (*points, point), box), start, untouched)

    def box(self, frame_id: str, structure: Structure, box: Box) -> None:
        """Ask with a box, in place of earlier points and boxes."""
        self._ask(Question(frame_id, structure.value, (), box), 0)

    def answer_open_questions(self, frame_id: str) -> None:
        """Ask again what undo, redo or another change has left without an answer; not on a skipped frame."""
        session = self._bench.session
        for value in session.unanswered(frame_id) if session.status(frame_id) not in CLOSED else ():
            if self._asked_at.get((frame_id, value)) != session.revision(frame_id):
                question = Question(frame_id, value, *session.prompts(frame_id, value))
                self._send(question, self._prompt(question), session.revision(frame_id), self._give_up)

    def _ask(self, question: Question, start: int, untouched: bool = False) -> None:
        session, frame_id, value = self._bench.session, question.frame_id, question.structure
        by_hand = value in session.touched(frame_id) and value not in session.unanswered(frame_id)
        self._remember(question, Memory(start, first=untouched or not by_hand))
        revision = session.next_revision(frame_id)
        self._send(question, self._prompt(question), revision, self._withdraw)
        session.ask(frame_id, value, question.points, question.box)  # the lane computes while the screen draws this

    def _send(self, question: Question, prompt: Prompt, revision: int, failed: Callable[[Question, int], None]) -> None:
        bench, frame_id, settings = self._bench, question.frame_id, self._bench.settings.model
        before, begun = self._before(question), self._begun(question)
        self._asked_at[frame_id, question.structure] = revision

        def work() -> Answered:
            predictor, grey = bench.models.predictor(), bench.sources.grey(frame_id)
            model = (settings, predictor.info().fingerprint)
            previous = before.logits if before.model == model else None
            asked = prompt if begun is None else replace(prompt, dense=begun.dense(predictor, frame_id, grey))
            return Answered(predictor.segment(frame_id, grey, asked, previous), model)

        job = Job(JobKind.PROMPT, work, frame_id, revision, within=True)

        def receive(outcome: Outcome) -> None:
            if outcome.state == "done":
                self._on_answer(question, cast(Answered, outcome.value), revision)
            else:
                failed(question, revision)
            self.answer_open_questions(frame_id)

        bench.dispatch.send(job, "Answering your click", receive)

    def _withdraw(self, question: Question, revision: int) -> None:
        """A new point or box has no answer: its step is taken back."""
        if self._bench.session.withdraw(question.frame_id, revision):
            self.withdrawn.emit(question.frame_id)

    def _give_up(self, question: Question, revision: int) -> None:
        """A question asked again has no answer: its step is not the last one, so it is cleared by a step of its own."""
        session = self._bench.session
        if revision == session.revision(question.frame_id):
            session.clear_prompts(question.frame_id, question.structure)

    def _on_answer(self, question: Question, answered: Answered, revision: int) -> None:
        session, frame_id, value = self._bench.session, question.frame_id, question.structure
        known = self._memory.get(question, Memory())
        start, answer = known.start, answered.answer
        self._remember(question, replace(known, logits=answer.logits, model=answered.model))
        if revision != session.revision(frame_id):
            return
        mask = answer.mask
        if self._has_several_parts(value):
            before: Mask = session.labels(frame_id) == value
            mask = join_parts(before, mask, question.points[start:], question.box if start == 0 else None)
        if session.answer(frame_id, value, mask, revision) and question.points and frame_id == session.current:
            self._say_what_stays(question)

    def _say_what_stays(self, question: Question) -> None:
        """A click for a structure on what is outlined as another one, or suggested on top, changes nothing there."""
        point, session = question.points[-1], self._bench.session
        labels = session.labels(question.frame_id)
        owner = int(labels[pixel_of(point, labels.shape)])
        if not point.positive or owner in (0, question.structure):
            return
        by_hand = owner in session.touched(question.frame_id)
        said = stays(session.structures, {owner}) if by_hand else suggested_here(session.structures, owner)
        self._bench.dispatch.problem.emit(said)

    # -- what the decoder is asked -------------------------------------------------------------------------------------

    def _prompt(self, question: Question) -> Prompt:
        """The points that are about one part, and the box.

        Points without a box come with one around the mask that they correct, grown to those that lie not far out of
        it. Of a structure of several parts negative points alone come with that of the part that they lie in, and the
        first correction of a suggestion with that of its prompt, as long as every point lies in it.
        """
        points, box = self._about(question)
        if box is not None:
            return Prompt(points, box)
        begun, several = self._begun(question), self._has_several_parts(question.structure)
        if not several or not any(point.positive for point in points):
            box = grown(self._around(question, points), points)
        elif begun is not None and _holds(begun.prompt.box, points):
            box = begun.prompt.box
        return Prompt(points, box)

    def _about(self, question: Question) -> tuple[Points, Box | None]:
        """The points and the box that are about one part."""
        start = self._memory.get(question, Memory()).start
        return question.points[start:], question.box if start == 0 else None

    def _begun(self, question: Question) -> Begun | None:
        """What the first correction of a suggestion is about, as SAM's own corrections go on from the mask before.

        Not a box: who draws one begins anew.
        """
        suggestion = self._bench.session.suggestions(question.frame_id).get(question.structure)
        points, box = self._about(question)
        if suggestion is None or box is not None or not self._memory.get(question, Memory()).first:
            return None
        if self._before(question).logits is not None:
            return None
        kept = suggestion.logits or (None,) * len(suggestion.prompts)
        answers = (Begun(prompt, logits) for prompt, logits in zip(suggestion.prompts, kept, strict=True))
        if not self._has_several_parts(question.structure):
            return next(answers, None)
        return next((one for one in answers if _holds(one.prompt.box, points)), None)

    def _is_as_suggested(self, frame_id: str, value: int, mask: Mask, point: Point) -> bool:
        """Whether the part that a point lies in is still the suggestion's."""
        suggestion = self._bench.session.suggestions(frame_id).get(value)
        return suggestion is not None and same_part(mask, suggestion.mask, point)

    def _around(self, question: Question, points: Points) -> Box | None:
        mask: Mask = self._bench.session.labels(question.frame_id) == question.structure
        if self._has_several_parts(question.structure):
            mask = mask & ~join_parts(mask, np.zeros_like(mask), points, None)
        return bounds(mask)

    def _before(self, question: Question) -> Memory:
        """What is known of the question whose answer this one's last point corrects."""
        start = self._memory.get(question, Memory()).start
        if len(question.points) <= start + (question.box is None or start > 0):
            return Memory()
        before = Question(question.frame_id, question.structure, question.points[:-1], question.box)
        return self._memory.get(before, Memory())

    def _has_several_parts(self, value: int) -> bool:
        return any(one.value == value and one.several_parts for one in self._bench.session.structures)

    def _remember(self, question: Question, memory: Memory) -> None:
        self._memory[question] = memory
        self._memory.move_to_end(question)
        while len(self._memory) > REMEMBERED:
            self._memory.popitem(last=False)


def _holds(box: Box | None, points: Points) -> bool:
    return box is not None and all(box[0] <= one.y <= box[2] and box[1] <= one.x <= box[3] for one in points)
