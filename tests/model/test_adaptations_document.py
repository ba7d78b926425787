"""docs/adaptations.md gives the counts that the code has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from blocks_under_test import vit_shapes
from tiny import BELLY

from napari_adasam.domain.settings import Method, TrainSettings
from napari_adasam.model import adaptation
from napari_adasam.model.adasam import AdaSam, ModelCard
from napari_adasam.model.classifier import build
from napari_adasam.model.encoders import TinyVit
from napari_adasam.model.sam import SamNet

DOCUMENT = Path(__file__).parents[2] / "docs" / "adaptations.md"
METHODS: tuple[Method, ...] = ("lora", "medsa", "masam")


def tiny_vit_shapes() -> AdaSam:
    return AdaSam(SamNet(TinyVit(), 512), build("classmap", 1), ModelCard("shapes", "tiny_vit", 512, (BELLY,)))


ENCODERS: dict[str, Callable[[], AdaSam]] = {
    "TinyViT": tiny_vit_shapes,
    "ViT-B": lambda: vit_shapes(12, 768, 12),
    "ViT-L": lambda: vit_shapes(24, 1024, 16),
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_document_gives_the_counts(encoder: str) -> None:
    rows = []
    for method in METHODS:
        net = ENCODERS[encoder]()
        settings = adaptation.asked(TrainSettings(method=method), net.sam.encoder)
        adaptation.prepare(net, settings)
        found = adaptation.describe(net, settings)
        rows.append(f"| {encoder} | {method} | {found.inserted:,} | {found.trained:,} | {100 * found.share:.1f} % |")
    written = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {encoder} |")]
    assert written == rows
