"""Tiny files in place of the architectures that the registry knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny import BELLY, SIZE, tiny_net, tiny_vit

from napari_adasam.model import checkpoints
from napari_adasam.model.checkpoints import Weights
from napari_adasam.model.sam import SamNet


def small_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every architecture is a tiny ViT from now on."""
    monkeypatch.setattr(checkpoints, "empty_sam", lambda name, size: SamNet(tiny_vit(), size))
    monkeypatch.setattr(checkpoints, "architecture", lambda weights: "vit_b")
    monkeypatch.setattr(checkpoints, "from_sam_weights", lambda weights, size=None: plain_sam(weights, size or SIZE))


def plain_sam(weights: Weights, size: int) -> SamNet:
    sam = SamNet(tiny_vit(), size)
    checkpoints.load_exactly(sam, weights)
    return sam.eval()


def tiny_full(path: Path, seed: int = 0, licence: str = "none") -> Path:
    """A whole model of ours, as the bundled one is."""
    net = tiny_net(structures=(BELLY,), seed=seed)
    checkpoints.write(path, net.state_dict(), checkpoints.card_to_json(replace(net.card, licence=licence), kind="full"))
    return path
