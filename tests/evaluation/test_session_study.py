"""The study ``session``: an oracle annotator on discs and a tiny model, by the program's own code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
from PIL import Image
from studied import discs
from tiny import BELLY, BrightnessEncoder, see_brightness, tiny_net

from napari_adasam.cli.studies import orders_of
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import LearnSettings, ModelSettings, Settings, TrainSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.evaluation.oracle import Oracle, Rules
from napari_adasam.evaluation.run import StudyOptions, run_sessions
from napari_adasam.evaluation.session import SessionPlan, chosen_ids, run_session
from napari_adasam.files.dataset import Dataset
from napari_adasam.model import registry
from napari_adasam.model.adasam import AdaSam

CPU = ModelSettings("tiny", device="cpu")
TRAIN = TrainSettings(steps=2, batch=1, views=1, max_unlabelled=1)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_settings: ModelSettings) -> AdaSam:
        return see_brightness(tiny_net(encoder=BrightnessEncoder()))

    monkeypatch.setattr(registry, "load", load)
    monkeypatch.setattr(registry, "fingerprint_of_base", lambda *_: "base")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Dataset]:
    return discs(tmp_path / "discs", groups=4)


def row(data: Dataset, order: str = "file", every: int = 0) -> dict:  # type: ignore[type-arg]
    settings = Settings(CPU, train=TRAIN, learn=LearnSettings(every=every))
    plan = SessionPlan(order, 0, settings)  # type: ignore[arg-type]
    return run_session(data, data.ids, [BELLY], plan, lambda *_: None)


def test_everything_is_corrected_until_it_is_good_and_accepted(data: Dataset) -> None:
    found = row(data)
    assert found["images"] == 4
    assert found["dice_accepted"] >= 0.95
    assert found["clicks"] == sum(found["clicks_by_image"]) > 0
    assert found["strokes_px"] == sum(found["strokes_px_by_image"]) > 0, "what this model cannot do is brushed"
    assert len(found["dice_by_image"]) == 4
    assert max(found["clicks_by_image"]) <= 5
    assert (found["learning"], found["rounds"]) == (False, 0)


def test_a_suggestion_beyond_correction_is_answered_with_a_box(data: Dataset) -> None:
    settings = Settings(CPU, train=TRAIN, learn=LearnSettings(every=0))
    ways = [SessionPlan("file", 0, settings, Rules(hopeless=hopeless)) for hopeless in (0.0, 1.0)]
    clicked, boxed = (run_session(data, data.ids[:1], [BELLY], way, lambda *_: None) for way in ways)
    assert clicked["dice_by_image"] == boxed["dice_by_image"]
    assert 0 < clicked["dice_by_image"][0] < 0.95, "there is a suggestion, and it is wrong"
    assert (clicked["boxes"], boxed["boxes"]) == (0, 1)


def test_with_learning_rounds_run_by_themselves_and_a_seed_gives_the_same_figures(data: Dataset) -> None:
    first, second = row(data, "active", every=2), row(data, "active", every=2)
    assert first["rounds"] == 2
    assert first == second


def test_what_is_not_in_the_image_is_ticked_off(data: Dataset) -> None:
    plan = SessionPlan("file", 0, Settings(CPU, learn=LearnSettings(every=0)))
    wrong = Structure(7, BELLY.name)  # the model finds it, the labels do not have it
    found = run_session(data, data.ids[:1], [wrong], plan, lambda *_: None)
    assert (found["ticks"], found["clicks"], found["strokes_px"]) == (1, 1, 0)
    assert found["dice_by_image"] == [1.0]


class Worsened:
    """In place of an annotator: each click takes the top half of the outline away."""

    def __init__(self, labels: np.ndarray) -> None:
        self.now, self.before = labels, labels
        frame = SimpleNamespace(path="a.png")
        self.session = SimpleNamespace(
            structures=[BELLY], current="a", frame=lambda _: frame, labels=lambda _: self.now.copy()
        )

    def click(self, point: object, value: int) -> None:
        self.before, self.now = self.now, self.now.copy()
        self.now[:10] = 0

    def undo(self) -> None:
        self.now = self.before

    def stroke(self, labels: np.ndarray) -> None:
        self.now = labels

    def wait_idle(self, seconds: float) -> bool:
        return True

    def accept(self) -> bool:
        return True


def test_a_click_that_made_it_worse_counts_and_is_taken_back() -> None:
    truth = np.zeros((20, 20), np.uint8)
    truth[5:15, 5:15] = BELLY.value
    suggested = truth.copy()
    suggested[13:, :] = 0  # Dice 0.89
    effort = Oracle(Worsened(suggested), lambda _: truth).work()  # type: ignore[arg-type]
    assert (effort.clicks, effort.undone, effort.accepted) == (1, 1, 1.0)
    assert effort.strokes_px == 20, "what was wrong before the click"


def test_images_are_chosen_by_group(tmp_path: Path) -> None:
    data = discs(tmp_path / "more", groups=4, each=2)
    chosen = chosen_ids(data, data.ids, 4, seed=0)
    assert len(chosen) == 4
    assert len({data.groups[key] for key in chosen}) == 2
    assert chosen == tuple(sorted(chosen, key=data.ids.index))
    assert any(chosen_ids(data, data.ids, 4, seed) != chosen for seed in range(1, 9))


def test_rows_have_the_keys_that_others_read(data: Dataset) -> None:
    options = StudyOptions(CPU, train=TRAIN, orders=("random",), learning=(False,), limit=2)
    found = json.loads(json.dumps(run_sessions(data.folder, options, lambda *_: None)))
    assert found["study"] == "session"
    (only,) = found["rows"]
    assert {"order", "learning", "images", "clicks", "strokes_px", "dice_by_image"} <= set(only)
    assert (only["order"], only["images"]) == ("random", 2)
    assert np.all((np.array(only["dice_by_image"]) >= 0) & (np.array(only["dice_by_image"]) <= 1))


def test_effort_is_told_by_structure_and_by_group(data: Dataset) -> None:
    found = row(data)
    (belly,) = found["by_structure"]
    assert (belly["name"], belly["clicks"], belly["strokes_px"]) == (
        BELLY.name,
        found["clicks"],
        found["strokes_px"],
    )
    assert belly["dice"] == pytest.approx(np.mean(found["dice_by_image"]), abs=1e-4)
    assert 0 <= belly["undone"] == found["undone"] <= found["clicks"]
    assert found["groups_by_image"] == [data.groups[key] for key in data.ids], "in the order of work"


def test_a_stopped_study_goes_on_where_it_was(data: Dataset, tmp_path: Path) -> None:
    file, passes = tmp_path / "f.json", []
    hear = lambda done, total, what: passes.append(what)  # noqa: E731
    options = StudyOptions(CPU, train=TRAIN, orders=("file",), learning=(False,), limit=2, resume=file)
    first = run_sessions(data.folder, options, hear)["rows"]
    passes.clear()
    both = run_sessions(data.folder, replace(options, orders=("file", "random")), hear)["rows"]
    assert both[0] == first[0]
    assert [one["order"] for one in json.loads(file.read_text())["rows"]] == ["file", "random"]
    assert set(passes) == {"random, static, seed 0"}
    with pytest.raises(InputError, match="stopped run"):
        run_sessions(data.folder, replace(options, learn=LearnSettings(every=3)), hear)


def test_other_settings_of_the_same_study_are_refused(data: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "f.json"
    options = StudyOptions(CPU, train=TRAIN, orders=("file",), learning=(False,), limit=1, resume=file)
    run_sessions(data.folder, options, lambda *_: None)
    content = file.read_text()
    whole = replace(CPU, use_sector=False)
    for other in (replace(options, model=whole), replace(options, names=((1, "disc"),))):
        with pytest.raises(InputError, match="Give --json another name"):
            run_sessions(data.folder, other, lambda *_: None)
        assert file.read_text() == content
    older = json.loads(content)
    del older["sector"]
    file.write_text(json.dumps(older))
    with pytest.raises(InputError, match="Give --json another name"):
        run_sessions(data.folder, options, lambda *_: None)


def test_volumes_and_clips_are_refused(tmp_path: Path) -> None:
    values = np.zeros((20, 24, 5), np.uint8)
    values[5:12, 5:12, 2] = 1
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / part / "case.nii.gz")
    options = StudyOptions(CPU, orders=("file",), learning=(False,))
    with pytest.raises(InputError, match=r"case\.nii\.gz holds 5 frames"):
        run_sessions(tmp_path, options, lambda *_: None)


def test_labels_that_show_nothing_are_refused(data: Dataset) -> None:
    for path in data.labelled.values():
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(path)
    options = StudyOptions(CPU, orders=("file",), learning=(False,))
    with pytest.raises(InputError, match="shows a structure"):
        run_sessions(data.folder, options, lambda *_: None)


def test_units_that_the_encoder_has_not_are_refused_before_the_work(data: Dataset) -> None:
    options = StudyOptions(CPU, train=replace(TRAIN, adapt_from=9), orders=("file",), limit=1)
    with pytest.raises(InputError, match="has 2 units, so adapt_from=9 is not possible"):
        run_sessions(data.folder, options, lambda *_: None)
    static = run_sessions(data.folder, replace(options, learning=(False,)), lambda *_: None)
    assert len(static["rows"]) == 1, "where nothing is learned it does not matter"


def test_orders_are_read_from_text() -> None:
    assert orders_of("random, file") == ("random", "file")
    with pytest.raises(InputError, match="no order"):
        orders_of("best")
