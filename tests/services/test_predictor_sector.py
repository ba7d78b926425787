"""What the model sees with and without a scan sector."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import BELLY, picture, tiny_net, tiny_vit

from napari_adasam.domain.sector import rectangle
from napari_adasam.domain.settings import ModelSettings, PromptSettings
from napari_adasam.files.activations import ActivationStore
from napari_adasam.model import registry
from napari_adasam.model.adasam import AdaSam
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.regions import Regions

CPU = ModelSettings("tiny", device="cpu")


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> AdaSam:
    made = tiny_net(structures=(BELLY,), encoder=tiny_vit(depth=2))
    monkeypatch.setattr(registry, "load", lambda settings: made)
    return made


@pytest.fixture
def regions() -> Regions:
    made = Regions()
    height, width = picture(0).shape[:2]
    made.set("a", rectangle(0, 0, height - 1, width // 2, "by hand"))
    return made


def test_without_the_setting_a_sector_changes_nothing(net: AdaSam, regions: Regions) -> None:
    off = replace(CPU, use_sector=False)
    one, other = ModelPredictor(off), ModelPredictor(off, regions)
    assert torch.equal(one.embedding("a", picture(0)), other.embedding("a", picture(0)))
    assert other.seen("a", picture(0)) == ("a", None)


def test_by_itself_nothing_is_seen_or_said_outside(net: AdaSam, regions: Regions) -> None:
    predictor = ModelPredictor(CPU, regions)
    pixels = picture(0)
    mask = regions.of("a", pixels).mask
    outside = np.full(pixels.shape, 52, np.uint8)  # a flat screen, and the same with a bar and text
    pixels, changed = np.where(mask, pixels, outside), np.where(mask, pixels, outside)
    changed[2:30, -6:] = np.linspace(255, 0, 28).astype(np.uint8)[:, None]
    changed[32:36, -12::2] = 200
    changed[mask] = pixels[mask]
    before = predictor.embedding("a", pixels)
    predictor.forget("a")
    assert torch.equal(before, predictor.embedding("a", changed))
    grey, valid = predictor.square(changed, regions.of("a", pixels))
    assert torch.equal(grey, predictor.square(pixels, None)[0])
    assert not grey[valid == 0].any()
    (suggestion,) = predictor.suggest("a", pixels, (BELLY,), PromptSettings(presence=0.0))
    assert not suggestion.cam[~mask].any()
    assert suggestion.cam[mask].any()
    assert not suggestion.mask[~mask].any()


def test_another_sector_is_encoded_anew(net: AdaSam, regions: Regions) -> None:
    predictor = ModelPredictor(CPU, regions)
    before = predictor.embedding("a", picture(0))
    regions.set("a", rectangle(0, 0, picture(0).shape[0] - 1, 12, "by hand"))
    assert not torch.equal(before, predictor.embedding("a", picture(0)))


def test_what_is_kept_for_the_next_sitting_is_of_one_sector(net: AdaSam, regions: Regions, tmp_path: Path) -> None:
    sectors = [regions.found("b", picture(0)), rectangle(0, 0, picture(0).shape[0] - 1, 12, "by hand")]
    found = []
    for sector in (None, *sectors):
        if sector is not None:
            regions.set("a", sector)
        found.append(ModelPredictor(CPU, regions, ActivationStore(tmp_path)).activation("a", picture(0)))
    assert len(list(tmp_path.iterdir())) == 3
    assert not any(torch.equal(one, other) for one, other in combinations(found, 2))
    again = ModelPredictor(CPU, regions, ActivationStore(tmp_path)).activation("a", picture(0))
    assert torch.equal(again, found[-1])
    assert len(list(tmp_path.iterdir())) == 3
