"""MA-SAM: FacT on queries and values, 3D adapters, finer masks, and masks without a prompt."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from blocks_under_test import KINDS, encoder_of, images, place_of, scramble, vit_shapes
from tiny import APONEUROSIS, BELLY, SIZE, blob, embed, tiny_net
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import LossWeights, PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.model import adaptation, adasam
from napari_adasam.model.adapters.blocks import attend, between, think, width_of
from napari_adasam.model.adapters.masam import DepthAdapter, FactQV, FactShared, MaSamBlock, MaSamSettings
from napari_adasam.model.adapters.parts import added, stacked
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.encoders import Encoder, TinyVit
from napari_adasam.model.pseudo import Doubt, pseudo_labels, unlabelled_loss
from napari_adasam.model.sam import batch_prompts, decode
from napari_adasam.model.supervision import Lesson, labelled_loss

BY_TOKEN = PromptSettings(use_token=True)
SMALL = MaSamSettings(slices=3, rank=2, width=4)
WHOLE = Canvas(64, 64, SIZE)
BOX = Prompt(box=(5, 5, 50, 40))


def with_masam(encoder: Encoder | None = None, settings: MaSamSettings = SMALL) -> AdaSam:
    net = tiny_net(structures=(BELLY, APONEUROSIS), encoder=encoder)
    adaptation.prepare(net, settings)
    return net.eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("slices", [1, 3])
def test_untrained_it_is_sam_exactly_slice_by_slice(kind: str, slices: int) -> None:
    plain = encoder_of(kind)
    net = with_masam(copy.deepcopy(plain))
    stack = images(kind, slices)
    with torch.no_grad():
        before = plain(stack)
        with stacked(net, slices):
            assert torch.equal(net.sam.encoder(stack), before)
        scramble(net)
        with stacked(net, slices):
            assert not torch.allclose(net.sam.encoder(stack), before)


@pytest.mark.parametrize("kind", KINDS)
def test_one_slice_is_a_stack_of_itself(kind: str) -> None:
    net = with_masam(encoder_of(kind))
    scramble(net)
    image = images(kind, 1)
    with torch.no_grad():
        alone = net.sam.encoder(image)
        with stacked(net, 3):
            found = net.sam.encoder(image.expand(3, -1, -1, -1))
    torch.testing.assert_close(found, alone.expand(3, -1, -1, -1), rtol=1e-3, atol=1e-3)


def test_the_3d_adapter_is_a_convolution_along_depth() -> None:
    """Against torch's own 3D convolution on a stack with its ends repeated."""
    torch.manual_seed(0)
    adapter = DepthAdapter(6, 4)
    scramble(adapter)
    adapter.slices = 4
    x = torch.randn(8, 5, 3, 6)
    inner = adapter.down(adapter.norm(x)).view(2, 4, 5, 3, 4).permute(0, 4, 1, 2, 3)
    ends = torch.cat([inner[:, :, :1], inner, inner[:, :, -1:]], dim=2)
    kernel = adapter.kernel.T.reshape(4, 1, 3, 1, 1)
    mixed = F.conv3d(ends, kernel, adapter.bias, groups=4).permute(0, 2, 3, 4, 1).reshape(8, 5, 3, 4)
    with torch.no_grad():
        torch.testing.assert_close(adapter(x), x + adapter.up(F.gelu(mixed)))


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_matter_at_the_same_place_and_no_further_than_one_slice(kind: str) -> None:
    net = with_masam(encoder_of(kind))
    scramble(net)
    adapter = next(m for m in net.modules() if isinstance(m, MaSamBlock)).before_attention
    adapter.slices = 4
    x = torch.randn(4, 3, 3, adapter.norm.normalized_shape[0], requires_grad=True)
    row, column = place_of(x)
    adapter(x)[1, row, column].sum().backward()
    assert x.grad is not None
    reached = x.grad.abs().sum(-1) > 0
    assert reached[:, row, column].tolist() == [True, True, True, False]
    assert reached.sum() == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_follows_the_formula(kind: str) -> None:
    """One 3D adapter before the attention and its residual, one before the MLP and its."""
    net = with_masam(encoder_of(kind))
    scramble(net)
    block = next(m for m in net.modules() if isinstance(m, MaSamBlock))
    base = block.base
    x = torch.randn(3, 3, 3, width_of(base), generator=torch.Generator().manual_seed(4))
    with torch.no_grad(), stacked(net, 3):
        inner = block.before_attention(x)
        inner = block.before_mlp(between(base, inner + attend(base, inner)))
        torch.testing.assert_close(block(x), inner + think(base, inner))


