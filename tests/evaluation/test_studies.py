"""The study ``prompts``, on discs and a tiny model."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from studied import discs
from tiny import BELLY, BrightnessEncoder, see_brightness, tiny_net, tiny_vit

from napari_adasam.domain.prompts import Box, Prompt
from napari_adasam.domain.settings import ModelSettings, PromptSettings
from napari_adasam.domain.simulated import next_click, parts, tight_box
from napari_adasam.domain.structures import Structure
from napari_adasam.evaluation import prompts
from napari_adasam.evaluation.prompts import boxed, clicks_needed, pointed, prompt_free
from napari_adasam.evaluation.run import StudyOptions, run_prompts
from napari_adasam.evaluation.subjects import Subject
from napari_adasam.files.dataset import Dataset
from napari_adasam.model import adaptation, registry
from napari_adasam.model.adapters.masam import MaSamSettings
from napari_adasam.services.ports import SegmentAnswer

CPU = ModelSettings("tiny", device="cpu")


class Oracle:
    """Answers a box by filling it, and points by the disc of 5 px around each; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Prompt] = []
        self.given: list[bool] = []

    def segment(self, frame_id: str, pixels: np.ndarray, prompt: Prompt, previous: np.ndarray | None) -> SegmentAnswer:
        self.asked.append(prompt)
        self.given.append(previous is not None)
        mask = np.zeros(pixels.shape, bool)
        if prompt.box is not None:
            fill(mask, prompt.box)
        rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
        for point in prompt.points:
            mask |= ((rows - point.y) ** 2 + (columns - point.x) ** 2 <= 25) & point.positive
        return SegmentAnswer(mask, 0.5, np.zeros((4, 4), np.float32))


def fill(mask: np.ndarray, box: Box) -> None:
    y0, x0, y1, x1 = (int(edge) for edge in box)
    mask[y0 : y1 + 1, x0 : x1 + 1] = True


@pytest.fixture
def squares() -> Subject:
    """Two squares of 11 px."""
    labels = np.zeros((60, 80), np.uint8)
    labels[5:16, 5:16] = labels[40:51, 60:71] = 2
    return Subject("k", "f", "g", np.zeros((60, 80), np.uint8), labels)


def test_no_mask_can_reach_what_is_prompt_free() -> None:
    taken = inspect.signature(prompt_free).parameters
    assert list(taken) == ["predictor", "frame_id", "pixels", "structures", "settings"]
    assert "Subject" not in str([p.annotation for p in taken.values()])


def test_boxes_are_drawn_tightly_around_each_part(squares: Subject) -> None:
    oracle, structure = Oracle(), Structure(2, "two", several_parts=True)
    mask, score = boxed(oracle, squares, squares.labels == 2, structure)  # type: ignore[arg-type]
    assert [p.box for p in oracle.asked] == [(5, 5, 15, 15), (40, 60, 50, 70)]
    assert np.array_equal(mask, squares.labels == 2)
    assert score == 0.5
    one = Oracle()
    mask, _ = boxed(one, squares, squares.labels == 2, Structure(2, "one"))  # type: ignore[arg-type]
    assert [p.box for p in one.asked] == [(5, 5, 50, 70)]


def test_points_are_the_innermost_pixels(squares: Subject) -> None:
    oracle = Oracle()
    pointed(oracle, squares, squares.labels == 2, Structure(2, "two", several_parts=True))  # type: ignore[arg-type]
    assert [(p.points[0].y, p.points[0].x) for p in oracle.asked] == [(10, 10), (45, 65)]
    assert all(p.box is None and p.dense is None for p in oracle.asked)


def test_clicks_are_counted_until_nine_tenths(squares: Subject) -> None:
    truth = squares.labels == 2
    rows, columns = np.ogrid[:60, :80]
    discs_truth = ((rows - 10) ** 2 + (columns - 10) ** 2 <= 25) | ((rows - 45) ** 2 + (columns - 65) ** 2 <= 25)
    oracle = Oracle()
    assert clicks_needed(oracle, squares, discs_truth) == 2  # type: ignore[arg-type]
    assert oracle.given == [False, True]
    assert len(oracle.asked[1].points) == 2
    assert clicks_needed(Oracle(), squares, np.zeros_like(truth)) == 0  # type: ignore[arg-type]
    stubborn = Oracle()
    assert clicks_needed(stubborn, squares, np.ones_like(truth)) == 20  # type: ignore[arg-type]
    assert len(stubborn.asked) == 20


