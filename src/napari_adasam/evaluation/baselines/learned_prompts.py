"""SAM with learned prompts, in the manner of Sam2Rad (Wahd et al. 2024).

A small network reads the prompts of each structure out of the embedding: a box, a few free tokens, a dense map, and
whether the structure is there at all. Our own implementation. Encoder, decoder and prompt encoder learn as in a round
of ``lora``, so that what differs from supervised ADA-SAM is where the prompt comes from.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.records import Mask
from napari_adasam.domain.settings import TrainSettings
from napari_adasam.domain.simulated import tight_box
from napari_adasam.evaluation.baselines.lessons import Course, Fitted, Lessons, OnStep, follow, masks_from
from napari_adasam.model import adaptation
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.cam import LOGIT_LIMIT, dense_side
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.encoders import EMBEDDING, coarse
from napari_adasam.model.losses import map_loss, segmentation_loss
from napari_adasam.model.sam import BOTTOM_RIGHT, TOP_LEFT, SamNet, decode_tokens
from napari_adasam.model.supervision import masks_of
from napari_adasam.services.ports import UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.views import Views

PRESENT = 0.5


@dataclass(frozen=True, slots=True)
class LearnedSettings:
    """Free tokens of a structure, LoRA's rank, and the training's figures."""

    tokens: int = 4
    rank: int = 8
    steps: int = 100
    batch: int = 2
    lr: float = 5e-4
    views: int = 3


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """Prompts of K structures."""

    boxes: Tensor  # (K, 4), (y0, x0, y1, x1) in sides of the square
    tokens: Tensor  # (K, T, 256)
    dense: Tensor  # (K, h, w) logits
    presence: Tensor  # (K,) logits


class PromptPredictor(nn.Module):
    """Learned queries of each structure that look at the embedding through two layers of cross-attention."""

    def __init__(self, structures: int, tokens: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(0.02 * torch.randn(structures, tokens + 1, EMBEDDING))
        layer = nn.TransformerDecoderLayer(EMBEDDING, 8, 512, 0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerDecoder(layer, 2)
        self.box, self.presence = nn.Linear(EMBEDDING, 4), nn.Linear(EMBEDDING, 1)
        self.dense = nn.Linear(EMBEDDING, EMBEDDING)
        nn.init.zeros_(self.box.weight)  # the inner half of the picture at first: far from where the sigmoid is flat
        with torch.no_grad():
            self.box.bias.copy_(torch.tensor([-1.1, -1.1, 1.1, 1.1]))

    def forward(self, embedding: Tensor, position: Tensor) -> Learned:
        """Of one embedding (1, 256, h, w), with SAM's positions (1, 256, h, w)."""
        seen = (embedding + position).flatten(2).transpose(1, 2)  # (1, h·w, 256)
        found = self.layers(self.queries, seen.expand(len(self.queries), -1, -1))  # (K, T + 1, 256)
        first = found[:, 0]
        edges = torch.sigmoid(self.box(first))
        boxes = torch.cat([torch.minimum(edges[:, :2], edges[:, 2:]), torch.maximum(edges[:, :2], edges[:, 2:])], 1)
        dense = torch.einsum("kc,chw->khw", self.dense(first), embedding[0]) / EMBEDDING**0.5
        return Learned(boxes, found[:, 1:], dense, self.presence(first)[:, 0])


def decoded(sam: SamNet, embedding: Tensor, prompts: Learned) -> Tensor:
    """Mask logits (K, 4h, 4w) of the learned prompts on one embedding (1, 256, h, w)."""
    encoder = sam.prompt_encoder
    corners = prompts.boxes.view(-1, 2, 2).flip(-1) * sam.size  # SAM's (x, y)
    placed = encoder.pe_layer.forward_with_coords(corners, encoder.input_image_size)
    kinds = torch.cat([encoder.point_embeddings[kind].weight for kind in (TOP_LEFT, BOTTOM_RIGHT)])
    sparse = torch.cat([placed + kinds, prompts.tokens], dim=1)
    side = dense_side(sam.cells)
    dense = prompts.dense.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)[:, None]
    dense = encoder.mask_downscaling(F.interpolate(dense, (side, side), mode="bilinear", align_corners=False))
    logits, _ = decode_tokens(sam, embedding.expand(len(sparse), -1, -1, -1), sparse, dense)
    return logits[:, 0]


def prompt_loss(prompts: Learned, masks: Tensor) -> Tensor:
    """What the prompts should have been: box (L1), dense map and presence, of masks (K, S, S)."""
    present = masks.flatten(1).amax(1)
    shares = F.interpolate(masks[None], prompts.dense.shape[-2:], mode="area")
    loss = 0.2 * F.binary_cross_entropy_with_logits(prompts.presence, present)
    loss = loss + map_loss(prompts.dense[None], shares).mean()
    there = [i for i, one in enumerate(present.tolist()) if one]
    if there:
        planes = masks.cpu().numpy() > 0
        real = torch.tensor([tight_box(planes[i]) for i in there], device=masks.device) / masks.shape[-1]
        loss = loss + F.l1_loss(prompts.boxes[there], real)
    return loss


def fit(lessons: Lessons, predictor: ModelPredictor, settings: LearnedSettings, on_step: OnStep) -> Fitted:
    """Train the prompt network, and what a round of ``lora`` trains, together."""
    torch.manual_seed(lessons.seed)
    rng = np.random.default_rng(lessons.seed)
    net: AdaSam = copy.deepcopy(predictor.net)
    asked = TrainSettings(method="lora", rank=settings.rank, alpha=float(settings.rank))
    since = adaptation.prepare(net, adaptation.asked(asked, net.sam.encoder))
    views = Views(predictor, net, since)
    prompter = PromptPredictor(len(lessons.structures), settings.tokens).to(net.device)

    def one(_: int) -> Tensor:
        frame = lessons.labelled[int(rng.integers(len(lessons.labelled)))]
        front, labels = views.labelled(frame, int(rng.integers(settings.views)))
        masks = masks_of(labels, lessons.structures).to(net.device)
        prompts, logits = _asked(net, prompter, views.embed(net, front))
        there = masks.flatten(1).amax(1) > 0
        loss = prompt_loss(prompts, masks)
        if not there.any():
            return loss
        target = F.interpolate(masks[None], logits.shape[-2:], mode="area")[0]
        return loss + segmentation_loss(logits[there], target[there]).mean()

    def loss(step: int) -> Tensor:
        return torch.stack([one(i) for i in range(settings.batch)]).mean()

    learning: Sequence[nn.Parameter] = [*net.train().parameters(), *prompter.train().parameters()]
    trained = follow(Course(settings.steps, settings.lr), learning, loss, on_step)
    net.eval()
    prompter.eval()

    @torch.no_grad()
    def answer(frame_id: str, pixels: NDArray[np.uint8]) -> dict[int, Mask]:
        canvas = Canvas(pixels.shape[0], pixels.shape[1], net.sam.size)
        front = views.plain(UnlabelledFrame(frame_id, pixels, {}))
        prompts, logits = _asked(net, prompter, views.embed(net, front))
        absent = torch.sigmoid(prompts.presence) < PRESENT
        return masks_from(logits.masked_fill(absent[:, None, None], -LOGIT_LIMIT), canvas, lessons.structures)

    return answer, trained


def _asked(net: AdaSam, prompter: PromptPredictor, embedding: Tensor) -> tuple[Learned, Tensor]:
    prompts: Learned = prompter(coarse(embedding), net.sam.prompt_encoder.get_dense_pe())
    return prompts, decoded(net.sam, embedding, prompts)
