"""What a labelled view teaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import APONEUROSIS, BELLY, BrightnessEncoder, blob, embed, see_brightness, tiny_net

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import LossWeights
from napari_adasam.domain.structures import Structure
from napari_adasam.model import cam, supervision
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.asking import Asked, by_cam, by_hand, correct, go_on_to_whole, inner_point, jittered_box
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.supervision import (
    NO_IMAGE,
    Answers,
    Lesson,
    answered,
    class_loss,
    labelled_loss,
    masks_of,
    visible_maps,
)

NONE = LossWeights(presence=0, segmentation=0, map=0, iou=0)


def square(top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros((64, 64), bool)
    mask[top : top + side, left : left + side] = True
    return mask


@pytest.fixture
def net() -> AdaSam:
    return see_brightness(tiny_net(encoder=BrightnessEncoder()))


def test_one_plane_a_structure() -> None:
    labels = torch.tensor([[0, 1], [5, 1]])
    planes = masks_of(labels, (Structure(5, "bone"), BELLY))
    assert planes.tolist() == [[[0, 0], [1, 0]], [[0, 1], [0, 1]]]


def test_a_drawn_box_is_near_the_mask_and_inside_the_picture() -> None:
    boxes = np.array([jittered_box(square(2, 20, 40), np.random.default_rng(seed)) for seed in range(200)])
    assert boxes.min() >= 0
    assert boxes.max() <= 63
    assert (boxes[:, :2] <= boxes[:, 2:]).all()
    assert np.abs(np.median(boxes, 0) - (2, 20, 41, 59)).max() < 1
    assert ((boxes.std(0) > 1) & (boxes.std(0) < 3)).all()
    small = np.array([jittered_box(square(30, 30, 6), np.random.default_rng(seed)) for seed in range(200)])
    assert ((small.std(0) > 1.2) & (small.std(0) < 2.5)).all(), "a hand is no steadier on a small structure"


def test_a_point_is_inside_and_half_the_time_innermost() -> None:
    mask = square(10, 10, 21)
    points = [inner_point(mask, np.random.default_rng(seed)) for seed in range(60)]
    assert all(mask[int(p.y), int(p.x)] for p in points)
    assert 15 < sum((p.y, p.x) == (20, 20) for p in points) < 45


def test_a_person_is_asked_about_one_part() -> None:
    two = square(2, 2, 12) | square(40, 40, 12)
    asked = [by_hand(two, APONEUROSIS, np.random.default_rng(seed)) for seed in range(40)]
    targets = {(bool(a.target[5, 5]), bool(a.target[45, 45])) for a in asked if a}
    assert targets == {(True, False), (False, True)}
    whole = by_hand(two, BELLY, np.random.default_rng(0))
    assert whole is not None
    assert np.array_equal(whole.target, two)
    kinds = {(bool(a.prompt.points), a.prompt.box is not None) for a in asked if a}
    assert kinds == {(True, True), (True, False), (False, True)}
    assert by_hand(np.zeros((64, 64), bool), APONEUROSIS, np.random.default_rng(0)) is None


def test_the_cams_prompts_mean_the_parts_that_they_light() -> None:
    two = square(0, 0, 16) | square(48, 48, 16)
    maps = np.full((4, 4), -5, np.float32)
    maps[0, 0], maps[3, 3] = 4, 3.9
    first, second = by_cam(maps, two, APONEUROSIS, np.random.default_rng(0))
    assert np.array_equal(first.target, square(0, 0, 16))
    assert np.array_equal(second.target, square(48, 48, 16))
    (one,) = by_cam(maps, two, BELLY, np.random.default_rng(0))
    assert np.array_equal(one.target, two)
    maps[3, 3] = -5
    (missed,) = by_cam(maps, two, APONEUROSIS, np.random.default_rng(0))
    assert np.array_equal(missed.target, two)  # one prompt alone has to bring everything
    assert by_cam(np.full((4, 4), -5, np.float32), two, BELLY, np.random.default_rng(0)) == []


def test_a_correction_clicks_on_the_error_and_feeds_the_answer_back() -> None:
    target = np.zeros((64, 64), bool)
    target[:, :32] = True
    asked = Asked(Prompt(box=(0, 0, 63, 31)), target)
    low = torch.full((16, 16), -20.0)
    low[:, :4] = 20
    again = correct(asked, low)
    assert again is not None
    assert again.prompt.box == asked.prompt.box
    assert again.prompt.points[-1].positive
    assert target[int(again.prompt.points[-1].y), int(again.prompt.points[-1].x)]
    assert again.prompt.points[-1].x >= 16
    assert again.prompt.dense is not None
    assert again.prompt.dense.min() == -10
    low[:, :8] = 20
    assert correct(asked, low) is None


def test_each_weight_has_its_term(net: AdaSam) -> None:
    pixels, labels = blob(0)
    embedding = embed(net, pixels)
    on_square = torch.from_numpy(labels.astype(np.int64))

    def loss(weights: LossWeights) -> float:
        torch.manual_seed(0)
        return labelled_loss(net, embedding, on_square, np.random.default_rng(0), Lesson(weights)).item()

    assert loss(NONE) == 0
    terms = [loss(replace(NONE, **{name: 1.0})) for name in ("presence", "segmentation", "map", "iou")]
    assert min(terms) > 0
    assert loss(LossWeights(presence=1, segmentation=1, map=1, iou=1)) == pytest.approx(sum(terms), rel=1e-4)


@pytest.mark.parametrize("corrections", [1, 3])
def test_answers_are_corrected_so_many_times_in_a_row(
    net: AdaSam, monkeypatch: pytest.MonkeyPatch, corrections: int
) -> None:
    rounds: list[list[int]] = []
    real = supervision.answered

    def listen(net: AdaSam, embedding: torch.Tensor, asked: list[supervision.Asked]) -> supervision.Answers:
        rounds.append([len(one.prompt.points) for one in asked])
        return real(net, embedding, asked)

    monkeypatch.setattr(supervision, "answered", listen)
    pixels, labels = blob(0)
    lesson = Lesson(LossWeights(), corrections=corrections)
    on_square = torch.from_numpy(labels.astype(np.int64))
    labelled_loss(net, embed(net, pixels), on_square, np.random.default_rng(0), lesson).backward()
    assert len(rounds) == 1 + corrections
    assert all(len(later) <= 2 for later in rounds[1:])
    assert max(rounds[-1]) >= corrections  # one more click each time


def test_clicks_on_one_part_may_go_on_to_all_of_them() -> None:
    both = square(4, 4, 12) | square(40, 40, 12)
    hands = [by_hand(both, APONEUROSIS, np.random.default_rng(seed)) for seed in range(20)]
    pointed = [one for one in hands if one is not None and one.prompt.box is None]
    boxed = [one for one in hands if one is not None and one.prompt.box is not None]
    assert pointed
    assert all(one.whole is None and go_on_to_whole(one) is one for one in boxed)
    for one in pointed:
        again = correct(go_on_to_whole(one), torch.from_numpy(np.where(one.target, 9.0, -9.0)).float())
        assert again is not None
        assert again.prompt.points[-1].positive
        assert not one.target[int(again.prompt.points[-1].y), int(again.prompt.points[-1].x)]
        assert np.array_equal(again.target, both)
    (alone,) = [by_hand(square(4, 4, 12), APONEUROSIS, np.random.default_rng(4))]
    assert alone is not None
    assert alone.whole is None


@pytest.mark.parametrize(("whole", "parts_asked"), [(0.0, 1), (1.0, 2)])
def test_a_lesson_says_whether_corrections_ask_for_all_parts(
    net: AdaSam, monkeypatch: pytest.MonkeyPatch, whole: float, parts_asked: int
) -> None:
    both = torch.from_numpy(square(0, 0, 20) | square(40, 40, 20)).long() * APONEUROSIS.value
    part = Asked(Prompt(points=(Point(10, 10),)), square(0, 0, 20), both.numpy() > 0)
    asked: list[Asked] = []
    real = supervision.answered
    monkeypatch.setattr(supervision, "answered", lambda net, e, some: asked.extend(some) or real(net, e, some))
    embedding = embed(net, blob(0)[0])
    first = real(net, embedding, [part])
    supervision.corrected_loss(
        net, embedding, ([part], first), np.random.default_rng(0), Lesson(LossWeights(), whole=whole)
    )
    assert asked[0].target.sum() == parts_asked * 400


def test_a_labelled_view_is_asked_about_as_at_use_and_as_a_person_asks(
    net: AdaSam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder meets at training what it meets at use, and clicks and boxes go on working."""
    rounds: list[list[str]] = []
    real = supervision.answered

    def spy(net: AdaSam, embedding: torch.Tensor, asked: list[Asked]) -> supervision.Answers:
        rounds.append([one.prompt.source for one in asked])
        return real(net, embedding, asked)

    monkeypatch.setattr(supervision, "answered", spy)
    pixels, labels = blob(0)
    for seed in range(5):
        rounds.clear()
        truth, rng = torch.from_numpy(labels.astype(np.int64)), np.random.default_rng(seed)
        labelled_loss(net, embed(net, pixels), truth, rng, Lesson(LossWeights()))
        assert rounds[0] == ["cam", "clinician"]
        assert len(rounds) == 2  # and both are corrected by a click


