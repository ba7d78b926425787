"""Structures of no kind: random shapes drawn into real pictures, so that prompts are learned for kinds nobody labelled.

A model that is asked about two or three kinds alone learns to look for these, whatever the prompt says. Shapes whose
texture, tone and rim are random leave it the prompt and the edge to go by. That synthetic regions help interactive
segmentation of unseen kinds was shown by ScribblePrompt (Wong et al. 2024, arXiv 2312.07381), with superpixels; the
shapes here are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_adasam.domain.simulated import Mask, tight_box
from napari_adasam.model.augment import View

Plane = NDArray[np.float32]
MOST_SHAPES = 4
TRIES = 12
LEAST_IN_TISSUE = 0.5
"""Share of a shape that must lie on tissue, with which it ends."""
BLACK = 10.0
"""Mean grey value over 15 px up to which a picture shows nothing."""
LEAST_CONTRAST = 8.0
"""Grey values by which a shape must differ from what surrounds it, unless it has a rim."""


@dataclass(frozen=True, slots=True)
class Paint:
    """How a shape differs from what it lies on.

    ``gain`` is a factor, ``foreign`` the share of texture from elsewhere, ``rim`` the grey values of a bright border
    ``width`` px wide, ``soft`` the blur of the edge in px, ``below`` a factor on what lies deeper (shadow under 1,
    enhancement over 1). The rim loses the share ``facing`` of its brightness where it runs along the beam, straight
    down: a smooth border echoes where the beam meets it square.
    """

    gain: float
    foreign: float
    rim: float
    width: float
    soft: float
    below: float
    facing: float = 0.0


def blob(size: int, rng: np.random.Generator) -> Mask:
    """An ellipse with a wavy border, 4 to 30 % of the square in radius, as (S, S)."""
    radius = size * math.exp(rng.uniform(math.log(0.04), math.log(0.3)))
    aspect, turn = rng.uniform(0.45, 1.0), rng.normal(0, 0.4)
    y, x = np.mgrid[:size, :size] - rng.uniform(0.1, 0.9, size=(2, 1, 1)) * size
    across = np.cos(turn) * x + np.sin(turn) * y
    down = (np.cos(turn) * y - np.sin(turn) * x) / aspect
    angle = np.arctan2(down, across)
    waves = sum(rng.normal(0, 0.16 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in range(2, 8))
    return np.asarray(np.hypot(down, across) < radius * (1 + waves), dtype=bool)


def band(size: int, rng: np.random.Generator) -> Mask:
    """A bent layer, 0.8 to 25 % of the square thick, across all of it or a part, as (S, S)."""
    x = np.arange(size) / size
    middle = rng.uniform(0.15, 0.85) + rng.normal(0, 0.12) * (x - 0.5)
    middle = middle + rng.normal(0, 0.03) * np.sin(2 * np.pi * rng.uniform(0.3, 1.2) * x + rng.uniform(0, 6.3))
    mean = math.exp(rng.uniform(math.log(0.008), math.log(0.25)))
    thick = mean * (1 + rng.normal(0, 0.15) * np.sin(2 * np.pi * x + rng.uniform(0, 6.3)))
    y = np.arange(size)[:, None] / size
    mask = np.abs(y - middle[None]) < thick[None] / 2
    if rng.random() < 0.5:
        start, end = rng.uniform(0, 0.3), rng.uniform(0.7, 1.0)
        mask = mask & ((x >= start) & (x <= end))[None]
    return np.asarray(mask, dtype=bool)


def layer(size: int, rng: np.random.Generator) -> Mask:
    """What lies between two bent borders, 15 to 60 % of the square apart, across all of it, as (S, S)."""
    x = np.arange(size) / size
    thick = rng.uniform(0.15, 0.6)
    top = rng.uniform(0.05, 0.95 - thick)
    borders = [
        y + rng.normal(0, 0.08) * (x - 0.5) + rng.normal(0, 0.02) * np.sin(2 * np.pi * rng.uniform(0.3, 1.2) * x)
        for y in (top, top + thick)
    ]
    y = np.arange(size)[:, None] / size
    return np.asarray((y > borders[0]) & (y < borders[1]), dtype=bool)


def enclosure(size: int, rng: np.random.Generator) -> Mask:
    """A large smooth ellipse, hardly wavy, 15 to 42 % of the square in radius, as (S, S)."""
    radius = size * rng.uniform(0.15, 0.42)
    aspect, turn = rng.uniform(0.5, 1.0), rng.uniform(0, np.pi)
    y, x = np.mgrid[:size, :size] - rng.uniform(0.3, 0.7, size=(2, 1, 1)) * size
    across = np.cos(turn) * x + np.sin(turn) * y
    down = (np.cos(turn) * y - np.sin(turn) * x) / aspect
    angle = np.arctan2(down, across)
    waves = sum(rng.normal(0, 0.06 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in range(2, 5))
    return np.asarray(np.hypot(down, across) < radius * (1 + waves), dtype=bool)


def draw_paint(rng: np.random.Generator, dark: float) -> Paint:
    """A darker shape in a share ``dark``, a brighter one else; a rim in four of ten, shadow or enhancement in three."""
    return Paint(
        gain=float(rng.uniform(0.15, 0.75) if rng.random() < dark else rng.uniform(1.3, 3.0)),
        foreign=float(rng.uniform(0.3, 1.0) if rng.random() < 0.6 else 0.0),
        rim=float(rng.uniform(20, 110) if rng.random() < 0.4 else 0.0),
        width=float(rng.uniform(1.5, 7.0)),
        soft=float(rng.uniform(0.4, 2.5)),
        below=float(math.exp(rng.normal(0, 0.4)) if rng.random() < 0.3 else 1.0),
    )


def draw_layer_paint(rng: np.random.Generator) -> Paint:
    """A layer may look as its surroundings do; its borders are always bright."""
    return Paint(
        gain=float(rng.uniform(0.7, 1.4)),
        foreign=float(rng.random() < 0.4),
        rim=float(rng.uniform(30, 130)),
        width=float(rng.uniform(2.0, 8.0)),
        soft=float(rng.uniform(0.4, 2.5)),
        below=1.0,
    )


def draw_shape(size: int, rng: np.random.Generator, first: bool, enclosures: bool = False) -> tuple[Mask, Paint]:
    """A blob, a band, or, as the first of a picture only, a layer or an enclosure, which a border alone may set off."""
    kind = rng.random()
    if first and kind < (0.25 if enclosures else 0.3):
        return layer(size, rng), draw_layer_paint(rng)
    if first and enclosures and kind < 0.5:
        return enclosure(size, rng), replace(draw_layer_paint(rng), facing=float(rng.uniform(0, 0.8)))
    if kind < 0.7:
        return blob(size, rng), draw_paint(rng, 0.6)
    return band(size, rng), draw_paint(rng, 0.35)


def painted(grey: Plane, mask: Mask, texture: Plane, paint: Paint) -> Plane:
    """``grey`` (S, S), 0 to 255, with the shape in it; ``texture`` likewise, from elsewhere."""
    soft = np.clip(ndimage.gaussian_filter(mask.astype(np.float32), paint.soft), 0, 1)
    inside = (1 - paint.foreign) * grey + paint.foreign * texture
    new = grey * (1 - soft) + soft * paint.gain * inside
    if paint.below != 1.0:
        lit = np.cumsum(mask, axis=0, dtype=np.float32) * ~mask
        new = new * (1 + (paint.below - 1) * np.clip(lit / (0.15 * mask.shape[0]), 0, 1))
    if paint.rim:
        distance = _distance(mask)
        ring = np.exp(-0.5 * (distance / (paint.width / 2)) ** 2)
        if paint.facing:
            outwards = np.where(mask, -distance, distance)
            ring = ring * (1 - paint.facing * (1 - np.clip(np.abs(np.gradient(outwards, axis=0)), 0, 1)))
        new = new + ring * paint.rim * (0.4 + grey / 128)  # speckled as the picture is
    return np.asarray(np.clip(new, 0, 255), dtype=np.float32)


def _distance(mask: Mask) -> NDArray[np.float64]:
    inside, outside = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    return np.asarray(np.where(mask, inside - 0.5, outside - 0.5))


def stands_out(grey: Plane, mask: Mask, reach: int = 8) -> bool:
    """Whether a shape's mean differs from that of the ``reach`` px around it by :data:`LEAST_CONTRAST` or more."""
    around = ndimage.binary_dilation(mask, iterations=reach) & ~mask
    return bool(around.any() and abs(grey[mask].mean() - grey[around].mean()) >= LEAST_CONTRAST)


