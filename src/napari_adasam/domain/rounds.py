"""What a fine-tuning round reports: progress while it runs, figures and the gate's verdict when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RoundProgress:
    """One step further: ``loss`` is the step's weighted sum; ``seconds_left`` an estimate, if there is one yet."""

    step: int
    steps: int
    loss: float
    what: str
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class RoundReport:
    """A round's outcome.

    Parameters
    ----------
    before, after
        Structure value to Dice (0 to 1) on the held-out frames, with the serving model and with the student.
    held_out
        How many frames the gate measured on; none of them was trained on.
    accepted
        The gate's verdict: whether the student serves from now on.
    verdict
        The same in one sentence.
    losses
        The loss of each step.
    model
        Fingerprint of the serving weights after the round.
    """

    number: int
    labelled: int
    unlabelled: int
    held_out: int
    before: dict[int, float]
    after: dict[int, float]
    accepted: bool
    verdict: str
    seconds: float
    model: str
    losses: tuple[float, ...] = field(default=(), repr=False)
