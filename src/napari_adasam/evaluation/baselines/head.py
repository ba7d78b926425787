"""The frozen SAM encoder with a small convolutional head: what the embedding gives without any adaptation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.records import Mask
from napari_adasam.evaluation.baselines.lessons import Course, Fitted, Lessons, OnStep, follow, masks_from
from napari_adasam.model.cam import dense_side
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.encoders import EMBEDDING, coarse
from napari_adasam.model.losses import segmentation_loss
from napari_adasam.model.supervision import masks_of
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.views import Views


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """Width of the head, and the training's figures; ``views`` of each frame, as in a round."""

    width: int = 64
    steps: int = 200
    batch: int = 4
    lr: float = 2e-3
    views: int = 3


def build(width: int, structures: int) -> nn.Module:
    """(B, 256, h, w) to (B, K, 4h, 4w): two 3×3 convolutions, each followed by doubling, and a 1×1."""
    return nn.Sequential(
        nn.Conv2d(EMBEDDING, width, 3, padding=1),
        nn.GroupNorm(8, width),
        nn.GELU(),
        nn.ConvTranspose2d(width, width, 2, stride=2),
        nn.Conv2d(width, width, 3, padding=1),
        nn.GroupNorm(8, width),
        nn.GELU(),
        nn.ConvTranspose2d(width, width // 2, 2, stride=2),
        nn.GELU(),
        nn.Conv2d(width // 2, structures, 1),
    )


def fit(lessons: Lessons, predictor: ModelPredictor, settings: HeadSettings, on_step: OnStep) -> Fitted:
    """Train the head on the embeddings of cached views."""
    torch.manual_seed(lessons.seed)
    rng = np.random.default_rng(lessons.seed)
    net = predictor.net
    views = Views(predictor, net, net.sam.encoder.adapt_index(None))
    head = build(settings.width, len(lessons.structures)).to(net.device).train()
    kept: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]] = {}

    @torch.no_grad()
    def view(at: int, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Embedding (256, h, w), masks (K, 4h, 4w) and where they count (1, 4h, 4w)."""
        if (at, number) not in kept:
            front, labels = views.labelled(lessons.labelled[at], number)
            side = dense_side(net.sam.cells)
            masks = F.adaptive_avg_pool2d(masks_of(labels, lessons.structures), side)
            seen = F.adaptive_avg_pool2d((labels >= 0).float()[None], side)
            embedding = coarse(views.embed(net, front))[0]
            kept[at, number] = embedding, masks.to(net.device), (seen > 0.5).float().to(net.device)
        return kept[at, number]

    def loss(step: int) -> Tensor:
        chosen = [
            view(int(rng.integers(len(lessons.labelled))), int(rng.integers(settings.views)))
            for _ in range(settings.batch)
        ]
        embeddings, masks, seen = (torch.stack(each) for each in zip(*chosen, strict=True))
        logits = head(embeddings)
        return segmentation_loss(logits.flatten(0, 1), masks.flatten(0, 1), seen.expand_as(masks).flatten(0, 1)).mean()

    trained = follow(Course(settings.steps, settings.lr), head.parameters(), loss, on_step)
    head.eval()

    @torch.no_grad()
    def answer(frame_id: str, pixels: NDArray[np.uint8]) -> dict[int, Mask]:
        canvas = Canvas(pixels.shape[0], pixels.shape[1], net.sam.size)
        return masks_from(head(coarse(predictor.embedding(frame_id, pixels)))[0], canvas, lessons.structures)

    return answer, trained
