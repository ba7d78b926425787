"""Views of a frame: drawn first, applied second."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_adasam.model.augment import (
    Geometry,
    Tone,
    View,
    Window,
    apply,
    draw_geometry,
    draw_tone,
    draw_window,
    seen_through,
    tone,
    warp,
)

SIZE = 64


def frame(seed: int = 0) -> View:
    """Smooth brightness with a square structure, the lower third padding."""
    rng = np.random.default_rng(seed)
    grey = torch.from_numpy(rng.uniform(20, 240, (1, 8, 8))).float().repeat_interleave(8, 1).repeat_interleave(8, 2)
    valid = torch.ones(1, SIZE, SIZE)
    valid[:, 44:] = 0
    labels = torch.zeros(SIZE, SIZE, dtype=torch.int64)
    labels[10:30, 8:24] = 2
    return View(grey * valid, valid, labels)


def test_the_identity_leaves_everything() -> None:
    before = frame()
    after = apply(before, Geometry(), Tone())
    torch.testing.assert_close(after.grey, before.grey, rtol=0, atol=0.05)
    assert torch.equal(after.valid, before.valid)
    assert torch.equal(after.labels, before.labels)


def test_strength_0_is_the_identity_but_for_the_mirror() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        geometry, picture = draw_geometry(rng, 0), draw_tone(rng, 0)
        assert geometry == Geometry(mirror=geometry.mirror)
        assert picture == Tone(seed=picture.seed)


def test_mirroring_turns_left_and_right_and_leaves_depth() -> None:
    before = frame()
    after = apply(before, Geometry(mirror=True), Tone())
    torch.testing.assert_close(after.grey, before.grey.flip(-1), rtol=0, atol=0.05)
    assert torch.equal(after.labels, before.labels.flip(-1))


def test_zoom_brings_closer_and_shift_moves_the_view() -> None:
    labels = torch.zeros(1, SIZE, SIZE)
    labels[:, 24:40, 24:40] = 1
    closer = warp(labels, Geometry(zoom=2), nearest=True)
    assert closer.sum().item() == pytest.approx(4 * labels.sum().item(), rel=0.05)
    moved = warp(labels, Geometry(shift=(0.25, 0)), nearest=True)  # the view moves down by 8 px, the picture up
    assert torch.equal(moved, torch.roll(labels, -8, dims=1))
    aside = warp(labels, Geometry(shift=(0, 0.25)), nearest=True)
    assert torch.equal(aside, torch.roll(labels, -8, dims=2))


@pytest.mark.parametrize("seed", range(8))
def test_labels_follow_the_picture(seed: int) -> None:
    """A picture that is bright exactly on the structure stays so through any geometry."""
    labels = frame().labels
    assert labels is not None
    drawn = View((labels[None] > 0) * 200.0, torch.ones(1, SIZE, SIZE), labels)
    geometry = draw_geometry(np.random.default_rng(seed), strength=1.5)
    after = apply(drawn, geometry, Tone())
    assert after.labels is not None
    assert set(after.labels.unique().tolist()) <= {0, 2}
    assert after.labels.any()
    assert not torch.equal(after.labels, labels)
    differs = (after.grey[0] > 100) != (after.labels == 2)
    assert differs.float().mean() < 0.01


def test_the_same_seed_draws_and_makes_the_same_view() -> None:
    def make(seed: int) -> torch.Tensor:
        rng = np.random.default_rng(seed)
        return apply(frame(), draw_geometry(rng), draw_tone(rng)).grey

    assert torch.equal(make(3), make(3))
    assert not torch.equal(make(3), make(4))


def test_the_frame_itself_is_not_changed() -> None:
    before, kept = frame(), frame()
    rng = np.random.default_rng(0)
    for _ in range(5):
        apply(before, draw_geometry(rng), draw_tone(rng))
    assert torch.equal(before.grey, kept.grey)
    assert torch.equal(before.labels, kept.labels)


def test_a_tone_stays_in_range_and_does_what_its_names_say() -> None:
    grey = torch.full((1, SIZE, SIZE), 100.0)
    assert tone(grey, Tone(gain=1.5)).mean().item() == pytest.approx(150)
    assert tone(grey, Tone(gamma=2)).mean().item() == pytest.approx(100**2 / 255)
    assert tone(grey, Tone(gain=9)).max() == 255
    deeper = tone(grey, Tone(depth=0.5))[0, :, 0]
    assert deeper[0].item() == pytest.approx(75)
    assert deeper[-1].item() == pytest.approx(125)
    speckled = tone(grey, Tone(speckle=0.2, seed=1))
    assert 5 < speckled.std() < 25
    edge = torch.zeros(1, SIZE, SIZE)
    edge[..., 32:] = 200
    blurred = tone(edge, Tone(blur=1.5))
    assert 20 < blurred[0, 32, 31] < 100
    assert blurred.mean().item() == pytest.approx(100, abs=1)


def test_chrome_is_painted_only_where_there_is_no_scan() -> None:
    before = frame()
    after = apply(before, Geometry(), Tone(chrome=60.0, seed=5))
    scan = before.valid[0] > 0
    torch.testing.assert_close(after.grey[0][scan], before.grey[0][scan], rtol=0, atol=0.05)
    assert (after.grey[0][~scan] == 60).float().mean() > 0.5
    assert after.valid.all()  # it is part of the picture now
    assert torch.equal(after.labels, before.labels)


def test_a_window_hides_what_lies_outside_it_and_the_labels_there() -> None:
    fan = Window(apex=(-0.3, 0.5), near=0.35, far=1.0, half_angle=0.5)
    seen = seen_through(fan, 64)[0]
    assert seen[32, 32] == 1
    assert seen[0, 0] == 0  # beside the fan
    assert seen[1, 32] == 0  # above its near arc: (1.5 / 64 + 0.3) < 0.35
    view = apply(frame(), Geometry(window=fan), Tone())
    assert view.labels is not None
    size = view.valid.shape[-1]
    outside = seen_through(fan, size)[0] == 0
    assert outside.any()
    assert not view.valid[0][outside].any()
    assert not view.labels[outside].any()
    assert not view.grey[:, outside].any()


def test_a_rectangular_window_has_the_size_that_it_says() -> None:
    seen = seen_through(Window(apex=(0.25, 0.5), near=0.25, far=0.5, half_angle=0.0), 64)[0]
    assert seen.sum() == 32 * 32
    assert seen[16:48, 16:48].all()


def test_drawn_windows_leave_most_of_the_square_in_sight() -> None:
    rng = np.random.default_rng(3)
    shares = [float(seen_through(draw_window(rng), 64).mean()) for _ in range(200)]
    assert min(shares) > 0.3
    assert float(np.mean(shares)) > 0.6
