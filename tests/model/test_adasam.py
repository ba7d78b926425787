"""ADA-SAM put together: prompt-free suggestions and answers to a person."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import APONEUROSIS, BELLY, BrightnessEncoder, blob, embed, see_brightness, tiny_net

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.model import adasam
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas

BONE = Structure(9, "bone")
CANVAS = Canvas(48, 64, 64)


@pytest.fixture
def net() -> AdaSam:
    return see_brightness(tiny_net(structures=(BELLY, APONEUROSIS), encoder=BrightnessEncoder()))


@pytest.fixture
def bright() -> np.ndarray:
    pixels = np.zeros((48, 64), np.uint8)
    pixels[:16, :16] = pixels[32:, 48:] = 255
    return pixels


def test_a_structure_that_was_never_learned_is_absent(net: AdaSam, bright: np.ndarray) -> None:
    known, unknown = adasam.suggest(net, embed(net, bright), CANVAS, (BELLY, BONE), PromptSettings())
    assert known.prompts
    assert unknown.prompts == ()
    assert unknown.presence == unknown.score == 0
    assert not unknown.mask.any()
    assert not unknown.cam.any()
    assert unknown.mask.shape == unknown.cam.shape == (48, 64)


def test_a_structure_that_is_absent_gets_no_prompt_but_keeps_its_map(net: AdaSam, bright: np.ndarray) -> None:
    with torch.no_grad():
        net.head.shift.fill_(-5 - 4 * 2.2)
    (answer,) = adasam.suggest(net, embed(net, bright), CANVAS, (BELLY,), PromptSettings())
    assert answer.presence < 0.5
    assert answer.prompts == ()
    assert answer.score == 0
    assert not answer.mask.any()
    assert answer.cam.max() > 0.9


def test_a_dark_picture_gets_no_prompt_even_where_the_classifier_says_present(net: AdaSam) -> None:
    (answer,) = adasam.suggest(
        net, embed(net, np.zeros((48, 64), np.uint8)), CANVAS, (BELLY,), PromptSettings(presence=0)
    )
    assert answer.prompts == ()
    assert not answer.mask.any()


def test_one_mask_a_structure_in_the_order_asked_for_and_by_name(net: AdaSam, bright: np.ndarray) -> None:
    asked = (Structure(7, " Aponeurosis ", several_parts=True), BELLY)
    first, second = adasam.suggest(net, embed(net, bright), CANVAS, asked, PromptSettings())
    assert len(first.prompts) == 2  # both corners
    assert len(second.prompts) == 1
    assert first.mask.shape == second.mask.shape == (48, 64)
    assert 0 <= first.score <= 1


def test_several_parts_are_united(net: AdaSam, bright: np.ndarray) -> None:
    embedding = embed(net, bright)
    (whole,) = adasam.suggest(net, embedding, CANVAS, (APONEUROSIS,), PromptSettings())
    masks = []
    for prompt in whole.prompts:
        mask, _, _ = adasam.answer(net, embedding, prompt, None, CANVAS)
        masks.append(mask)
    assert not np.array_equal(masks[0], masks[1])
    assert np.array_equal(whole.mask, masks[0] | masks[1])


def test_nothing_that_suggests_takes_a_mask() -> None:
    taken = inspect.signature(adasam.suggest).parameters
    assert list(taken) == ["net", "embedding", "canvas", "structures", "settings", "region"]  # of the scan, not a label


@pytest.mark.parametrize("form", ["classmap", "gradcam"])
def test_weights_that_learned_nothing_suggest_nothing(form: str, bright: np.ndarray) -> None:
    net = tiny_net(structures=(), form=form)  # type: ignore[arg-type]
    (answer,) = adasam.suggest(net, embed(net, bright), CANVAS, (BELLY,), PromptSettings())
    assert answer.prompts == ()
    net.set_structures((BELLY,))
    assert net.index_of(BELLY) == 0


def test_new_structures_keep_what_is_known_under_the_same_name(net: AdaSam, bright: np.ndarray) -> None:
    embedding = embed(net, bright)
    before = adasam.suggest(net, embedding, CANVAS, (BELLY,), PromptSettings())[0]
    net.set_structures((BONE, Structure(4, "Muscle Belly")))
    assert net.card.structures == (BONE, Structure(4, "Muscle Belly"))
    assert net.index_of(APONEUROSIS) is None
    after, bone = adasam.suggest(net, embedding, CANVAS, (BELLY, BONE), PromptSettings())
    assert np.array_equal(after.cam, before.cam)
    assert np.array_equal(after.mask, before.mask)
    assert bone.presence < 0.05
    assert bone.prompts == ()


def test_an_answer_can_be_corrected_with_its_own_logits(net: AdaSam) -> None:
    pixels, _ = blob(0)
    embedding = embed(net, pixels)
    canvas = Canvas(64, 64, 64)
    prompt = Prompt(points=(Point(30, 30),))
    mask, score, low = adasam.answer(net, embedding, prompt, None, canvas)
    assert mask.shape == (64, 64)
    assert mask.dtype == bool
    assert low.shape == (16, 16)
    assert 0 <= score <= 1
    _, _, fed_back = adasam.answer(net, embedding, prompt, low, canvas)
    as_dense = replace(prompt, dense=low.clamp(-10, 10).numpy())
    _, _, expected = adasam.answer(net, embedding, as_dense, None, canvas)
    assert torch.equal(fed_back, expected)
    assert not torch.equal(fed_back, low)


def test_one_lone_point_takes_the_best_of_three_only_where_it_is_ambiguous(net: AdaSam) -> None:
    pixels, _ = blob(0)
    embedding, canvas = embed(net, pixels), Canvas(64, 64, 64)
    lone, boxed = Prompt(points=(Point(30, 30),)), Prompt(points=(Point(30, 30),), box=(10, 10, 50, 50))
    single = adasam.answer(net, embedding, lone, None, canvas)[2]
    with_box = adasam.answer(net, embedding, boxed, None, canvas)[2]
    net.card = replace(net.card, ambiguous_points=True)
    best = adasam.answer(net, embedding, lone, None, canvas)
    assert not torch.equal(best[2], single)
    assert torch.equal(adasam.answer(net, embedding, boxed, None, canvas)[2], with_box)
    assert torch.equal(
        adasam.answer(net, embedding, lone, single, canvas)[2],
        adasam.answer(net, embedding, replace(lone, dense=single.clamp(-10, 10).numpy()), None, canvas)[2],
    )


def test_a_renamed_structure_is_still_found_and_keeps_what_was_learned() -> None:
    net = tiny_net(structures=(BELLY, APONEUROSIS))
    renamed = BELLY.renamed("rectus femoris")
    assert net.index_of(renamed) == net.index_of(BELLY)
    assert renamed.renamed("vastus lateralis").learned_as == BELLY.name
    assert renamed.renamed(BELLY.name) == BELLY
    before = {name: one.clone() for name, one in net.head.state_dict().items()}
    net.set_structures((renamed, APONEUROSIS))
    assert net.card.structures == (renamed, APONEUROSIS)
    assert all(torch.equal(one, before[name]) for name, one in net.head.state_dict().items())
    again = renamed.renamed("vastus lateralis")
    net.set_structures((APONEUROSIS, again))
    assert net.index_of(again) == 1
    assert all(torch.equal(one.flip(0), before[name]) for name, one in net.head.state_dict().items() if one.ndim)
