"""A picture for reports: the frame with its structures outlined and tinted, and below it names and a scale bar.

Nothing is written over the picture itself but outlines and tint: the strip with names and scale lies under it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import floor, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_adasam.domain.measures import area, in_words, scale_within
from napari_adasam.domain.records import Labels, Mask, Spacing
from napari_adasam.domain.structures import PALETTE, Structure
from napari_adasam.files.exports.png import rgb
from napari_adasam.files.pixels import bit_depth

TINT = 0.25
"""Share of the colour inside a structure; its outline has the whole colour."""
COMPRESSION = 2
"""Of 9: speckle gets no smaller with more, and takes three times as long."""
BAR_SHARE = 0.3
"""The scale bar is at most this share of the picture's width."""
NO_SCALE = "no scale: pixels only"
Part = tuple[int, int, int, int]
INK, PAPER = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """A bar of a round length: how long it is in mm, and how many pixels across."""

    mm: float
    pixels: int

    @property
    def words(self) -> str:
        """Its length in mm, or in cm from 10 mm on."""
        return f"{self.mm / 10:g} cm" if self.mm >= 10 else f"{self.mm:g} mm"


def scale_bar(width: int, x_mm: float) -> ScaleBar:
    """The longest bar of 1, 2 or 5 times a power of ten mm that fits into its share of ``width`` pixels of ``x_mm``."""
    most = width * BAR_SHARE * x_mm
    power = 10.0 ** floor(log10(most))
    # A half for the logarithm of a hair under a power of ten, which may be rounded up to it.
    length = max(step * power for step in (0.5, 1, 2, 5) if step * power <= most)
    return ScaleBar(length, round(length / x_mm))


def legend(
    labels: Labels, structures: Sequence[Structure], spacing: Spacing | None, part: Part | None = None
) -> dict[int, str]:
    """Value to name and area of each structure that is there; areas of 1 cm² and more in cm², without a scale in px².

    ``part``: what the spacing holds for, as in :func:`~napari_adasam.domain.measures.scale_within`.
    """
    found = {}
    for value in (int(one) for one in np.unique(labels) if one):
        size = area(labels, value, scale_within(labels, value, spacing, part))
        found[value] = f"{_name(value, structures)} · {in_words(size)}"
    return found


def overlay_png(
    pixels: NDArray[Any],
    labels: Labels,
    structures: Sequence[Structure] = (),
    spacing: Spacing | None = None,
    part: Part | None = None,
) -> bytes:
    """The PNG file of a frame with its masks.

    Parameters
    ----------
    pixels
        (height, width) or (height, width, 3), uint8 or uint16.
    labels
        (height, width) uint8.
    spacing
        ``None``: the strip says that there is no scale.
    part
        See :func:`legend`.

    Raises
    ------
    ValueError
        If picture and labels are of different sizes.
    """
    if pixels.shape[:2] != labels.shape:
        raise ValueError(f"expected a picture of {labels.shape}, got {pixels.shape[:2]}")
    picture = _painted(_eight_bits(pixels), labels, structures)
    strip = _strip(labels.shape[1], legend(labels, structures, spacing, part), structures, spacing)
    whole = Image.new("RGB", (picture.shape[1], picture.shape[0] + strip.height), PAPER)
    whole.paste(Image.fromarray(picture), (0, 0))
    whole.paste(strip, (0, picture.shape[0]))
    file = BytesIO()
    whole.save(file, "PNG", compress_level=COMPRESSION)
    return file.getvalue()


def _eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """(height, width, 3) uint8; 16 bits are divided by the range of the depth that they use, as on the screen."""
    if pixels.dtype == np.uint16:
        full = np.float32(2 ** bit_depth(pixels) - 1)
        pixels = np.asarray(np.rint(pixels * (np.float32(255) / full)), np.uint8)
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return np.array(colour, np.uint8)


def _painted(picture: NDArray[np.uint8], labels: Labels, structures: Sequence[Structure]) -> NDArray[np.uint8]:
    thickness = max(1, round(min(labels.shape) / 240))
    levels = np.arange(256, dtype=np.float32)
    for value in (int(one) for one in np.unique(labels) if one):
        mask = labels == value
        outline = mask & ~_core(mask, thickness)
        for channel, colour in enumerate(rgb(_colour(value, structures))):
            tinted = np.rint(levels + np.float32(TINT) * (np.float32(colour) - levels)).astype(np.uint8)
            plane = picture[..., channel]
            plane[mask] = tinted[plane[mask]]
            plane[outline] = colour
    return picture


def _core(mask: Mask, thickness: int) -> Mask:
    """What is left of a mask after so many pixels are taken off its border; the picture's edge is a border too."""
    for _ in range(thickness):
        core = np.zeros_like(mask)
        core[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        mask = core
    return mask


def _strip(
    width: int, names: Mapping[int, str], structures: Sequence[Structure], spacing: Spacing | None
) -> Image.Image:
    """Scale bar on the first line, then the names of what is in the frame, as many on a line as fit."""
    size = max(10, min(24, width // 40))
    font = ImageFont.load_default(size)
    line, gap = size + 6, size // 2
    names = {value: name.replace("²", "2") for value, name in names.items()}  # the font has no ²
    places, x, y = [], gap, line
    for value, name in names.items():
        long = size + gap + int(font.getlength(name)) + 2 * gap
        if x > gap and x + long > width:
            x, y = gap, y + line
        places.append((value, name, x, y))
        x += long
    strip = Image.new("RGB", (width, (y + line if places else line) + 2), PAPER)
    draw = ImageDraw.Draw(strip)
    _draw_scale(draw, width, spacing, font, gap)
    for value, name, left, top in places:
        draw.rectangle((left, top + 3, left + size - 1, top + 2 + size), fill=rgb(_colour(value, structures)))
        draw.text((left + size + gap, top), name, fill=INK, font=font)
    return strip


def _draw_scale(draw: ImageDraw.ImageDraw, width: int, spacing: Spacing | None, font: Any, gap: int) -> None:
    if spacing is None:
        draw.text((gap, 0), NO_SCALE, fill=INK, font=font)
        return
    bar = scale_bar(width, spacing.x_mm)
    draw.rectangle((gap, 4, gap + bar.pixels - 1, 7), fill=INK)
    draw.text((2 * gap + bar.pixels, 0), bar.words, fill=INK, font=font)


def _colour(value: int, structures: Sequence[Structure]) -> str:
    colours = {structure.value: structure.color for structure in structures}
    return colours.get(value, PALETTE[(value - 1) % len(PALETTE)])


def _name(value: int, structures: Sequence[Structure]) -> str:
    return next((structure.name for structure in structures if structure.value == value), f"value {value}")
