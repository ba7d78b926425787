"""A structure is removed from thousands of accepted frames without one mask being read."""

from __future__ import annotations

import numpy as np
import pytest
from session_samples import FASCIA, MUSCLE, SHAPE, frame, rows

from napari_adasam.domain import steps
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.packing import NO_LABELS, PackedAnnotation, StoredLabels
from napari_adasam.domain.records import Annotation, FrameStatus, Labels, MaskOrigin
from napari_adasam.domain.session import Session

ORIGINS = {1: MaskOrigin.DRAWN, 2: MaskOrigin.ABSENT}


def test_a_structure_goes_without_a_look_at_accepted_masks() -> None:
    def never() -> Labels:
        raise AssertionError("a mask was read")

    made = Session((MUSCLE, FASCIA))
    bare = Annotation("a", NO_LABELS, ORIGINS, {1: 0.0, 2: 0.0}, 1.0, "m")
    kept = PackedAnnotation(bare, StoredLabels(SHAPE, "mask", never))
    made.add_kept([frame("a")], {"a": steps.restored(FrameStatus.ACCEPTED, kept, {}, None)})
    with pytest.raises(InputError, match="drawn or accepted on 1 frame"):
        made.set_structures([FASCIA])
    made.set_structures([MUSCLE])
    assert made.structures == (MUSCLE,)
    assert not made.can_undo("a"), "the frame is as it was"


def test_undo_to_an_accepted_frame_brings_no_pixel_of_a_removed_structure_back() -> None:
    made = Session((MUSCLE, FASCIA))
    made.add_frames([frame("a")])
    made.set_mask("a", 1, rows(1))
    made.set_mask("a", 2, rows(4))
    made.accept("a", 1.0)
    made.clear_structure("a", 2)
    made.accept("a", 1.0)
    made.set_structures([MUSCLE])
    while made.undo("a"):
        assert 2 not in np.unique(made.labels("a"))