@pytest.mark.parametrize("kind", KINDS)
def test_fact_changes_queries_and_values_by_u_s_v(kind: str) -> None:
    net = with_masam(encoder_of(kind))
    fact = next(m for m in net.modules() if isinstance(m, FactQV))
    scramble(net)
    assert fact.scale == 1.0
    fact.scale = 0.5
    x = torch.randn(5, fact.in_features)
    with torch.no_grad():
        change = 2 * (fact(x) - fact.base(x))
        queries, values = fact.rows.chunk(2)
        for rows, s in ((queries, fact.s[0]), (values, fact.s[1])):
            expected = x @ fact.shared.u @ s @ fact.shared.v
            torch.testing.assert_close(change[:, rows], expected, rtol=1e-3, atol=1e-3)
        rest = sorted(set(range(fact.out_features)) - set(fact.rows.tolist()))
        assert len(rest) == len(queries)
        assert not change[:, rest].any()


def test_fact_has_the_published_number_of_parameters_on_vit_b() -> None:
    net = vit_shapes(12, 768, 12)
    adaptation.prepare(net, MaSamSettings())
    fact = {n: p for n, p in added(net).items() if ".qkv." in n}
    assert sum(p.numel() for p in fact.values()) == 73_728
    depth = sum(p.numel() for n, p in added(net).items() if n.startswith("sam.encoder.") and n not in fact)
    assert depth == 24 * (2 * 768 + 768 * 64 + 64 + 64 * 768 + 768 + 4 * 64)
    assert len({id(m.shared) for m in net.modules() if isinstance(m, FactQV)}) == 1


def test_tiny_vit_shares_u_and_v_among_the_blocks_of_one_width() -> None:
    net = with_masam(TinyVit(), MaSamSettings())
    blocks = [m for m in net.modules() if isinstance(m, FactQV)]
    assert [len(m.shared.u) for m in blocks] == [128] * 2 + [160] * 6 + [320] * 2
    assert len({id(m.shared) for m in blocks}) == 3
    assert len([m for m in net.modules() if isinstance(m, FactShared)]) == 3
    fact = sum(p.numel() for n, p in added(net).items() if ".qkv." in n)
    assert fact == 2 * 32 * (128 + 160 + 320) + 10 * 2 * 32 * 32


def test_untrained_the_masks_are_sams_only_finer() -> None:
    plain = tiny_net(structures=(BELLY, APONEUROSIS))
    net = copy.deepcopy(plain)
    adaptation.prepare(net, SMALL)
    pixels, _ = blob(0)
    for prompt in (BOX, Prompt(points=(Point(20, 30),))):
        first, second = (adasam.answer(one, embed(one, pixels), prompt, None, WHOLE) for one in (plain, net))
        assert (first[0] == second[0]).all()
        assert first[0].any()
        assert first[1] == second[1]
        assert second[2].shape == first[2].shape  # the next click goes on from there
        again = adasam.answer(net, embed(net, pixels), prompt, second[2], WHOLE)
        assert again[0].shape == (64, 64)


def test_masks_come_at_full_resolution() -> None:
    net = with_masam()
    scramble(net)
    batch = batch_prompts([BOX], WHOLE, net.sam.cells, net.device)
    with torch.no_grad():
        logits, _ = decode(net.sam, embed(net, blob(0)[0]), batch)
        fine, net.sam.fine = net.sam.fine, None
        coarse, _ = decode(net.sam, embed(net, blob(0)[0]), batch)
    assert fine is not None
    assert logits.shape == (1, 4, SIZE, SIZE)
    lifted = F.interpolate(coarse, scale_factor=4, mode="bilinear", align_corners=False)
    assert not torch.allclose(logits, lifted)
    assert fine.upscaling[0].weight.shape[:2] == (32, 16)
    assert fine.upscaling[3].weight.shape[:2] == (16, 8)


def test_finer_masks_are_made_by_the_tokens_of_the_masks() -> None:
    net = with_masam()
    assert net.sam.fine is not None
    behind: list[torch.Tensor] = []
    given: list[torch.Tensor] = []
    net.sam.mask_decoder.transformer.register_forward_hook(lambda module, inputs, out: behind.append(out[0]))
    net.sam.fine.register_forward_hook(lambda module, inputs, out: given.append(inputs[2]))
    decode(net.sam, embed(net, blob(0)[0]), batch_prompts([BOX], WHOLE, net.sam.cells, net.device))
    assert torch.equal(given[0], behind[0][:, 1:5])  # the first is that of the predicted IoU


