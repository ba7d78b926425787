"""The probe and the screen of a drawn image: where beams and pixels lie in the tissue.

Tissue coordinates are x (lateral, mm, 0 in the middle) and depth (mm below the skin, along the probe's axis).
Beam coordinates are (sample along the beam, beam), pixel coordinates (row, column).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]
Probe = Literal["linear", "curved"]
CONFORMING_MM = 25.0
"""The tissue follows a curved probe's face at the skin, and is flat a few times this deep."""


@dataclass(frozen=True, slots=True)
class Window:
    """The rectangle of the image that holds the scan, in pixels; the last row and column are outside."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Scanner:
    """Everything drawn at random about probe, signal chain and screen.

    Parameters
    ----------
    depth_mm, pixel_mm
        Depth of the scan, and side of one (square) pixel.
    radius_mm, half_angle
        A curved probe's face: radius, and half the opening angle in radians. 0 for a linear probe.
    axial_mm, lateral
        Standard deviation of the point spread function along the beam in mm, and across the beams in beams.
    gain_db, dynamic_range_db
        Of the log compression.
    residual_db_per_cm
        Attenuation that the depth compensation left over; negative where it overdoes it.
    tgc_db
        The sliders of the depth compensation, top to bottom, in dB.
    """

    window: Window
    depth_mm: float
    pixel_mm: float
    radius_mm: float
    half_angle: float
    axial_mm: float
    lateral: float
    gain_db: float
    dynamic_range_db: float
    residual_db_per_cm: float
    tgc_db: tuple[float, ...]

    @property
    def curved(self) -> bool:
        """Whether the probe's face is curved and the scan a fan."""
        return self.radius_mm > 0

    @property
    def samples(self) -> tuple[int, int]:
        """(samples along the beam, beams) of the beam grid."""
        return (round(self.depth_mm / self.pixel_mm), 320) if self.curved else (self.window.height, self.window.width)

    def beam_positions(self) -> tuple[Grid, Grid]:
        """Tissue position (x, depth) in mm of each beam sample, both (samples, beams)."""
        samples, beams = self.samples
        along = ((np.arange(samples, dtype=np.float32) + 0.5) * self.pixel_mm)[:, None]
        if not self.curved:
            x = (np.arange(beams, dtype=np.float32) + 0.5 - beams / 2) * self.pixel_mm
            return np.broadcast_to(x, (samples, beams)), np.broadcast_to(along, (samples, beams))
        angle = np.linspace(-self.half_angle, self.half_angle, beams, dtype=np.float32)
        radius = along + self.radius_mm
        return self._tissue(radius * np.sin(angle), radius * np.cos(angle) - self.radius_mm)

    def pixel_positions(self) -> tuple[Grid, Grid]:
        """Tissue position (x, depth) in mm of each pixel of the window, both (height, width)."""
        z, x = self._pixel_grid()
        return self._tissue(x, z)

    def pixel_beams(self) -> tuple[Grid, Grid]:
        """Beam coordinates (sample, beam) of each pixel of the window; outside the fan they fall off the beam grid."""
        z, x = self._pixel_grid()
        samples, beams = self.samples
        if not self.curved:
            rows, columns = np.indices((samples, beams), dtype=np.float32)
            return rows, columns
        sample = (np.hypot(x, z + self.radius_mm) - self.radius_mm) / self.pixel_mm - 0.5
        beam = (np.arctan2(x, z + self.radius_mm) / self.half_angle + 1) / 2 * (beams - 1)
        return sample.astype(np.float32), beam.astype(np.float32)

    def _pixel_grid(self) -> tuple[Grid, Grid]:
        rows, columns = np.indices((self.window.height, self.window.width), dtype=np.float32)
        top = self.radius_mm * (cos(self.half_angle) - 1)
        z = ((rows + 0.5) * self.pixel_mm + top).astype(np.float32)
        return z, ((columns + 0.5 - self.window.width / 2) * self.pixel_mm).astype(np.float32)

    def _tissue(self, x: Grid, z: Grid) -> tuple[Grid, Grid]:
        """Bend flat layers so that the skin lies on the probe's face: depth is z less the face's height, fading."""
        if not self.curved:
            return x, z
        face = np.sqrt(np.maximum(self.radius_mm**2 - x * x, 0)) - self.radius_mm
        fading = np.exp(-np.maximum(z, 0) / CONFORMING_MM)
        return x.astype(np.float32), (z - face * fading).astype(np.float32)


def draw_scanner(rng: np.random.Generator, size: tuple[int, int], probe: Probe, chrome: bool) -> Scanner:
    """Draw probe and screen for an image of ``size`` (height, width); ``chrome`` leaves room for an interface."""
    depth_mm = rng.uniform(38, 65)
    radius, half_angle = (rng.uniform(40, 60), radians(rng.uniform(22, 32))) if probe == "curved" else (0.0, 0.0)
    face = radius * (1 - cos(half_angle))
    extent = (depth_mm + face, 2 * (radius + depth_mm) * sin(half_angle) if radius else rng.uniform(36, 60))
    window, pixel_mm = _fit(rng, size, extent, chrome)
    return Scanner(
        window=window,
        depth_mm=depth_mm,
        pixel_mm=pixel_mm,
        radius_mm=radius,
        half_angle=half_angle,
        axial_mm=rng.uniform(0.07, 0.14) * (1.5 if radius else 1.0),
        lateral=rng.uniform(1.5, 2.2) if radius else rng.uniform(0.28, 0.6) / pixel_mm,
        gain_db=rng.normal(0.0, 3.0),
        dynamic_range_db=rng.uniform(50, 62),
        residual_db_per_cm=rng.uniform(-0.3, 1.6),
        tgc_db=tuple(rng.normal(0.0, 1.5, size=6)),
    )


def _fit(
    rng: np.random.Generator, size: tuple[int, int], extent: tuple[float, float], chrome: bool
) -> tuple[Window, float]:
    """Place a scan of ``extent`` (mm) in an image of ``size`` (px); a wider scan is cropped at its sides."""
    height, width = size
    top, bottom, side = (round(0.07 * height), round(0.02 * height), round(0.14 * width)) if chrome else (0, 0, 0)
    room = (height - top - bottom, width - 2 * side)
    pixel_mm = extent[0] / room[0]
    columns = min(round(extent[1] / pixel_mm), room[1])
    free = width - columns
    left = free // 2 if not chrome else int(rng.integers(min(side, free // 2), free - min(side, free // 2) + 1))
    return Window(top, left, room[0], columns), pixel_mm
