"""The study ``labels``, on discs and a tiny model."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from studied import dataset, frames_learned_from
from tiny import BELLY, tiny_net, tiny_vit

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import NEVER, ModelSettings, Settings, TrainSettings
from napari_adasam.domain.splits import split_groups
from napari_adasam.domain.switches import with_settings
from napari_adasam.evaluation import labels, methods, report
from napari_adasam.evaluation.baselines.lessons import Lessons
from napari_adasam.evaluation.labels import plan
from napari_adasam.evaluation.methods import Choice, Found, ablation, choice_of
from napari_adasam.evaluation.run import StudyOptions, default_start, run_labels
from napari_adasam.files.dataset import Dataset
from napari_adasam.model import registry
from napari_adasam.services.predictor import ModelPredictor

__all__ = ["dataset"]  # a fixture

CPU = ModelSettings("tiny", device="cpu")
WHOLE = Settings()
QUICK = TrainSettings(steps=1, batch=1, views=1, warm_up=0.0)
SMALL = {
    "unet": "unet:size=64:width=4:steps=2:batch=1",
    "unet-mean-teacher": "unet-mean-teacher:size=64:width=4:steps=2:batch=1",
    "head": "head:width=8:steps=2:batch=1:views=1",
    "learned-prompts": "learned-prompts:steps=1:batch=1:views=1",
}


def options(**given: Any) -> StudyOptions:
    return StudyOptions(**({"model": CPU, "names": ((1, BELLY.name),), "labels": (2,), "train": QUICK} | given))


def without_time(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in ("seconds", "memory_mb")} for row in rows]


def test_a_row_a_training_and_structure_the_model_as_it_is_first(dataset: Dataset) -> None:
    heard: list[tuple[int, int]] = []
    given = options(methods=("start", "lora"), labels=(1, 2), seeds=(0, 3))
    said = run_labels(dataset.folder, given, lambda done, total, what: heard.append((done, total)))
    assert (said["study"], said["model"], said["device"], said["dataset"]) == ("labels", "tiny", "cpu", "discs")
    assert [(row["method"], row["labels"], row["seed"], row["structure"]) for row in said["rows"]] == [
        (method, count, seed, "1") for seed in (0, 3) for method, count in (("start", 0), ("lora", 1), ("lora", 2))
    ]
    assert all(row["n"] == len(split_groups(dataset.groups.values()).held_back) for row in said["rows"])
    assert [row["seconds"] > 0 for row in said["rows"]] == [False, True, True] * 2
    assert without_time(said["rows"])[0] | {"seed": 3} == without_time(said["rows"])[3]
    assert heard[0] == (0, 6)
    assert heard[-1] == (6, 6)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    json.dumps(said, allow_nan=False)


@pytest.mark.parametrize("method", ["adasam", "adasam:feedback=train+infer", *SMALL])
def test_the_same_row_twice(dataset: Dataset, method: str) -> None:
    given = options(methods=(SMALL.get(method, method),))
    first, again = (run_labels(dataset.folder, given, lambda *_: None)["rows"] for _ in range(2))
    assert without_time(first) == without_time(again)
    assert 0 <= first[0]["dice"] <= 1
    assert first[0]["seconds"] > 0


def test_a_training_is_the_same_after_one_that_adapted_earlier_units(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the encoder gave in front of another unit is never taken for what this training needs."""
    net = tiny_net(encoder=tiny_vit(5))
    monkeypatch.setattr(registry, "load", lambda settings: net)
    alone = run_labels(dataset.folder, options(methods=("lora",)), lambda *_: None)["rows"]
    both = options(methods=("lora:adapt_from=1", "lora"))
    after = run_labels(dataset.folder, both, lambda *_: None)["rows"]
    assert without_time(after)[1:] == without_time(alone)


def test_a_round_that_holds_images_out_says_so(dataset: Dataset) -> None:
    start, after = run_labels(dataset.folder, options(labels=(3,), gated=True), lambda *_: None)["rows"]
    assert (after["labels"], after["held_out"]) == (3, 1)
    assert after["accepted"] in (True, False)
    if not after["accepted"]:
        assert after["dice"] == start["dice"]


