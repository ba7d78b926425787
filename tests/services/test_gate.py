"""Which frames are held out, and which students may serve."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_adasam.domain.settings import LearnSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.services.gate import Held, Past, decide, hold_out, mean
from napari_adasam.services.ports import LabelledFrame

EMPTY = np.zeros((1, 1), np.uint8)
BELLY, BONE = Structure(1, "belly"), Structure(2, "bone")
GROUPS = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=40)


def frames(groups: str | list[str]) -> list[LabelledFrame]:
    return [LabelledFrame(f"{group}{i}", picture(i), EMPTY, group) for i, group in enumerate(groups)]


def picture(number: int) -> NDArray[np.uint8]:
    """Another one for each number."""
    return np.array([[number // 256, number % 256]], np.uint8)


def groups(part: tuple[LabelledFrame, ...]) -> set[str]:
    return {frame.group for frame in part}


@given(GROUPS)
def test_groups_are_never_split_and_something_is_always_learned_from(names: list[str]) -> None:
    held = hold_out(frames(names))
    assert held.train
    assert not groups(held.train) & groups(held.out)
    assert len(held.train) + len(held.out) == len(names)
    assert bool(held.out) == (len(set(names)) > 1)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 0), (2, 1), (3, 1), (5, 1), (6, 2), (10, 2), (20, 2), (21, 3), (40, 4)]
)
def test_how_many_are_held_out_where_every_frame_is_a_group(count: int, expected: int) -> None:
    assert len(hold_out(frames([f"g{i}" for i in range(count)])).out) == expected


@given(GROUPS)
def test_a_tenth_and_two_at_least_from_six_labels_on(names: list[str]) -> None:
    held = hold_out(frames(names))
    if len(names) >= 6 and len(set(names)) > 1:
        wanted = max(2, math.ceil(len(names) / 10))
        assert len(held.out) >= wanted or len(groups(held.train)) == 1


def test_frames_of_one_clip_cannot_be_held_out() -> None:
    held = hold_out(frames("a" * 12))
    assert held.out == ()
    assert len(held.train) == 12


def test_the_choice_does_not_depend_on_the_order_of_the_frames() -> None:
    assert groups(hold_out(frames("abcdefgh")).out) == groups(hold_out(frames("hgfedcba")).out)


def test_frames_held_out_once_stay_so_and_none_is_measured_that_was_learned() -> None:
    """Labels grow one by one, each round's student serves; with every frame a group of its own, nothing leaks."""
    past, before = Past(), set[str]()
    names = [f"g{i}" for i in range(45)]
    for count in range(1, len(names) + 1):
        held = hold_out(frames(names[:count]), past)
        out, learned = groups(held.out), past.learned | groups(held.train)
        assert before <= out
        assert not out & past.learned
        past, before = Past((past.held | out) - learned, learned), out
    assert len(before) == 5


def test_without_a_past_the_same_growth_would_leak() -> None:
    """What the test above guards against: the order by name alone measures on frames that were learned from."""
    names = [f"g{i}" for i in range(45)]
    learned, leaks = set[str](), 0
    for count in range(1, len(names) + 1):
        held = hold_out(frames(names[:count]))
        leaks += len(groups(held.out) & learned)
        learned |= groups(held.train)
    assert leaks


def test_where_all_was_learned_from_something_is_measured_all_the_same() -> None:
    past = Past(learned=frozenset("abc"))
    assert len(hold_out(frames("abc"), past).out) == 1
    assert groups(hold_out(frames("abcd"), past).out) == {"d"}


def test_files_that_show_the_same_picture_are_not_split() -> None:
    """As where an image was saved anew, or its header made anonymous: another file, and so another group."""
    for copied in range(9):
        made = frames("abcdefghij")
        made[9] = replace(made[9], pixels=made[copied].pixels.copy())
        held = hold_out(made)
        assert ("j" in groups(held.out)) is (made[copied].group in groups(held.out))
        assert len(held.out) in (2, 3)


def test_a_copy_of_a_picture_that_was_held_out_is_held_out_too() -> None:
    made = frames("abc")
    (held,) = groups(hold_out(made[:2]).out)
    made[2] = replace(made[2], pixels=next(one.pixels for one in made if one.group == held).copy())
    assert groups(hold_out(made, Past(frozenset({held}), frozenset("ab") - {held})).out) == {held, "c"}


def test_where_all_files_show_the_same_picture_nothing_can_be_held_out() -> None:
    assert hold_out([replace(one, pixels=EMPTY) for one in frames("abc")]).out == ()


def test_equal_names_are_what_counts_not_frames() -> None:
    held = hold_out(frames("aaaaab"))
    assert isinstance(held, Held)
    assert groups(held.out) in ({"a"}, {"b"})


@pytest.mark.parametrize(
    ("before", "after", "served"),
    [
        ({1: 0.8, 2: 0.8}, {1: 0.9, 2: 0.9}, True),
        ({1: 0.8, 2: 0.8}, {1: 0.79, 2: 0.79}, True),  # a fall of 0.01 is let pass
        ({1: 0.8, 2: 0.8}, {1: 0.789, 2: 0.789}, False),
        ({1: 0.8, 2: 0.8}, {1: 0.9, 2: 0.77}, True),  # a fall of 0.03 in one structure too
        ({1: 0.8, 2: 0.8}, {1: 0.9, 2: 0.769}, False),
        ({1: 0.8}, {1: 0.79}, True),
        ({1: 0.81}, {1: 0.80}, True),
    ],
)
def test_the_verdict(before: dict[int, float], after: dict[int, float], served: bool) -> None:
    accepted, verdict = decide(before, after, (BELLY, BONE), LearnSettings())
    assert accepted is served
    assert verdict.endswith(".")
    assert f"{after[max(after)]:.3f}" in verdict or f"{mean(after):.3f}" in verdict


def test_the_sentence_names_the_structure_that_fell() -> None:
    _, verdict = decide({1: 0.5, 2: 0.9}, {1: 0.9, 2: 0.8}, (BELLY, BONE), LearnSettings())
    assert "bone" in verdict
    assert "0.900 before, 0.800 after" in verdict


def test_the_thresholds_are_settings() -> None:
    strict = LearnSettings(max_fall=0, max_fall_structure=0)
    assert not decide({1: 0.8}, {1: 0.7999}, (BELLY,), strict)[0]
    assert decide({1: 0.8}, {1: 0.2}, (BELLY,), LearnSettings(max_fall=1, max_fall_structure=1))[0]


def test_nothing_held_out_serves_unmeasured_and_says_so() -> None:
    accepted, verdict = decide({}, {}, (BELLY,), LearnSettings())
    assert accepted
    assert "unmeasured" in verdict


def test_the_mean_of_nothing_is_not_a_number() -> None:
    assert math.isnan(mean({}))
    assert mean({1: 0.5, 2: 1.0}) == 0.75


def test_what_was_found_is_kept_since_the_last_full_round() -> None:
    made = frames("abc")
    held = Held(tuple(made[1:]), (made[0],))
    one = Past().served(held, {1: [0.9, 0.8], 2: []})
    assert one == Past(frozenset("a"), frozenset("bc"), {1: (0.9, 0.8), 2: ()})
    more = one.served(held, {1: [0.7] * 19})
    assert more.found == {1: (0.8, *[0.7] * 19), 2: ()}, "the latest twenty"
    assert more.refused(Held((), tuple(made[1:2]))) == more, "groups that were learned from are not held out"
    assert more.served(held, None).found == {}, "a full round makes another model"
