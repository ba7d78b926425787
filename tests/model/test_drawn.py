"""Random shapes drawn into pictures: where they are, and that they can be told from what surrounds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_adasam.model.augment import View
from napari_adasam.model.drawn import (
    LEAST_CONTRAST,
    Mask,
    Paint,
    band,
    blob,
    draw_shape,
    enclosure,
    layer,
    painted,
    stands_out,
    texture_of,
    with_shapes,
)

SIZE = 96
FLAT = Paint(gain=0.5, foreign=0.0, rim=0.0, width=2.0, soft=0.4, below=1.0)


def speckled(seed: int) -> View:
    """A noisy picture in the left three quarters of the square; black and not valid in the others."""
    rng = np.random.default_rng(seed)
    grey = np.clip(rng.gamma(4, 25, (SIZE, SIZE)), 0, 255).astype(np.float32)
    valid = np.zeros((1, SIZE, SIZE), np.float32)
    valid[:, :, : 3 * SIZE // 4] = 1
    return View(torch.from_numpy(grey * valid[0])[None], torch.from_numpy(valid), None)


@pytest.mark.parametrize("seed", range(12))
def test_only_the_shapes_differ_and_they_are_the_labels(seed: int) -> None:
    view = speckled(seed)
    drawn = with_shapes(view, speckled(100 + seed), np.random.default_rng(seed))
    assert drawn.labels is not None
    count = int(drawn.labels.max())
    assert set(drawn.labels.unique().tolist()) == set(range(count + 1))
    assert not (drawn.labels[drawn.valid[0] == 0] > 0).any()
    outside = view.valid[0] == 0
    assert torch.equal(drawn.grey[0][outside], view.grey[0][outside])
    assert torch.equal(drawn.grey, view.grey) == (count == 0)


def test_most_pictures_get_a_shape_and_some_get_several() -> None:
    rng = np.random.default_rng(0)
    counts = [int(with_shapes(speckled(i), speckled(i + 1), rng).labels.max()) for i in range(30)]  # type: ignore[union-attr]
    assert sum(c > 0 for c in counts) >= 25
    assert max(counts) >= 3


def test_the_same_seed_draws_the_same() -> None:
    one, two = (with_shapes(speckled(0), speckled(1), np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(one.grey, two.grey)
    assert one.labels is not None
    assert two.labels is not None
    assert torch.equal(one.labels, two.labels)


def test_nothing_is_drawn_where_there_is_no_tissue() -> None:
    black = View(torch.zeros(1, SIZE, SIZE), torch.ones(1, SIZE, SIZE), None)
    drawn = with_shapes(black, speckled(0), np.random.default_rng(0))
    assert drawn.labels is not None
    assert not drawn.labels.any()
    assert not drawn.grey.any()


def test_a_shape_must_differ_from_its_surroundings() -> None:
    grey = np.full((SIZE, SIZE), 100, np.float32)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[30:50, 30:50] = True
    darker = painted(grey, mask, grey, FLAT)
    assert darker[40, 40] == pytest.approx(50, abs=1)
    assert darker[5, 5] == 100
    assert stands_out(darker, mask)
    assert not stands_out(grey, mask)
    assert not stands_out(grey - mask * (LEAST_CONTRAST - 1), mask)


def test_a_rim_lies_on_the_border_and_a_shadow_below() -> None:
    grey = np.full((SIZE, SIZE), 100, np.float32)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[30:50, 30:50] = True
    rim = painted(grey, mask, grey, Paint(gain=1, foreign=0, rim=60, width=3, soft=0.4, below=1))
    assert rim[30, 40] > 150
    assert rim[40, 40] == pytest.approx(100, abs=1)
    shadow = painted(grey, mask, grey, Paint(gain=1, foreign=0, rim=0, width=3, soft=0.4, below=0.5))
    assert shadow[80, 40] < 55
    assert shadow[10, 40] == 100
    assert shadow[80, 10] == 100


@pytest.mark.parametrize(("draw", "small", "large"), [(blob, 0.02, 0.1), (band, 0.02, 0.1), (layer, 0.25, 0.5)])
def test_shapes_are_of_many_sizes(draw: Callable[[int, np.random.Generator], Mask], small: float, large: float) -> None:
    rng = np.random.default_rng(0)
    shares = sorted(draw(SIZE, rng).mean() for _ in range(60))
    assert shares[0] < small
    assert shares[-1] > large


def test_a_layer_reaches_from_side_to_side() -> None:
    mask = layer(SIZE, np.random.default_rng(1))
    assert mask.any(0).all()


def test_texture_is_the_tissues_own_with_no_black_from_beside_it() -> None:
    rng = np.random.default_rng(0)
    view = View(torch.zeros(1, SIZE, SIZE), torch.ones(1, SIZE, SIZE), None)
    view.grey[0, 10:60, 20:80] = torch.from_numpy(rng.uniform(90, 110, (50, 60)).astype(np.float32))
    texture = texture_of(view, rng)
    assert texture.shape == (SIZE, SIZE)
    assert (texture > 80).mean() > 0.6
    assert not texture_of(View(torch.zeros(1, 8, 8), torch.ones(1, 8, 8), None), rng).any()


def test_enclosures_are_large_whole_and_only_drawn_where_asked_for() -> None:
    rng = np.random.default_rng(0)
    shapes = [enclosure(SIZE, rng) for _ in range(60)]
    assert np.median([shape.mean() for shape in shapes]) > 0.1
    assert all(ndimage.label(shape)[1] == 1 for shape in shapes)
    faced = [
        [draw_shape(SIZE, np.random.default_rng(i), True, asked)[1].facing > 0 for i in range(200)] for asked in (0, 1)
    ]
    assert sum(faced[0]) == 0
    assert 25 < sum(faced[1]) < 75
    assert not any(draw_shape(SIZE, np.random.default_rng(i), False, True)[1].facing for i in range(50))


def test_a_rim_that_faces_the_beam_fades_at_the_sides() -> None:
    grey = np.full((SIZE, SIZE), 60, np.float32)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    disc = np.hypot(y, x) < 30
    plain = Paint(gain=1.0, foreign=0.0, rim=80.0, width=4.0, soft=0.4, below=1.0)
    even, faded = (painted(grey, disc, grey, replace(plain, facing=facing)) - grey for facing in (0.0, 0.8))
    top, side = (SIZE // 2 - 30, SIZE // 2), (SIZE // 2, SIZE // 2 - 30)
    assert even[top] == pytest.approx(even[side], rel=0.05)
    assert faded[top] > 0.9 * even[top]
    assert faded[side] < 0.4 * even[side]
