"""Figures of docs/scale.md: the sector that is found against the truth of drawn images. ``python tests/…``, no test."""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np

from napari_adasam.domain.sector_finding import find_sector
from napari_adasam.files.phantom import PhantomSettings, draw

SEEDS = 30


def main() -> None:
    for probe in ("linear", "curved"):
        for interface in (False, True):
            overlaps, kinds = [], Counter()
            for seed in range(SEEDS):
                size = (300 + 20 * (seed % 11), 400 + 25 * (seed % 9))
                image = draw(seed, PhantomSettings(*size, probe=probe, interface=interface))
                sector = find_sector(image.pixels)
                mask = sector.mask(size)
                overlaps.append((mask & image.inside).sum() / (mask | image.inside).sum())
                kinds[sector.kind] += 1
            sys.stdout.write(
                f"{probe} interface={interface} mean {np.mean(overlaps):.3f} lowest {min(overlaps):.3f} {dict(kinds)}\n"
            )


if __name__ == "__main__":
    main()
