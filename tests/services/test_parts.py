"""Structures of several parts."""

from __future__ import annotations

import numpy as np

from napari_adasam.domain.prompts import Point
from napari_adasam.services.parts import asks_anew, bounds, grown, join_parts, same_part, starts_new_part

MASK = np.zeros((10, 10), np.bool_)
MASK[1:3, 1:9] = True
MASK[7:9, 1:9] = True
ANSWER = np.zeros((10, 10), np.bool_)
ANSWER[4:6] = True


def test_parts_that_no_point_touches_stay() -> None:
    joined = join_parts(MASK, ANSWER, [Point(5, 5)], None)
    assert np.array_equal(joined, MASK | ANSWER)


def test_the_part_under_a_point_is_replaced_by_the_answer() -> None:
    joined = join_parts(MASK, ANSWER, [Point(1.4, 3.0, positive=False)], None)
    assert not joined[1:3].any()
    assert joined[7:9, 1:9].all()
    assert joined[4:6].all()


def test_a_box_touches_every_part_with_a_pixel_inside() -> None:
    joined = join_parts(MASK, ANSWER, [], (8.0, 8.0, 9.0, 9.0))
    assert joined[1:3, 1:9].all()
    assert not joined[7:9].any()


def test_parts_that_meet_at_a_corner_are_one() -> None:
    mask = np.eye(4, dtype=np.bool_)
    assert not join_parts(mask, np.zeros_like(mask), [Point(0, 0)], None).any()


def test_points_outside_of_the_image_count_as_at_its_border() -> None:
    mask = np.zeros((4, 4), np.bool_)
    mask[3, 3] = True
    assert not join_parts(mask, np.zeros_like(mask), [Point(9, 9)], None).any()


def test_only_a_positive_point_beside_what_is_there_starts_a_part() -> None:
    assert starts_new_part(MASK, Point(5, 5))
    assert not starts_new_part(MASK, Point(1, 1))
    assert not starts_new_part(MASK, Point(5, 5, positive=False))
    assert not starts_new_part(np.zeros_like(MASK), Point(5, 5))


def test_a_click_in_a_part_that_no_earlier_one_touches_is_another_question() -> None:
    upper, lower = Point(1, 3, positive=False), Point(8, 3, positive=False)
    assert asks_anew(MASK, lower, [upper], None)
    assert not asks_anew(MASK, lower, [Point(7, 8)], None)
    assert not asks_anew(MASK, lower, [], None), "there is no question yet"
    assert not asks_anew(MASK, lower, [], (6.0, 0.0, 9.0, 9.0)), "the box was about it"
    assert asks_anew(MASK, lower, [], (0.0, 0.0, 3.0, 9.0))
    assert asks_anew(MASK, Point(5, 5), [upper], None), "it adds a part"
    assert not asks_anew(MASK, Point(5, 5, positive=False), [upper], None)


def test_a_click_that_took_its_own_pixel_away_is_about_the_part_beside_it() -> None:
    taken = Point(6, 3, positive=False)
    assert not asks_anew(MASK, Point(8, 3, positive=False), [taken], None)
    assert asks_anew(MASK, Point(1, 3, positive=False), [taken], None)


def test_a_part_is_the_same_though_another_has_changed() -> None:
    changed = MASK.copy()
    changed[7:9, 5:] = False
    assert same_part(changed, MASK, Point(1, 3))
    assert not same_part(changed, MASK, Point(8, 3))
    assert not same_part(changed, MASK, Point(5, 5))


def test_bounds_are_inside_the_mask() -> None:
    assert bounds(MASK) == (1, 1, 8, 8)
    assert bounds(np.zeros_like(MASK)) is None


def test_a_box_grows_to_points_that_are_not_far_out_of_it() -> None:
    box = (10.0, 20.0, 20.0, 60.0)
    assert grown(box, [Point(15.0, 30.0), Point(90.0, 90.0, positive=False)]) == box
    assert grown(box, [Point(24.0, 5.0)]) == (10.0, 5.0, 24.0, 60.0)
    assert grown(box, [Point(15.0, 30.0), Point(25.1, 30.0)]) is None
    assert grown(box, [Point(15.0, 80.1)]) is None
    assert grown(None, [Point(1.0, 1.0)]) is None
