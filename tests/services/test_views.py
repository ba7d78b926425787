"""Views of frames: encoded once, up to the first adapted unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import BELLY, SIZE, blob, embed, tiny_net, tiny_vit
from toy_rounds import SHORT, Serving, labelled, serving, unlabelled

from napari_adasam.domain.sector import rectangle
from napari_adasam.model import augment
from napari_adasam.model.adapters import lora
from napari_adasam.model.supervision import NO_IMAGE
from napari_adasam.services.ports import LabelledFrame
from napari_adasam.services.regions import Regions
from napari_adasam.services.trainer import RoundTrainer
from napari_adasam.services.views import Views, _rng

__all__ = ["serving"]  # a fixture


@pytest.mark.parametrize("adapt_from", [1, 3])
def test_views_are_kept_in_front_of_whatever_is_adapted(serving: Serving, adapt_from: int) -> None:
    predictor = serving(tiny_net(encoder=tiny_vit(depth=5)))  # adapted from unit 2 on, usually
    student, since = RoundTrainer(predictor, replace(SHORT, adapt_from=adapt_from))._student((BELLY,))
    with torch.no_grad():
        for parameter in lora.parameters(student).values():
            parameter.normal_(std=0.5)
    student.eval()
    views = Views(predictor, student, since)
    frame = labelled(1)[0]
    with torch.no_grad():
        found = views.embed(student, views.plain(frame))
    torch.testing.assert_close(found, embed(student, frame.pixels), rtol=3e-2, atol=3e-2)
    assert views.cut == min(adapt_from, 2)


def test_a_round_that_adapts_an_earlier_unit_does_not_take_over_views_from_behind_it(serving: Serving) -> None:
    predictor, frame = serving(tiny_net(encoder=tiny_vit(depth=5))), labelled(1)[0]  # adapted from unit 2 on, usually
    found = []
    for adapt_from in (2, 1, 2):
        student, since = RoundTrainer(predictor, replace(SHORT, adapt_from=adapt_from))._student((BELLY,))
        found.append(Views(predictor, student, since).labelled(frame, 1)[0])
    behind, earlier, again = found
    assert not torch.equal(behind, earlier)
    assert torch.equal(behind, again)


def test_views_are_made_once_and_differ(serving: Serving) -> None:
    predictor = serving()
    student, since = RoundTrainer(predictor, SHORT)._student((BELLY,))
    frame, rest = labelled(1)[0], unlabelled(1)[0]
    views = Views(predictor, student, since)
    runs: list[int] = []
    student.sam.encoder.units[0].register_forward_hook(lambda *_: runs.append(1))
    (plain, whole), (first, labels), (second, _) = (views.labelled(frame, i) for i in range(3))
    strong = views.strong(rest)
    assert len(runs) == 3  # the plain one is the predictor's
    assert not torch.equal(first, second)
    assert not torch.equal(strong, views.plain(rest))
    assert torch.equal(whole, torch.from_numpy(frame.labels.astype(np.int64)))
    assert labels.shape == (SIZE, SIZE)
    again = Views(predictor, student, since)
    assert torch.equal(again.labelled(frame, 1)[0], first)
    assert torch.equal(again.labelled(frame, 0)[0], plain)
    assert len(runs) == 3


def test_labels_tell_where_a_view_shows_nothing(serving: Serving) -> None:
    predictor = serving()
    student, since = RoundTrainer(predictor, SHORT)._student((BELLY,))
    pixels, truth = blob(0, (32, 64), radius=10)
    views, frame = Views(predictor, student, since), LabelledFrame("wide", pixels, truth, "g")
    _, whole = views.labelled(frame, 0)
    assert torch.equal(whole[:32], torch.from_numpy(truth.astype(np.int64)))
    assert (whole[32:] == NO_IMAGE).all()
    painted = set()
    for view in range(1, 9):
        _, labels = views.labelled(frame, view)
        rng = _rng("wide", view)
        geometry, tone = augment.draw_geometry(rng), augment.draw_tone(rng)
        square = np.zeros((SIZE, SIZE), np.uint8)
        square[:32] = truth
        planes = torch.from_numpy(np.stack([square, square * 0 + (np.arange(SIZE) < 32)[:, None]])).float()
        disc, inside = augment.warp(planes, geometry, nearest=True)
        assert torch.equal(labels == 1, disc == 1)
        painted.add(tone.chrome is not None)
        assert torch.equal(labels == NO_IMAGE, (inside == 0) & (tone.chrome is None))
        assert 0.2 < inside.mean() < 0.9
    assert painted == {True, False}, "an interface painted around the image is picture, as at use"


def test_outside_of_the_sector_nothing_is_learned(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, regions = serving(), Regions()
    monkeypatch.setattr(predictor, "_regions", regions)
    student, since = RoundTrainer(predictor, SHORT)._student((BELLY,))
    views, frame = Views(predictor, student, since), labelled(1)[0]
    regions.set(frame.frame_id, rectangle(0, 0, SIZE - 1, SIZE // 2 - 1, "by hand"))
    _, whole = views.labelled(frame, 0)
    left, right = whole[:, : SIZE // 2], whole[:, SIZE // 2 :]
    assert torch.equal(left, torch.from_numpy(frame.labels[:, : SIZE // 2].astype(np.int64)))
    assert (right == NO_IMAGE).all()
    for view in range(1, 9):  # in some of these an interface would be painted
        _, labels = views.labelled(frame, view)
        assert (labels == NO_IMAGE).float().mean() > 0.2
