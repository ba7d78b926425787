"""The auxiliary classifier on the embedding: one presence logit a structure, and the class activation map behind it.

Two forms (method: ADA-SAM, Ward et al. 2025; ``classmap`` is our own reconstruction):

- ``classmap``: a 1×1 convolution to K maps; the presence logit pools the highest cells of a map. The map *is* the CAM.
- ``gradcam``: global average pooling and an MLP; the CAM is Grad-CAM (Selvaraju et al. 2017) on the embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_adasam.domain.settings import ClassifierForm
from napari_adasam.model.encoders import EMBEDDING, coarse

TOP_SHARE = 12 / 1024
"""Share of a map's cells whose mean is the presence logit: 12 of them at 512 px, 3 at 256 px. Of a fixed number a small
structure would fill too few on a smaller map, and pass for absent [ours]."""
FEWEST_CELLS = 3
"""A single cell's logit would teach one cell a step only."""
ABSENT = -4.0
"""Logit of a structure that nothing has been learned of: absent (presence 2 %)."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Presence logits (B, K) and CAM logits (B, K, h, w); positive cells belong to the structure."""

    presence: Tensor
    maps: Tensor


class ClassMap(nn.Module):
    """1×1 convolution to K maps; the mean of each map's highest cells is the presence logit."""

    def __init__(self, structures: int) -> None:
        super().__init__()
        self.maps = nn.Conv2d(EMBEDDING, structures, 1)
        nn.init.zeros_(self.maps.weight)
        nn.init.constant_(self.maps.bias, ABSENT)  # type: ignore[arg-type]
        self.gain = nn.Parameter(torch.ones(structures))
        self.shift = nn.Parameter(torch.zeros(structures))

    def forward(self, embedding: Tensor) -> ClassScores:
        """(B, 256, h, w) to presence (B, K) and maps (B, K, h, w)."""
        maps = self.maps(coarse(embedding))
        cells = maps.flatten(2)
        pooled = max(FEWEST_CELLS, round(TOP_SHARE * cells.shape[-1]))
        top = cells.topk(min(pooled, cells.shape[-1]), dim=-1).values.mean(-1)
        return ClassScores(top * self.gain + self.shift, maps)


class GradCam(nn.Module):
    """Pooled MLP 256-256-ReLU-dropout-K; its maps are Grad-CAM.

    With a pooled head the gradient is the same in every cell, so a map is one weight a channel. It has no bias towards
    a zero level: we scale each map from its lowest to its highest cell to ±4, so that the cells above half are positive
    however much of the frame the structure fills [ours].
    """

    def __init__(self, structures: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(EMBEDDING, EMBEDDING), nn.ReLU(), nn.Dropout(0.3), nn.Linear(EMBEDDING, structures)
        )
        last: nn.Linear = self.mlp[3]  # type: ignore[assignment]
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, ABSENT)

    def forward(self, embedding: Tensor) -> ClassScores:
        """(B, 256, h, w) to presence (B, K) and maps (B, K, h, w)."""
        embedding = coarse(embedding)
        pooled = embedding.mean((2, 3))
        presence = self.mlp(pooled)
        with torch.enable_grad():
            probe = pooled.detach().requires_grad_(True)
            scores = self.mlp(probe).sum(0)
            weights = [torch.autograd.grad(s, probe, retain_graph=True)[0] for s in scores]
        raw = torch.relu(torch.einsum("bkc,bchw->bkhw", torch.stack(weights, 1), embedding))
        low, high = raw.flatten(2).amin(-1)[..., None, None], raw.flatten(2).amax(-1)[..., None, None]
        scaled = (raw - low) / (high - low).clamp_min(1e-6)
        maps = torch.where(high > low, -ABSENT * (2 * scaled - 1), torch.full_like(raw, ABSENT))
        return ClassScores(presence, maps)


class Unlearned(nn.Module):
    """The head of weights that have learned no structure yet: it has no parameters, and no answers."""

    def __init__(self, form: ClassifierForm) -> None:
        super().__init__()
        self.form = form

    def forward(self, embedding: Tensor) -> ClassScores:
        """(B, 256, h, w) to presence (B, 0) and maps (B, 0, h, w)."""
        batch, _, rows, columns = embedding.shape
        return ClassScores(embedding.new_zeros(batch, 0), embedding.new_zeros(batch, 0, rows, columns))


Classifier = ClassMap | GradCam | Unlearned


def build(form: ClassifierForm, structures: int) -> Classifier:
    """A fresh head of the given form for K structures, which says "absent" to everything."""
    if structures == 0:
        return Unlearned(form)
    return ClassMap(structures) if form == "classmap" else GradCam(structures)


def rows_by_structure(head: ClassMap | GradCam) -> dict[str, nn.Parameter]:
    """The parameters whose first axis is the structure."""
    if isinstance(head, ClassMap):
        return dict(head.named_parameters())
    return {f"mlp.3.{name}": p for name, p in head.mlp[3].named_parameters()}


def widen(head: Classifier, old: tuple[str, ...], new: tuple[str, ...]) -> Classifier:
    """A head for the structures ``new``: those named in ``old`` keep what they learned, the others start absent."""
    if isinstance(head, Unlearned):
        return build(head.form, len(new))
    wide = build("classmap" if isinstance(head, ClassMap) else "gradcam", len(new))
    if isinstance(wide, Unlearned):
        return wide
    source, rows = head.state_dict(), rows_by_structure(wide)
    with torch.no_grad():
        for name, tensor in wide.state_dict().items():
            if name not in rows:
                tensor.copy_(source[name])
                continue
            for index, structure in enumerate(new):
                if structure in old:
                    tensor[index] = source[name][old.index(structure)]
    return wide
