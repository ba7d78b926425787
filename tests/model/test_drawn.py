"""Random shapes drawn into pictures: where they are, and that they can be told from what surrounds them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_adasam.model.augment import View
from napari_adasam.model.drawn import (
    LEAST_CONTRAST,
    Mask,
    Paint,
    band,
    blob,
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