def test_what_was_measured_is_not_measured_again(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rows.json"
    run_labels(dataset.folder, options(methods=("lora",), resume=file), lambda *_: None)
    ran: list[tuple[str, int]] = []
    real = labels.learn

    def spy(choice: Choice, lessons: Lessons, *rest: Any) -> Any:
        ran.append((choice.text, len(lessons.labelled)))
        return real(choice, lessons, *rest)

    monkeypatch.setattr(labels, "learn", spy)
    said = run_labels(dataset.folder, options(methods=("lora", "decoder"), labels=(2, 3), resume=file), lambda *_: None)
    assert ran == [("lora", 3), ("decoder", 2), ("decoder", 3)]
    assert len(said["rows"]) == 4
    assert json.loads(file.read_text())["rows"] == json.loads(json.dumps(said["rows"]))
    ran.clear()
    other = TrainSettings(steps=2, batch=1, views=1, warm_up=0.0)
    run_labels(dataset.folder, options(methods=("lora",), train=other, resume=file), lambda *_: None)
    assert ran == [("lora", 2)], "other settings are another training"


def test_a_file_of_another_study_is_refused_and_unchanged(dataset: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    for content in ("nothing", "[]", '{"study": "prompts", "rows": []}'):
        file.write_text(content)
        with pytest.raises(InputError, match="It is unchanged"):
            run_labels(dataset.folder, options(resume=file), lambda *_: None)
        assert file.read_text() == content
    file.unlink()
    run_labels(dataset.folder, options(methods=("start",), resume=file), lambda *_: None)
    content = file.read_text()
    for other in ({"part": "validation"}, {"gated": True}, {"limit": 1}):
        with pytest.raises(InputError, match="Give --json another name"):
            run_labels(dataset.folder, options(methods=("start",), resume=file, **other), lambda *_: None)
        assert file.read_text() == content


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = {paths}
from tiny import BELLY, BrightnessEncoder, see_brightness, tiny_net
from napari_adasam.domain.settings import ModelSettings, Settings, TrainSettings
from napari_adasam.evaluation.run import StudyOptions, run_labels
from napari_adasam.model import registry
net = see_brightness(tiny_net(encoder=BrightnessEncoder()))
registry.load = lambda settings: net
train = TrainSettings(steps=1, batch=1, views=1, warm_up=0.0)
options = StudyOptions(model=ModelSettings("tiny", device="cpu"), names=((1, BELLY.name),), methods=("lora",),
                       labels=(2,), seeds=tuple(range(200)), train=train, resume=Path(sys.argv[2]))
run_labels(Path(sys.argv[1]), options, lambda *_: None)
"""


def test_a_killed_run_goes_on_where_it_was(dataset: Dataset, tmp_path: Path) -> None:
    """Killed at an instant that nobody chose, the file holds whole rows, the same as an undisturbed run's."""
    file = tmp_path / "rows.json"
    script = KILLED.format(paths=[str(Path(__file__).parents[1] / "model")])
    process = subprocess.Popen([sys.executable, "-c", script, str(dataset.folder), str(file)])
    try:
        until = time.monotonic() + 900  # on a busy machine the imports alone take minutes
        while not (file.is_file() and len(json.loads(file.read_text())["rows"]) >= 2):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    before = json.loads(file.read_text())["rows"]
    seeds = tuple(range(len(before) + 1))
    said = run_labels(dataset.folder, options(methods=("lora",), seeds=seeds, resume=file), lambda *_: None)
    assert said["rows"][: len(before)] == before
    assert len(said["rows"]) == len(seeds), "what the killed process wrote was not run again by this one"
    fresh = run_labels(dataset.folder, options(methods=("lora",), seeds=seeds[:1]), lambda *_: None)
    assert without_time(json.loads(json.dumps(fresh["rows"]))) == without_time(before[:1])


def test_no_label_of_a_test_image_reaches_a_training(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = frames_learned_from(monkeypatch)
    run_labels(dataset.folder, options(methods=("adasam",), labels=(2, 5)), lambda *_: None)
    back = split_groups(dataset.groups.values()).held_back
    tested = {dataset.frame_id(key) for key in dataset.ids if dataset.groups[key] in back}
    assert tested
    assert len(seen) == len(dataset.ids) - len(tested)
    assert not seen & tested
    assert list(inspect.signature(methods._answer_of_predictor).parameters) == ["predictor", "prompts", "lessons"]
    assert Found.__slots__ == ("mask", "cam", "prompts", "before")


def test_settings_are_chosen_without_a_look_at_held_back_groups(dataset: Dataset) -> None:
    split = split_groups(dataset.groups.values())
    parts = plan(dataset, dataset.ids, 3, 0, "validation")
    groups = {dataset.groups[key] for key in parts.test}
    assert groups == set(split.validation)
    used = {dataset.groups[key] for key in (*parts.labelled, *parts.unlabelled)}
    assert not used & {*split.held_back, *split.validation}
    said = run_labels(dataset.folder, options(methods=("start",), part="validation"), lambda *_: None)
    assert (said["tested_on"], [row["n"] for row in said["rows"]]) == ("validation", [len(parts.test)])


@pytest.mark.parametrize("part", ["held-back", "validation"])
def test_a_copy_of_a_tested_picture_in_another_group_is_no_lesson(dataset: Dataset, part: labels.TestPart) -> None:
    split = split_groups(dataset.groups.values())
    tested = set(split.held_back if part == "held-back" else split.validation)
    back, other = (
        next(key for key in dataset.ids if dataset.groups[key] in groups) for groups in (tested, set(split.train))
    )
    dataset.images[other].write_bytes(dataset.images[back].read_bytes())
    assert dataset.groups[back] != dataset.groups[other]
    for seed in range(5):
        parts = plan(dataset, dataset.ids, 3, seed, part)
        assert {dataset.groups[key] for key in parts.test} == tested
        assert other not in {*parts.labelled, *parts.unlabelled}
    size = len(dataset.ids) - 3 if part == "held-back" else 6
    learned = plan(dataset, dataset.ids, size, 0, part)
    shown = {dataset.frame_id(key) for key in (*learned.labelled, *learned.unlabelled)}
    assert not shown & {dataset.frame_id(key) for key in learned.test}


def test_groups_for_training_are_labelled_before_those_for_validation(dataset: Dataset) -> None:
    split = split_groups(dataset.groups.values())
    for seed in range(4):
        parts = plan(dataset, dataset.ids, len(split.train), seed)
        assert {dataset.groups[key] for key in parts.labelled} == set(split.train)
        assert {dataset.groups[key] for key in parts.unlabelled} == set(split.validation), "none of the labelled"


def test_a_held_back_group_that_is_labelled_leaves_the_test(dataset: Dataset) -> None:
    back = set(split_groups(dataset.groups.values()).held_back)
    others = sum(group not in back for group in dataset.groups.values())
    parts = plan(dataset, dataset.ids, others + 1, 0)
    learned, tested = ({dataset.groups[key] for key in keys} for keys in (parts.labelled, parts.test))
    assert len(learned & back) == 1
    assert tested == back - learned


def test_a_method_carries_its_settings() -> None:
    whole = choice_of("adasam", WHOLE)
    assert whole.settings.train.method == "adasam"
    changed = choice_of("adasam:feedback=train:dense=no", WHOLE)
    assert changed.settings.train.recipe.feedback == "train"
    assert not changed.settings.prompts.use_dense
    assert choice_of("unet:lr=0.5", WHOLE).settings.lr == 0.5
    assert choice_of("adasam:image_labels=yes", WHOLE).image_labels
    assert not whole.image_labels
    for text in ("magic", "unet:colour=1", "adasam:magic=1", "unet:lr=x", "adasam:image_labels=x", "lora:seed=3"):
        with pytest.raises(InputError):
            choice_of(text, WHOLE)


@pytest.mark.parametrize("value", ["yes", "true", "on", "1", "YES", " yes "])
def test_ticks_are_given_where_they_are_asked_for_however_it_is_written(value: str) -> None:
    assert choice_of(f"adasam:image_labels={value}", WHOLE).image_labels
    asked = with_settings(WHOLE, [f"image_labels={value}"])
    assert choice_of("adasam", asked, {"image_labels"}).image_labels
    assert not choice_of("adasam:image_labels=no", asked, {"image_labels"}).image_labels
    assert not choice_of("unet", asked, {"image_labels"}).image_labels


def test_the_ablation_switches_each_part_once() -> None:
    texts = ablation(WHOLE)
    switched = [text.split(":")[1].split("=")[0] for text in texts]
    wanted = {"feedback", "classifier", "dense", "unlabelled", "cross_prompting", "ramp", "ema_teacher", "image_labels"}
    assert wanted <= set(switched)
    assert all(choice_of(text, WHOLE) != choice_of("adasam", WHOLE) for text in texts)
    assert len(set(texts)) == len(texts)


def test_maps_are_measured_before_and_after_feedback(dataset: Dataset) -> None:
    given = options(methods=("adasam:feedback=train+infer", "adasam:feedback=off", SMALL["head"]))
    with_it, without, head = run_labels(dataset.folder, given, lambda *_: None)["rows"]
    names = {f"cam_{name}" for name in ("energy_inside", "box_iou", "point_hits", "energy_outside_scan")}
    assert names <= set(with_it)
    assert {f"{name}_before_feedback" for name in names} <= set(with_it)
    assert 0 < abs(with_it["feedback_gamma"]) < 1
    assert names <= set(without)
    assert not any("feedback" in name for name in without)
    assert not any(name.startswith("cam_") for name in head)
    assert with_it["cam_energy_inside"] > 0.3


def test_weights_that_have_seen_the_data_set_are_not_the_default(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    assert default_start(dataset.folder) == ModelSettings()
    net = tiny_net()
    net.card = replace(net.card, trained_on=frozenset({dataset.frame_id(dataset.ids[3])}))
    monkeypatch.setattr(registry, "load", lambda settings: net)
    assert default_start(dataset.folder) == ModelSettings("mobile_sam", net.sam.size)


def test_seconds_are_those_of_a_run_alone(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second training finds the activations of the first, and its row counts them all the same."""
    real = ModelPredictor.square

    def slow(self: ModelPredictor, *given: Any) -> Any:
        time.sleep(0.05)
        return real(self, *given)

    monkeypatch.setattr(ModelPredictor, "square", slow)
    said = run_labels(dataset.folder, options(methods=("lora", "lora:rank=4")), lambda *_: None)["rows"]
    assert [row["seconds"] > 0.05 for row in said] == [True, True]


def test_summary_and_table() -> None:
    rows = [
        {"method": m, "labels": n, "seed": s, "structure": "1", "name": "disc", "dice": d, "hd95": 4.0, "seconds": 9.0}
        | {"memory_mb": 300.0}
        for m, n, s, d in (("a", 5, 0, 0.5), ("a", 5, 1, 0.7), ("a", 10, 0, 0.8), ("b", 5, 0, 0.1))
    ]
    found = report.summary(rows)
    assert [(r["method"], r["labels"], r["seeds"]) for r in found] == [("a", 5, 2), ("a", 10, 1), ("b", 5, 1)]
    assert found[0]["dice"] == pytest.approx(0.6)
    low, high = found[0]["dice_ci95"]
    assert (high - low) / 2 == pytest.approx(12.706 * np.std([0.5, 0.7], ddof=1) / np.sqrt(2), rel=1e-3)
    assert found[1]["dice_ci95"] is None
    assert "| a |  | disc | 0.600" in report.table(found)
    assert "| b |  | disc | 0.100, 4, 9, 300 |  |" in report.table(found)
    assert "5 labels: Dice (95 %), HD95 px, s, MB" in report.table(found)


@pytest.mark.parametrize(
    ("text", "said", "steps"),
    [("lora", (), 80), ("lora", ("steps",), 40), ("lora:steps=40", (), 40), ("lora:steps=41", (), 41)],
)
def test_steps_go_by_the_labels_where_nobody_said_how_many(
    text: str, said: tuple[str, ...], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[TrainSettings] = []

    def trainer(predictor: object, train: TrainSettings, *_: object, **__: object) -> None:
        made.append(train)
        raise InterruptedError

    monkeypatch.setattr(methods, "RoundTrainer", trainer)
    monkeypatch.setattr(methods.adaptation, "check_kept", lambda *_: None)
    predictor = cast("ModelPredictor", SimpleNamespace(net=None))
    lessons = Lessons([cast("Any", None)] * 20, [], [], 0)
    with pytest.raises(InterruptedError):
        methods.learn(choice_of(text, WHOLE, said), lessons, predictor, False, lambda *_: None)
    assert made[0].steps == steps
    assert (made[0].mild_from == NEVER) == (steps != 80)
