"""The tissue of a drawn image: layers as curves of depth over lateral position, in millimetres."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sin

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.records import Labels

Positions = NDArray[np.float32]
BELLY, APONEUROSIS = 1, 2


@dataclass(frozen=True, slots=True)
class Curve:
    """Depth in mm over lateral position x in mm: depth + slope·x + bend·x² + wave·sin(x / period + phase)."""

    depth: float
    slope: float = 0.0
    bend: float = 0.0
    wave: float = 0.0
    period: float = 10.0
    phase: float = 0.0

    def at(self, x: Positions) -> Positions:
        """Depth in mm at each lateral position in mm."""
        swell = self.wave * np.sin(x / self.period + self.phase)
        return np.asarray(self.depth + self.slope * x + self.bend * x * x + swell, np.float32)


@dataclass(frozen=True, slots=True)
class Sheet:
    """An aponeurosis or fascia: a middle line, a thickness in mm, and an echo in dB against a common aponeurosis."""

    middle: Curve
    thickness: float
    echo: float = 0.0

    def distance(self, x: Positions, depth: Positions) -> Positions:
        """Distance in mm from the middle line, measured along the depth."""
        return np.asarray(np.abs(depth - self.middle.at(x)), np.float32)


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Everything drawn at random about the tissue.

    Parameters
    ----------
    skin
        Thickness of the skin in mm.
    superficial, deep
        The two aponeuroses around the muscle belly.
    fascia
        Bright sheets of the deeper muscle that belong to no structure.
    pennation, deep_pennation
        Angle of the fascicles against the horizontal in radians, in the belly and below it.
    fat, muscle, below
        Mean echo of subcutaneous fat, belly and deeper muscle in dB.
    streak
        How far fascicles stand out of the belly, in dB.
    bone
        Surface of the bone, ``None`` for no bone in view.
    """

    skin: float
    superficial: Sheet
    deep: Sheet
    fascia: tuple[Sheet, ...]
    pennation: float
    deep_pennation: float
    fat: float
    muscle: float
    below: float
    streak: float
    bone: Curve | None

    def labels(self, x: Positions, depth: Positions) -> Labels:
        """Label image (1 muscle belly, 2 aponeurosis, 0 the rest) at positions in mm; any shape."""
        labels = np.zeros(np.broadcast(x, depth).shape, np.uint8)
        between = (depth > self.superficial.middle.at(x)) & (depth < self.deep.middle.at(x))
        labels[between] = BELLY
        for sheet in (self.superficial, self.deep):
            labels[sheet.distance(x, depth) <= sheet.thickness / 2] = APONEUROSIS
        return labels

    def contracted(self, phase: float, strength: float = 1.0) -> Anatomy:
        """The same tissue in another moment of a contraction: belly thicker and fascicles steeper by sin(phase).

        At strength 1 the deep aponeurosis goes 1.2 mm up and down.
        """
        push = strength * sin(phase)
        middle = self.deep.middle
        deep = replace(
            self.deep, middle=replace(middle, depth=middle.depth + 1.2 * push, slope=middle.slope + 0.01 * push)
        )
        return replace(self, deep=deep, pennation=self.pennation * (1 + 0.15 * push))


def draw_anatomy(rng: np.random.Generator, depth_mm: float, bone: bool | None) -> Anatomy:
    """Draw the tissue of an image that is ``depth_mm`` deep.

    Parameters
    ----------
    bone
        Whether a bone is in view; ``None`` leaves it to chance.
    """
    tilt = rng.normal(0.0, 0.04)
    top = rng.uniform(0.1, 0.24) * depth_mm
    bottom = top + rng.uniform(0.26, 0.45) * depth_mm
    superficial = _sheet(rng, top, tilt)
    deep = _sheet(rng, bottom, tilt + rng.normal(0.0, 0.05))
    side = 1.0 if rng.random() < 0.5 else -1.0
    has_bone = rng.random() < 0.35 if bone is None else bone
    surface = Curve(rng.uniform(0.84, 0.93) * depth_mm, rng.normal(0.0, 0.06), rng.uniform(0.0, 0.006))
    return Anatomy(
        skin=rng.uniform(1.0, 2.0),
        superficial=superficial,
        deep=deep,
        fascia=_fascia(rng, bottom, depth_mm, tilt),
        pennation=side * float(np.deg2rad(rng.uniform(8, 24))),
        deep_pennation=-side * float(np.deg2rad(rng.uniform(2, 18))),
        fat=rng.uniform(-46, -36),
        muscle=rng.uniform(-41, -34),
        below=rng.uniform(-42, -35),
        streak=rng.uniform(4.5, 8.0),
        bone=surface if has_bone else None,
    )


def _sheet(rng: np.random.Generator, depth: float, slope: float) -> Sheet:
    curve = Curve(depth, slope, rng.normal(0.0, 0.0012), rng.uniform(0.1, 0.4), rng.uniform(5, 14), rng.uniform(0, 6.3))
    return Sheet(curve, rng.uniform(0.7, 1.5), rng.uniform(-8.0, 3.0))


def _fascia(rng: np.random.Generator, top: float, bottom: float, slope: float) -> tuple[Sheet, ...]:
    depths = rng.uniform(top + 5, bottom, size=int(rng.integers(0, 4)))
    sheets = [_sheet(rng, float(depth), slope + rng.normal(0.0, 0.06)) for depth in depths]
    return tuple(replace(sheet, thickness=0.5 * sheet.thickness, echo=sheet.echo - 9.0) for sheet in sheets)
