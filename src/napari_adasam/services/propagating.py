"""Key frames' masks to the other frames of a clip or volume: in the background, frame by frame, clicks first.

A job of the lane, one frame a step. What has come is in the session and on the disk; it may be stopped at any frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from psygnal import Signal

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.packing import LabelImage
from napari_adasam.domain.propagation import STOP_BELOW, Propagated, Run, outline_of, runs
from napari_adasam.domain.protection import lay_suggestions
from napari_adasam.domain.records import FrameStatus, Suggestion
from napari_adasam.domain.steps import CLOSED
from napari_adasam.domain.structures import Structure
from napari_adasam.files.clips import natural_key
from napari_adasam.services.activity import Activity
from napari_adasam.services.jobs import Job, JobKind, Outcome
from napari_adasam.services.ports import Picture
from napari_adasam.services.workbench import Workbench

MOST_NAMED = 3
"""So many lost frames are named in a message."""
UNDER_WAY = "Outlines are being taken through a clip; wait for it, or stop it."
NO_CLIP = "This image is one alone; only outlines in a clip or a volume are taken further."
NO_KEY = "Accept an image of this clip first; its outlines are taken to the others."
NOTHING_LEFT = "The other images of this clip have their outlines already, or were closed by you."


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Masks on their way outwards.

    Parameters
    ----------
    source, outline
        The key frame, see :class:`Propagated`.
    start, labels
        The frame that is gone on from, and its labels: the key frame, or the last one that was done already.
    frames
        Ids, in the order in which they are gone through.
    """

    source: str
    outline: str
    start: str
    labels: LabelImage = field(repr=False)
    frames: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A frame further."""

    frame_id: str
    suggestions: tuple[Suggestion, ...] = field(repr=False)
    how: Propagated


@dataclass(frozen=True, slots=True)
class Drift:
    """A course that ended before ``frame_id``: so unsure (0 to 1), or the sentence why it could not be read."""

    frame_id: str
    confidence: float
    why: str = ""


class Propagating:
    """Takes outlines through clips. GUI thread.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    told = Signal(str)
    """A sentence on where it stopped, and why."""
    ended = Signal()
    """A job has ended, however."""
    unreadable = Signal(str)
    """The mask of a key frame (its id) cannot be read; a listener is expected to put another in its place."""

    def __init__(self, bench: Workbench, clock: Callable[[], float] = time.monotonic) -> None:
        self._bench = bench
        self._clock = clock
        self._sent: int | None = None
        self._done, self._total, self._since = 0, 0, 0.0
        self._clip: tuple[str, ...] = ()
        self._begun: set[str] = set()
        self._waiting: list[str] = []

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self._sent is not None

    def clip(self, frame_id: str) -> tuple[str, ...]:
        """Ids of all frames of the frame's file, in their order; itself alone for a single image."""
        return self._bench.items.of(frame_id).frames

    def why_not(self, frame_id: str) -> str:
        """Why the clip of a frame cannot be gone through now; empty if it can."""
        clip = self.clip(frame_id)
        if len(clip) < 2:
            return NO_CLIP
        if self.running:
            return UNDER_WAY
        return "" if self._keys(clip) else NO_KEY

    def start(self, frame_id: str) -> bool:
        """Go through the clip of a frame, from all of its key frames; ``False`` if there is nothing to do."""
        clip = self.clip(frame_id)
        for at in self._keys(clip):
            if self._outline(clip[at]) is None:
                self.unreadable.emit(clip[at])
        return self._send(clip, runs(self._keys(clip), len(clip)))

    def renew(self, key: str, as_it_came: bool = False) -> bool:
        """A key frame is new or another one: renew what follows it, where the clip was gone through before.

        A job in the same clip is ended first, one in another waited for; then all that is out of date is done.
        """
        session, clip = self._bench.session, self.clip(key)
        under_way = self._sent is not None and clip == self._clip
        hows = [how for how in map(session.propagated, clip) if how is not None]
        nothing_new = as_it_came and not any(how.source == key for how in hows)
        if nothing_new or not (hows or clip[0] in self._begun):
            return False
        if self._sent is not None:
            self._waiting += [] if clip[0] in self._waiting else [clip[0]]
            if under_way:
                self._bench.dispatch.cancel(self._sent)
            return True
        own = [run for run in runs(self._keys(clip), len(clip)) if clip[run.key] == key]
        return self._send(clip, own)

    def cancel(self) -> None:
        """Stop after the frame that is under way; what is done stays."""
        self._waiting.clear()
        if self._sent is not None:
            self._bench.dispatch.cancel(self._sent)

    def activity(self) -> Activity:
        """The line while it runs."""
        left = None
        if self._done:
            left = (self._clock() - self._since) / self._done * (self._total - self._done)
        words = f"Taking outlines through the clip: {self._done} of {self._total}"
        return Activity(words, self._done, self._total, left, cancellable=True)

    # -- what is to be done --------------------------------------------------------------------------------------------

    def _keys(self, clip: Sequence[str]) -> list[int]:
        session = self._bench.session
        return [at for at, one in enumerate(clip) if session.status(one) is FrameStatus.ACCEPTED]

    def _course(self, clip: Sequence[str], run: Run) -> Course | None:
        """What of a run is not done yet, or out of date; ``None`` for nothing."""
        session, source = self._bench.session, clip[run.key]
        outline = self._outline(source)
        if outline is None:
            return None
        frames = [clip[at] for at in run.frames]
        while frames and not self._is_open(frames[-1]):
            frames.pop()
        wanted = (at for at, one in enumerate(frames) if self._is_open(one) and not self._is_of(one, source, outline))
        done = next(wanted, None)
        if done is None or not session.labels(source).any():
            return None
        while done and not self._is_of(frames[done - 1], source, outline):
            done -= 1
        start = frames[done - 1] if done else source
        packed = session.packed(start)
        return None if packed is None else Course(source, outline, start, packed, tuple(frames[done:]))

    def _is_of(self, frame_id: str, source: str, outline: str) -> bool:
        how = self._bench.session.propagated(frame_id)
        return how is not None and (how.source, how.outline) == (source, outline) and self._is_open(frame_id)

    def _is_up_to_date(self, frame_id: str) -> bool:
        """Whether a frame has masks of a key frame that is still as it was."""
        session, how = self._bench.session, self._bench.session.propagated(frame_id)
        if how is None or session.status(how.source) is not FrameStatus.ACCEPTED:
            return False
        return self._outline(how.source) == how.outline

    def _outline(self, source: str) -> str | None:
        """What stands for the outlines of a key frame; ``None`` where its mask cannot be read."""
        try:
            return outline_of(self._bench.session.labels(source))
        except InputError:
            return None

    def _is_open(self, frame_id: str) -> bool:
        """Whether masks may come: nothing was decided or changed by a person."""
        session = self._bench.session
        return session.status(frame_id) not in CLOSED and not session.touched(frame_id)

    # -- the job -------------------------------------------------------------------------------------------------------

    def _send(self, clip: tuple[str, ...], wanted: Sequence[Run]) -> bool:
        structures = self._bench.session.structures
        courses = [one for one in (self._course(clip, run) for run in wanted) if one is not None]
        frames = [frame_id for course in courses for frame_id in course.frames]
        if not frames:
            return False
        self._clip = clip
        self._begun.add(clip[0])
        self._done, self._total, self._since = 0, len(frames), self._clock()
        job = Job(JobKind.PROPAGATE, lambda: self._work(courses, structures), key="clip")
        self._sent = self._bench.dispatch.send(job, "Taking outlines through the clip", self._receive)
        return True

    def _work(self, courses: Sequence[Course], structures: Sequence[Structure]) -> Generator[Step, None, list[Drift]]:
        """The job; lane's thread."""
        drifts = []
        for course in courses:
            drift = yield from self._go(course, structures)
            drifts += [] if drift is None else [drift]
        return drifts

    def _go(self, course: Course, structures: Sequence[Structure]) -> Generator[Step, None, Drift | None]:
        """One course; lane's thread. The drift that ended it, if one did."""
        bench, several = self._bench, [one.value for one in structures if one.several_parts]
        labels, at = course.labels.open(), course.start
        try:
            before = Picture(at, bench.sources.grey(at))
            for at in course.frames:
                after = Picture(at, bench.sources.grey(at))
                answer = bench.models.predictor().follow(before, after, labels, structures)
                if answer.confidence < STOP_BELOW:
                    return Drift(at, answer.confidence)
                yield Step(at, answer.suggestions, Propagated(course.source, course.outline, answer.confidence))
                masks = {one.structure: one.mask for one in answer.suggestions}
                labels, before = lay_suggestions(np.zeros_like(labels), masks, several), after
        except InputError as error:
            return Drift(at, 0.0, str(error))
        return None

    def _receive(self, outcome: Outcome) -> None:
        if not outcome.ended:
            self._take(cast(Step, outcome.value))
            return
        self._sent = None
        if outcome.state == "done":
            words = self._words(cast("list[Drift]", outcome.value))
            if words:
                self.told.emit(words)
        while self._waiting and not self.start(self._waiting.pop(0)):
            pass
        self.ended.emit()

    def _take(self, step: Step) -> None:
        """Lay a step's masks into the session, unless a person has been there meanwhile; ticks hold for them, too."""
        self._done += 1
        session, frame_id = self._bench.session, step.frame_id
        if self._is_open(frame_id):
            session.propose(frame_id, step.suggestions, session.revision(frame_id), step.how)

    def _words(self, drifts: Sequence[Drift]) -> str:
        """Where it stopped, and what to do; not where masks of another key frame stay, as on both sides of a cut."""
        unread = list(dict.fromkeys(one.why for one in drifts if one.why))
        lost = [one for one in drifts if not one.why and not self._is_up_to_date(one.frame_id)]
        if lost:
            lost.sort(key=lambda one: natural_key(self._bench.stem(one.frame_id)))
            said = [f"{self._bench.stem(one.frame_id)} ({one.confidence:.0%} sure)" for one in lost[:MOST_NAMED]]
            said += [f"{len(lost) - MOST_NAMED} more"] if len(lost) > MOST_NAMED else []
            names = " and ".join(filter(None, (", ".join(said[:-1]), said[-1])))
            frames = "these images" if len(lost) > 1 else "that image"
            unread.append(
                f"The outlines were lost at {names}, so they were taken no further there. Go to {frames}, correct "
                "and accept: it goes on from there."
            )
        return " ".join(unread)
