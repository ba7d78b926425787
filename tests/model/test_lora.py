"""LoRA on the queries and values, and what a round trains."""

from __future__ import annotations

import copy
import json
from functools import partial

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT
from tiny import SIZE, tiny_net, tiny_vit
from torch import nn

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import Method, TrainSettings
from napari_adasam.model import adaptation
from napari_adasam.model.adapters import lora, skips
from napari_adasam.model.adapters.parts import HEADS
from napari_adasam.model.encoders import Encoder, TinyVit, Vit

IMAGE = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("kind", "side"), [("vit", 64), ("tiny_vit", 128)])
def test_untrained_it_gives_the_plain_embedding_exactly(kind: str, side: int) -> None:
    torch.manual_seed(0)
    plain: Encoder = tiny_vit(depth=2) if kind == "vit" else TinyVit()
    plain.eval()
    adapted = copy.deepcopy(plain)
    since = lora.insert(adapted, lora.LoraSettings(rank=4, adapt_from=0))
    image = torch.randn(1, 3, side, side)
    with torch.no_grad():
        before = plain(image)
        assert torch.equal(adapted(image), before)
        for name, parameter in lora.parameters(adapted).items():
            if name.endswith(".b"):
                nn.init.normal_(parameter, std=0.5)
        assert not torch.allclose(adapted(image), before)
    assert since == 0


@pytest.mark.parametrize(("rank", "count"), [(4, 147_456), (8, 294_912), (16, 589_824)])
def test_vit_b_has_the_published_number_of_parameters(rank: int, count: int) -> None:
    with torch.device("meta"):
        vit = ImageEncoderViT(
            depth=12, embed_dim=768, num_heads=12, norm_layer=partial(nn.LayerNorm, eps=1e-6), use_rel_pos=True
        )
        encoder = Vit(vit)
        lora.insert(encoder, lora.LoraSettings(rank=rank, adapt_from=0))
    assert sum(p.numel() for p in lora.parameters(encoder).values()) == count
    assert sum(p.numel() for p in encoder.parameters() if p.requires_grad) == count


def test_only_queries_and_values_change_where_they_are_stacked() -> None:
    attention = tiny_vit().attentions(0)[0]
    changed = changed_parts(attention)
    width = attention.qkv.in_features
    assert changed.view(3, width).all(1).tolist() == [True, False, True]
    assert not changed.view(3, width)[1].any()


def test_only_queries_and_values_change_where_heads_are_interleaved() -> None:
    encoder = TinyVit()
    attention = encoder.attentions(3)[0]
    by_head = changed_parts(attention).view(attention.num_heads, 3, attention.key_dim)
    assert by_head[:, 0].all()
    assert not by_head[:, 1].any()
    assert by_head[:, 2].all()


