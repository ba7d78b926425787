"""Ultrasound augmentation: the randomness is drawn first, as data; it is applied second, by pure functions.

No hue and no vertical flip: depth runs downwards in every scan. All figures are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True, slots=True)
class Window:
    """What a probe lets see, in sides of the square: a fan around ``apex`` (y, x), or a rectangle (``half_angle`` 0).

    A fan reaches from radius ``near`` to ``far`` and ``half_angle`` radians to either side of straight down; a
    rectangle is ``far`` high and twice ``near`` wide, hanging from ``apex``.
    """

    apex: tuple[float, float]
    near: float
    far: float
    half_angle: float


@dataclass(frozen=True, slots=True)
class Geometry:
    """An affine view of the square: mirror, zoom (above 1: closer), aspect, angle in radians, shift in half sides."""

    mirror: bool = False
    zoom: float = 1.0
    aspect: float = 1.0
    angle: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Tone:
    """How a scanner's settings change the picture.

    Parameters
    ----------
    gain, gamma
        Factor on the grey value and exponent of it.
    depth
        Depth compensation: the gain falls (negative) or rises linearly by this share from top to bottom.
    speckle
        Standard deviation of a multiplicative, spatially smoothed noise.
    blur
        Standard deviation of a Gaussian in input pixels; 0 for none.
    chrome
        Grey level 0 to 255 painted where the view shows nothing of the scan, with text-like bars; ``None`` for none.
    seed
        Of the noise.
    """

    gain: float = 1.0
    gamma: float = 1.0
    depth: float = 0.0
    speckle: float = 0.0
    blur: float = 0.0
    chrome: float | None = None
    seed: int = 0


def draw_window(rng: np.random.Generator) -> Window:
    """A fan or a rectangle, about as often, that leaves most of the square in sight."""
    top = rng.uniform(0.0, 0.12)
    if rng.random() < 0.5:
        return Window((top, rng.uniform(0.45, 0.55)), rng.uniform(0.3, 0.48), rng.uniform(0.7, 1.0), 0.0)
    near = rng.uniform(0.1, 0.7)
    return Window((top - near, 0.5), near, near + rng.uniform(0.75, 1.0), rng.uniform(0.4, 0.75))


def draw_geometry(rng: np.random.Generator, strength: float = 1.0, windows: float = 0.0) -> Geometry:
    """A random view; ``strength`` 0 is the identity but for the mirror, ``windows`` the share seen through a window."""
    return Geometry(
        window=draw_window(rng) if windows and rng.random() < windows else None,
        mirror=bool(rng.random() < 0.5),
        zoom=math.exp(rng.uniform(-0.25, 0.3) * strength),
        aspect=math.exp(rng.uniform(-0.15, 0.15) * strength),
        angle=rng.normal(0, 0.06) * strength,
        shift=(rng.normal(0, 0.06) * strength, rng.normal(0, 0.06) * strength),
    )


def draw_tone(rng: np.random.Generator, strength: float = 1.0, chrome: bool = True) -> Tone:
    """A random picture; ``strength`` 0 changes nothing."""
    painted = chrome and rng.random() < 0.3 and strength > 0
    return Tone(
        gain=math.exp(rng.uniform(-0.4, 0.4) * strength),
        gamma=math.exp(rng.uniform(-0.4, 0.4) * strength),
        depth=rng.uniform(-0.5, 0.5) * strength,
        speckle=rng.uniform(0, 0.35) * strength * (rng.random() < 0.5),
        blur=rng.uniform(0.3, 1.5) * strength * (rng.random() < 0.3),
        chrome=float(rng.uniform(0, 90)) if painted else None,
        seed=int(rng.integers(2**31)),
    )


def rows_of(view: Geometry) -> list[list[float]]:
    """The affine map of a view, 2 rows × 3, from places in the view to places in the square, (x, y) in half sides."""
    cos, sin = math.cos(view.angle) / view.zoom, math.sin(view.angle) / view.zoom
    side = -1.0 if view.mirror else 1.0
    return [
        [side * cos * view.aspect, -side * sin, view.shift[1]],
        [sin * view.aspect, cos, view.shift[0]],
    ]


def grid_of(view: Geometry, size: int) -> Tensor:
    """Sampling grid (1, size, size, 2) of a view."""
    return F.affine_grid(torch.tensor([rows_of(view)], dtype=torch.float32), [1, 1, size, size], align_corners=False)


def warp(planes: Tensor, view: Geometry, nearest: bool = False) -> Tensor:
    """(C, S, S) float through a view; zero outside."""
    grid = grid_of(view, planes.shape[-1])
    mode = "nearest" if nearest else "bilinear"
    return F.grid_sample(planes[None], grid, mode=mode, padding_mode="zeros", align_corners=False)[0]


def seen_through(window: Window, size: int) -> Tensor:
    """(1, S, S) float: 1 where a window lets see."""
    axis = (torch.arange(size) + 0.5) / size
    down, across = axis[:, None] - window.apex[0], axis[None, :] - window.apex[1]
    if window.half_angle == 0:
        return ((down >= 0) & (down <= window.far) & (across.abs() <= window.near)).float()[None]
    radius, angle = torch.hypot(down, across), torch.atan2(across, down).abs()
    return ((radius >= window.near) & (radius <= window.far) & (angle <= window.half_angle)).float()[None]


def _smooth_noise(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    noise = torch.randn(1, 1, shape[0] // 2, shape[1] // 2, generator=generator)
    return F.interpolate(noise, shape, mode="bilinear", align_corners=False)[0]


def _blur(grey: Tensor, sigma: float) -> Tensor:
    reach = max(1, int(3 * sigma))
    kernel = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    planes = F.pad(grey[:, None], (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(planes, kernel), kernel.transpose(2, 3))[:, 0]


def tone(grey: Tensor, picture: Tone) -> Tensor:
    """(C, S, S) in 0 to 255 through a scanner's settings; the same range."""
    generator = torch.Generator().manual_seed(picture.seed)
    size = grey.shape[-2]
    share = (grey / 255).clamp(1e-4, 1) ** picture.gamma
    slope = torch.linspace(-0.5, 0.5, size).view(1, -1, 1) * picture.depth
    out = share * picture.gain * (1 + slope)
    if picture.speckle > 0:
        out = out * (1 + picture.speckle * _smooth_noise((size, grey.shape[-1]), generator))
    if picture.blur > 0:
        out = _blur(out, picture.blur)
    return (out * 255).clamp(0, 255)


