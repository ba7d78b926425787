"""Work in progress on frames that are not accepted, and masks propagated to them, as rows of a session's database."""

from __future__ import annotations

import json
from typing import Any

from napari_adasam.domain.packing import PackedLabels
from napari_adasam.domain.propagation import Propagated, PropagatedMasks
from napari_adasam.domain.records import Annotation, Draft, MaskOrigin


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
    """The draft of a row; ValueError if it is damaged."""
    frame_id, height, width, data, touched, *facts = row
    labels = PackedLabels((height, width), data).open()
    return Draft(Annotation(frame_id, labels, *read_facts(facts)), frozenset(json.loads(touched)))


def propagated_row(masks: PropagatedMasks) -> tuple[Any, ...]:
    """The row of propagated masks."""
    packed, how = PackedLabels.of(masks.labels.open()), masks.how
    present = json.dumps(list(masks.values))
    return (
        masks.frame_id, *packed.shape, packed.data, how.source, how.outline, how.confidence, present, masks.model
    )  # fmt: skip


def read_propagated(row: tuple[Any, ...]) -> PropagatedMasks:
    """The masks of a row; ValueError if it is damaged."""
    frame_id, height, width, data, source, outline, confidence, present, model = row
    labels = PackedLabels((height, width), data)
    labels.open()
    how = Propagated(source, outline, float(confidence))
    return PropagatedMasks(frame_id, labels, how, tuple(json.loads(present)), model)


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