def changed_parts(attention: nn.Module) -> torch.Tensor:
    """Which outputs of ``qkv`` a random update moves: (3·width,) bool."""
    base = attention.qkv
    updated = lora.LoraQV(attention, lora.LoraSettings(rank=2))
    x = torch.randn(5, base.in_features, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        nn.init.normal_(updated.b)
        return (updated(x) != base(x)).any(0)


def test_the_update_is_scaled_by_alpha_over_rank() -> None:
    attention = tiny_vit().attentions(0)[0]
    twice = lora.LoraQV(attention, lora.LoraSettings(rank=2, alpha=4))
    once = copy.deepcopy(twice)
    once.scale = 1.0
    x = torch.randn(3, 16)
    with torch.no_grad():
        nn.init.normal_(twice.b)
        once.b.copy_(twice.b)
        plain = attention.qkv(x)
        torch.testing.assert_close(twice(x) - plain, 2 * (once(x) - plain))


def test_it_begins_with_small_random_numbers_before_a_zero() -> None:
    made = lora.LoraQV(TinyVit().attentions(3)[-1], lora.LoraSettings(rank=8))
    assert made.a.mean().item() == pytest.approx(0, abs=1e-3)
    assert made.a.std().item() == pytest.approx(0.01, rel=0.1)
    assert not made.b.any()


def test_inserting_twice_changes_nothing() -> None:
    encoder = tiny_vit(depth=2)
    lora.insert(encoder, lora.LoraSettings(adapt_from=0))
    names = set(lora.parameters(encoder))
    lora.insert(encoder, lora.LoraSettings(adapt_from=0))
    assert set(lora.parameters(encoder)) == names
    assert len(names) == 4


def test_the_first_adapted_unit_is_found() -> None:
    net = tiny_net(encoder=tiny_vit(depth=2))
    assert adaptation.first_adapted(net) == 4
    lora.insert(net.sam.encoder, lora.LoraSettings(adapt_from=2))
    assert adaptation.first_adapted(net) == 2


def test_the_last_stages_and_the_neck_of_a_small_encoder_learn_whole_and_nothing_of_a_vit() -> None:
    own, rest = tuple(f"sam.encoder.units.{index}." for index in (2, 3, 4)), (*HEADS, skips.NAME)
    assert set(adaptation.asked(TrainSettings(), TinyVit()).trains) == {*rest, *own}
    assert set(adaptation.asked(TrainSettings(), tiny_vit()).trains) == set(rest)
    assert set(adaptation.asked(TrainSettings(tuned=0), TinyVit()).trains) == set(rest)
    of_masam = [adaptation.asked(TrainSettings(method="masam", tuned=tuned), TinyVit()) for tuned in (None, 3)]
    assert [set(one.trains) for one in of_masam] == [set(rest), {*rest, *own}]
    with pytest.raises(InputError, match="5 units, so tuned=5 is not possible"):
        adaptation.asked(TrainSettings(tuned=5), TinyVit())


def test_tuned_units_learn_and_belong_to_the_adapter() -> None:
    net = tiny_net(encoder=tiny_vit(depth=2))
    image = torch.randn(1, 3, SIZE, SIZE)
    plain = net.sam.encoder(image)
    settings = adaptation.asked(TrainSettings(adapt_from=2, tuned=2, rank=2), net.sam.encoder)
    assert adaptation.prepare(net, settings) == 2
    assert torch.equal(net.sam.encoder(image), plain)
    own = {
        name for name, _ in net.named_parameters() if name.startswith(("sam.encoder.units.2.", "sam.encoder.units.3."))
    }
    learning = {name for name, p in net.named_parameters() if p.requires_grad and name.startswith("sam.encoder.")}
    assert learning == own
    assert own < set(adaptation.state(net))


def test_activations_are_cut_in_front_of_what_is_tuned() -> None:
    net = tiny_net(encoder=tiny_vit(depth=2))
    adaptation.prepare(net, lora.LoraSettings(adapt_from=2, tuned=(1, 2, 3)))
    assert adaptation.first_adapted(net) == 1


def test_lora_that_is_there_goes_on_as_it_began() -> None:
    net = tiny_net(encoder=tiny_vit(depth=2))
    adaptation.prepare(net, lora.LoraSettings())
    before = {name for name, p in net.named_parameters() if p.requires_grad}
    adaptation.prepare(net, lora.LoraSettings(tuned=(3,)))
    assert {name for name, p in net.named_parameters() if p.requires_grad} == before


def test_files_tell_what_was_tuned_and_those_of_before_tuned_nothing() -> None:
    settings = lora.LoraSettings(tuned=(3, 4))
    written = json.loads(json.dumps({"method": "lora", "adaptations": adaptation.to_fields((settings,))}))
    assert adaptation.from_fields(written) == (settings,)
    del written["adaptations"][0]["tuned"]
    assert adaptation.from_fields(written) == (lora.LoraSettings(),)


@pytest.mark.parametrize("method", ["adasam", "lora", "decoder"])
def test_only_what_the_method_adapts_learns(method: Method) -> None:
    net = tiny_net(encoder=tiny_vit(depth=2))
    since = adaptation.prepare(net, adaptation.asked(TrainSettings(method=method, adapt_from=2), net.sam.encoder))
    learning = {name for name, p in net.named_parameters() if p.requires_grad}
    encoder = {name for name in learning if name.startswith("sam.encoder.")}
    expected = {f"sam.encoder.units.2.attn.qkv.{key}" for key in "ab"}
    assert encoder == (set() if method == "decoder" else expected)
    assert since == (4 if method == "decoder" else 2)
    rest = {name for name, _ in net.named_parameters() if not name.startswith("sam.encoder.")}
    assert learning - encoder == rest
    assert {name.split(".")[0] if name.startswith("head") else name.split(".")[1] for name in rest} == {
        "head",
        "prompt_encoder",
        "mask_decoder",
    }


def test_the_state_of_an_adapter_holds_only_what_learns_and_is_a_copy() -> None:
    net = tiny_net(encoder=tiny_vit(depth=2))
    adaptation.prepare(net, lora.LoraSettings())
    state = adaptation.state(net)
    assert set(state) == {name for name, p in net.named_parameters() if p.requires_grad}
    name = next(name for name in state if name.endswith("qkv.b"))
    state[name].fill_(7)
    assert not dict(net.named_parameters())[name].any()


def test_preparing_again_keeps_what_lora_learned() -> None:
    net = tiny_net()
    adaptation.prepare(net, lora.LoraSettings())
    for parameter in lora.parameters(net).values():
        parameter.data.fill_(3)
    adaptation.prepare(net, adaptation.DecoderSettings())
    assert all((p == 3).all() and not p.requires_grad for p in lora.parameters(net).values())
    adaptation.prepare(net, lora.LoraSettings())
    assert all((p == 3).all() and p.requires_grad for p in lora.parameters(net).values())
