"""Frames, masks and suggestions for tests of the session."""

from __future__ import annotations

import numpy as np

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.records import Frame, Mask, Suggestion
from napari_adasam.domain.session import Session
from napari_adasam.domain.structures import Structure

SHAPE = (6, 8)
MUSCLE, FASCIA = Structure(1, "muscle belly"), Structure(2, "aponeurosis", several_parts=True)


def frame(frame_id: str, path: str = "") -> Frame:
    return Frame(frame_id, path or f"/scans/{frame_id}.png", 0, *SHAPE, stem=frame_id)


def rows(*wanted: int) -> Mask:
    mask = np.zeros(SHAPE, np.bool_)
    mask[list(wanted)] = True
    return mask


def suggestion(structure: int, mask: Mask, frame_id: str = "a", score: float = 0.8, model: str = "m1") -> Suggestion:
    prompts = (Prompt((Point(1.0, 1.0),), source="cam"),) if mask.any() else ()
    cam = np.linspace(0, 1, mask.size, dtype=np.float32).reshape(mask.shape)
    return Suggestion(frame_id, structure, mask, score, 0.9, prompts, cam, model)


def session() -> Session:
    made = Session((MUSCLE, FASCIA))
    made.add_frames([frame("a"), frame("b")])
    made.go_to("a")
    return made


def suggested() -> Session:
    """Muscle in rows 2 to 4, aponeurosis in rows 1 and 2: they meet in row 2, where the aponeurosis lies on top."""
    made = session()
    assert made.propose("a", [suggestion(1, rows(2, 3, 4)), suggestion(2, rows(1, 2))], made.revision("a"))
    return made
