"""The teacher's labels for frames without a mask."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import APONEUROSIS, BELLY, BrightnessEncoder, blob, embed, see_brightness, tiny_net

from napari_adasam.domain.settings import LossWeights, PromptSettings
from napari_adasam.model import pseudo
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.pseudo import Doubt, PseudoLabel, Seen, pseudo_labels, ramp, unlabelled_loss
from napari_adasam.model.sam import PromptBatch, SamNet

SURE, UNSURE = 5.0, 0.5


@pytest.fixture
def teacher() -> AdaSam:
    return see_brightness(tiny_net(structures=(BELLY, APONEUROSIS), encoder=BrightnessEncoder()))


@pytest.fixture
def embedding(teacher: AdaSam) -> torch.Tensor:
    return embed(teacher, blob(0)[0])


def test_the_ramp() -> None:
    assert ramp(0) == pytest.approx(math.exp(-5))
    assert ramp(0.5) == pytest.approx(math.exp(-1.25))
    assert ramp(1) == ramp(2) == 1
    assert ramp(-1) == ramp(0)


def test_no_label_for_what_the_teacher_finds_absent(teacher: AdaSam, embedding: torch.Tensor) -> None:
    assert [label.index for label in pseudo_labels(teacher, embedding, PromptSettings(), Doubt(0.95))] == [0, 1]
    with torch.no_grad():
        teacher.head.shift[0] = -50
    assert [label.index for label in pseudo_labels(teacher, embedding, PromptSettings(), Doubt(0.95))] == [1]


def test_no_prompt_comes_from_the_padding(teacher: AdaSam) -> None:
    """A head that has learned the padding: at use its cells are put out, so they are for the teacher too."""
    wide = np.full((32, 64), 40, np.uint8)
    wide[:, :16] = 200
    embedding = embed(teacher, wide)
    embedding[0, 0, 2:] = 9.0  # the padding lights up more than anything else
    frame = Canvas(32, 64, 64)
    for structure, label in enumerate(pseudo_labels(teacher, embedding, PromptSettings(), Doubt(0.95), Seen(frame))):
        assert label.index == structure
        assert len(label.prompts) == 1
        assert label.prompts[0].box == (0, 0, 31, 15)
        assert all(point.y < 32 for point in label.prompts[0].points)
        assert (label.prompts[0].dense[2:] == -10).all()
    unaware = pseudo_labels(teacher, embedding, PromptSettings(), Doubt(0.95))
    assert any(point.y > 32 for label in unaware for prompt in label.prompts for point in prompt.points)
    daring = pseudo_labels(teacher, embedding, PromptSettings(), Doubt(0.5), Seen(frame))
    assert any(label.weight[:8].any() for label in daring)
    assert not any(label.weight[8:].any() for label in daring), "nothing is taught of the padding"


def test_nothing_is_asked_or_taught_outside_of_a_region(teacher: AdaSam, embedding: torch.Tensor) -> None:
    region = np.zeros((64, 64), np.bool_)
    region[:, :32] = True
    embedding[0, 0, :, 2:] = 9.0  # an interface that lights up more than anything else
    labels = pseudo_labels(teacher, embedding, PromptSettings(), Doubt(0.5), Seen(Canvas(64, 64, 64), region))
    assert labels
    for label in labels:
        half = label.weight.shape[-1] // 2
        assert not label.weight[:, half:].any()
        assert label.weight[:, :half].any()
        assert all(point.x < 32 for prompt in label.prompts for point in prompt.points)


def test_a_square_frame_has_no_padding(teacher: AdaSam, embedding: torch.Tensor) -> None:
    first, second = (
        pseudo_labels(teacher, embedding, PromptSettings(), Doubt(0.95), s) for s in (None, Seen(Canvas(64, 64, 64)))
    )
    assert [label.index for label in first] == [label.index for label in second] == [0, 1]
    for one, other in zip(first, second, strict=True):
        assert [p.box for p in one.prompts] == [p.box for p in other.prompts]
        assert torch.equal(one.target, other.target)


def test_no_label_where_the_map_gives_no_prompt(teacher: AdaSam) -> None:
    dark = embed(teacher, np.zeros((64, 64), np.uint8))
    with torch.no_grad():
        teacher.head.shift.fill_(50)
    assert pseudo_labels(teacher, dark, PromptSettings(), Doubt(0.95)) == []


def answers(monkeypatch: pytest.MonkeyPatch, whole: torch.Tensor, dense_only: torch.Tensor) -> None:
    """Let the decoder answer with these logits (16, 16), by the kind of prompt."""

    def decode(net: SamNet, embeddings: torch.Tensor, prompts: PromptBatch) -> tuple[torch.Tensor, torch.Tensor]:
        count = len(prompts.kinds)
        given = whole if prompts.kinds.shape[1] else dense_only
        return given.expand(count, 4, -1, -1), torch.ones(count, 4)

    monkeypatch.setattr(pseudo, "decode", decode)


def test_a_pixel_counts_where_the_teacher_is_sure_and_both_answers_agree(
    teacher: AdaSam, embedding: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = torch.full((16, 16), -SURE), torch.full((16, 16), -SURE)
    first[0], second[0] = SURE, UNSURE  # sure, and agreed on
    first[1], second[1] = SURE, -UNSURE  # sure, and disputed
    first[2], second[2] = UNSURE, SURE  # agreed on, but not sure
    first[3], second[3] = -SURE, SURE  # sure that it is not, and disputed
    answers(monkeypatch, first, second)
    label = pseudo_labels(teacher, embedding, PromptSettings(), Doubt(0.95))[0]
    assert label.target[:, 0].tolist() == [1, 1, 1] + [0] * 13
    assert label.weight[:, 0].tolist() == [1, 0, 0, 0] + [1] * 12
    assert torch.equal(label.weight, label.weight[:, :1].expand(16, 16))


@pytest.mark.parametrize(
    ("off", "kinds"), [({}, []), ({"use_dense"}, [2, 3]), ({"use_dense", "use_point"}, None), ({"use_box"}, [])]
)
def test_what_the_second_prompt_is_made_of(
    off: set[str],
    kinds: list[int] | None,
    teacher: AdaSam,
    embedding: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The dense map alone, or the box alone: so each part can be switched off, and two prompts still have to agree."""
    seen: list[PromptBatch] = []

    def decode(net: SamNet, embeddings: torch.Tensor, prompts: PromptBatch) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(prompts)
        return torch.full((len(prompts.kinds), 4, 16, 16), SURE), torch.ones(len(prompts.kinds), 4)

    monkeypatch.setattr(pseudo, "decode", decode)
    teacher.set_structures([BELLY])
    settings = PromptSettings(**dict.fromkeys(off, False))
    pseudo_labels(teacher, embedding, settings, Doubt(0.95))
    assert [one.kinds[0].tolist() for one in seen[1:]] == ([] if kinds is None else [kinds])
    assert all(bool(one.has_dense[0]) is ("use_dense" not in off) for one in seen)


