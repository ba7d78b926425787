"""The order in which frames are offered."""

from __future__ import annotations

from collections.abc import Mapping

from session_samples import frame

from napari_adasam.domain.queue import order, why
from napari_adasam.domain.records import FrameStatus

FRAMES = [frame("a", "/clip"), frame("b", "/clip"), frame("c"), frame("d"), frame("e")]
SCORES: Mapping[str, Mapping[int, float]] = {
    "a": {1: 0.9, 2: 0.1},
    "b": {1: 0.2},
    "c": {1: 0.5, 2: 0.6},
    "d": {1: 0.95},
    "e": {},
}


def new(_frame_id: str) -> FrameStatus:
    return FrameStatus.NEW


def scores(frame_id: str) -> Mapping[int, float]:
    return SCORES[frame_id]


def test_accepted_and_skipped_frames_are_not_offered() -> None:
    statuses = {"a": FrameStatus.ACCEPTED, "b": FrameStatus.SKIPPED, "c": FrameStatus.CORRECTED}
    found = order(FRAMES, lambda one: statuses.get(one, FrameStatus.SUGGESTED), scores)
    assert found == ("c", "d", "e")


def test_at_random_is_seeded_and_does_not_reshuffle_as_frames_are_done() -> None:
    first = order(FRAMES, new, scores, "random", seed=3)
    assert sorted(first) == ["a", "b", "c", "d", "e"]
    assert first == order(FRAMES, new, scores, "random", seed=3)
    assert {order(FRAMES, new, scores, "random", seed=seed) for seed in range(20)} != {first}
    done = first[0]
    later = order(
        FRAMES, lambda one: FrameStatus.ACCEPTED if one == done else FrameStatus.NEW, scores, "random", seed=3
    )
    assert later == first[1:]


def test_the_least_sure_comes_first_one_frame_a_clip_and_unknown_ones_last() -> None:
    assert order(FRAMES, new, scores, "active") == ("a", "c", "d", "b", "e")


def test_reasons_name_the_weakest_structure() -> None:
    assert (
        why(SCORES["a"], "active", {1: "muscle", 2: "aponeurosis"}) == "the model is least sure here: aponeurosis, 10%"
    )
    assert "no suggestion yet" in why({}, "active", {})
    assert why(SCORES["a"], "file", {}) == "next in the order of the files"
