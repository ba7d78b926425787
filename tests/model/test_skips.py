"""The skip: finer features of the encoder for the decoder, beside LoRA."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import tiny_net, tiny_vit
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import ModelSettings, TrainSettings
from napari_adasam.model import adaptation, checkpoints, registry
from napari_adasam.model.adapters import skips
from napari_adasam.model.adapters.lora import LoraSettings
from napari_adasam.model.adapters.masam import MaSamSettings
from napari_adasam.model.adapters.parts import Adaptation
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.encoders import EMBEDDING, TinyVit, coarse, drop_channels, finer
from napari_adasam.model.feedback import Feedback
from napari_adasam.model.sam import batch_prompts, decode

SIDE = 128
WITH = LoraSettings(rank=2, skip=True)
MASAM = MaSamSettings(rank=2, width=4, skip=True)
BOTH = pytest.mark.parametrize("settings", [WITH, MASAM], ids=["lora", "masam"])
LEARNED = "sam.encoder.skip.project.weight"


def small() -> AdaSam:
    return tiny_net(encoder=TinyVit(), size=SIDE)


def image(batch: int = 1) -> Tensor:
    return torch.randn(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


def taught(net: AdaSam, settings: Adaptation = WITH) -> AdaSam:
    """The same with a skip that has learned something."""
    adaptation.prepare(net, settings)
    with torch.no_grad():
        nn.init.normal_(dict(net.named_parameters())[LEARNED], std=0.5)
    return net.eval()


def without_skip(net: AdaSam, settings: Adaptation) -> AdaSam:
    """The same model with the adaptation, which makes MA-SAM's masks finer, but for the skip."""
    plain = copy.deepcopy(net)
    adaptation.prepare(plain, replace(settings, skip=False))  # type: ignore[type-var]
    return plain.eval()


def masks(net: AdaSam, embedding: Tensor) -> tuple[Tensor, Tensor]:
    prompts = [Prompt(points=(Point(40.0, 70.0),)), Prompt(box=(10.0, 20.0, 90.0, 100.0))]
    batch = batch_prompts(prompts, Canvas(SIDE, SIDE, SIDE), net.sam.cells, net.device)
    return decode(net.sam, embedding.expand(2, -1, -1, -1), batch)


