"""SAM's parts at any input size: encoder, prompt encoder and mask decoder of segment-anything, put together by us.

``Sam.forward`` runs without gradients and repeats one embedding by prompt count, so the parts are called one by one
here: prompts become tokens in :func:`prompt_tokens`, and :func:`decode` takes one embedding a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import Tensor, nn

from napari_adasam.domain.prompts import Prompt
from napari_adasam.model import cam, precision
from napari_adasam.model.adapters import hyper
from napari_adasam.model.adapters.upsampling import FineMasks, StructureTokens
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.encoders import EMBEDDING, Encoder, coarse, finer

PATCH = 16
NOT_A_POINT, NEGATIVE, POSITIVE, TOP_LEFT, BOTTOM_RIGHT, FIRST_STRUCTURE = -1, 0, 1, 2, 3, 4


class SamNet(nn.Module):
    """Image encoder, prompt encoder and mask decoder.

    Parameters
    ----------
    encoder
        Gives (B, 256, size/16, size/16).
    size
        Side of the square input in pixels, a multiple of 32.

    ``fine`` and ``structure_tokens`` are MA-SAM's part of the decoder, and ``None`` without it.
    """

    fine: FineMasks | None
    structure_tokens: StructureTokens | None

    def __init__(self, encoder: Encoder, size: int, width: int = EMBEDDING) -> None:
        super().__init__()
        cells = size // PATCH
        self.size, self.cells = size, cells
        self.encoder = encoder
        self.prompt_encoder = PromptEncoder(width, (cells, cells), (size, size), mask_in_chans=16)
        self.mask_decoder = MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=width, mlp_dim=2048, num_heads=8),
            transformer_dim=width,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        )
        self.fine = None
        self.structure_tokens = None


@dataclass(frozen=True, slots=True, eq=False)
class PromptBatch:
    """Prompts as tensors in input pixels.

    Parameters
    ----------
    xy
        (N, P, 2) float32, SAM's (x, y), pixel corners (0.5 is the centre of the first pixel).
    kinds
        (N, P) int64: -1 nothing, 0 negative, 1 positive, 2 and 3 a box's corners, from 4 on the structures' tokens.
    dense
        (N, 1, 4h, 4w) float32 logits.
    has_dense
        (N,) bool.
    """

    xy: Tensor
    kinds: Tensor
    dense: Tensor
    has_dense: Tensor


def _tokens_of(prompt: Prompt, canvas: Canvas) -> list[tuple[float, float, int]]:
    """One prompt as SAM's (x, y, kind) rows. The one place where rows-first turns into SAM's order."""
    rows = [] if prompt.token is None else [(0.0, 0.0, FIRST_STRUCTURE + prompt.token)]
    for point in prompt.points:
        y, x = canvas.to_input(point.y, point.x)
        rows.append((x + 0.5, y + 0.5, POSITIVE if point.positive else NEGATIVE))
    if prompt.box is None and prompt.points:
        rows.append((0.0, 0.0, NOT_A_POINT))
    elif prompt.box is not None:
        for y_image, x_image, kind in ((*prompt.box[:2], TOP_LEFT), (*prompt.box[2:], BOTTOM_RIGHT)):
            y, x = canvas.to_input(y_image, x_image)
            rows.append((x + 0.5, y + 0.5, kind))
    return rows


def batch_prompts(prompts: Sequence[Prompt], canvas: Canvas, cells: int, device: torch.device) -> PromptBatch:
    """Prompts in image pixels to tensors; shorter ones are filled with "not a point" tokens."""
    rows = [_tokens_of(p, canvas) for p in prompts]
    longest = max((len(r) for r in rows), default=0)
    filled = [r + [(0.0, 0.0, NOT_A_POINT)] * (longest - len(r)) for r in rows]
    table = torch.tensor(filled, dtype=torch.float32, device=device).view(len(rows), longest, 3)
    side = cam.dense_side(cells)
    dense = torch.zeros(len(rows), 1, side, side, device=device)
    for index, prompt in enumerate(prompts):
        if prompt.dense is not None:
            dense[index, 0] = cam.dense_prompt(torch.from_numpy(prompt.dense).to(device), cells)
    has_dense = torch.tensor([p.dense is not None for p in prompts], device=device)
    return PromptBatch(table[..., :2], table[..., 2].long(), dense, has_dense)


def prompt_tokens(net: SamNet, prompts: PromptBatch) -> tuple[Tensor, Tensor]:
    """Sparse (N, P, 256) and dense (N, 256, h, w) prompt embeddings.

    The same numbers as ``PromptEncoder.forward``, for prompts of mixed kinds in one batch.
    """
    encoder = net.prompt_encoder
    sparse = encoder.pe_layer.forward_with_coords(prompts.xy, encoder.input_image_size)
    known = placed(prompts)[..., None]
    learned = [] if net.structure_tokens is None else [net.structure_tokens.weight]
    table = torch.cat([encoder.not_a_point_embed.weight, *(e.weight for e in encoder.point_embeddings), *learned])
    sparse = torch.where(known, sparse, torch.zeros_like(sparse)) + table[prompts.kinds + 1]
    none = encoder.no_mask_embed.weight.view(1, -1, 1, 1)
    given = encoder.mask_downscaling(prompts.dense)
    dense = torch.where(prompts.has_dense.view(-1, 1, 1, 1), given, none.expand_as(given))
    return sparse, dense


def placed(prompts: PromptBatch) -> Tensor:
    """(N, P) bool: which tokens are points or corners, and so have a place in the image."""
    return (prompts.kinds >= 0) & (prompts.kinds < FIRST_STRUCTURE)


def decode(net: SamNet, embeddings: Tensor, prompts: PromptBatch) -> tuple[Tensor, Tensor]:
    """Masks for N prompts, each on its own embedding.

    Parameters
    ----------
    embeddings
        (N, 256, h, w), or (N, 512, h, w) with finer features; one image's embedding may be expanded to N.

    Returns
    -------
    logits, iou
        (N, 4, 4h, 4w) mask logits: the single mask, then the three of an ambiguous prompt; (N, 4) predicted IoU.
        With MA-SAM's finer masks the logits are (N, 4, 16h, 16w).
    """
    sparse, dense = prompt_tokens(net, prompts)
    with hyper.told(net.mask_decoder, hyper.summary(sparse, placed(prompts), dense, prompts.has_dense)):
        return decode_tokens(net, embeddings, sparse, dense)


def decode_tokens(net: SamNet, embeddings: Tensor, sparse: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
    """The same for prompts that are tokens already: sparse (N, P, 256) and dense (N, 256, h, w)."""
    with precision.mixed(embeddings.device):
        logits, iou = _decoded(net, embeddings, sparse, dense)
    return logits.float(), iou.float()


def _decoded(net: SamNet, embeddings: Tensor, sparse: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
    decoder = net.mask_decoder
    outputs = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([outputs.expand(len(sparse), -1, -1), sparse], dim=1)
    # Channels last, so that the transformer's tokens lie side by side: every product after it goes without a copy.
    source = (coarse(embeddings) + dense).contiguous(memory_format=torch.channels_last)
    position = net.prompt_encoder.get_dense_pe().expand(len(sparse), -1, -1, -1)
    hidden, source_out = decoder.transformer(source, position, tokens)
    count = decoder.num_mask_tokens
    image = source_out.transpose(1, 2).reshape(source.shape)
    upscaled = _upscaled(decoder.output_upscaling, image, finer(embeddings))
    weights = torch.stack([mlp(hidden[:, 1 + i]) for i, mlp in enumerate(decoder.output_hypernetworks_mlps)], dim=1)
    logits = torch.einsum("nkc,nchw->nkhw", weights, upscaled)
    if net.fine is not None:
        logits = net.fine(logits, upscaled, hidden[:, 1 : 1 + count])
    iou = decoder.iou_prediction_head(hidden[:, 0])
    return logits, iou[:, :count]


def _upscaled(steps: nn.Sequential, image: Tensor, skipped: Tensor | None) -> Tensor:
    """(N, 256, h, w) to (N, 32, 4h, 4w); finer features (N, 64, 2h, 2w) are added behind the first step."""
    finer_image: Tensor = steps[0](image)
    if skipped is not None:
        finer_image = finer_image + skipped
    upscaled: Tensor = steps[1:](finer_image)
    return upscaled
