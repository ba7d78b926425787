"""Earlier versions of a frame's annotation, and what a person remarks about a frame."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_adasam.domain.packing import LabelImage


@dataclass(frozen=True, slots=True)
class Version:
    """One accepted version of a frame.

    Parameters
    ----------
    number
        From 1, the oldest.
    at
        When it was accepted, ISO 8601, UTC.
    who
        Whose it is, where it is another reader's; empty for this session's own.
    """

    number: int
    at: str
    labels: LabelImage = field(repr=False)
    who: str = ""

    @property
    def words(self) -> str:
        """What it is called on the screen."""
        return self.who or f"version {self.number}, {self.at[:10]} {self.at[11:16]}"


@dataclass(frozen=True, slots=True)
class Remark:
    """A person's note on a frame, and whether she found it unusable when she left it out."""

    note: str = ""
    unusable: bool = False


NO_REMARK = Remark()
