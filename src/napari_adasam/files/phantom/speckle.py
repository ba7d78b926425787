"""Speckle by a stated model, envelope and log compression.

Many scatterers in each resolution cell make the echo a circular complex Gaussian field (Wagner, Smith, Sandrik and
Lopez 1983, "Statistics of speckle in ultrasound B-scans", IEEE Trans. Sonics Ultrason. 30(3)): with white complex
noise n of unit power, echo amplitude a and point spread function h,

    s = k · h * (a · n) + h * c,    envelope |s|,    grey = 255 · clip((20·log10|s| + gain + D) / D, 0, 1)

where ``*`` is convolution, h an anisotropic Gaussian of unit sum with standard deviations σ₁ and σ₂ in samples,
k = 2·√(π·σ₁·σ₂), which keeps the mean power of the speckle at a², and D the dynamic range in dB. Where a is constant
and the coherent part c is 0, |s| has a Rayleigh distribution, whose mean is √(π / (4 - π)) ≈ 1.91 times its standard
deviation. c is the mirror-like echo of sheets (then |s| is Rician).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Noise = NDArray[np.complex64]
SMALLEST = 1e-6


def draw_noise(rng: np.random.Generator, shape: tuple[int, int]) -> Noise:
    """White circular complex Gaussian noise of unit power, one value a beam sample."""
    parts = rng.standard_normal((2, *shape), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return np.asarray(parts[0] + 1j * parts[1], np.complex64)


def blur(values: NDArray[np.complex64] | Field, sigma: tuple[float, float]) -> NDArray[np.complex64]:
    """Convolve with a Gaussian of unit sum; ``sigma`` in samples (rows, columns). Borders are mirrored."""
    margin = [min(int(np.ceil(3 * width)), side - 1) for width, side in zip(sigma, values.shape, strict=True)]
    padded = np.pad(values, [(wide, wide) for wide in margin], mode="reflect")
    spectrum = np.fft.fft2(padded)
    for axis, width in enumerate(sigma):
        frequency = np.fft.fftfreq(padded.shape[axis])
        response = np.exp(-2 * (np.pi * width * frequency) ** 2)
        spectrum *= response[:, None] if axis == 0 else response
    inner = tuple(slice(wide, wide + side) for wide, side in zip(margin, values.shape, strict=True))
    return np.asarray(np.fft.ifft2(spectrum)[inner], np.complex64)


def envelope(amplitude: Field, coherent: Field, noise: Noise, sigma: tuple[float, float]) -> Field:
    """|h * (a · n)·k + h * c|: the unit-energy factor k keeps the mean power of the speckle at a²."""
    energy = 2 * np.sqrt(np.pi * sigma[0] * sigma[1])
    diffuse = blur(amplitude * noise * np.float32(energy), sigma)
    mirrored = blur(coherent, (sigma[0], sigma[1])) if coherent.any() else 0
    return np.asarray(np.abs(diffuse + mirrored), np.float32)


def compress(signal: Field, gain_db: Field | float, dynamic_range_db: float) -> NDArray[np.uint8]:
    """Log compression to grey values 0 to 255; 255 is an amplitude of 1 at gain 0."""
    decibel = 20 * np.log10(np.maximum(signal, SMALLEST)) + gain_db
    share = np.clip((decibel + dynamic_range_db) / dynamic_range_db, 0, 1)
    return np.asarray(np.rint(255 * share), np.uint8)
