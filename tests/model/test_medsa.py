"""Med-SA: adapters in the encoder, SD-Trans for stacks, HyP-Adpt in the decoder."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from blocks_under_test import KINDS, encoder_of, images, place_of, scramble, vit_shapes
from tiny import SIZE, blob, embed, tiny_net, tiny_vit
from torch import Tensor, nn

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import LossWeights, TrainSettings
from napari_adasam.model import adaptation
from napari_adasam.model.adapters import blocks
from napari_adasam.model.adapters.hyper import Asked, HyperAttention, told
from napari_adasam.model.adapters.medsa import MedSaBlock, MedSaSettings
from napari_adasam.model.adapters.parts import AlongDepth, added, stacked
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.encoders import Encoder, TinyVit
from napari_adasam.model.sam import batch_prompts, decode
from napari_adasam.model.supervision import Lesson, labelled_loss

STACKED = MedSaSettings(slices=3, width=4, hyper=4)


def with_medsa(encoder: Encoder, settings: MedSaSettings = STACKED) -> AdaSam:
    net = tiny_net(encoder=encoder)
    adaptation.prepare(net, settings)
    return net.eval()


def blocks_of(net: AdaSam) -> list[MedSaBlock]:
    return [m for m in net.modules() if isinstance(m, MedSaBlock)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("slices", [1, 3])
def test_untrained_it_is_sam_exactly(kind: str, slices: int) -> None:
    plain = encoder_of(kind)
    net = with_medsa(copy.deepcopy(plain), MedSaSettings(slices=slices, width=4, hyper=4))
    stack = images(kind, slices)
    with torch.no_grad():
        before = plain(stack)
        with stacked(net, slices):
            assert torch.equal(net.sam.encoder(stack), before)
        scramble(net)
        with stacked(net, slices):
            assert not torch.allclose(net.sam.encoder(stack), before)


def test_untrained_the_decoder_is_sams_exactly() -> None:
    plain = tiny_net()
    net = copy.deepcopy(plain)
    adaptation.prepare(net, STACKED)
    for prompt in PROMPTS:
        first, second = (answers(one, [prompt]) for one in (plain, net))
        assert torch.equal(first, second)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("slices", [1, 3])
def test_a_block_follows_the_formula(kind: str, slices: int) -> None:
    """One adapter behind the attention, before the residual; one beside the MLP, on the same normed tokens, scaled."""
    block, x = block_and_tokens(kind, slices)
    block.scale = 0.25
    base = block.base
    with torch.no_grad():
        attended = blocks.attend(base, x)
        inner = x + attended + block.behind(attended)
        inner = blocks.between(base, inner + block.depth(x))
        beside = block.beside(blocks.normed_for_mlp(base, inner))
        torch.testing.assert_close(block(x), inner + blocks.think(base, inner) + 0.25 * beside)
        normed, mlp = blocks.normed_for_mlp(base, inner), base.mlp
        own = mlp.fc2(mlp.act(mlp.fc1(normed))) if kind == "tiny_vit" else mlp(normed)
        torch.testing.assert_close(blocks.think(base, inner), own)
    assert MedSaBlock(base, MedSaSettings(width=4)).scale == 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_permuting_slices_permutes_the_space_branch(kind: str) -> None:
    block, tokens = block_and_tokens(kind, 3)
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        torch.testing.assert_close(block.space(tokens[order]), block.space(tokens)[order])
        assert not torch.allclose(block.space(tokens[order]), block.space(tokens))


@pytest.mark.parametrize("kind", KINDS)
def test_the_depth_branch_depends_on_its_own_place_of_the_other_slices_only(kind: str) -> None:
    block, tokens = block_and_tokens(kind, 3)
    tokens = tokens.detach().requires_grad_(True)
    row, column = place_of(tokens)
    block.depth(tokens)[0, row, column].sum().backward()
    assert tokens.grad is not None
    reached = tokens.grad.abs().sum(-1) > 0
    assert reached[:, row, column].all()
    assert reached.sum() == 3


@pytest.mark.parametrize("kind", KINDS)
def test_stacks_of_a_batch_do_not_see_each_other(kind: str) -> None:
    block, tokens = block_and_tokens(kind, 3)
    both = torch.cat([tokens, tokens.flip(0) + 1])
    with torch.no_grad():
        torch.testing.assert_close(block.depth(both)[:3], block.depth(tokens))
    with pytest.raises(ValueError, match="whole stacks of 3"):
        block.depth(both[:4])


@pytest.mark.parametrize("kind", KINDS)
def test_one_slice_is_a_stack_of_itself(kind: str) -> None:
    block, tokens = block_and_tokens(kind, 1)
    with torch.no_grad():
        alone = block(tokens)
        block.slices = 3
        torch.testing.assert_close(block(tokens.expand(3, -1, -1, -1)), alone.expand(3, -1, -1, -1))


def test_the_depth_branch_has_the_blocks_own_attention() -> None:
    """With one slice the attention is its values, projected; by the block's own weights."""
    for kind in KINDS:
        block, tokens = block_and_tokens(kind, 1)
        attention = block.base.attn
        with torch.no_grad():
            normed = attention.norm(tokens) if hasattr(attention, "norm") else block.base.norm1(tokens)
            qkv = attention.qkv(normed).flatten(0, 2)
            heads = attention.num_heads
            if hasattr(attention, "key_dim"):
                values = qkv.view(len(qkv), heads, -1)[..., 2 * attention.key_dim :].flatten(1)
            else:
                values = qkv.chunk(3, dim=-1)[2]
            expected = attention.proj(values).view(tokens.shape)
            torch.testing.assert_close(blocks.attend_along_depth(block.base, tokens, 1), expected)