def test_confidence_is_a_setting(teacher: AdaSam, embedding: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = torch.full((16, 16), math.log(0.9 / 0.1))
    answers(monkeypatch, chance, chance)
    assert not pseudo_labels(teacher, embedding, PromptSettings(), Doubt(0.95))[0].weight.any()
    assert pseudo_labels(teacher, embedding, PromptSettings(), Doubt(0.85))[0].weight.all()


def label_of(teacher: AdaSam, embedding: torch.Tensor, weight: float) -> PseudoLabel:
    own = pseudo_labels(teacher, embedding, PromptSettings(), Doubt(0.95))[0]
    target = torch.zeros(16, 16)
    target[4:12, 4:12] = 1
    return PseudoLabel(0, own.prompts, target, torch.full((16, 16), weight), own.cells)


def test_the_student_learns_from_what_counts_and_from_nothing_else(teacher: AdaSam, embedding: torch.Tensor) -> None:
    student = teacher
    for weight, learns in ((1.0, True), (0.0, False)):
        student.zero_grad()
        loss = unlabelled_loss(student, embedding, [label_of(teacher, embedding, weight)], LossWeights())
        loss.backward()
        moved = [float(p.grad.abs().sum()) for p in student.parameters() if p.grad is not None]
        assert (sum(moved) > 1e-6) is learns
        assert (loss.item() > 0.1) is learns


def test_the_loss_is_a_mean_over_structures_and_of_the_union_of_parts(
    teacher: AdaSam, embedding: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = label_of(teacher, embedding, 1.0)

    def loss(labels: list[PseudoLabel]) -> float:
        return unlabelled_loss(teacher, embedding, labels, LossWeights(map=0.0)).item()

    assert loss([one, one]) == pytest.approx(loss([one]))
    logits = torch.full((2, 4, 16, 16), -SURE)
    logits[0, :, 4:8, 4:12] = logits[1, :, 8:12, 4:12] = SURE  # each part by its own prompt
    monkeypatch.setattr(pseudo, "decode", lambda *_: (logits, torch.ones(2, 4)))
    assert loss([replace(one, prompts=one.prompts * 2)]) < 0.05


def test_no_labels_cost_nothing(teacher: AdaSam, embedding: torch.Tensor) -> None:
    loss = unlabelled_loss(teacher, embedding, [], LossWeights())
    assert loss.item() == 0
    assert not loss.requires_grad
