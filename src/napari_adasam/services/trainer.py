"""One fine-tuning round: a student learns from every accepted frame and from unlabelled ones, and is gated.

Reading order: hold frames out → measure the serving model on them, and on all that it has not learned from: where it
does well already, the round is a mild one → copy it → encode views up to the first adapted unit, once →
supervised warm-up, then the teacher's pseudo-labels at a rising weight → measure the student, and half of it where
it is refused → serve, or not.
Each ``yield`` is a point where a click may overtake.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.errors import ModelError
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.settings import LearnSettings, PromptSettings, TrainSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.model import adaptation
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.encoders import coarse
from napari_adasam.model.headstart import FINER, fit_class_maps, untaught
from napari_adasam.model.pseudo import ema_decay, unlabelled_weight
from napari_adasam.model.supervision import Lesson, labelled_loss, masks_of
from napari_adasam.services.descent import average, groups, pairs_of, pull, risen
from napari_adasam.services.gate import Held, fit, hold_out, mean, means
from napari_adasam.services.judging import Figures, Jury
from napari_adasam.services.lane import give_way, worked_seconds
from napari_adasam.services.material import SPARED, Material, few_enough
from napari_adasam.services.ports import LabelledFrame, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.resuming import Training
from napari_adasam.services.serving import Learned
from napari_adasam.services.thrift import Thrift
from napari_adasam.services.unlabelled import Unlabelled
from napari_adasam.services.views import Views


class RoundTrainer:
    """Makes students of the predictor's model; see :class:`services.ports.Trainer`.

    Parameters
    ----------
    gated
        Whether frames are held out and the student is measured; ``False`` learns from every frame, and always serves.
    """

    def __init__(
        self,
        predictor: ModelPredictor,
        train: TrainSettings,
        learn: LearnSettings = LearnSettings(),
        prompts: PromptSettings = PromptSettings(),
        gated: bool = True,
    ) -> None:
        self.predictor, self.gated = predictor, gated
        self.train, self.learn, self.prompts = train, learn, prompts
        self._now = train
        self.trained = 0
        """How many parameters learned in the last round."""
        self._thrift = Thrift(train.most_prompts, train.looks_at)
        self.at_start: Callable[[Training], None] = lambda training: None
        """Is given what each round trains ahead of its first step, and may restore what a stopped one has left."""

    def round(
        self,
        labelled: Sequence[LabelledFrame],
        unlabelled: Sequence[UnlabelledFrame],
        structures: Sequence[Structure],
    ) -> Iterator[RoundProgress | RoundReport]:
        """Run a round; the last value is its report. Raises ModelError where there is nothing to learn from."""
        began = worked_seconds()
        if not labelled:
            raise ModelError("There is no accepted frame to learn from. Nothing was changed. Accept a frame first.")
        material = Material(*self._shared_out(labelled, unlabelled), tuple(structures))
        before, new = yield from self._choose(material)
        student, since = self._student(material.structures)
        views = Views(self.predictor, student, since)
        yield from self._head_start(student, views, material)
        teacher = copy.deepcopy(student).requires_grad_(False).eval()
        start = adaptation.state(teacher)
        losses = yield from self._steps(student, teacher, views, material)
        jury = self._jury(material)
        after, accepted, verdict = yield from jury.judge(teacher, views, before, start, self.learn)
        less = self._thrift.given_up
        answers, remark = (yield from self._compare(jury, teacher, views)) if accepted else (False, "")
        self._conclude(Learned(teacher, self.train.method, answers) if accepted else None, material, after, new)
        yield RoundReport(
            number=self.predictor.rounds,
            labelled=len(material.held.train),
            unlabelled=len(material.unlabelled),
            held_out=len(material.held.out),
            before=before,
            after=after,
            accepted=accepted,
            verdict=verdict + (f" It learned {less}, because memory was short." if less else remark),
            seconds=worked_seconds() - began,
            model=self.predictor.info().fingerprint,
            losses=tuple(losses),
        )

    def _shared_out(
        self, labelled: Sequence[LabelledFrame], unlabelled: Sequence[UnlabelledFrame]
    ) -> tuple[Held, tuple[UnlabelledFrame, ...]]:
        """What is measured on and what is learned from; frames without masks are only for the latter."""
        chosen = unlabelled[: self.train.max_unlabelled] if self.train.learns_unlabelled else ()
        held = hold_out(labelled, self.predictor.past) if self.gated else Held(tuple(labelled), ())
        kept_out = {one.group for one in held.out}  # other frames of a clip that is measured on are nearly the same
        return held, tuple(one for one in chosen if not one.group or one.group not in kept_out)

    def _student(self, structures: tuple[Structure, ...]) -> tuple[AdaSam, int]:
        student = copy.deepcopy(self.predictor.net)
        torch.manual_seed(self.train.seed)
        student.set_structures(structures)
        student.use_feedback(self.train.recipe.feedback, self.train.recipe.feedback_heads)
        return student, adaptation.prepare(student, adaptation.asked(self._now, student.sam.encoder))

    def _steps(
        self, student: AdaSam, teacher: AdaSam, views: Views, material: Material
    ) -> Generator[RoundProgress, None, list[float]]:
        """Optimise; each step is ``batch`` labelled views, and an unlabelled one after the warm-up. Returns losses."""
        settings = self._now
        rng = np.random.default_rng(settings.seed)
        learning = [p for p in student.parameters() if p.requires_grad]
        self.trained = sum(p.numel() for p in learning)
        start = [p.detach().clone() for p in learning]
        pairs = pairs_of(teacher, student)
        fused = student.device.type in ("cpu", "cuda")  # one pass over the weights in place of a dozen
        optimiser = torch.optim.AdamW(groups(student, settings.lr), weight_decay=0.0, fused=fused)
        rest = Unlabelled(material.unlabelled, material.structures, views, settings, self.prompts)
        training = Training(student, teacher, optimiser, rng, {"thrift": self._thrift, "unlabelled": rest})
        self.at_start(training)
        began = worked_seconds(), training.step
        for step in range(training.step, settings.steps):
            total = 0.0
            for _ in range(settings.batch):
                total += self._labelled(student, views, material, rng)
                yield self._progress(step, total, began)
            if material.unlabelled and settings.unlabelled_is_due(step):
                weight = unlabelled_weight(settings, step / settings.steps)
                again = partial(self._unlabelled, rest, student, teacher, rng, weight)
                total += self._thrift.afford(again, student.zero_grad)
                yield self._progress(step, total, began)
            pull(learning, start, settings.weights.anchor)
            norm = torch.nn.utils.clip_grad_norm_(learning, 1.0)
            if not (math.isfinite(total) and math.isfinite(norm)):
                raise ModelError("Learning went astray and was stopped. The model in use is unchanged. Start it again.")
            for group in optimiser.param_groups:
                group["lr"] = group["height"] * risen(step, settings.steps)
            with training.moving(total):
                optimiser.step()
                optimiser.zero_grad()
                average(pairs, ema_decay(settings, step))
            yield self._progress(step + 1, total, began)
        views.slices = adaptation.slices(student)  # memory may have allowed fewer; it is measured as it will serve
        return training.losses

    def _head_start(self, student: AdaSam, views: Views, material: Material) -> Iterator[RoundProgress]:
        """Fit the class maps of structures that nobody has shown the serving model."""
        telling: dict[tuple[LabelledFrame, ...], list[int]] = {}
        for row in untaught(student.head):
            told = tuple(f for f in material.held.train if f.tells_of(material.structures[row]))
            telling.setdefault(told, []).append(row)
        alone = Views(self.predictor, student, views.since, slices=1)  # as a stack that has not learned is seen, too
        for frames, rows in telling.items():
            yield from self._fit(student, alone, material, frames, rows)

    def _fit(
        self, student: AdaSam, alone: Views, material: Material, frames: tuple[LabelledFrame, ...], rows: list[int]
    ) -> Iterator[RoundProgress]:
        """Fit the class maps of some structures to frames that tell of them; none may."""
        embeddings, shares = [], []
        for frame, view in few_enough(frames, self.train, student.sam.cells):
            front, labels = alone.labelled(frame, view)
            with torch.no_grad():
                embeddings.append(coarse(alone.embed(student.eval(), front)).clone())
            masks = masks_of(labels, material.structures).to(student.device)
            shares.append(F.adaptive_avg_pool2d(masks[None], FINER * student.sam.cells))
            yield RoundProgress(0, self._now.steps, float("nan"), "looking at the new structures", None)
        if frames:
            fit_class_maps(student.head, rows, torch.cat(embeddings), torch.cat(shares), give_way)

    def _labelled(self, student: AdaSam, views: Views, material: Material, rng: np.random.Generator) -> float:
        """One labelled view; where memory is full, another one with less, from now on."""
        with self._timing("labelled", views.slices):
            return self._thrift.afford(lambda: self._labelled_at_once(student, views, material, rng), student.zero_grad)

    def _unlabelled(
        self, rest: Unlabelled, student: AdaSam, teacher: AdaSam, rng: np.random.Generator, weight: float
    ) -> float:
        if not self._thrift.unlabelled:
            return 0.0
        rest.views.slices = min(rest.views.slices, self._thrift.slices)
        with self._timing("unlabelled", rest.views.slices):
            loss = rest.loss(student, teacher, rng, weight)
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
            return loss.item()

    def _labelled_at_once(self, student: AdaSam, views: Views, material: Material, rng: np.random.Generator) -> float:
        frame = material.held.train[int(rng.integers(len(material.held.train)))]
        views.slices = min(views.slices, self._thrift.slices)
        front, labels = views.labelled(frame, int(rng.integers(self.train.views)))
        student.train()
        with torch.set_grad_enabled(self._thrift.encoder):
            embedding = views.embed(student, front)
        most = self._thrift.most_prompts if self._now.teaches_masks else 0
        lesson = Lesson(self.train.weights, self.prompts, most, judged=frame.judged)
        loss = labelled_loss(student, embedding, labels, rng, lesson) / self._now.batch
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    def _timing(self, part: Literal["labelled", "unlabelled"], slices: int) -> AbstractContextManager[None]:
        """A view's time, for estimates; not where the classifier alone learns, which takes a part of it."""
        return self.predictor.watch.timing(part, slices) if self._now.teaches_masks else nullcontext()

    def _progress(self, step: int, loss: float, began: tuple[float, int]) -> RoundProgress:
        """``began``: when, and at which step."""
        taken, done = worked_seconds() - began[0], step - began[1]
        left = taken / done * (self._now.steps - step) if done else None
        less = self._thrift.given_up
        what = f"learning {less}, because memory is short" if less else "learning"
        return RoundProgress(step, self._now.steps, loss, what, left)

    def _jury(self, material: Material) -> Jury:
        return Jury(material, self.prompts, self.predictor.watch, self._now.steps)

    def _compare(self, jury: Jury, student: AdaSam, views: Views) -> Generator[RoundProgress, None, tuple[bool, str]]:
        """Whether a student is to answer clicks, by the held-out frames, and what a person should know of it.

        Where SAM has not learned, whoever answers them goes on to.
        """
        serving = self.predictor.serving
        if not self._now.teaches_masks:
            return serving.now.answers, "" if self._now is self.train else SPARED
        began = Views(self.predictor, serving.began, self.predictor.cut)
        return (yield from jury.compare((student, views), (serving.began, began)))

    def _choose(self, material: Material) -> Generator[RoundProgress, None, tuple[dict[int, float], Figures | None]]:
        """A full round or a mild one, by how the model has done on most frames before it learned from them.

        The held-out ones alone would be too few to tell, and so are five: a full round on five images makes a good
        model worse. So those since the last full round count. Returns what it does on the held-out ones, in the mean,
        and on those that are new to it; ``None`` for these before a full round, behind which they say nothing.
        """
        serving, past, jury = self.predictor.net, self.predictor.past, self._jury(material)
        views = Views(self.predictor, serving, self.predictor.cut)
        held = yield from jury.measure(serving, views, material.held.out, 0)
        frames = tuple(frame for frame in material.held.train if frame.group not in past.learned)
        new = yield from jury.measure(serving, views, frames, 0)
        latest = {value: (*past.found.get(value, ()), *held[value], *new[value]) for value in held}
        began = self.predictor.serving.began
        self._now = fit(self.train, latest, {s.value for s in material.structures if began.index_of(s) is None})
        return means(held), None if self._now is self.train else new

    def _conclude(
        self, learned: Learned | None, material: Material, after: dict[int, float], new: Figures | None
    ) -> None:
        """Let a student that passed the gate serve, and note what the next round's gate must know."""
        held = material.held
        if learned is not None:
            student = learned.net
            figure = f", held-out Dice {mean(after):.3f}" if after else ""
            line = f"round {self.predictor.rounds + 1}: {len(held.train) + len(held.out)} accepted frames{figure}"
            seen = student.card.trained_on | {f.frame_id for f in held.train + held.out}
            seen |= {f.frame_id for f in material.unlabelled}
            student.card = replace(student.card, lineage=(*student.card.lineage, line), trained_on=frozenset(seen))
            self.predictor.serve(learned)
            self.predictor.past = self.predictor.past.served(held, new)
        else:
            self.predictor.past = self.predictor.past.refused(held)
        self.predictor.rounds += 1
        self.predictor.watch.keep()
