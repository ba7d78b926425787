"""Echo strength of the tissue at each beam sample: layers, fascicles, sheets, bone and its shadow."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_adasam.files.phantom.anatomy import Anatomy, Sheet
from napari_adasam.files.phantom.speckle import blur

Grid = NDArray[np.float32]
STEP_MM = (0.5, 0.14)
"""Grid of the streak texture: along and across the fibres."""


@dataclass(frozen=True, slots=True)
class Slide:
    """A probe that slides over the skin, in mm: how far it is now, and how far it goes at most to either side."""

    by: float
    most: float


@dataclass(frozen=True, slots=True, eq=False)
class Echo:
    """Amplitude of the diffuse echo and of the mirror-like one, both (samples, beams); 1 is a common aponeurosis."""

    diffuse: Grid = field(repr=False)
    coherent: Grid = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """Positions in mm, both (samples, beams), of the probe at rest; ``slide`` for a frame of a clip."""

    x: Grid
    depth: Grid
    slide: Slide | None


def echo_of(anatomy: Anatomy, x: Grid, depth: Grid, rng: np.random.Generator, slide: Slide | None = None) -> Echo:
    """Echo of the tissue at positions in mm, both (samples, beams), bone shadow included; beams run along axis 0.

    With a ``slide`` the tissue lies so far beside the probe, and texture of one generator stays with the tissue from
    frame to frame, whatever its angle.
    """
    ground = _Ground(x, depth, slide)
    x = _slid(ground)
    decibel = _layers(anatomy, ground, rng)
    coherent = np.zeros_like(decibel)
    skin = np.exp(-((depth / anatomy.skin) ** 4))
    decibel += (-14.0 - decibel) * skin * 0.8
    for sheet in (anatomy.superficial, anatomy.deep, *anatomy.fascia):
        profile = _profile(sheet, x, depth) * _patches(rng, x, sheet)
        decibel += np.maximum(sheet.echo - 12.0 - decibel, 0) * profile
        coherent += profile * np.float32(0.35 * 10 ** (sheet.echo / 20))
    diffuse = 10 ** (decibel / 20)
    if anatomy.bone is not None:
        below = depth - anatomy.bone.at(x)
        surface = np.exp(-((below / 0.7) ** 2))
        lit = np.cumsum(surface, axis=0)
        shadow = np.exp(-3.5 * np.clip(lit / np.maximum(lit[-1], 1e-3) - 0.5, 0, 1) * (lit[-1] > 1))
        shadow = np.where(below > 0.7, shadow * 0.25, shadow)
        diffuse = (diffuse + 0.8 * surface) * shadow
        coherent = (coherent + 0.5 * surface) * shadow
    return Echo(diffuse.astype(np.float32), coherent.astype(np.float32))


def _slid(ground: _Ground) -> Grid:
    return ground.x if ground.slide is None else (ground.x + np.float32(ground.slide.by)).astype(np.float32)


def _layers(anatomy: Anatomy, ground: _Ground, rng: np.random.Generator) -> Grid:
    """Fat, belly and deeper muscle in dB, each with its own streaks."""
    x, depth = _slid(ground), ground.depth
    fat = anatomy.fat + _streaks(rng, ground, 0.03, 5.0)
    belly = anatomy.muscle + _streaks(rng, ground, -anatomy.pennation, anatomy.streak)
    below = anatomy.below + _streaks(rng, ground, -anatomy.deep_pennation, 0.6 * anatomy.streak)
    under_superficial = depth > anatomy.superficial.middle.at(x)
    under_deep = depth > anatomy.deep.middle.at(x)
    return np.where(under_deep, below, np.where(under_superficial, belly, fat)).astype(np.float32)


def _streaks(rng: np.random.Generator, ground: _Ground, angle: float, strength: float) -> Grid:
    """Short bright streaks (connective tissue) along ``angle`` (radians, positive falls rightwards), in dB around 0."""
    along, across = _turned(_slid(ground), ground.depth, angle)
    low = float(across.min()), float(along.min())
    room = 0.0 if ground.slide is None else ground.slide.most
    if ground.slide is not None:  # the same texture in every frame: by where the probe rests, with room beside it
        at_rest = _turned(ground.x, ground.depth, angle)
        low = float(at_rest[1].min()) - room, float(at_rest[0].min()) - room
    rows, columns = (across - low[0]) / STEP_MM[1], (along - low[1]) / STEP_MM[0]
    shape = (int(rows.max()) + 2, int(columns.max()) + 2) if ground.slide is None else _roomy(ground, room)
    fine = _texture(rng, shape, (0.17 / STEP_MM[1], 3.2 / STEP_MM[0]))
    broad = _texture(rng, shape, (1.6 / STEP_MM[1], 5.0 / STEP_MM[0]))
    field = strength * (0.8 * fine + 1.6 * np.maximum(fine - 0.9, 0)) + 2.5 * broad
    return sample(field.astype(np.float32), rows, columns)


def _turned(x: Grid, depth: Grid, angle: float) -> tuple[Grid, Grid]:
    """Positions along and across the fibres, which are a little bent."""
    along = x * np.cos(angle) + depth * np.sin(angle)
    return along, -x * np.sin(angle) + depth * np.cos(angle) + 0.0015 * along * along


def _roomy(ground: _Ground, most: float) -> tuple[int, int]:
    """Size of a clip's texture: enough at every angle of the fibres, so that it does not change from frame to frame."""
    wide = float(np.hypot(np.ptp(ground.x), np.ptp(ground.depth))) + 2 * most
    return int((wide + 0.0015 * wide * wide) / STEP_MM[1]) + 2, int(wide / STEP_MM[0]) + 2


def _texture(rng: np.random.Generator, shape: tuple[int, int], sigma: tuple[float, float]) -> Grid:
    """Smooth Gaussian noise with mean 0 and standard deviation 1."""
    smooth = blur(rng.standard_normal(shape, dtype=np.float32), sigma).real
    return np.asarray((smooth - smooth.mean()) / max(float(smooth.std()), 1e-6), np.float32)


def sample(values: Grid, rows: Grid, columns: Grid) -> Grid:
    """Bilinear interpolation of ``values`` at fractional (row, column); positions are held inside the array."""
    rows = np.clip(rows, 0, values.shape[0] - 1.001)
    columns = np.clip(columns, 0, values.shape[1] - 1.001)
    top, left = rows.astype(np.intp), columns.astype(np.intp)
    down, right = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
    flat = values.ravel()
    first = top * values.shape[1] + left
    upper = flat[first] * (1 - right) + flat[first + 1] * right
    second = first + values.shape[1]
    lower = flat[second] * (1 - right) + flat[second + 1] * right
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def _profile(sheet: Sheet, x: Grid, depth: Grid) -> Grid:
    """1 on the sheet's middle line, falling to about a third at its borders."""
    return np.asarray(np.exp(-((sheet.distance(x, depth) / (0.5 * sheet.thickness)) ** 2)), np.float32)


def _patches(rng: np.random.Generator, x: Grid, sheet: Sheet) -> Grid:
    """Between 0.2 and 1.1 along the sheet: it shines where it lies across the beam and fades elsewhere."""
    phase, period = rng.uniform(0, 6.3, size=2), rng.uniform((6, 1.5), (18, 4))
    wave = 0.3 * np.sin(x / period[0] + phase[0] + sheet.middle.slope) + 0.15 * np.sin(x / period[1] + phase[1])
    return np.asarray(0.65 + wave, np.float32)