def test_an_iou_of_exactly_nine_tenths_is_enough() -> None:
    truth = np.zeros((20, 20), bool)
    truth[5:15, 5:15] = True
    subject = Subject("k", "f", "g", np.zeros((20, 20), np.uint8), truth.astype(np.uint8))

    class Growing(Oracle):
        """Answers with 85, 89, 90 and then all of the 100 pixels."""

        def segment(self, frame_id: str, pixels: np.ndarray, prompt: Prompt, previous: object) -> SegmentAnswer:
            self.asked.append(prompt)
            mask = np.zeros(pixels.shape, bool)
            ys, xs = (places[: (85, 89, 90, 100)[len(self.asked) - 1]] for places in np.nonzero(truth))
            mask[ys, xs] = True
            return SegmentAnswer(mask, 0.5, np.zeros((4, 4), np.float32))

    assert clicks_needed(Growing(), subject, truth) == 3  # type: ignore[arg-type]


def test_simulated_prompts() -> None:
    mask = np.zeros((20, 30), bool)
    mask[4:9, 10:21] = True
    assert tight_box(mask) == (4, 10, 8, 20)
    click = next_click(np.zeros_like(mask), mask)
    assert click is not None
    assert (click.y, click.positive) == (6, True)
    wrong = mask.copy()
    wrong[12:19, 2:9] = True
    click = next_click(wrong, mask)
    assert click is not None
    assert (click.y, click.x, click.positive) == (15, 5, False)
    assert next_click(mask, mask) is None
    speck = mask.copy()
    speck[0, 0] = True
    assert len(parts(speck, Structure(1, "x", several_parts=True))) == 1
    assert parts(speck, Structure(1, "x"))[0].sum() == speck.sum()


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    net = see_brightness(tiny_net(encoder=BrightnessEncoder()))
    monkeypatch.setattr(registry, "load", lambda settings: net)
    return discs(tmp_path / "discs", 5)


def test_the_study_of_prompts_writes_a_row_a_prompt(dataset: Dataset) -> None:
    heard: list[str] = []
    options = StudyOptions(model=CPU, names=((1, BELLY.name),), limit=3)
    said = run_prompts(dataset.folder, options, lambda done, total, what: heard.append(f"{done}/{total} {what}"))
    assert heard == ["1/3 0_0", "2/3 1_0", "3/3 2_0"]
    assert (said["study"], said["model"], said["device"], said["input_size"]) == ("prompts", "tiny", "cpu", 64)
    assert [(row["prompt"], row["structure"], row["n"]) for row in said["rows"]] == [
        ("box", "1", 3),
        ("point", "1", 3),
        ("auto", "1", 3),
    ]
    for row in said["rows"]:
        assert 0 <= row["dice"] <= 1
        assert row["dice_ci95"][0] <= row["dice"] <= row["dice_ci95"][1]
        assert row["iou_bias_ci95"][0] <= row["iou_bias"] <= row["iou_bias_ci95"][1]
        assert row["encode_ms"] > 0
        assert row["decode_ms"] > 0
    assert [row["noc90"] is None for row in said["rows"]] == [True, False, True]
    assert [row["grid_iou"] is None for row in said["rows"]] == [False, False, True]
    assert 0.5 < said["rows"][0]["one_px_iou"] < said["rows"][0]["grid_iou"] <= 1
    json.dumps(said, allow_nan=False)


def test_several_models_are_measured_on_the_same_images_in_one_run(dataset: Dataset) -> None:
    plain = run_prompts(dataset.folder, StudyOptions(model=CPU, limit=2, clicks=False), lambda *_: None)
    options = StudyOptions(model=CPU, against=(ModelSettings("other", device="cpu"),), limit=2, clicks=False)
    said = run_prompts(dataset.folder, options, lambda *_: None)
    assert [row["model"] for row in said["rows"]] == ["tiny"] * 3 + ["other"] * 3
    for row, same, other in zip(plain["rows"], said["rows"][:3], said["rows"][3:], strict=True):
        assert row["dice"] == same["dice"] == other["dice"]


def test_one_image_has_no_interval_and_is_still_json(dataset: Dataset) -> None:
    said = run_prompts(dataset.folder, StudyOptions(model=CPU, limit=1, clicks=False), lambda *_: None)
    assert all(row["dice_ci95"] is None for row in said["rows"])
    json.dumps(said, allow_nan=False)