def test_no_prompt_comes_from_what_shows_no_image(net: AdaSam, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    real = supervision.by_cam
    monkeypatch.setattr(supervision, "by_cam", lambda maps, *rest: seen.append(maps) or real(maps, *rest))
    wide = np.full((32, 64), 40, np.uint8)
    wide[:, :16] = 200
    embedding = embed(net, wide)
    embedding[0, 0, 2:] = 9.0  # the padding lights up more than anything else
    labels = torch.zeros(64, 64, dtype=torch.int64)
    labels[:32, :16] = 1
    padded = labels.clone()
    padded[32:] = NO_IMAGE
    for on_square in (labels, padded):
        labelled_loss(net, embedding, on_square, np.random.default_rng(0), Lesson(LossWeights()))
    maps = net.head(embedding).maps[0, 0].detach().numpy()
    assert np.array_equal(seen[0], maps), "without padding nothing is put out"
    assert np.array_equal(seen[1][:2], maps[:2])
    assert (seen[1][2:] == -10).all()
    (asked,) = real(seen[1], labels.numpy() == 1, BELLY, np.random.default_rng(1))
    assert asked.prompt.box == (0, 0, 31, 15)


def test_a_cell_is_visible_as_soon_as_it_touches_the_image() -> None:
    """As at use."""
    canvas, maps = Canvas(33, 64, 64), torch.ones(2, 4, 4)
    labels = torch.zeros(64, 64, dtype=torch.int64)
    labels[33:] = NO_IMAGE
    expected = torch.stack([cam.inside_image(one, canvas) for one in maps])
    assert np.array_equal(visible_maps(maps, labels), expected.numpy())
    assert (expected[:, :3] == 1).all()


def test_an_absent_structure_teaches_the_classifier_alone(net: AdaSam) -> None:
    embedding = embed(net, blob(0)[0])
    labelled_loss(
        net, embedding, torch.zeros(64, 64, dtype=torch.int64), np.random.default_rng(0), Lesson(LossWeights())
    ).backward()
    assert net.head.maps.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.sam.parameters())


