"""Frames, annotations and a report for the tests of the session on disk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_adasam.domain.records import Annotation, Frame, MaskOrigin, Spacing
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.files.store import SessionRecord, Store

FRAMES = (
    Frame("f1", "/exams/a.png", 0, 20, 30, "a", Spacing(0.2, 0.1, "DICOM region"), "a word"),
    Frame("f2-3", "/exams/b.dcm", 3, 20, 30, "b_0003"),
)
REPORT = RoundReport(1, 4, 9, 2, {1: 0.5}, {1: 0.75}, True, "Better.", 12.5, "m1", (0.9, 0.4))


def annotation(key: str = "f1", fill: int = 1, seconds: float = 3.5) -> Annotation:
    labels = np.zeros((20, 30), np.uint8)
    labels[3:9, 4:12] = fill
    return Annotation(key, labels, {1: MaskOrigin.CORRECTED, 2: MaskOrigin.ABSENT}, {1: 0.125}, seconds, "m0")


def reopened(store: Store) -> SessionRecord:
    store.close()
    again = Store.open(store.folder)
    record = again.load()
    again.close()
    return record


def same(one: Annotation, other: Annotation) -> bool:
    plain = replace(one, labels=other.labels)
    return np.array_equal(one.labels, other.labels) and all(
        getattr(plain, name) == getattr(other, name)
        for name in ("frame_id", "origins", "changed_share", "seconds", "model")
    )
