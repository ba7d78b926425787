"""SAM's parts called one by one give segment-anything's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import SIZE, tiny_net

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.sam import SamNet, batch_prompts, decode, prompt_tokens

CANVAS = Canvas(64, 64, SIZE)
DENSE = np.random.default_rng(0).normal(0, 3, (16, 16)).astype(np.float32)
POINTS = (Point(10, 20), Point(40.5, 3, positive=False))
BOX = (5.0, 10.0, 40.0, 60.0)
PROMPTS = {
    "point": Prompt(points=POINTS[:1]),
    "points": Prompt(points=POINTS),
    "box": Prompt(box=BOX),
    "box and points": Prompt(points=POINTS, box=BOX),
    "dense": Prompt(dense=DENSE),
    "all": Prompt(points=POINTS, box=BOX, dense=DENSE),
}


@pytest.fixture(scope="module")
def sam() -> SamNet:
    return tiny_net().sam.requires_grad_(False)


@pytest.fixture(scope="module")
def embedding() -> torch.Tensor:
    return torch.randn(1, 256, 4, 4, generator=torch.Generator().manual_seed(0))


def assert_same(ours: torch.Tensor, expected: torch.Tensor) -> None:
    """Equal but for the last bit, which depends on the shapes of the products."""
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=2e-6)


def theirs(sam: SamNet, prompt: Prompt) -> tuple[torch.Tensor, torch.Tensor]:
    """The same prompt through ``PromptEncoder.forward``, in SAM's (x, y)."""
    points = boxes = masks = None
    if prompt.points:
        xy = torch.tensor([[(p.x, p.y) for p in prompt.points]], dtype=torch.float32)
        points = (xy, torch.tensor([[int(p.positive) for p in prompt.points]]))
    if prompt.box is not None:
        y0, x0, y1, x1 = prompt.box
        boxes = torch.tensor([[x0, y0, x1, y1]])
    if prompt.dense is not None:
        masks = torch.from_numpy(prompt.dense).clamp(-10, 10)[None, None]
    sparse, dense = sam.prompt_encoder(points, boxes, masks)
    return sparse, dense


@pytest.mark.parametrize("name", PROMPTS)
def test_prompt_tokens_are_the_prompt_encoders(sam: SamNet, name: str) -> None:
    sparse, dense = prompt_tokens(sam, batch_prompts([PROMPTS[name]], CANVAS, 4, torch.device("cpu")))
    expected_sparse, expected_dense = theirs(sam, PROMPTS[name])
    assert_same(sparse, expected_sparse)
    assert_same(dense, expected_dense)


@pytest.mark.parametrize("name", PROMPTS)
def test_masks_are_the_mask_decoders(sam: SamNet, embedding: torch.Tensor, name: str) -> None:
    logits, iou = decode(sam, embedding, batch_prompts([PROMPTS[name]], CANVAS, 4, torch.device("cpu")))
    sparse, dense = theirs(sam, PROMPTS[name])
    position = sam.prompt_encoder.get_dense_pe()
    expected, expected_iou = sam.mask_decoder.predict_masks(embedding, position, sparse, dense)
    assert logits.shape == (1, 4, 16, 16)
    assert_same(iou, expected_iou)
    assert_same(logits, expected)


def test_points_are_scaled_and_turned_to_x_y_in_one_place() -> None:
    canvas = Canvas(100, 200, 64)
    prompt = Prompt(points=(Point(50, 20, positive=False),), box=(10, 40, 90, 180))
    batch = batch_prompts([prompt], canvas, 4, torch.device("cpu"))
    half = 0.5
    expected = [[20 * 0.32 + half, 16 + half], [40 * 0.32 + half, 3.2 + half], [180 * 0.32 + half, 28.8 + half]]
    torch.testing.assert_close(batch.xy[0], torch.tensor(expected))
    assert batch.kinds.tolist() == [[0, 2, 3]]


def test_prompts_of_one_kind_are_answered_in_a_batch_as_alone(sam: SamNet) -> None:
    """Each on its own embedding; equal but for the order in which floats are added."""
    prompts = [Prompt(points=(Point(10, 20),)), Prompt(points=(Point(50, 30, positive=False),))]
    embeddings = torch.randn(2, 256, 4, 4, generator=torch.Generator().manual_seed(1))
    together, iou = decode(sam, embeddings, batch_prompts(prompts, CANVAS, 4, torch.device("cpu")))
    for i, prompt in enumerate(prompts):
        alone, alone_iou = decode(sam, embeddings[i : i + 1], batch_prompts([prompt], CANVAS, 4, torch.device("cpu")))
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(iou[i : i + 1], alone_iou, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(together[0], together[1])


def test_a_mixed_batch_is_exact_but_for_the_tokens_that_fill_short_prompts(sam: SamNet) -> None:
    """Every prompt keeps its own tokens and dense map; the rest are SAM's "not a point" tokens, bit for bit.

    So the longest prompt's mask is what it is alone; a shorter one is answered as with those tokens behind it.
    """
    prompts = list(PROMPTS.values())
    device = torch.device("cpu")
    sparse, dense = prompt_tokens(sam, batch_prompts(prompts, CANVAS, 4, device))
    filler = sam.prompt_encoder.not_a_point_embed.weight[0]
    longest = sparse.shape[1]
    assert longest == 4
    for i, prompt in enumerate(prompts):
        own_sparse, own_dense = theirs(sam, prompt)
        count = own_sparse.shape[1]
        assert_same(sparse[i, :count], own_sparse[0])
        assert all(torch.equal(token, filler) for token in sparse[i, count:])
        assert_same(dense[i], own_dense[0])
    embedding = torch.randn(1, 256, 4, 4, generator=torch.Generator().manual_seed(2))
    logits, _ = decode(sam, embedding.expand(len(prompts), -1, -1, -1), batch_prompts(prompts, CANVAS, 4, device))
    full = prompts.index(PROMPTS["all"])
    alone, _ = decode(sam, embedding, batch_prompts([PROMPTS["all"]], CANVAS, 4, device))
    torch.testing.assert_close(logits[full : full + 1], alone, rtol=1e-4, atol=1e-4)


def test_gradients_reach_the_embedding_and_every_part(sam: SamNet, embedding: torch.Tensor) -> None:
    net = tiny_net().sam
    leaf = embedding.clone().requires_grad_(True)
    logits, iou = decode(net, leaf, batch_prompts([PROMPTS["all"]], CANVAS, 4, torch.device("cpu")))
    (logits.sum() + iou.sum()).backward()
    assert leaf.grad is not None
    assert leaf.grad.abs().sum() > 0
    assert net.prompt_encoder.mask_downscaling[0].weight.grad.abs().sum() > 0
    assert net.mask_decoder.iou_token.weight.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in sam.parameters())
