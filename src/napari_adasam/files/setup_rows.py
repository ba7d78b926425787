"""Scales and sectors by hand as rows of the session's database."""

from __future__ import annotations

import json

from napari_adasam.domain.calibration import FrameSetup
from napari_adasam.domain.records import Spacing
from napari_adasam.domain.sector import Sector


def scale_row(frame_id: str, setup: FrameSetup) -> tuple[str, float | None, float | None, str | None]:
    """A row of ``scales``; all ``None`` behind the id takes the scale back."""
    scale = setup.scale
    return (frame_id, None, None, None) if scale is None else (frame_id, scale.y_mm, scale.x_mm, scale.source)


def scale_of(y_mm: float | None, x_mm: float | None, source: str | None) -> Spacing | None:
    """The scale of a row."""
    return None if y_mm is None or x_mm is None or source is None else Spacing(y_mm, x_mm, source)


def sector_row(frame_id: str, setup: FrameSetup) -> tuple[str, str | None]:
    """A row of ``sectors``; ``None`` takes the sector back."""
    sector = setup.sector
    if sector is None:
        return frame_id, None
    return frame_id, json.dumps({"kind": sector.kind, "outline": sector.outline, "source": sector.source})


def sector_of(text: str | None) -> Sector | None:
    """The sector of a row. ValueError, KeyError or TypeError if it makes no sense."""
    if text is None:
        return None
    fields = json.loads(text)
    outline = tuple((float(y), float(x)) for y, x in fields["outline"])
    return Sector(fields["kind"], outline, fields["source"])
