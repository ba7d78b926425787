"""The anatomical structures a session annotates, and their colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

# Okabe and Ito's colour-blind-safe palette, without black and without the two that vanish on grey; then those that are
# farthest from all before them, in Oklab, for people who see all colours and for the three kinds who do not.
PALETTE = (
    *("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2"),
    *("#87fff0", "#a53c2d", "#a569ff", "#a5d2a5", "#7800f0", "#875a78", "#c3f0a5", "#96b487", "#69d2ff"),
)
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


def named(names: Sequence[tuple[str, str]], aponeurosis: bool = True) -> tuple[Structure, ...]:
    """Structures of these names, each with the name that a model may know it by; and the aponeuroses around them."""
    found = [Structure(at, name, learned_as=learned) for at, (name, learned) in enumerate(names, start=1)]
    if aponeurosis:
        found.append(Structure(len(found) + 1, "aponeurosis", several_parts=True))
    return tuple(found)


MUSCLE_PRESET = (
    Structure(1, "muscle belly"),
    Structure(2, "aponeurosis", several_parts=True),
)

BELLY = MUSCLE_PRESET[0].name
PRESETS: dict[str, tuple[Structure, ...]] = {
    "Muscle": MUSCLE_PRESET,
    "Rectus femoris": named([("rectus femoris", BELLY)]),
    "Vastus lateralis": named([("vastus lateralis", BELLY)]),
    "Quadriceps, across": named(
        [("rectus femoris", ""), ("vastus lateralis", ""), ("vastus intermedius", ""), ("vastus medialis", "")],
        aponeurosis=False,
    ),
    "Gastrocnemius medialis": named([("gastrocnemius medialis", BELLY)]),
    "Gastrocnemius lateralis": named([("gastrocnemius lateralis", BELLY)]),
    "Gastrocnemius and soleus": named([("gastrocnemius", BELLY), ("soleus", "")]),
    "Tibialis anterior": named([("tibialis anterior", BELLY)]),
    "Multifidus": named([("multifidus", BELLY)], aponeurosis=False),
    "Abdominal wall": named(
        [("external oblique", ""), ("internal oblique", ""), ("transversus abdominis", "")], aponeurosis=False
    ),
    "Diaphragm": named([("diaphragm", "")], aponeurosis=False),
}
"""What is often outlined in rehabilitation. The bundled model knows a single muscle belly and aponeuroses: where a
preset has one muscle, it starts from that; the others it learns from the first images that are accepted."""


def with_free_values(preset: Sequence[Structure], known: Sequence[Structure], free: Sequence[int]) -> list[Structure]:
    """A preset with values of a session: those of ``known`` structures of the same name, else free ones."""
    values = {one.name: one.value for one in known}
    left = iter(free)
    return [replace(one, value=values[one.name] if one.name in values else next(left)) for one in preset]


def same_name(one: Structure, other: Structure) -> bool:
    """Whether two sessions mean the same structure: by its name, however it is written."""
    return one.name.strip().casefold() == other.name.strip().casefold()


def namesakes(structures: Sequence[Structure]) -> set[frozenset[int]]:
    """The values of each two of these that have the same name."""
    return {frozenset((a.value, b.value)) for a, b in combinations(structures, 2) if same_name(a, b)}


def counterpart(one: Structure, among: Sequence[Structure]) -> Structure | None:
    """The structure of another session that is the same: of its name, or renamed since; ``None`` if there is none."""
    named = (other for other in among if same_name(one, other))
    known = one.learned_as or one.name
    renamed = (other for other in among if other.learned_as == known)
    return next(named, None) or next(renamed, None)
