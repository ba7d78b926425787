"""The model, the method and when rounds start are a session's own: they hold again when it is reopened."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from annotator_fakes import Desk, FakePredictor, make_desk, run_round, write_images

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import LearnSettings, ModelSettings, Settings, TrainSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files.store import DATABASE, Store
from napari_adasam.services import choosing, library
from napari_adasam.services.models import Models
from napari_adasam.services.ports import Predictor

Sit = Callable[..., Desk]
USUAL = ModelSettings().name


@pytest.fixture
def there() -> set[str]:
    """The models that are on this computer."""
    return {USUAL, "vit_b"}


@pytest.fixture(autouse=True)
def _files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a model can be had shows when it is loaded, if a test does not say otherwise."""
    monkeypatch.setattr(choosing, "is_here", lambda name: True)


@pytest.fixture
def sit(tmp_path: Path, there: set[str]) -> Iterator[Sit]:
    """Sit down at a new window, which loads the model that is set, if that is there."""
    desks: list[Desk] = []

    def new(settings: Settings = Settings()) -> Desk:
        desk = make_desk(settings, MUSCLE_PRESET)

        def load() -> FakePredictor:
            name = desk.annotator.settings.model.name
            if name not in there:
                raise InputError(f"There is no model {name}.")
            desk.predictor.name = name
            return desk.predictor

        desk.annotator._bench.models._make_predictor = load
        desk.annotator.keep_by_itself(tmp_path / "home")
        desks.append(desk)
        return desk

    yield new
    for desk in desks:
        desk.annotator.close()


def open_scans(desk: Desk, tmp_path: Path) -> Desk:
    desk.annotator.open([write_images(tmp_path / "scans", 3)])
    desk.settle()
    return desk


def choose(desk: Desk, model: str, **learn: int) -> None:
    settings = desk.annotator.settings
    train = replace(settings.train, method="masam", slices=3)
    desk.annotator.set_settings(replace(settings, train=train, learn=LearnSettings(**learn)))
    desk.annotator.set_settings(replace(desk.annotator.settings, model=ModelSettings(name=model)))
    desk.settle()


def chosen(settings: Settings) -> tuple[str, str, int, int]:
    return settings.model.name, settings.train.method, settings.train.slices, settings.learn.every


def kept_in(desk: Desk) -> Path:
    assert desk.annotator.folder is not None
    return desk.annotator.folder


def test_what_was_chosen_holds_again(sit: Sit, tmp_path: Path) -> None:
    desk = open_scans(sit(), tmp_path)
    choose(desk, "vit_b", every=7)
    desk.annotator.close()
    again = sit()
    told: list[object] = []
    again.annotator.settings_changed.connect(lambda: told.append(chosen(again.annotator.settings)))
    open_scans(again, tmp_path)
    assert chosen(again.annotator.settings) == ("vit_b", "masam", 3, 7)
    assert told == [("vit_b", "masam", 3, 7)]
    assert again.predictor.name == "vit_b"
    assert again.session.suggestions(again.current), "by the model that was chosen"
    assert again.problems == []


def test_what_was_learned_is_served_on_the_model_that_was_chosen(sit: Sit, tmp_path: Path) -> None:
    desk = open_scans(sit(), tmp_path)
    choose(desk, "vit_b", every=0)
    desk.accept()
    run_round(desk)
    desk.annotator.close()
    again = sit()
    again.annotator.warm_up()
    again.settle()
    assert again.predictor.name == USUAL
    open_scans(again, tmp_path)
    assert again.predictor.name == "vit_b"
    assert again.models[-1].fingerprint == "v2"
    assert again.problems == []
    last = Store.read(kept_in(again)).serving
    assert last is not None
    assert last.name == "v2.safetensors"


def test_a_session_that_was_put_elsewhere_keeps_what_was_chosen(sit: Sit, tmp_path: Path) -> None:
    desk = sit(Settings(learn=LearnSettings(every=0)))
    open_scans(desk, tmp_path)
    choose(desk, "vit_b", every=0)
    assert desk.annotator.save_as(tmp_path / "elsewhere")
    desk.annotator.close()
    again = sit()
    again.annotator.open([tmp_path / "elsewhere"])
    again.settle()
    assert chosen(again.annotator.settings) == ("vit_b", "masam", 3, 0)


def test_a_model_that_is_gone_is_told_of_and_the_usual_one_serves(sit: Sit, tmp_path: Path, there: set[str]) -> None:
    desk = open_scans(sit(), tmp_path)
    choose(desk, "vit_b", every=7)
    desk.accept()
    desk.annotator.close()
    there.remove("vit_b")
    again = open_scans(sit(), tmp_path)
    said = [one for one in again.problems if "vit_b" in one and USUAL in one]
    assert len(said) == 1
    assert "serves in its place" in said[0]
    assert chosen(again.annotator.settings) == (USUAL, "masam", 3, 7)
    assert again.session.suggestions(again.current)
    settings = again.annotator.settings
    again.annotator.set_settings(replace(settings, learn=LearnSettings(every=9)))
    again.annotator.close()
    there.add("vit_b")
    last = open_scans(sit(), tmp_path)
    assert chosen(last.annotator.settings) == ("vit_b", "masam", 3, 9), "it is still what was chosen"
    assert last.problems == []