def tissue_of(view: View) -> Mask:
    """Where a picture shows something, (S, S): not black over 15 px, or enclosed by such places."""
    lit = ndimage.uniform_filter(view.grey[0].float().numpy(), 15) > BLACK
    return np.asarray(ndimage.binary_fill_holes(lit & (view.valid[0].numpy() > 0)), dtype=bool)


def texture_of(view: View, rng: np.random.Generator) -> Plane:
    """The tissue's own rectangle of a picture, mirrored over the square (S, S) and shifted at random."""
    tissue, size = tissue_of(view), view.grey.shape[-1]
    if not tissue.any():
        return np.zeros((size, size), np.float32)
    y0, x0, y1, x1 = (int(edge) for edge in tight_box(tissue))
    crop = view.grey[0, y0 : y1 + 1, x0 : x1 + 1].float().numpy()
    tiled = np.pad(crop, [(0, size - side) for side in crop.shape], mode="symmetric")
    return np.roll(tiled, tuple(int(by) for by in rng.integers(0, size, 2)), axis=(0, 1))


def with_shapes(view: View, other: View, rng: np.random.Generator, enclosures: bool = False) -> View:
    """``view`` with one to four shapes drawn in, and they alone are its labels, 1, 2, … (uint8, 0 elsewhere).

    ``other`` gives texture. Shapes end with the tissue and do not touch; one that cannot be told from its surroundings
    is left out of the picture. There may be none, where nothing fits. With ``enclosures`` a quarter of the pictures
    begin with a large closed shape.
    """
    grey, tissue = view.grey[0].float().numpy(), tissue_of(view)
    size = grey.shape[0]
    foreign = texture_of(other, rng)
    labels = np.zeros((size, size), np.uint8)
    wanted = int(rng.integers(1, MOST_SHAPES + 1))
    for _ in range(TRIES):
        whole, paint = draw_shape(size, rng, not labels.any(), enclosures)
        mask = whole & tissue
        if mask.sum() < max(60, LEAST_IN_TISSUE * whole.sum()):
            continue
        if (ndimage.binary_dilation(mask, iterations=4) & (labels > 0)).any():
            continue
        tried = np.where(tissue, painted(grey, whole, foreign, paint), grey)
        if paint.rim or stands_out(tried, mask):
            grey = tried
            labels[mask] = labels.max() + 1
        if labels.max() == wanted:
            break
    return View(torch.from_numpy(grey)[None], view.valid, torch.from_numpy(labels))
