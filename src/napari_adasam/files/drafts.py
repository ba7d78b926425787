"""Work in progress on frames that are not accepted, and masks propagated to them, as rows of a session's database."""

from __future__ import annotations

import json
import zlib
from typing import Any

from napari_adasam.domain.packing import PackedLabels
from napari_adasam.domain.propagation import Propagated, PropagatedMasks
from napari_adasam.domain.records import Annotation, Draft, MaskOrigin
from napari_adasam.files.clips import MOST_PIXELS

DAMAGE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, zlib.error)
"""What rows raise that no program of ours wrote."""


def draft_row(draft: Draft) -> tuple[Any, ...]:
    """The row of a draft."""
    one = draft.annotation
    packed = PackedLabels.of(one.labels)
    return (
        one.frame_id,
        *packed.shape,
        packed.data,
        json.dumps(sorted(draft.touched)),
        *facts_row(one),
    )


def read_draft(row: tuple[Any, ...]) -> Draft:
    """The draft of a row; one of ``DAMAGE`` if it is damaged."""
    frame_id, height, width, data, touched, *facts = row
    labels = PackedLabels(read_shape(height, width), data).open()
    return Draft(Annotation(frame_id, labels, *read_facts(facts)), frozenset(json.loads(touched)))


def propagated_row(masks: PropagatedMasks) -> tuple[Any, ...]:
    """The row of propagated masks."""
    packed, how = PackedLabels.of(masks.labels.open()), masks.how
    present = json.dumps(list(masks.values))
    return (
        masks.frame_id, *packed.shape, packed.data, how.source, how.outline, how.confidence, present, masks.model
    )  # fmt: skip


def read_propagated(row: tuple[Any, ...]) -> PropagatedMasks:
    """The masks of a row; one of ``DAMAGE`` if it is damaged."""
    frame_id, height, width, data, source, outline, confidence, present, model = row
    labels = PackedLabels(read_shape(height, width), data)
    labels.open()
    how = Propagated(source, outline, float(confidence))
    return PropagatedMasks(frame_id, labels, how, tuple(json.loads(present)), model)


def read_shape(height: Any, width: Any) -> tuple[int, int]:
    """The size of a frame as a row has it; ValueError if it is none that the program takes."""
    if not (isinstance(height, int) and isinstance(width, int)):
        raise ValueError("expected a height and a width, got something else")
    if min(height, width) < 1 or height * width > MOST_PIXELS:
        raise ValueError(f"expected 1 to {MOST_PIXELS} pixels, got {height} x {width}")
    return height, width


def facts_row(annotation: Annotation) -> tuple[str, str, float, str]:
    """Origins and changed shares as JSON, seconds, model: what tables keep of an annotation beside its labels."""
    origins = json.dumps({value: str(origin) for value, origin in annotation.origins.items()})
    shares = json.dumps({value: float(share) for value, share in annotation.changed_share.items()})
    return origins, shares, float(annotation.seconds), annotation.model


def read_facts(row: list[Any]) -> tuple[dict[int, MaskOrigin], dict[int, float], float, str]:
    """The same, back."""
    origins, shares, seconds, model = row
    return (
        {int(value): MaskOrigin(origin) for value, origin in json.loads(origins).items()},
        {int(value): float(share) for value, share in json.loads(shares).items()},
        seconds,
        model,
    )