def test_the_class_loss_falls_where_the_map_is_right(net: AdaSam) -> None:
    pixels, labels = blob(0)
    masks = torch.from_numpy(labels[None]).float()
    right = class_loss(net.head(embed(net, pixels)), masks, LossWeights())
    wrong = class_loss(net.head(embed(net, 255 - pixels)), masks, LossWeights())
    assert right < 0.5 * wrong


def test_what_the_labels_say_nothing_of_teaches_nothing() -> None:
    net = see_brightness(tiny_net(structures=(BELLY, APONEUROSIS), encoder=BrightnessEncoder()))
    pixels, labels = blob(0)
    masks = torch.from_numpy(np.stack([labels, 1 - labels])).float()
    weights = LossWeights(presence=1, map=1)
    class_loss(net.head(embed(net, pixels)), masks, weights, torch.tensor([1.0, 0.0])).backward()
    for name, parameter in net.head.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad[0].any(), name
        assert not parameter.grad[1].any(), name


def test_the_predicted_iou_learns_the_real_one(net: AdaSam) -> None:
    pixels, labels = blob(0)
    embedding = embed(net, pixels)
    asked = [Asked(Prompt(box=(5, 5, 60, 60)), labels.astype(bool))]
    answers = answered(net, embedding, asked)
    answers.loss(replace(NONE, iou=1.0)).backward()
    assert answers.low.shape == (1, 16, 16)
    assert net.sam.mask_decoder.iou_prediction_head.layers[0].weight.grad.abs().sum() > 0
    # what the mask is made of is not pulled towards a guess of its quality
    assert not any(p.grad.any() for p in net.sam.mask_decoder.output_hypernetworks_mlps.parameters())


@pytest.mark.parametrize(("predicted", "off"), [(0.5, 0), (0.75, 0.25**2), (1, 0.5**2)])
def test_the_predicted_iou_is_judged_by_the_real_one(predicted: float, off: float) -> None:
    low, target = torch.full((1, 16, 16), -5.0), torch.zeros(1, 32, 32)
    low[:, :8], target[:, :8] = 5.0, 1.0  # half the picture was found, a quarter is the structure's
    loss = Answers(low, torch.tensor([float(predicted)]), target).loss(replace(NONE, iou=1.0))
    assert loss.item() == pytest.approx(off, abs=1e-6)
