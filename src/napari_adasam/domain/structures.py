"""The anatomical structures a session annotates, and their colours."""

from __future__ import annotations

from dataclasses import dataclass, replace

# Okabe and Ito's colour-blind-safe palette, without black and without the two that vanish on grey.
PALETTE = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2")
MAX_STRUCTURES = 255


@dataclass(frozen=True, slots=True)
class Structure:
    """One structure.

    Parameters
    ----------
    value
        Its integer in label images, 1 to 255; 0 is background.
    name
        Shown on the screen and written to exports.
    several_parts
        Whether one frame may hold several separate parts of it (two aponeuroses).
    learned_as
        The name that a model may know it by, where it was renamed; empty for its own name.
    """

    value: int
    name: str
    several_parts: bool = False
    learned_as: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.value <= MAX_STRUCTURES:
            raise ValueError(f"expected a structure value in 1..{MAX_STRUCTURES}, got {self.value}")
        if not self.name.strip():
            raise ValueError("expected a structure name, got an empty one")

    def renamed(self, name: str) -> Structure:
        """The same structure under another name; a model that knows it by the old one still finds it."""
        old = self.learned_as or self.name
        return replace(self, name=name, learned_as="" if name == old else old)

    @property
    def color(self) -> str:
        """Hex colour, fixed by the value."""
        return PALETTE[(self.value - 1) % len(PALETTE)]


MUSCLE_PRESET = (
    Structure(1, "muscle belly"),
    Structure(2, "aponeurosis", several_parts=True),
)
