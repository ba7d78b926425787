"""A head start for structures that the classifier has never seen: class maps fitted at once, before the first step.

A class map is linear in the embedding, so its best fit to a few labelled frames is a convex problem that takes about a
second, where gradient steps of a whole round would not get there [ours].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from napari_adasam.model.classifier import ABSENT, Classifier, ClassMap
from napari_adasam.model.encoders import coarse

FINER = 2
"""Places a cell along each side that maps are fitted to; all views are fitted at once, so each more takes memory."""
MOST_CELLS = 1 << 19
"""So many cells of views are fitted at once at most, some 2 GB: 512 views of 32 × 32 cells."""
ITERATIONS = 60
DECAY = 1e-3


def untaught(head: Classifier) -> list[int]:
    """The outputs of a class-map head that are as they were made: nothing has been learned of their structures."""
    if not isinstance(head, ClassMap):
        return []
    as_made = (head.maps.weight.flatten(1) == 0).all(1) & (head.maps.bias == ABSENT)
    return [row for row, one in enumerate(as_made.tolist()) if one]


def fit_class_maps(
    head: Classifier,
    rows: Sequence[int],
    embeddings: Tensor,
    shares: Tensor,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Fit some outputs of a class-map head, in place; a Grad-CAM head is left as it is.

    Parameters
    ----------
    rows
        The outputs to fit.
    embeddings
        (N, 256, h, w) of labelled views.
    shares
        (N, K, H, W), the share of each place that each structure fills, 0 to 1; maps are interpolated to these places.
    between
        Called in each iteration; a fit may take seconds.
    """
    if not isinstance(head, ClassMap) or not rows:
        return
    cells = coarse(embeddings).detach().permute(0, 2, 3, 1).flatten(0, 2)
    target = shares[:, list(rows)]
    places = (len(embeddings), *embeddings.shape[-2:])
    centre, spread = cells.mean(0), cells.std(0).clamp_min(1e-6)
    standard = (cells - centre) / spread
    weight = torch.zeros(len(rows), cells.shape[1], device=cells.device, requires_grad=True)
    bias = torch.full((len(rows),), -2.0, device=cells.device, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        between()
        optimiser.zero_grad()
        maps = torch.unflatten(F.linear(standard, weight, bias), 0, places).permute(0, 3, 1, 2)
        finer = F.interpolate(maps, target.shape[-2:], mode="bilinear", align_corners=False)
        value = F.binary_cross_entropy_with_logits(finer, target)
        value = value + DECAY * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        raw = weight.detach() / spread
        head.maps.weight[list(rows)] = raw[:, :, None, None]
        head.maps.bias[list(rows)] = bias.detach() - raw @ centre  # type: ignore[index]
        head.gain[list(rows)], head.shift[list(rows)] = 1.0, 0.0