def test_a_structure_of_specks_has_a_prompt_free_row_only(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    net = see_brightness(tiny_net([replace(BELLY, several_parts=True)], BrightnessEncoder()))
    monkeypatch.setattr(registry, "load", lambda settings: net)
    specks = np.zeros((64, 64), np.uint8)
    specks[::8, ::8] = 1
    for path in dataset.labelled.values():
        Image.fromarray(specks).save(path)
    said = run_prompts(dataset.folder, StudyOptions(model=CPU, limit=2, clicks=False), lambda *_: None)
    assert [row["prompt"] for row in said["rows"]] == ["auto"]


def test_the_prompt_free_answer_is_asked_for_with_pixels_only(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the label images say, the prompt-free masks are the same."""
    seen: list[np.ndarray] = []
    real = prompts.prompt_free

    def spy(*given: object) -> object:
        answers = real(*given)  # type: ignore[arg-type]
        seen.extend(a.mask for a in answers)
        return answers

    monkeypatch.setattr(prompts, "prompt_free", spy)
    options = StudyOptions(model=CPU, names=((1, BELLY.name),), limit=2, clicks=False)
    run_prompts(dataset.folder, options, lambda *_: None)
    for path in dataset.labelled.values():
        Image.fromarray(1 - np.array(Image.open(path))).save(path)
    run_prompts(dataset.folder, options, lambda *_: None)
    assert len(seen) == 4
    assert np.array_equal(seen[0], seen[2])
    assert np.array_equal(seen[1], seen[3])


def two_squares(folder: Path, split: bool) -> None:
    """Six pictures of two bright squares; the label is both or, ``split``, the first in two parts."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    pixels, labels = np.full((64, 64), 40, np.uint8), np.zeros((64, 64), np.uint8)
    pixels[4:24, 4:24] = pixels[36:60, 36:60] = 220
    labels[4:24, 4:24] = 1
    if split:
        labels[10:18] = 0
    for number in range(6):
        pixels[0, 0] = number  # another picture
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        Image.fromarray(labels).save(folder / "labels" / f"{number}.png")


@pytest.mark.parametrize("name", [BELLY.name, "a new one"])
def test_other_masks_of_tested_images_give_the_same_prompt_free_answers(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """How many parts a structure is asked for in is not read from the masks that are tested on."""
    seen: list[list[tuple[object, ...]]] = []
    real = prompts.prompt_free

    def spy(*given: object) -> object:
        answers = real(*given)  # type: ignore[arg-type]
        seen[-1] += [(a.mask.tobytes(), [(p.box, p.points) for p in a.prompts], given[3]) for a in answers]
        return answers

    monkeypatch.setattr(prompts, "prompt_free", spy)
    for split in (False, True):
        seen.append([])
        two_squares(tmp_path / "squares", split)
        options = StudyOptions(model=CPU, names=((1, name),), clicks=False)
        run_prompts(tmp_path / "squares", options, lambda *_: None)
    assert len(seen[0]) == 6
    assert seen[0] == seen[1]


def test_settings_of_the_prompt_are_used(dataset: Dataset) -> None:
    options = StudyOptions(model=CPU, names=((1, BELLY.name),), limit=2, clicks=False)
    usual = run_prompts(dataset.folder, options, lambda *_: None)["rows"]
    never = replace(options, prompts=PromptSettings(presence=1.0))  # so sure is no model
    changed = run_prompts(dataset.folder, never, lambda *_: None)["rows"]
    assert usual[2]["dice"] > 0
    assert [row["dice"] for row in changed] == [usual[0]["dice"], usual[1]["dice"], 0]


def test_a_score_is_held_against_the_iou_and_not_the_dice() -> None:
    truth = np.zeros((8, 8), bool)
    truth[:4] = True
    found = truth.copy()
    found[:2] = False
    tally = prompts.Tally(decode=[0.1])
    tally.add(found, truth, 0.5, "a")
    row = prompts._row("auto", BELLY, tally, [0.1])
    assert (row["iou_error"], row["iou_bias"], row["dice"]) == (0, 0, pytest.approx(2 / 3))


def test_nothing_found_where_nothing_is_says_nothing_of_the_predicted_iou() -> None:
    full, empty = np.ones((8, 8), bool), np.zeros((8, 8), bool)
    tally = prompts.Tally(decode=[0.1])
    for found, truth, score, group in ((full, full, 0.9, "a"), (empty, empty, 0.0, "b"), (full, full, 0.7, "c")):
        tally.add(found, truth, score, group)
    row = prompts._row("auto", BELLY, tally, [0.1])
    assert (row["iou_error"], row["iou_bias"]) == (pytest.approx(0.2), pytest.approx(-0.2))
    assert row["iou_bias_ci95"] == pytest.approx((-0.3, -0.1))
    assert (row["n"], row["dice"]) == (3, 1)
    alone = prompts.Tally(decode=[0.1])
    alone.add(empty, empty, 0.0, "a")
    row = prompts._row("auto", BELLY, alone, [0.1])
    assert (row["iou_error"], row["iou_bias"], row["iou_bias_ci95"]) == (None, None, None)


def test_the_strip_beside_a_structure_has_no_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of stacks is asked about a part of a slice, which is no slice of the volume."""
    net = tiny_net(encoder=tiny_vit(depth=2))
    adaptation.prepare(net, MaSamSettings(slices=3))
    monkeypatch.setattr(registry, "load", lambda settings: net.eval())
    labels = np.zeros((160, 120, 4), np.uint8)
    labels[4:40, 20:60] = 1
    for part, values in (("images", labels * 150 + 40), ("labels", labels)):
        (tmp_path / part).mkdir()
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / part / "case.nii.gz")
    options = StudyOptions(model=CPU, names=((1, BELLY.name),), limit=2, clicks=False)
    said = run_prompts(tmp_path, options, lambda *_: None)
    assert [row["n_absent"] for row in said["rows"]] == [0, 0, 2]
