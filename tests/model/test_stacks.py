"""Clips and volumes: neighbours, sliding windows, and the mean of what overlaps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from blocks_under_test import KINDS, encoder_of, images, scramble
from tiny import APONEUROSIS, BELLY, tiny_net
from torch import Tensor

from napari_adasam.domain.prompts import Prompt
from napari_adasam.model import adaptation, stacks
from napari_adasam.model.adapters.masam import MaSamSettings
from napari_adasam.model.adapters.medsa import MedSaSettings
from napari_adasam.model.adapters.parts import Adaptation, stacked
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.sam import batch_prompts, decode

MASAM = MaSamSettings(slices=3, rank=2, width=4)
MEDSA = MedSaSettings(slices=3, width=4, hyper=4)
SIDE = 64
WHOLE = Canvas(SIDE, SIDE, SIDE)


def test_neighbours_stand_around_a_slice_and_the_ends_are_repeated() -> None:
    assert stacks.around(4, 10, 5) == (2, 3, 4, 5, 6)
    assert stacks.around(0, 10, 5) == (0, 0, 0, 1, 2)
    assert stacks.around(9, 10, 3) == (8, 9, 9)
    assert stacks.around(0, 1, 5) == (0,) * 5
    assert stacks.around(3, 10, 1) == (3,)


def test_windows_slide_by_one_and_reach_every_slice() -> None:
    assert stacks.windows(4, 3) == [(0, 1, 2), (1, 2, 3)]
    assert stacks.windows(2, 3) == [(0, 1, 1)]
    assert stacks.windows(3, 1) == [(0,), (1,), (2,)]


def learned(kind: str, settings: Adaptation) -> tuple[AdaSam, int, list[Tensor]]:
    """A model with an adaptation at random, its first adapted unit, and the activations of five slices before that."""
    net = tiny_net(structures=(BELLY, APONEUROSIS), encoder=encoder_of(kind), size=SIDE)
    since = adaptation.prepare(net, settings)
    scramble(net)
    net.eval()
    with torch.no_grad():
        fronts = net.sam.encoder.front(images(kind, 5)[..., :SIDE, :SIDE], since)
    return net, since, list(fronts.split(1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [MASAM, MEDSA])
def test_a_slice_of_a_stack_depends_on_its_neighbours(kind: str, settings: Adaptation) -> None:
    net, since, fronts = learned(kind, settings)
    before = dict(stacks.embeddings(net, fronts, since))
    assert list(before) == stacks.windows(5, 3)
    changed = [*fronts[:4], fronts[4] + 1]
    after = dict(stacks.embeddings(net, changed, since))
    assert torch.equal(before[0, 1, 2], after[0, 1, 2])
    first, second = before[2, 3, 4], after[2, 3, 4]
    assert not torch.allclose(first[1], second[1])  # slice 3 sees slice 4


@pytest.mark.parametrize("settings", [MASAM, MEDSA])
@pytest.mark.parametrize("given", [5, 3, 1])
@pytest.mark.parametrize("slices", [5, 3])
def test_a_slice_is_seen_with_as_many_neighbours_as_are_given(settings: Adaptation, given: int, slices: int) -> None:
    """Memory may allow a round fewer slices than the model looks at; of a longer window it takes its own."""
    net, since, fronts = learned("vit", replace(settings, slices=slices))  # type: ignore[type-var]
    wanted = min(given, slices)
    given_ones, wanted_ones = (torch.cat(fronts[2 - count // 2 : 3 + count // 2]) for count in (given, wanted))
    with torch.no_grad():
        found = stacks.middle(net, given_ones, since)
        with stacked(net, wanted):
            expected = net.sam.encoder.back(wanted_ones, since)[wanted // 2 : wanted // 2 + 1]
        alone = stacks.middle(net, fronts[2], since)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert torch.allclose(found, alone, rtol=1e-2, atol=1e-2) == (given == 1)


@pytest.mark.parametrize("prompt", [Prompt(token=1, source="token"), Prompt(box=(5, 5, 50, 40))])
def test_overlapping_windows_are_averaged(prompt: Prompt) -> None:
    net, since, fronts = learned("vit", MASAM)
    found = stacks.chances(net, fronts, since, [prompt] * 5, WHOLE)
    assert found.shape == (5, SIDE, SIDE)
    expected: list[list[Tensor]] = [[] for _ in fronts]
    for start in range(3):
        with torch.no_grad(), stacked(net, 3):
            embedding = net.sam.encoder.back(torch.cat(fronts[start : start + 3]), since)
            batch = batch_prompts([prompt] * 3, WHOLE, net.sam.cells, net.device)
            masks = torch.sigmoid(decode(net.sam, embedding, batch)[0][:, 0])
        for step in range(3):
            expected[start + step].append(masks[step])
    assert [len(each) for each in expected] == [1, 2, 3, 2, 1]
    torch.testing.assert_close(found, torch.stack([torch.stack(each).mean(0) for each in expected]))
    assert not torch.allclose(expected[2][0], expected[2][1])


def test_every_slice_needs_its_prompt() -> None:
    net, since, fronts = learned("vit", MASAM)
    with pytest.raises(ValueError, match="a prompt a slice, 5, got 1"):
        stacks.chances(net, fronts, since, [Prompt(box=(0, 0, 9, 9))], WHOLE)
