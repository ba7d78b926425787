"""The head start: class maps of new structures, fitted before the first step."""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812

from napari_adasam.model.classifier import ABSENT, ClassMap, build
from napari_adasam.model.headstart import fit_class_maps, untaught

CHANNEL = 5


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """Four embeddings (4, 256, 8, 8) that are lit in one cell, and a structure (4, 1, 32, 32) amid that cell.

    It fills a quarter of the cell.
    """
    generator = torch.Generator().manual_seed(0)
    embeddings = 0.1 * torch.randn(4, 256, 8, 8, generator=generator)
    masks = torch.zeros(4, 1, 32, 32)
    for index, (row, column) in enumerate([(2, 3), (5, 1), (4, 6), (1, 1)]):
        embeddings[index, CHANNEL, row, column] += 5
        masks[index, 0, 4 * row + 1 : 4 * row + 3, 4 * column + 1 : 4 * column + 3] = 1
    return embeddings, masks


def test_a_structure_that_fills_a_quarter_of_a_cell_is_found_there() -> None:
    head = build("classmap", 1)
    embeddings, masks = scene()
    fit_class_maps(head, [0], embeddings, masks)
    maps = head(embeddings).maps.detach()
    lit = embeddings[:, CHANNEL : CHANNEL + 1] > 2.5
    assert (maps[lit] > 0).all()
    assert (maps[~lit] < 0).all()


def test_where_embeddings_have_their_middle_makes_no_difference() -> None:
    embeddings, masks = scene()
    maps = []
    for middle in (0.0, torch.linspace(-3, 3, 256)[:, None, None]):
        head = build("classmap", 1)
        fit_class_maps(head, [0], embeddings + middle, masks)
        maps.append(head(embeddings + middle).maps.detach())
    assert torch.allclose(*maps, atol=0.05)


def test_against_the_share_of_cells_it_would_be_missed() -> None:
    head = build("classmap", 1)
    embeddings, masks = scene()
    fit_class_maps(head, [0], embeddings, F.adaptive_avg_pool2d(masks, 8))
    assert (head(embeddings).maps < 0).all()


def test_other_rows_and_grad_cam_stay_as_they_are() -> None:
    head, pooled = build("classmap", 2), build("gradcam", 1)
    assert isinstance(head, ClassMap)
    embeddings, masks = scene()
    fit_class_maps(head, [1], embeddings, masks.expand(-1, 2, -1, -1))
    assert not head.maps.weight[0].any()
    assert head.maps.bias is not None
    assert head.maps.bias[0].item() == ABSENT
    assert head.maps.weight[1].any()
    before = {name: value.clone() for name, value in pooled.state_dict().items()}
    fit_class_maps(pooled, [0], embeddings, masks)
    assert all(torch.equal(value, before[name]) for name, value in pooled.state_dict().items())


def test_what_nothing_has_been_learned_of_is_told_from_the_rest() -> None:
    head = build("classmap", 3)
    assert untaught(head) == [0, 1, 2]
    embeddings, masks = scene()
    fit_class_maps(head, [1], embeddings, masks.expand(-1, 3, -1, -1))
    assert untaught(head) == [0, 2]
    assert untaught(build("gradcam", 2)) == []
    assert untaught(build("classmap", 0)) == []