def test_outside_of_a_stack_every_image_is_for_itself() -> None:
    net = with_medsa(tiny_vit(depth=2))
    with stacked(net, 3):
        with stacked(net, 1):
            net.sam.encoder(images("vit", 2))
        assert all(block.slices == 3 for block in blocks_of(net))
    with pytest.raises(ValueError, match="whole stacks of 3"), stacked(net, 3):
        net.sam.encoder(images("vit", 2))
    assert all(block.slices == 1 for block in blocks_of(net))


def block_and_tokens(kind: str, slices: int) -> tuple[MedSaBlock, Tensor]:
    """A block whose windows do not fit its tokens, adapters at random, and a stack of tokens (D, 3, 3, C)."""
    net = with_medsa(encoder_of(kind))
    scramble(net)
    block = blocks_of(net)[0]
    block.slices = slices
    generator = torch.Generator().manual_seed(4)
    return block, torch.randn(slices, 3, 3, blocks.width_of(block.base), generator=generator)


PROMPTS = (
    Prompt(points=(Point(20, 30),)),
    Prompt(box=(5, 5, 50, 40)),
    Prompt(dense=np.full((4, 4), 3, dtype=np.float32)),
)


def answers(net: AdaSam, prompts: list[Prompt]) -> Tensor:
    embedding = embed(net, blob(0)[0])
    batch = batch_prompts(prompts, Canvas(64, 64, SIZE), net.sam.cells, net.device)
    with torch.no_grad():
        return decode(net.sam, embedding.expand(len(prompts), -1, -1, -1), batch)[0]


def test_two_prompts_give_two_adapter_outputs_on_one_image() -> None:
    net = with_medsa(tiny_vit())
    scramble(net)
    adapter = next(m for m in net.modules() if isinstance(m, HyperAttention))
    adapter.base = Same()  # whatever is asked, the attention brings the same
    seen: list[Tensor] = []
    adapter.register_forward_hook(lambda module, inputs, output: seen.append(output[:, 0]))
    for prompt in (*PROMPTS, Prompt(dense=np.full((4, 4), -3, dtype=np.float32))):
        answers(net, [prompt])
    assert not any(torch.allclose(one, other) for one, other in itertools.combinations(torch.cat(seen), 2))


def test_the_adapter_of_the_decoder_follows_the_formula() -> None:
    """e ← ReLU(Norm(e ⊗ W)) between its projections."""
    net = with_medsa(tiny_vit())
    scramble(net)
    adapter = next(m for m in net.modules() if isinstance(m, HyperAttention))
    asked = Asked(torch.randn(2, 256), torch.tensor([True, False]))
    q, k = torch.randn(2, 3, 256), torch.randn(2, 16, 256)
    with torch.no_grad():
        out = adapter.base(q=q, k=k, v=k)
        maps = torch.stack([adapter.map(asked.vector[:1]).view(4, 4) + torch.eye(4), torch.eye(4)])
        expected = out + adapter.up(torch.relu(adapter.norm(adapter.down(out) @ maps)))
        with told(net, asked):
            torch.testing.assert_close(adapter(q=q, k=k, v=k), expected)
    assert adapter.asked is None


