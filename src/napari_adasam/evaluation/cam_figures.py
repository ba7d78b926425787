"""How good a class activation map is as a prompt: figures of one map against the truth, for reports only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.prompts import Box, Prompt
from napari_adasam.domain.simulated import tight_box

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CamFigures:
    """Of one map; ``None`` where there is nothing to measure.

    Parameters
    ----------
    energy_inside
        Share of the map's sum that lies in the structure; ``None`` where the structure is absent.
    box_iou
        IoU of the box around all prompted boxes with the box around the structure; 0 where nothing was prompted.
    point_hits
        Share of the prompted points that lie in the structure; 0 where nothing was prompted.
    energy_outside_scan
        Share of the map's sum that lies outside the scan sector; ``None`` where the scan fills the picture.
    """

    energy_inside: float | None
    box_iou: float | None
    point_hits: float | None
    energy_outside_scan: float | None

    @classmethod
    def of(cls, cam: NDArray[np.float32], prompts: Sequence[Prompt], truth: Mask, scan: Mask | None) -> CamFigures:
        """Of a map (H, W) in 0 to 1, its prompts in image pixels, the true mask and the scan's (H, W)."""
        total = float(cam.sum())
        outside = None if scan is None or total <= 0 else float(cam[~scan].sum()) / total
        if not truth.any():
            return cls(None, None, None, outside)
        inside = float(cam[truth].sum()) / total if total > 0 else 0.0
        return cls(inside, _box_iou(prompts, truth), _point_hits(prompts, truth), outside)


def _box_iou(prompts: Sequence[Prompt], truth: Mask) -> float | None:
    boxes = np.array([p.box for p in prompts if p.box is not None])
    if len(boxes) == 0:
        return None if prompts else 0.0
    around = (boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max())
    return iou_of_boxes(around, tight_box(truth))


def iou_of_boxes(first: Box, second: Box) -> float:
    """IoU of two boxes (y0, x0, y1, x1), both corners inside the box."""
    sides = [min(first[i + 2], second[i + 2]) - max(first[i], second[i]) + 1 for i in (0, 1)]
    overlap = max(0.0, sides[0]) * max(0.0, sides[1])
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (first, second)]
    return float(overlap / (sum(areas) - overlap))


def _point_hits(prompts: Sequence[Prompt], truth: Mask) -> float | None:
    points = [point for prompt in prompts for point in prompt.points]
    if not points:
        return None if prompts else 0.0
    return float(np.mean([truth[round(point.y), round(point.x)] for point in points]))


def summary(figures: Sequence[CamFigures], suffix: str = "") -> dict[str, float | None]:
    """Means over images, by name: ``cam_energy_inside`` and so on; ``None`` where no image has the figure."""
    names = [field.name for field in fields(CamFigures)]
    found = {name: [v for one in figures if (v := getattr(one, name)) is not None] for name in names}
    return {f"cam_{name}{suffix}": float(np.mean(v)) if v else None for name, v in found.items()}