@BOTH
@torch.no_grad()
def test_untrained_the_masks_are_the_same_to_the_bit(settings: Adaptation) -> None:
    net = small()
    embedding = net.sam.encoder(image())
    before, scores = masks(without_skip(net, settings), embedding), net.head(embedding)
    adaptation.prepare(net, settings)
    net.eval()
    wider = net.sam.encoder(image())
    assert wider.shape == (1, 2 * EMBEDDING, SIDE // 16, SIDE // 16)
    assert torch.equal(coarse(wider), embedding)
    assert all(torch.equal(one, other) for one, other in zip(masks(net, wider), before, strict=True))
    assert torch.equal(net.head(wider).maps, scores.maps)


@BOTH
@torch.no_grad()
def test_what_it_has_learned_changes_masks_and_not_the_classifier(settings: Adaptation) -> None:
    net = small()
    plain = net.sam.encoder(image())
    before, scores = masks(without_skip(net, settings), plain)[0], net.head(plain)
    taught(net, settings)
    wider = net.sam.encoder(image())
    assert not torch.allclose(masks(net, wider)[0], before)
    assert torch.equal(net.head(wider).presence, scores.presence)


@torch.no_grad()
def test_the_finer_features_lie_where_the_encoder_has_them() -> None:
    net = taught(small())
    front = net.sam.encoder.front(image(), 2)
    skip = net.sam.encoder.skip
    assert isinstance(skip, skips.Skip)
    found = finer(net.sam.encoder(image()))
    assert found is not None
    assert found.shape == (1, 64, SIDE // 8, SIDE // 8)
    assert torch.equal(found, skip.project(front))
    assert finer(coarse(net.sam.encoder(image()))) is None


@torch.no_grad()
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_the_encoder_can_be_cut_up_to_the_finer_features_and_not_behind(cut: int) -> None:
    encoder = taught(small()).sam.encoder
    assert torch.equal(encoder.back(encoder.front(image(), cut), cut), encoder(image()))
    with pytest.raises(ValueError, match="in front of unit 2"):
        encoder.back(encoder.front(image(), 3), 3)


def test_activations_are_cut_in_front_of_what_the_decoder_gets() -> None:
    net = small()
    assert adaptation.prepare(net, LoraSettings(rank=2)) == 3
    assert adaptation.first_adapted(net) == 3
    other = small()
    assert adaptation.prepare(other, WITH) == 2
    assert adaptation.first_adapted(other) == 2


def test_it_is_asked_for_where_the_encoder_has_finer_features() -> None:
    for method, kind in (("lora", LoraSettings), ("masam", MaSamSettings)):
        for settings, encoder, expected in (
            (TrainSettings(), TinyVit(), True),
            (TrainSettings(skip=False), TinyVit(), False),
            (TrainSettings(), tiny_vit(), False),
        ):
            found = adaptation.asked(replace(settings, method=method), encoder)
            assert isinstance(found, kind)
            assert found.skip is expected
    assert not hasattr(adaptation.asked(TrainSettings(method="medsa"), TinyVit()), "skip")
    with pytest.raises(ValueError, match="has none"):
        skips.insert(tiny_vit())


@BOTH
def test_it_learns_in_a_full_round_and_rests_in_a_mild_one(settings: Adaptation) -> None:
    net = small()
    adaptation.prepare(net, settings)
    parameters = dict(net.named_parameters())
    masks(net, net.sam.encoder(image()))[0].square().sum().backward()
    gradient = parameters[LEARNED].grad
    assert gradient is not None
    assert bool(gradient.any())
    adaptation.prepare(net, adaptation.ClassifierSettings())
    assert not parameters[LEARNED].requires_grad
    adaptation.prepare(net, settings)
    assert parameters[LEARNED].requires_grad


def test_feedback_leaves_the_finer_features_alone() -> None:
    feedback = Feedback()
    nn.init.constant_(feedback.gamma, 0.7)
    embedding, gradient = torch.randn(2, 2 * EMBEDDING, 4, 4), torch.randn(2, 2 * EMBEDDING, 4, 4)
    better = feedback(embedding, gradient)
    assert torch.equal(better[:, EMBEDDING:], embedding[:, EMBEDDING:])
    assert torch.equal(coarse(better), feedback(coarse(embedding), coarse(gradient)))
    assert not torch.allclose(coarse(better), coarse(embedding))


def test_channels_that_are_dropped_are_whole_ones_of_the_embedding() -> None:
    embedding = torch.ones(1, 2 * EMBEDDING, 4, 4)
    torch.manual_seed(5)
    dropped = drop_channels(embedding, 0.2)
    torch.manual_seed(5)
    assert torch.equal(coarse(dropped), F.dropout2d(coarse(embedding), 0.2))
    assert torch.equal(dropped[:, EMBEDDING:], embedding[:, EMBEDDING:])
    assert 0.1 < float((coarse(dropped)[0, :, 0, 0] == 0).float().mean()) < 0.3


@BOTH
def test_it_comes_back_from_an_adapter_file(tmp_path: Path, settings: Adaptation) -> None:
    base = small()
    path = tmp_path / "base.safetensors"
    card = replace(base.card, architecture="tiny_vit")
    checkpoints.write(path, base.state_dict(), checkpoints.card_to_json(card, kind="full"))
    loaded = registry.load(ModelSettings(name=str(path)))
    origin = registry.AdapterOrigin(str(path), checkpoints.fingerprint(loaded.state_dict()), "adasam")
    net = taught(copy.deepcopy(loaded), settings)
    adaptation.round_to_file(net)
    registry.save_adapter(tmp_path / "adapter.safetensors", net, origin)
    again = registry.load(ModelSettings(name=str(tmp_path / "adapter.safetensors")))
    with torch.no_grad():
        assert torch.equal(again.sam.encoder(image()), net.sam.encoder(image()))


@BOTH
def test_descriptions_of_before_there_was_one_have_none(settings: Adaptation) -> None:
    written = json.loads(json.dumps({"method": settings.kind, "adaptations": adaptation.to_fields((settings,))}))
    assert adaptation.from_fields(written) == (settings,)
    del written["adaptations"][0]["skip"]
    assert adaptation.from_fields(written) == (replace(settings, skip=False),)


def test_two_adaptations_have_one_skip_which_both_may_teach() -> None:
    net = taught(small(), MASAM)
    learned = dict(net.named_parameters())[LEARNED].clone()
    adaptation.prepare(net, WITH)
    parameters = dict(net.named_parameters())
    assert torch.equal(parameters[LEARNED], learned)
    assert parameters[LEARNED].requires_grad
    assert sum("encoder.skip" in name for name in parameters) == 2
