"""The classifier's form ``gradcam`` from a file through a round to self-prompted masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import APONEUROSIS, BELLY, BrightnessEncoder, blob, tiny_net, tiny_vit
from toy_rounds import LET_PASS, SHORT, Serving, labelled, serving, to_the_end, unlabelled

from napari_adasam.domain.settings import ModelSettings, PromptSettings
from napari_adasam.files.phantom import PhantomSettings, write_samples
from napari_adasam.model import checkpoints, registry
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.classifier import GradCam
from napari_adasam.model.sam import SamNet
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.trainer import RoundTrainer
from napari_adasam.services.training import TrainOptions, train_dataset

__all__ = ["serving"]  # a fixture


@pytest.fixture
def net() -> AdaSam:
    """A model whose score rises with brightness, so that its Grad-CAM is lit where the picture is bright."""
    made = tiny_net(structures=(BELLY,), encoder=BrightnessEncoder(), form="gradcam")
    assert isinstance(made.head, GradCam)
    first, last = made.head.mlp[0], made.head.mlp[3]
    with torch.no_grad():
        for parameter in made.head.parameters():
            parameter.zero_()
        first.weight[0, 0], first.bias[0], last.weight[0, 0] = 1.0, 5.0, 1.0
    return made


def found_by_itself(predictor: ModelPredictor) -> None:
    """Discs that no round saw are prompted for from the map, and from inside the disc."""
    for seed in (60, 61, 62):
        pixels, labels = blob(seed)
        (made,) = predictor.suggest(f"new{seed}", pixels, (BELLY,), PromptSettings())
        assert made.presence > 0.5
        assert len(made.prompts) == 1
        (point,) = made.prompts[0].points
        assert labels[round(point.y), round(point.x)] == 1
        assert made.cam[labels == 1].mean() > made.cam[labels == 0].mean() + 0.2


def test_a_round_and_self_prompting_with_gradcam(serving: Serving, net: AdaSam) -> None:
    predictor = serving(net)
    found_by_itself(predictor)
    before = {name: p.clone() for name, p in net.head.named_parameters()}
    trainer = RoundTrainer(predictor, replace(SHORT, steps=3, lr=1e-3), LET_PASS)
    report = to_the_end(trainer.round(labelled(4), unlabelled(2), (BELLY,)))
    assert report.accepted
    assert all(np.isfinite(report.losses))
    assert report.unlabelled == 2
    served = predictor.net
    assert served is not net
    assert isinstance(served.head, GradCam)
    assert served.card.classifier == "gradcam"
    assert any(not torch.equal(p, before[name]) for name, p in served.head.named_parameters())
    found_by_itself(predictor)


def test_an_adapter_with_gradcam_on_a_base_with_class_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command ``train --classifier gradcam`` makes it."""
    monkeypatch.setattr(checkpoints, "empty_sam", lambda name, size: SamNet(tiny_vit(), size))
    base, out = tmp_path / "base.safetensors", tmp_path / "adapter.safetensors"
    own = tiny_net(structures=(BELLY, APONEUROSIS))
    checkpoints.write(base, own.state_dict(), checkpoints.card_to_json(own.card, kind="full"))
    folder = write_samples(tmp_path / "drawn", 2, settings=PhantomSettings(64, 96, probe="linear"))
    model = ModelSettings(str(base), device="cpu", classifier="gradcam")
    names = ((1, BELLY.name), (2, APONEUROSIS.name))
    train_dataset(folder, out, TrainOptions(labels=1, model=model, train=SHORT, names=names), lambda event: None)
    back = registry.load(ModelSettings(str(out), device="cpu"))
    assert isinstance(back.head, GradCam)
    assert back.card.lineage[-2] == "classifier: untrained gradcam in place of classmap"
    assert back.card.lineage[-1].startswith("round 1")
    predictor = ModelPredictor(ModelSettings(str(out), device="cpu"))
    answers = predictor.suggest("f", blob(0)[0], (BELLY, APONEUROSIS), PromptSettings(presence=0.0))
    assert [np.isfinite(answer.cam).all() for answer in answers] == [True, True]
