"""Work in progress on frames that are not accepted, as rows of a session's database."""

from __future__ import annotations

import json
from typing import Any

from napari_adasam.domain.packing import PackedLabels
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
