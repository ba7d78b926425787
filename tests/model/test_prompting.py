"""From a CAM to prompts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_adasam.domain.settings import PromptSettings
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.prompting import OUTSIDE, components, prompts_from_cam

SQUARE = Canvas(512, 512, 512)
OFF = -8.0


def cam(*cells: tuple[int, int, float], side: int = 32) -> np.ndarray:
    """A dark map (32, 32) with some cells (row, column, logit) lit."""
    made = np.full((side, side), OFF, np.float32)
    for row, column, value in cells:
        made[row, column] = value
    return made


@given(st.integers(0, 31), st.integers(0, 31))
def test_one_cell_gives_the_whole_cells_box(row: int, column: int) -> None:
    (prompt,) = prompts_from_cam(cam((row, column, 3.0)), SQUARE, PromptSettings(), several_parts=False)
    assert prompt.box == (row * 16, column * 16, (row + 1) * 16 - 1, (column + 1) * 16 - 1)
    assert [(p.y, p.x, p.positive) for p in prompt.points] == [(row * 16 + 7.5, column * 16 + 7.5, True)]
    assert prompt.source == "cam"


def test_the_box_goes_from_the_first_cells_edge_to_the_last_cells() -> None:
    lit = cam()
    lit[3:6, 10:20] = 2.0
    lit[4, 17] = 4.0
    (prompt,) = prompts_from_cam(lit, SQUARE, PromptSettings(), several_parts=False)
    assert prompt.box == (3 * 16, 10 * 16, 6 * 16 - 1, 20 * 16 - 1)
    assert (prompt.points[0].y, prompt.points[0].x) == (4.5 * 16 - 0.5, 17.5 * 16 - 0.5)


def test_boxes_and_points_are_in_pixels_of_the_image() -> None:
    canvas = Canvas(600, 1200, 512)  # 256 rows of input
    (prompt,) = prompts_from_cam(cam((3, 10, 3.0)), canvas, PromptSettings(), several_parts=False)
    assert prompt.box == pytest.approx((48 * 600 / 256, 160 * 1200 / 512, 63 * 600 / 256, 175 * 1200 / 512))
    low = prompts_from_cam(cam((15, 31, 3.0)), Canvas(500, 1000, 512), PromptSettings(), several_parts=False)
    assert low[0].box is not None
    assert low[0].box[2] <= 499
    assert low[0].box[3] <= 999


@pytest.mark.parametrize(
    "nothing",
    [
        cam(),
        np.full((32, 32), -0.001, np.float32),
        np.zeros((32, 32), np.float32),
        np.full((32, 32), np.nan, np.float32),
        cam((4, 4, np.nan), (8, 8, 5.0)),
        cam((4, 4, np.inf)),
    ],
    ids=["dark", "all negative", "all zero", "NaN", "one NaN", "infinite"],
)
@pytest.mark.parametrize("several_parts", [False, True])
def test_a_map_of_nothing_gives_no_prompt(nothing: np.ndarray, several_parts: bool) -> None:
    assert prompts_from_cam(nothing, SQUARE, PromptSettings(), several_parts) == ()


def test_a_map_that_is_lit_all_over_gives_the_whole_image() -> None:
    (prompt,) = prompts_from_cam(np.full((32, 32), 2.0, np.float32), SQUARE, PromptSettings(), several_parts=True)
    assert prompt.box == (0, 0, 511, 511)


def test_a_cell_belongs_at_four_tenths_of_the_map() -> None:
    def logit(activation: float) -> float:
        return float(np.log(activation / (1 - activation)))

    low, high = 1 / (1 + np.exp(-OFF)), 0.9
    at = low + 0.4 * (high - low)
    lit = cam((5, 5, logit(high)), (5, 6, logit(at + 0.005)), (5, 4, logit(at - 0.005)))
    (part,) = components(lit, PromptSettings(), several_parts=False)
    assert np.argwhere(part).tolist() == [[5, 5], [5, 6]]
    (wider,) = components(lit, PromptSettings(threshold=0.35), several_parts=False)
    assert wider.sum() == 3


def test_one_part_is_the_one_with_the_maximum() -> None:
    lit = cam((2, 2, 1.0), (2, 3, 1.0), (20, 20, 1.5))
    (prompt,) = prompts_from_cam(lit, SQUARE, PromptSettings(), several_parts=False)
    assert prompt.box == (320, 320, 335, 335)


def test_cells_that_touch_at_a_corner_are_one_part() -> None:
    (part,) = components(cam((2, 2, 1.0), (3, 3, 1.0)), PromptSettings(), several_parts=True)
    assert part.sum() == 2


def test_several_parts_are_prompted_one_by_one_strongest_first() -> None:
    lit = cam((2, 2, 2.0), (20, 20, 3.0), (19, 20, -1.0), (28, 5, 0.3))  # the last has less than three quarters
    first, second = prompts_from_cam(lit, SQUARE, PromptSettings(), several_parts=True)
    assert first.box == (320, 320, 335, 335)
    assert second.box == (32, 32, 47, 47)
    assert first.dense is not None
    assert second.dense is not None
    assert first.dense[20, 20] == 3
    assert first.dense[2, 2] == OUTSIDE
    assert second.dense[2, 2] == 2
    assert second.dense[20, 20] == OUTSIDE
    assert (second.dense[19:22, 19:22] == OUTSIDE).all()  # its edge, too, from which the decoder would fill it again
    assert first.dense[28, 5] == pytest.approx(0.3)  # not prompted: left as it is
    assert lit[2, 2] == 2  # the map itself is not touched


def test_what_may_be_left_out_of_a_prompt() -> None:
    lit = cam((2, 2, 2.0))
    (dense,) = prompts_from_cam(lit, SQUARE, PromptSettings(use_box=False, use_point=False), several_parts=False)
    assert dense.box is None
    assert dense.points == ()
    assert np.array_equal(dense.dense, lit)  # type: ignore[arg-type]
    (sparse,) = prompts_from_cam(lit, SQUARE, PromptSettings(use_dense=False), several_parts=False)
    assert sparse.dense is None
    assert sparse.box is not None
    nothing = PromptSettings(use_box=False, use_point=False, use_dense=False)
    assert prompts_from_cam(lit, SQUARE, nothing, several_parts=False) == ()
