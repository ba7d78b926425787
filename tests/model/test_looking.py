"""A look at a frame, for the order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import APONEUROSIS, BELLY, BrightnessEncoder, blob, embed, see_brightness, tiny_net

from napari_adasam.domain.settings import PromptSettings
from napari_adasam.model import looking
from napari_adasam.model.adasam import Sight
from napari_adasam.model.canvas import Canvas

CANVAS = Canvas(64, 64, 64)


def test_a_look_has_presence_disagreement_and_a_place_of_length_one() -> None:
    net = see_brightness(tiny_net(encoder=BrightnessEncoder()))
    found = looking.look(net, embed(net, blob(1)[0]), [BELLY], Sight(CANVAS, PromptSettings()))
    assert found.presence[1] > 0.5
    assert 0 <= found.disagreement[1] <= 1
    assert np.linalg.norm(found.features) == pytest.approx(1.0)
    other = looking.look(net, embed(net, 255 - blob(1)[0]), [BELLY], Sight(CANVAS, PromptSettings()))
    assert np.linalg.norm(found.features - other.features) > 0.1


def test_masks_that_do_not_depend_on_the_prompt_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    net = see_brightness(tiny_net(encoder=BrightnessEncoder()))
    embedding = embed(net, blob(1)[0])
    same = np.ones((16, 16), np.bool_)
    monkeypatch.setattr(looking, "_mask", lambda *_: same)
    assert looking.look(net, embedding, [BELLY], Sight(CANVAS, PromptSettings())).disagreement == {1: 0.0}
    masks = iter([same, ~same, ~same])
    monkeypatch.setattr(looking, "_mask", lambda *_: next(masks))
    assert looking.look(net, embedding, [BELLY], Sight(CANVAS, PromptSettings())).disagreement == {1: 1.0}


def test_what_was_never_learned_or_is_absent_has_no_say() -> None:
    net = see_brightness(tiny_net(encoder=BrightnessEncoder()))
    found = looking.look(net, embed(net, blob(1)[0]), [APONEUROSIS], Sight(CANVAS, PromptSettings()))
    assert not found.presence
    assert not found.disagreement
    with torch.no_grad():
        net.head.shift.fill_(-50)  # judged absent
    assert not looking.look(net, embed(net, blob(1)[0]), [BELLY], Sight(CANVAS, PromptSettings())).disagreement


def test_nothing_is_asked_from_outside_the_region() -> None:
    net = see_brightness(tiny_net(encoder=BrightnessEncoder()))
    nowhere = Sight(CANVAS, PromptSettings(), np.zeros((64, 64), np.bool_))
    found = looking.look(net, embed(net, blob(1)[0]), [BELLY], nowhere)
    assert found.presence[1] > 0.5
    assert not found.disagreement