def test_a_model_whose_file_is_gone_is_not_even_tried(
    sit: Sit, tmp_path: Path, there: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_scans(sit(), tmp_path)
    choose(desk, "vit_b", every=7)
    desk.annotator.close()
    there.remove("vit_b")
    monkeypatch.setattr(choosing, "is_here", library.is_here)
    monkeypatch.setattr(library.library, "models_folder", lambda: tmp_path)
    again = open_scans(sit(), tmp_path)
    assert len(again.problems) == 1, "one sentence"
    assert "vit_b" in again.problems[0]
    assert f"{USUAL} serves in its place" in again.problems[0]
    assert chosen(again.annotator.settings) == (USUAL, "masam", 3, 7)
    again.annotator.close()
    there.add("vit_b")
    (tmp_path / library.PUBLISHED["vit_b"].file).write_bytes(b"weights")
    last = open_scans(sit(), tmp_path)
    assert chosen(last.annotator.settings) == ("vit_b", "masam", 3, 7), "it is still what was chosen"
    assert last.problems == []


def test_what_served_in_its_place_and_has_learned_is_what_is_chosen_then(
    sit: Sit, tmp_path: Path, there: set[str]
) -> None:
    desk = open_scans(sit(), tmp_path)
    choose(desk, "vit_b", every=0)
    desk.annotator.close()
    there.remove("vit_b")
    again = open_scans(sit(), tmp_path)
    again.accept()
    run_round(again)
    again.annotator.close()
    there.add("vit_b")
    last = open_scans(sit(), tmp_path)
    assert chosen(last.annotator.settings)[0] == USUAL
    assert last.models[-1].fingerprint == "v2"


def test_another_model_chosen_where_the_sessions_own_is_gone_is_kept(sit: Sit, tmp_path: Path, there: set[str]) -> None:
    desk = open_scans(sit(), tmp_path)
    choose(desk, "vit_b", every=7)
    desk.annotator.close()
    there.remove("vit_b")
    there.add("vit_l")
    again = open_scans(sit(), tmp_path)
    choose(again, "vit_l", every=7)
    again.annotator.close()
    there.add("vit_b")
    assert chosen(open_scans(sit(), tmp_path).annotator.settings)[0] == "vit_l"


def test_a_model_that_the_window_was_started_with_goes_first(sit: Sit, tmp_path: Path) -> None:
    desk = open_scans(sit(), tmp_path)
    choose(desk, "vit_b", every=7)
    desk.annotator.close()
    other = Settings(model=ModelSettings(name="other"), train=TrainSettings(steps=3))
    again = sit(other)
    again.annotator.open([tmp_path / "scans"])
    assert chosen(again.annotator.settings) == ("other", "masam", 3, 7)
    assert again.annotator.settings.train.steps == 3, "only what a person chooses is kept"


def test_a_model_that_cannot_be_loaded_is_not_what_is_kept(sit: Sit, tmp_path: Path) -> None:
    desk = open_scans(sit(), tmp_path)
    choose(desk, "no such", every=7)
    assert "no such" in desk.problems[-1]
    desk.annotator.close()
    assert chosen(open_scans(sit(), tmp_path).annotator.settings)[0] == USUAL


def test_a_session_of_the_version_before_leaves_settings_as_they_are(sit: Sit, tmp_path: Path) -> None:
    desk = open_scans(sit(), tmp_path)
    desk.accept()
    desk.annotator.close()
    with closing(sqlite3.connect(kept_folder(tmp_path) / DATABASE)) as database, database:
        for table in ("choices", "suggested"):
            database.execute(f"DROP TABLE {table}")
        database.execute("UPDATE schema_version SET version = 5")
    again = open_scans(sit(Settings(learn=LearnSettings(every=2))), tmp_path)
    assert chosen(again.annotator.settings) == (USUAL, "adasam", 1, 2)
    assert again.session.accepted == 1
    assert again.problems == []
    choose(again, "vit_b", every=4)
    again.annotator.close()
    assert chosen(open_scans(sit(), tmp_path).annotator.settings) == ("vit_b", "masam", 3, 4)


def kept_folder(tmp_path: Path) -> Path:
    return next((tmp_path / "home").glob("session-*"))


def test_a_session_that_is_only_looked_at_shows_what_was_chosen_and_writes_nothing(sit: Sit, tmp_path: Path) -> None:
    desk = open_scans(sit(), tmp_path)
    choose(desk, "vit_b", every=7)
    again = open_scans(sit(), tmp_path)
    assert again.annotator.only_to_look_at
    assert chosen(again.annotator.settings) == ("vit_b", "masam", 3, 7)
    third = open_scans(sit(), tmp_path)
    choose(again, USUAL, every=1)
    assert third.annotator.save_as(tmp_path / "copy")
    copied = Store.read(tmp_path / "copy").choices
    assert copied is not None
    assert (copied.model, copied.every) == ("vit_b", 7)
    desk.annotator.close()
    again.annotator.close()
    record = Store.read(kept_folder(tmp_path))
    assert record.choices is not None
    assert (record.choices.model, record.choices.every) == ("vit_b", 7)


def test_a_model_half_loaded_does_not_stand_in_for_the_one_that_is_wanted_since() -> None:
    made: list[FakePredictor] = []

    def slowly() -> Generator[None, None, Predictor]:
        predictor = FakePredictor()
        made.append(predictor)
        yield
        return predictor

    models = Models(slowly, lambda _: pytest.fail("not asked for"))
    loading = models.loading()
    next(loading)
    models.replace(None, None, keep_predictor=False)
    for _ in loading:
        pass
    assert len(made) == 2
    assert models.predictor() is made[1]