def paint_chrome(grey: Tensor, valid: Tensor, picture: Tone) -> tuple[Tensor, Tensor]:
    """Paint a scanner's interface where the view shows nothing: a flat level with a few text-like bars."""
    if picture.chrome is None:
        return grey, valid
    rng = np.random.default_rng(picture.seed)
    size = grey.shape[-1]
    screen = torch.full_like(grey, picture.chrome)
    for _ in range(int(rng.integers(0, 8))):
        y, x = rng.integers(0, size - 8, 2)
        height, width = int(rng.integers(2, 10)), int(rng.integers(4, 60))
        screen[:, y : y + height, x : x + width] = float(rng.uniform(0, 255))
    return torch.where(valid > 0, grey, screen), torch.ones_like(valid)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An augmented frame: grey (C, S, S) in 0 to 255, valid (1, S, S), labels (S, S) int64 or ``None``."""

    grey: Tensor
    valid: Tensor
    labels: Tensor | None


def apply(frame: View, geometry: Geometry, picture: Tone) -> View:
    """A frame through a geometry and a tone; labels are never interpolated, and end where a window does."""
    grey, valid = warp(frame.grey, geometry), (warp(frame.valid, geometry) > 0.5).float()
    if geometry.window is not None:
        valid = valid * seen_through(geometry.window, valid.shape[-1])
    labels = None
    if frame.labels is not None:
        labels = warp(frame.labels[None].float(), geometry, nearest=True)[0].round().long()
        labels = labels * (valid[0] > 0) if geometry.window is not None else labels
    grey, valid = paint_chrome(tone(grey, picture) * valid, valid, picture)
    return View(grey, valid, labels)


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of the square, as shares of its side: rows and columns from (top, left) to (bottom, right)."""

    top: float
    left: float
    bottom: float
    right: float


def draw_patch(rng: np.random.Generator, cells: int) -> Patch:
    """A rectangle on the grid of ``cells``, of a quarter to a half of the square's area (CutMix, Yun et al. 2019)."""
    area, slope = rng.uniform(0.25, 0.5), math.exp(rng.uniform(-0.5, 0.5))
    height = max(1, min(cells, round(cells * math.sqrt(area * slope))))
    width = max(1, min(cells, round(cells * math.sqrt(area / slope))))
    top, left = int(rng.integers(cells - height + 1)), int(rng.integers(cells - width + 1))
    return Patch(top / cells, left / cells, (top + height) / cells, (left + width) / cells)


def paste(onto: Tensor, source: Tensor, patch: Patch, channels_last: bool = False) -> Tensor:
    """A copy of maps (…, h, w) over the square, or (…, h, w, C), with a patch of others of the same shape.

    One of the two may be of a lone picture, and the other of a stack: a lone one is the same as a stack of copies.
    """
    shape = source.shape if len(source) > len(onto) else onto.shape
    mixed, source = onto.expand(shape).clone(), source.expand(shape)
    height, width = onto.shape[-3:-1] if channels_last else onto.shape[-2:]
    rows = slice(round(patch.top * height), round(patch.bottom * height))
    columns = slice(round(patch.left * width), round(patch.right * width))
    where = (..., rows, columns, slice(None)) if channels_last else (..., rows, columns)
    mixed[where] = source[where]
    return mixed
