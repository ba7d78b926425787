"""Draw one image, or a clip of a moving muscle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.records import Labels, Mask, Spacing
from napari_adasam.files.phantom.anatomy import Anatomy, draw_anatomy
from napari_adasam.files.phantom.scanner import Scanner, draw_scanner
from napari_adasam.files.phantom.screen import draw_interface, scan_convert
from napari_adasam.files.phantom.speckle import Noise, compress, draw_noise, envelope
from napari_adasam.files.phantom.tissue import Slide, echo_of

SMALLEST_SIDE = 64
CUT = 7_919
"""What is added to the seed where a clip goes over to another person."""


@dataclass(frozen=True, slots=True)
class PhantomSettings:
    """What to draw; everything else is drawn at random from the seed.

    Parameters
    ----------
    height, width
        Of the image in pixels, 64 or more.
    probe
        ``"linear"`` gives a rectangle, ``"curved"`` a fan; ``"any"`` leaves it to the seed (one in four is curved).
    interface
        Whether the scanner's interface stands around the scan; ``None`` leaves it to the seed.
    bone
        Whether a bone and its shadow are in view; ``None`` leaves it to the seed.
    """

    height: int = 500
    width: int = 600
    probe: Literal["linear", "curved", "any"] = "any"
    interface: bool | None = None
    bone: bool | None = None

    def __post_init__(self) -> None:
        if min(self.height, self.width) < SMALLEST_SIDE:
            raise ValueError(f"expected sides of {SMALLEST_SIDE} px or more, got {self.height} × {self.width}")


@dataclass(frozen=True, slots=True)
class Motion:
    """What happens in a clip.

    Parameters
    ----------
    contraction
        Strength of the contraction, see :meth:`Anatomy.contracted`; one takes 60 frames.
    slide_mm
        How far the probe slides to either side; there and back takes 110 frames.
    gain_db
        How far the gain goes up and down; once takes 85 frames.
    cut
        From this frame on the clip shows another person; ``None`` for none.
    """

    contraction: float = 1.0
    slide_mm: float = 0.0
    gain_db: float = 0.0
    cut: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PhantomImage:
    """A drawn image and its truth.

    Parameters
    ----------
    pixels
        (height, width) uint8.
    labels
        (height, width) uint8: 1 muscle belly, 2 aponeurosis; exact, from the geometry.
    inside
        (height, width) bool: where the image shows tissue, and not the interface or the outside of the fan.
    spacing
        Side of a pixel in mm.
    probe
        ``"linear"`` or ``"curved"``.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    labels: Labels = field(repr=False)
    inside: Mask = field(repr=False)
    spacing: Spacing
    probe: str


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What stays the same between frames of one group."""

    scanner: Scanner
    anatomy: Anatomy
    interface: NDArray[np.uint8] = field(repr=False)
    texture_seed: int


def draw(seed: int, settings: PhantomSettings | None = None, repeat: int = 0) -> PhantomImage:
    """Draw one image.

    Parameters
    ----------
    seed
        Of tissue and scanner, 0 or more.
    repeat
        Of the speckle: images of one seed and different repeats show the same geometry, as frames of one exam do.
    """
    scene = _draw_scene(seed, settings or PhantomSettings())
    noise = draw_noise(np.random.default_rng([seed, 1, repeat]), scene.scanner.samples)
    return _render(scene, scene.anatomy, noise)


def clip(
    seed: int, frames: int | Sequence[int], settings: PhantomSettings | None = None, motion: Motion = Motion()
) -> Iterator[PhantomImage]:
    """Frames of a contracting muscle: its geometry and its speckle change slowly.

    ``frames``: how many, from the first on, or the numbers of those that are wanted, in rising order.
    """
    (scene, noise), cut = _begin(seed, settings), motion.cut
    for index in range(frames) if isinstance(frames, int) else frames:
        if cut is not None and index >= cut:
            (scene, noise), cut = _begin(seed + CUT, settings), None
        anatomy = scene.anatomy.contracted(2 * np.pi * index / 60, motion.contraction)
        slide = Slide(motion.slide_mm * float(np.sin(2 * np.pi * index / 110)), motion.slide_mm)
        beams = round(slide.by / scene.scanner.pixel_mm)
        turn = 0.1 * index
        speckle = np.asarray(np.cos(turn) * noise[0] + np.sin(turn) * noise[1], np.complex64)
        gain = motion.gain_db * float(np.sin(2 * np.pi * index / 85))
        yield _render(scene, anatomy, np.roll(speckle, -beams, axis=1), slide, gain)


def _begin(seed: int, settings: PhantomSettings | None) -> tuple[_Scene, tuple[Noise, Noise]]:
    """A scene, and the two fields that its speckle turns between."""
    scene = _draw_scene(seed, settings or PhantomSettings())
    rng = np.random.default_rng([seed, 1, 0])
    return scene, (draw_noise(rng, scene.scanner.samples), draw_noise(rng, scene.scanner.samples))


def _draw_scene(seed: int, settings: PhantomSettings) -> _Scene:
    rng = np.random.default_rng([seed, 0])
    curved, framed = rng.random() < 0.25, rng.random() < 0.6
    probe = settings.probe if settings.probe != "any" else ("curved" if curved else "linear")
    interface = framed if settings.interface is None else settings.interface
    size = (settings.height, settings.width)
    scanner = draw_scanner(rng, size, probe, interface)
    anatomy = draw_anatomy(rng, scanner.depth_mm, settings.bone)
    around = draw_interface(rng, size, scanner) if interface else np.zeros(size, np.uint8)
    return _Scene(scanner, anatomy, around, int(rng.integers(2**31)))


def _render(
    scene: _Scene, anatomy: Anatomy, noise: Noise, slide: Slide | None = None, gain_db: float = 0.0
) -> PhantomImage:
    scanner, window = scene.scanner, scene.scanner.window
    echo = echo_of(anatomy, *scanner.beam_positions(), np.random.default_rng(scene.texture_seed), slide)
    sigma = (scanner.axial_mm / scanner.pixel_mm, scanner.lateral)
    signal = envelope(echo.diffuse, echo.coherent, noise, sigma)
    beams = compress(signal, gain_by_depth(scanner)[:, None] + np.float32(gain_db), scanner.dynamic_range_db)
    scan, shown = scan_convert(beams, scanner)
    x, depth = scanner.pixel_positions()
    x = x if slide is None else (x + np.float32(slide.by)).astype(np.float32)
    labels = np.where(shown, anatomy.labels(x, depth), 0).astype(np.uint8)
    place = (slice(window.top, window.top + window.height), slice(window.left, window.left + window.width))
    pixels = scene.interface.copy()
    pixels[place] = scan
    whole_labels, inside = np.zeros(pixels.shape, np.uint8), np.zeros(pixels.shape, np.bool_)
    whole_labels[place], inside[place] = labels, shown
    spacing = Spacing(scanner.pixel_mm, scanner.pixel_mm, "phantom")
    return PhantomImage(pixels, whole_labels, inside, spacing, "curved" if scanner.curved else "linear")


def gain_by_depth(scanner: Scanner) -> NDArray[np.float32]:
    """Gain in dB at each sample of a beam: overall, and by depth, less the attenuation that was left over."""
    depth_cm = np.linspace(0, scanner.depth_mm / 10, scanner.samples[0])
    sliders = np.interp(depth_cm, np.linspace(0, depth_cm[-1], len(scanner.tgc_db)), scanner.tgc_db)
    return np.asarray(scanner.gain_db + sliders - scanner.residual_db_per_cm * depth_cm, np.float32)
