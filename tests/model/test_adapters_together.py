"""Adaptations that meet in one model: what goes on, what lies over what, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from blocks_under_test import scramble
from tiny import APONEUROSIS, BELLY, blob, embed, tiny_net, tiny_vit

from napari_adasam.domain.errors import InputError, ModelError
from napari_adasam.domain.settings import TrainSettings
from napari_adasam.model import adaptation
from napari_adasam.model.adapters.lora import LoraSettings
from napari_adasam.model.adapters.masam import MaSamSettings
from napari_adasam.model.adapters.medsa import MedSaSettings
from napari_adasam.model.adapters.parts import added
from napari_adasam.model.adasam import AdaSam

SMALL = MaSamSettings(slices=3, rank=2, width=4)


def with_masam(settings: MaSamSettings = SMALL) -> AdaSam:
    net = tiny_net(structures=(BELLY, APONEUROSIS))
    adaptation.prepare(net, settings)
    return net.eval()


def test_a_model_of_single_images_goes_on_with_stacks_but_med_sa_cannot() -> None:
    net = with_masam(settings=replace(SMALL, slices=1))
    names = [name for name, _ in net.named_parameters()]
    adaptation.prepare(net, replace(SMALL, slices=3))
    assert adaptation.slices(net) == 3
    adaptation.prepare(net, replace(SMALL, slices=1))
    assert adaptation.slices(net) == 3, "what it has learned along slices is not given up"
    assert [name for name, _ in net.named_parameters()] == names
    assert len(net.adapted) == 1
    other = tiny_net(structures=(BELLY,))
    adaptation.prepare(other, MedSaSettings(width=4, hyper=4))
    with pytest.raises(ModelError, match="on single images"):
        adaptation.prepare(other, MedSaSettings(slices=3, width=4, hyper=4))
    assert adaptation.slices(other) == 1


def test_a_model_cannot_have_both_and_stays_as_it_was() -> None:
    net = with_masam()
    names = set(dict(net.named_parameters()))
    with pytest.raises(ModelError, match="cannot have both"):
        adaptation.prepare(net, MedSaSettings())
    assert set(dict(net.named_parameters())) == names
    assert [one.kind for one in net.adapted] == ["masam"]


def test_a_command_that_asks_for_what_cannot_be_is_bad_input() -> None:
    net = tiny_net(structures=(BELLY,))
    adaptation.prepare(net, MedSaSettings(width=4, hyper=4))
    with pytest.raises(InputError, match="cannot have both"):
        adaptation.check_kept(net, TrainSettings(method="masam"))
    with pytest.raises(InputError, match="on single images"):
        adaptation.check_kept(net, TrainSettings(method="medsa", slices=3))
    adaptation.check_kept(net, TrainSettings(method="medsa"))
    adaptation.check_kept(net, TrainSettings(method="adasam"))


@pytest.mark.parametrize("first", [LoraSettings(rank=2, adapt_from=0), SMALL])
def test_lora_and_fact_can_lie_over_each_other(first: LoraSettings | MaSamSettings) -> None:
    net = tiny_net(encoder=tiny_vit(depth=2))
    adaptation.prepare(net, first)
    scramble(net)
    before = embed(net, blob(0)[0])
    second = SMALL if isinstance(first, LoraSettings) else LoraSettings(rank=2, adapt_from=0)
    adaptation.prepare(net, second)
    torch.testing.assert_close(embed(net, blob(0)[0]), before)
    learning = {name for name, p in net.named_parameters() if p.requires_grad and name.startswith("sam.encoder")}
    assert learning == {n for n in added(net, second.kind) if n.startswith("sam.encoder")}
    assert added(net, first.kind).keys() <= adaptation.adapted_names(net)
    scramble(net)
    assert not torch.equal(embed(net, blob(0)[0]), before)