def test_without_a_prompt_each_structure_has_its_own_token() -> None:
    net = with_masam()
    see_everything(net)
    scramble(net)
    embedding = embed(net, blob(0)[0])
    own = adasam.suggest(net, embedding, WHOLE, (BELLY, APONEUROSIS), BY_TOKEN)
    assert [answer.prompts[0].token for answer in own] == [0, 1]
    assert all(answer.prompts[0].source == "token" and len(answer.prompts) == 1 for answer in own)
    assert own[0].score != own[1].score
    by_cam = adasam.suggest(net, embedding, WHOLE, (BELLY, APONEUROSIS), PromptSettings())
    assert all(prompt.token is None and prompt.source == "cam" for answer in by_cam for prompt in answer.prompts)
    assert by_cam[0].prompts


def see_everything(net: AdaSam) -> None:
    """Every structure is there, and everywhere in the left half of the map."""
    with torch.no_grad():
        net.head.maps.weight.normal_()  # type: ignore[union-attr]
        net.head.shift.fill_(50)  # type: ignore[union-attr,operator]


def test_an_absent_structure_is_not_asked_for() -> None:
    net = with_masam()  # an untrained head says "absent"
    for answer in adasam.suggest(net, embed(net, blob(0)[0]), WHOLE, (BELLY, APONEUROSIS), PromptSettings()):
        assert not answer.prompts
        assert not answer.mask.any()


def test_tokens_go_with_their_structures() -> None:
    net = with_masam()
    scramble(net)
    assert net.sam.structure_tokens is not None
    before = net.sam.structure_tokens.weight.detach().clone()
    bone = Structure(5, "bone")
    net.set_structures((bone, APONEUROSIS))
    after = net.sam.structure_tokens.weight
    assert torch.equal(after[1], before[1])
    assert torch.equal(after[0], net.sam.prompt_encoder.not_a_point_embed.weight[0])


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_decoder_and_classifier_learn_and_nothing_else(kind: str) -> None:
    net = tiny_net(structures=(BELLY,), encoder=encoder_of(kind))
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    since = adaptation.prepare(net, MaSamSettings(rank=2, width=4))
    learning = {name for name, p in net.named_parameters() if p.requires_grad}
    heads = {n for n in before if not n.startswith("sam.encoder.")}
    assert learning == set(added(net, "masam")) | heads
    assert adaptation.state(net).keys() == learning
    assert since == 1
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    labels = torch.from_numpy(blob(0)[1].astype(np.int64))
    for _ in range(2):
        optimiser.zero_grad()
        embedding = net.train().sam.encoder(images(kind, 1)[..., :SIZE, :SIZE])
        labelled_loss(net, embedding, labels, np.random.default_rng(0), Lesson(LossWeights(), BY_TOKEN, 2)).backward()
        optimiser.step()
    after = {name.replace(".base.", "."): p for name, p in net.named_parameters()}
    assert all(torch.equal(after[name], p) for name, p in before.items() if name not in heads)
    assert all(p.grad is not None and p.any() for p in added(net).values())


def test_tokens_that_do_not_prompt_are_not_taught() -> None:
    """With few prompts a view they would leave no room for the CAM's, which are what answers."""
    net = with_masam()
    assert net.sam.structure_tokens is not None
    labels = torch.from_numpy(blob(0)[1].astype(np.int64))
    for prompts, taught in ((PromptSettings(), False), (BY_TOKEN, True)):
        lesson = Lesson(LossWeights(), prompts, 2)
        labelled_loss(net.train(), embed(net, blob(0)[0]), labels, np.random.default_rng(0), lesson).backward()
        assert net.sam.structure_tokens.weight.grad is not None
        assert bool(net.sam.structure_tokens.weight.grad.any()) == taught


def test_the_teacher_asks_with_its_tokens_and_checks_with_its_cam() -> None:
    net = with_masam()
    see_everything(net)
    scramble(net)
    embedding = embed(net, blob(0)[0])
    labels = pseudo_labels(net, embedding, BY_TOKEN, Doubt(0.5))
    assert [label.prompts[0].token for label in labels] == [0, 1]
    assert all(label.weight.mean() > 0 for label in labels)
    assert any(label.weight.mean() < 1 for label in labels)  # the CAM's prompt does not always agree
    loss = unlabelled_loss(net, embedding.requires_grad_(True), labels, LossWeights())
    assert torch.isfinite(loss)