class Same(nn.Module):
    """An attention that brings ones."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.ones_like(q)


def test_without_a_prompt_it_is_the_plain_adapter() -> None:
    net = with_medsa(tiny_vit())
    scramble(net)
    batch = batch_prompts([], Canvas(64, 64, SIZE), net.sam.cells, net.device)
    nothing = type(batch)(torch.zeros(1, 0, 2), torch.zeros(1, 0).long(), torch.zeros(1, 1, 16, 16), torch.zeros(1) > 0)
    embedding = embed(net, blob(0)[0])
    with torch.no_grad():
        without = decode(net.sam, embedding, nothing)[0]
        for module in net.modules():
            if isinstance(module, HyperAttention):
                module.map = None
        torch.testing.assert_close(decode(net.sam, embedding, nothing)[0], without)


def test_the_answers_of_a_batch_are_those_of_each_prompt() -> None:
    net = with_medsa(tiny_vit())
    scramble(net)
    one_by_one = torch.cat([answers(net, [prompt]) for prompt in PROMPTS[:1] * 2])
    torch.testing.assert_close(answers(net, list(PROMPTS[:1] * 2)), one_by_one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_only_adapters_and_classifier_learn(kind: str) -> None:
    net = tiny_net(encoder=encoder_of(kind))
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    since = adaptation.prepare(net, MedSaSettings(width=4, hyper=4))
    learning = {name for name, p in net.named_parameters() if p.requires_grad}
    assert learning == set(added(net, "medsa")) | {n for n in before if n.startswith("head.")}
    assert {name for name in learning if name not in before} == set(added(net))
    assert adaptation.state(net).keys() == learning
    assert since == 1
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):  # the first step leaves what lies behind a zero where it is
        labels = torch.from_numpy(blob(0)[1].astype(np.int64))
        embedding = net.train().sam.encoder(images(kind, 1)[..., :SIZE, :SIZE])
        labelled_loss(net, embedding, labels, np.random.default_rng(0), Lesson(LossWeights())).backward()
        assert all(p.grad is not None for p in added(net).values())
        optimiser.step()
    after = {name.replace(".base.", "."): p for name, p in net.named_parameters()}
    assert all(torch.equal(after[name], p) for name, p in before.items() if not name.startswith("head."))
    assert all(p.any() for name, p in net.named_parameters() if ".up.weight" in name)


def test_vit_b_learns_about_two_percent() -> None:
    """The encoder's adapters, by shape: 2 a block of 768·64 + 64 + 64·768 + 768, a third one for stacks."""
    for slices, count in ((1, 2 * 12 * 99_136), (3, 3 * 12 * 99_136)):
        net = vit_shapes(12, 768, 12)
        settings = MedSaSettings(slices=slices)
        adaptation.prepare(net, settings)
        assert sum(p.numel() for n, p in added(net).items() if n.startswith("sam.encoder.")) == count
        decoder = sum(p.numel() for n, p in added(net).items() if n.startswith("sam.mask_decoder."))
        assert decoder == 2 * (256 * 32 + 32 + 32 * 256 + 256 + 64 + 256 * 64 + 64 + 64 * 1024 + 1024)
        found = adaptation.describe(net, settings)
        assert found.inserted == count + decoder
        assert found.trained == found.inserted + sum(p.numel() for p in net.head.parameters())
        assert found.total == sum(p.numel() for p in net.parameters())
        assert 0.02 < found.share < 0.04
        assert adaptation.slices(net) == slices


def test_tiny_vit_is_adapted_from_the_unit_that_is_asked_for() -> None:
    net = tiny_net(encoder=TinyVit(), size=64)
    assert adaptation.prepare(net, MedSaSettings(adapt_from=-2)) == 3
    assert {name.split(".")[3] for name in added(net) if name.startswith("sam.encoder")} == {"3"}
    assert adaptation.first_adapted(net) == 3


def test_a_convolution_may_take_the_place_of_attention_along_depth() -> None:
    settings = MedSaSettings(slices=3, width=4, hyper=4, depth="convolution")
    plain = encoder_of("vit")
    net = with_medsa(copy.deepcopy(plain), settings)
    stack = images("vit", 3)
    with torch.no_grad(), stacked(net, 3):
        assert torch.equal(net.sam.encoder(stack), plain(stack))
    scramble(net)
    block = blocks_of(net)[-1]
    other = stack.clone()
    other[2] += 1
    with torch.no_grad(), stacked(net, 3):
        assert not torch.equal(net.sam.encoder(stack)[1], net.sam.encoder(other)[1])
    assert isinstance(block.along, AlongDepth)
    (again,) = adaptation.from_fields({"method": "medsa", "adaptations": adaptation.to_fields((settings,))})
    assert again == settings
    with pytest.raises(ValueError, match="depth"):
        adaptation.from_fields({"method": "medsa", "adaptations": [{"kind": "medsa", "depth": "magic"}]})


def test_settings_of_a_round_choose_the_depth_branch_and_the_hyper_maps() -> None:
    asked = adaptation.asked(TrainSettings(method="medsa", slices=3, depth="convolution", hyper_maps=False), tiny_vit())
    assert asked == MedSaSettings(slices=3, depth="convolution", hyper_maps=False)
