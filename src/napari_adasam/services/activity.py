"""What is going on, in one line that is true at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_adasam.domain.rounds import RoundProgress
from napari_adasam.services.dispatch import Errand
from napari_adasam.services.lane import JobKind
from napari_adasam.services.rounds import Reading

PATIENCE = 30.0
"""So many seconds (s) without a sign of progress are said in words, and each so many more."""
STOPPABLE = (JobKind.READ, JobKind.SUGGEST, JobKind.EMBED, JobKind.LOOK)
AHEAD_OF_NEED = (JobKind.EMBED, JobKind.LOOK)


@dataclass(frozen=True, slots=True)
class Activity:
    """What is going on now.

    Parameters
    ----------
    text
        One line: "Ready: 3 of 12 images accepted".
    done, total
        How far; both 0 where that has no meaning.
    seconds_left
        An estimate; ``None`` where there is none.
    cancellable
        Whether :meth:`Annotator.cancel` would stop it.
    """

    text: str
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    cancellable: bool = False


def describe(
    errands: Sequence[Errand],
    learning: RoundProgress | Reading | None,
    accepted: int,
    frames: int,
    opening: tuple[int, int] | None = None,
) -> Activity:
    """The line for what is under way: files that are opened first, then a round; nothing is an activity too."""
    if opening is not None:
        done, total = opening
        how_far = f": {done} of {total}" if total else ""
        return Activity(f"Opening images{how_far}", done, total, cancellable=True)
    urgent = min((one for one in errands if one.job.kind is not JobKind.TRAIN), key=_urgency, default=None)
    if any(one.job.kind is JobKind.TRAIN for one in errands):
        return _learning(learning, urgent)
    if urgent is not None:
        return Activity(urgent.doing, cancellable=urgent.job.kind in STOPPABLE)
    if not frames:
        return Activity("Ready: open images to begin")
    return Activity(f"Ready: {accepted} of {frames} images accepted", accepted, frames)


def after_silence(activity: Activity, seconds: float) -> Activity:
    """The line where nothing has been heard for so long (s): a job that hangs is told of, not waited for in silence."""
    if seconds < PATIENCE:
        return activity
    told = PATIENCE * (seconds // PATIENCE)
    advice = "wait, or stop it" if activity.cancellable else "wait, or close and open the program"
    words = f"no progress for {told:.0f} s; what you accepted is safe: {advice}"
    return replace(activity, text=f"{activity.text} · {words}", seconds_left=None)


def _urgency(errand: Errand) -> JobKind:
    return errand.job.kind


def _learning(progress: RoundProgress | Reading | None, beside: Errand | None) -> Activity:
    also = "" if beside is None or beside.job.kind in AHEAD_OF_NEED else f" · {beside.doing}"
    if isinstance(progress, RoundProgress):
        text = f"Learning, step {progress.step} of {progress.steps}: {progress.what}{also}"
        return Activity(text, progress.step, progress.steps, progress.seconds_left, cancellable=True)
    if progress is not None:
        text = f"Learning: reading images, {progress.done} of {progress.total}{also}"
        return Activity(text, progress.done, progress.total, cancellable=True)
    return Activity(f"Learning: about to start{also}", cancellable=True)
