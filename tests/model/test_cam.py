"""The class activation map lies over the image to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import BrightnessEncoder, embed, see_brightness, tiny_net

from napari_adasam.domain.settings import PromptSettings
from napari_adasam.model import adasam, cam
from napari_adasam.model.canvas import Canvas

CELL = 16


@pytest.mark.parametrize("shape", [(160, 320), (320, 160), (201, 307), (256, 256)])
@pytest.mark.parametrize("at", [(0.3, 0.35), (0.7, 0.72)])
def test_a_planted_bright_region_lights_up_on_its_own_pixels(shape: tuple[int, int], at: tuple[float, float]) -> None:
    height, width = shape
    side = max(shape) // 4
    y0, x0 = int(at[0] * height) - side // 2, int(at[1] * width) - side // 2
    planted = np.zeros(shape, bool)
    planted[max(0, y0) : y0 + side, max(0, x0) : x0 + side] = True
    net = see_brightness(tiny_net(encoder=BrightnessEncoder(), size=256))
    pixels = np.where(planted, 255, 0).astype(np.uint8)
    canvas = Canvas(height, width, 256)
    answer = adasam.suggest(net, embed(net, pixels), canvas, net.card.structures, PromptSettings())[0]
    assert answer.cam.shape == shape
    assert answer.cam.dtype == np.float32
    lit = answer.cam > 0.5
    border = int(np.ceil(0.5 * CELL / canvas.scale)) + 1
    rows, columns = np.nonzero(planted)
    inside = lit[rows.min() + border : rows.max() + 1 - border, columns.min() + border : columns.max() + 1 - border]
    assert inside.size
    assert inside.all()
    top, left = max(0, rows.min() - border), max(0, columns.min() - border)
    lit[top : rows.max() + 1 + border, left : columns.max() + 1 + border] = False
    assert not lit.any()


@pytest.mark.parametrize("shape", [(97, 131), (131, 97), (40, 61), (30, 64), (64, 64), (333, 205), (50, 600)])
@pytest.mark.parametrize("cells", [4, 8])
def test_a_cell_of_the_map_lies_on_exactly_the_pixels_that_it_covers(shape: tuple[int, int], cells: int) -> None:
    """Each cell is planted by itself; every pixel is lit most by the cell that its centre lies in, by the geometry."""
    canvas = Canvas(*shape, 64)
    cell, (rows, columns) = 64 / cells, canvas.inner
    inner = cam.inner_cells(canvas, cells)
    planted = [(row, column) for row in range(inner[0]) for column in range(inner[1])]
    shown = []
    for at in planted:
        logits = torch.full((cells, cells), -5.0)
        logits[at] = 5.0
        shown.append(cam.overlay(logits, canvas))
    found = np.argmax(shown, axis=0)
    ys = (np.arange(shape[0]) + 0.5) * rows / shape[0] / cell  # pixel centres, in cells
    xs = (np.arange(shape[1]) + 0.5) * columns / shape[1] / cell
    expected = np.floor(ys)[:, None] * inner[1] + np.floor(xs)[None, :]
    on_border = (np.abs(ys - np.round(ys)) < 1e-4)[:, None] | (np.abs(xs - np.round(xs)) < 1e-4)[None, :]
    assert on_border.mean() < 0.2
    assert np.array_equal(found[~on_border], expected[~on_border])
    assert len(np.unique(found)) == len(planted)


def test_the_centre_of_a_cell_shows_the_cells_own_value() -> None:
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    shown = cam.overlay(logits, Canvas(68, 68, 68))  # cells of 17 px have a centre pixel
    for row in range(4):
        for column in range(4):
            expected = torch.sigmoid(logits[row, column]).item()
            assert shown[17 * row + 8, 17 * column + 8] == pytest.approx(expected, abs=1e-5)


def test_cells_that_see_padding_only_are_put_out_and_the_others_kept() -> None:
    logits = torch.ones(4, 4)
    lying = cam.inside_image(logits, Canvas(100, 200, 64))  # 32 of 64 rows: 2 of 4 rows of cells
    assert (lying[:2] == 1).all()
    assert (lying[2:] == -cam.LOGIT_LIMIT).all()
    standing = cam.inside_image(logits, Canvas(200, 100, 64))
    assert torch.equal(standing, lying.T)


def test_a_cell_counts_with_half_of_it_in_the_region() -> None:
    region = np.zeros((64, 64), bool)
    region[:, :24] = True  # a cell and a half of four
    logits, canvas = torch.ones(4, 4), Canvas(64, 64, 64)
    assert (cam.inside_region(logits, region, canvas) > 0).all(0).tolist() == [True, True, False, False]
    region[:, 23] = False
    assert (cam.inside_region(logits, region, canvas) > 0).all(0).tolist() == [True, False, False, False]


def test_a_cell_that_touches_the_image_counts() -> None:
    assert cam.inner_cells(Canvas(51, 100, 64), 4) == (3, 4)  # 33 rows


def test_the_dense_prompt_is_limited_and_four_times_as_fine() -> None:
    logits = torch.tensor([[99.0, -99.0], [0.0, 1.0]])
    dense = cam.dense_prompt(logits, 2)
    assert dense.shape == (8, 8)
    assert dense.max() == 10
    assert dense.min() == -10
    assert dense[0, 0] == 10
    assert dense[-1, -1] == 1
