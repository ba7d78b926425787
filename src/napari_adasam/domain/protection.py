"""The one rule about overlaps: what is labelled is protected. New masks take free pixels; erasing is always allowed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from napari_adasam.domain.records import Labels, Mask


def put_mask(labels: Labels, structure: int, mask: Mask) -> Labels:
    """Replace the mask of one structure; pixels of the others stay theirs. All (height, width); returns a new array."""
    if mask.shape != labels.shape:
        raise ValueError(f"expected a mask of shape {labels.shape}, got {mask.shape}")
    others = (labels != 0) & (labels != structure)
    result = np.where(others, labels, 0).astype(np.uint8)
    result[mask & ~others] = structure
    return result


def put_stroke(before: Labels, after: Labels) -> Labels:
    """Take in a stroke: where one structure was painted over another, the earlier one stays. Returns a new array."""
    if after.shape != before.shape:
        raise ValueError(f"expected labels of shape {before.shape}, got {after.shape}")
    taken = (before != 0) & (after != 0) & (before != after)
    return np.where(taken, before, after).astype(np.uint8)


def changed_structures(before: Labels, after: Labels) -> frozenset[int]:
    """Values of the structures that gained or lost a pixel."""
    differs = before != after
    values = np.union1d(before[differs], after[differs])
    return frozenset(int(value) for value in values if value)


def lay_suggestions(labels: Labels, masks: Mapping[int, Mask], on_top: Collection[int]) -> Labels:
    """Lay fresh suggestions into a label image, in place of the same structures' earlier pixels.

    Pixels of structures that are not in ``masks`` stay theirs. Among the fresh ones those ``on_top`` (of several parts,
    such as aponeuroses) are laid first, then the smaller before the larger, so that a thin structure is not swallowed
    by the muscle beneath it. Returns a new array.
    """
    after = np.arange(256, dtype=np.uint8)
    after[list(masks)] = 0
    result: Labels = after[labels]
    for structure in sorted(masks, key=lambda one: (one not in on_top, int(masks[one].sum()), one)):
        result = put_mask(result, structure, masks[structure])
    return result


def changed_share(mask: Mask, suggested: Mask) -> float:
    """|A xor S| / |A or S|, 0 to 1; 0 where both are empty."""
    either = int((mask | suggested).sum())
    return float((mask ^ suggested).sum() / either) if either else 0.0
