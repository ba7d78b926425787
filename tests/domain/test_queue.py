"""The order in which frames are offered."""

from __future__ import annotations

import math

import numpy as np
import pytest
from session_samples import frame

from napari_adasam.domain.looks import Look
from napari_adasam.domain.queue import order
from napari_adasam.domain.records import FrameStatus

FRAMES = [frame("a", "/clip"), frame("b", "/clip"), frame("c"), frame("d"), frame("e")]
NAMES = {1: "muscle", 2: "aponeurosis"}


def look(apart: float = 0.0, presence: float = 1.0, angle: float = 0.0) -> Look:
    """A look whose features lie at an angle (degrees) on a circle."""
    at = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))], np.float32)
    return Look({2: apart}, {1: presence}, at, "m")


def new(_frame_id: str) -> FrameStatus:
    return FrameStatus.NEW


def active(looks: dict[str, Look], status=new) -> list[tuple[str, str]]:  # type: ignore[no-untyped-def]
    return list(order(FRAMES, status, "active", looks=looks, names=NAMES).items())


def ids(how: str, status=new, seed: int = 0) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
    return tuple(order(FRAMES, status, how, seed))  # type: ignore[arg-type]


def test_accepted_and_skipped_frames_are_not_offered() -> None:
    statuses = {"a": FrameStatus.ACCEPTED, "b": FrameStatus.SKIPPED, "c": FrameStatus.CORRECTED}
    assert ids("file", lambda one: statuses.get(one, FrameStatus.SUGGESTED)) == ("c", "d", "e")


def test_at_random_is_seeded_and_does_not_reshuffle_as_frames_are_done() -> None:
    first = ids("random", seed=3)
    assert sorted(first) == ["a", "b", "c", "d", "e"]
    assert first == ids("random", seed=3)
    assert {ids("random", seed=seed) for seed in range(20)} != {first}
    later = ids("random", lambda one: FrameStatus.ACCEPTED if one == first[0] else FrameStatus.NEW, seed=3)
    assert later == first[1:]


def test_what_the_model_doubts_comes_first_and_what_it_has_not_looked_at_last() -> None:
    found = active({"c": look(apart=0.2), "d": look(apart=0.9), "e": look(presence=0.5)})
    assert [one for one, _ in found] == ["e", "d", "c", "a", "b"]
    assert found[0][1] == "the model is unsure whether muscle is there (50%)"
    assert found[1][1] == "asked in different ways, the model outlines aponeurosis differently (90% apart)"
    assert "not looked" in found[-1][1]


def test_without_doubt_what_looks_unlike_is_said_to_be_so() -> None:
    found = active({"c": look(), "d": look(angle=90)})
    assert found[:2] == [
        ("c", "the model is as sure of it as of the others"),
        ("d", "it looks unlike the images before it"),
    ]


def test_among_equally_sure_frames_the_one_farthest_from_those_done_comes_first() -> None:
    looks = {"a": look(angle=0), "c": look(angle=20), "d": look(angle=170), "e": look(angle=160)}
    done = {"a": FrameStatus.ACCEPTED}
    found = active(looks, lambda one: done.get(one, FrameStatus.NEW))
    assert [one for one, _ in found[:3]] == ["d", "c", "e"], "e is near d, which was chosen before"


def test_a_second_frame_of_a_file_waits_for_the_first_of_every_other() -> None:
    looks = {"a": look(apart=0.9), "b": look(apart=0.8), "c": look(apart=0.1)}
    assert [one for one, _ in active(looks)] == ["a", "c", "b", "d", "e"]


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_certainty_has_no_entropy(chance: float) -> None:
    assert look(presence=chance).entropy == {1: 0.0}
    assert look(presence=0.5).entropy == {1: 1.0}
