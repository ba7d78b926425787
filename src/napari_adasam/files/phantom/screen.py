"""From beams to the screen: scan conversion, and a scanner's interface around the scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_adasam.files.phantom.scanner import Scanner, Window
from napari_adasam.files.phantom.tissue import sample

Pixels = NDArray[np.uint8]


def scan_convert(beams: Pixels, scanner: Scanner) -> tuple[Pixels, NDArray[np.bool_]]:
    """Beam grid to the window's pixels (height, width), and where they show tissue; outside the fan they are black."""
    if not scanner.curved:
        return beams, np.ones(beams.shape, np.bool_)
    rows, columns = scanner.pixel_beams()
    inside = (rows >= 0) & (rows <= beams.shape[0] - 1) & (columns >= 0) & (columns <= beams.shape[1] - 1)
    pixels = np.zeros(rows.shape, np.uint8)
    pixels[inside] = np.rint(sample(beams.astype(np.float32), rows[inside], columns[inside])).astype(np.uint8)
    return pixels, inside


def draw_interface(rng: np.random.Generator, size: tuple[int, int], scanner: Scanner) -> Pixels:
    """Grey bars, rulers with a tick a centimetre, a grey wedge and text, (height, width)."""
    height, width = size
    base = int(rng.choice([0, 30, 52]))
    image = Image.new("L", (width, height), base)
    pen = ImageDraw.Draw(image)
    window = scanner.window
    pen.rectangle((0, 0, width, max(window.top - 2, 0)), fill=base + 15)
    pen.text((4, 2), f"MSK L{rng.integers(9, 18)}-{rng.integers(3, 6)}", fill=190)
    right = min(window.left + window.width + width // 40, width - 8)
    _rulers(pen, scanner, right, height)
    wedge = np.linspace(255, 0, max(height // 5, 2)).astype(np.uint8)
    _wedge(image, wedge, min(right + width // 25, width - 6), window)
    x, y = min(window.left + window.width + 6, width - 10), window.top + 12
    pen.polygon([(x, y - 5), (x + 4, y), (x, y + 5), (x - 4, y)], fill=220)
    pen.text((2, height // 3), f"{scanner.depth_mm / 10:.1f} cm", fill=150)
    return np.asarray(image, np.uint8).copy()


def _rulers(pen: ImageDraw.ImageDraw, scanner: Scanner, right: int, height: int) -> None:
    window, step = scanner.window, 10 / scanner.pixel_mm
    pen.line((right, window.top, right, window.top + window.height), fill=140)
    for centimetre in range(int(window.height / step) + 1):
        y = window.top + round(centimetre * step)
        pen.line((right - 5, y, right, y), fill=200)
    for centimetre in range(int(window.width / step) + 1):
        x = window.left + round(centimetre * step)
        pen.line((x, height - 5, x, height), fill=170)
    pen.text((right + 3, window.top), "0", fill=180)


def _wedge(image: Image.Image, wedge: Pixels, left: int, window: Window) -> None:
    bar = Image.fromarray(np.repeat(wedge[:, None], 5, axis=1))
    image.paste(bar, (left, window.top + 10))
