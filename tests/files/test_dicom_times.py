from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset

from napari_adasam.files.dicom_times import FRAME_TIME, frame_times


def times(frames: int = 3, **tags: Any) -> list[float | None]:
    dataset = Dataset()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return list(frame_times(dataset, frames))


def test_frame_time_is_in_milliseconds() -> None:
    assert times(FrameTime=40) == pytest.approx([0.0, 0.04, 0.08])


def test_a_vector_gives_each_step_and_its_first_number_means_nothing() -> None:
    assert times(FrameTimeVector=[17, 20, 60]) == pytest.approx([0.0, 0.02, 0.08])


def test_rates_are_used_where_there_are_no_times() -> None:
    assert times(CineRate=20) == pytest.approx([0.0, 0.05, 0.1])
    assert times(RecommendedDisplayFrameRate=10) == pytest.approx([0.0, 0.1, 0.2])
    assert times(RecommendedDisplayFrameRate=10, FrameTime=40) == pytest.approx([0.0, 0.04, 0.08])


def test_the_pointer_chooses() -> None:
    both = {"FrameTime": 40, "FrameTimeVector": [0, 20, 60]}
    assert times(**both) == pytest.approx([0.0, 0.02, 0.08])
    assert times(FrameIncrementPointer=FRAME_TIME, **both) == pytest.approx([0.0, 0.04, 0.08])


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"FrameTime": 0},
        {"FrameTime": -40},
        {"FrameTimeVector": [0, 20]},
        {"FrameTimeVector": [0, -20, 20]},
        {"FrameTimeVector": [0, 0, 0]},
        {"CineRate": 0},
    ],
    ids=str,
)
def test_what_cannot_be_is_not_used(tags: dict[str, Any]) -> None:
    assert times(**tags) == []


def test_a_single_frame_has_no_time() -> None:
    assert times(frames=1, FrameTime=40) == []
