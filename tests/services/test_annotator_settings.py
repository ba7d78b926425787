"""Other models, settings, structures and ticks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from annotator_fakes import Desk, FakePredictor, model_of, run_round, write_images

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.prompts import Point
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.settings import LearnSettings, ModelSettings, PromptSettings
from napari_adasam.domain.structures import Structure

CLICK = Point(5.0, 5.0)


def test_going_back_to_the_earlier_model_renews_the_suggestions(desk: Desk) -> None:
    assert "no earlier model" in desk.annotator.why_not("go_back_to_earlier_model")
    desk.accept()
    desk.settle()
    run_round(desk)
    assert desk.annotator.why_not("go_back_to_earlier_model") == ""
    desk.annotator.go_back_to_earlier_model()
    desk.settle()
    assert [one.fingerprint for one in desk.models] == ["v1", "v2", "v1"]
    assert model_of(desk, 1) == "v1"
    assert "no earlier model" in desk.annotator.why_not("go_back_to_earlier_model")


def test_other_prompt_settings_renew_the_suggestions(desk: Desk) -> None:
    settings = replace(desk.annotator.settings, prompts=PromptSettings(presence=0.2))
    before = len(desk.predictor.asked)
    desk.annotator.set_settings(settings)
    desk.settle()
    assert [one[2] for one in desk.predictor.asked[before:]] == [0.2] * 3


def test_another_model_is_loaded_and_asked(desk: Desk) -> None:
    other = FakePredictor(version=7)
    settings = replace(desk.annotator.settings, model=ModelSettings(name="other"))
    desk.annotator.set_settings(settings, predictor=lambda: other)
    desk.settle()
    assert [one.fingerprint for one in desk.models] == ["v1", "v7"]
    assert model_of(desk, 0) == "v7"
    assert len(other.asked) == 3


def test_a_model_that_is_changed_while_the_first_is_loaded_is_the_one_that_is_told_of(
    make: Callable[..., Desk], tmp_path: Path
) -> None:
    desk, other = make(images=0), FakePredictor(version=7)
    desk.annotator.open([write_images(tmp_path / "scans", 2)])
    time.sleep(0.3)  # the first has been loaded by now, and nobody has been told yet
    settings = replace(desk.annotator.settings, model=ModelSettings(name="other"))
    desk.annotator.set_settings(settings, predictor=lambda: other)
    desk.settle()
    assert [one.fingerprint for one in desk.models] == ["v7"]
    assert model_of(desk, 0) == "v7"


def test_a_model_that_cannot_be_loaded_leaves_the_one_in_use(desk: Desk) -> None:
    def fail() -> FakePredictor:
        raise InputError("There is no such model. The model in use is unchanged.")

    before, asked = desk.annotator.settings, len(desk.predictor.asked)
    desk.annotator.set_settings(replace(before, model=ModelSettings(name="other")), predictor=fail)
    desk.settle()
    assert desk.problems == ["There is no such model. The model in use is unchanged."]
    assert desk.annotator.settings == before
    assert desk.annotator.model == desk.predictor.info()
    desk.annotator.suggest()
    desk.settle()
    assert len(desk.predictor.asked) > asked


def test_the_model_is_not_changed_under_a_round(desk: Desk) -> None:
    desk.accept()
    desk.settle()
    desk.annotator.start_round()
    before = desk.annotator.settings
    desk.annotator.set_settings(replace(before, model=ModelSettings(name="other")))
    assert desk.annotator.settings is before
    assert desk.problems[0].startswith("A round is under way")
    desk.annotator.set_settings(replace(before, learn=LearnSettings(every=9)))
    assert desk.annotator.settings.learn.every == 9
    desk.settle()
    assert len(desk.reports) == 1


def test_a_new_structure_gets_a_suggestion_too(desk: Desk) -> None:
    desk.annotator.set_structures([*desk.session.structures, Structure(3, "bone")])
    desk.settle()
    assert desk.predictor.asked[3][1] == (1, 2, 3)
    assert set(desk.session.suggestions(desk.current)) == {1, 2, 3}


def test_a_name_that_another_structure_has_is_refused_in_a_sentence(desk: Desk) -> None:
    before = desk.session.structures
    desk.annotator.set_structures([before[0].renamed("Aponeurosis"), before[1]])
    (said,) = desk.problems
    assert said.startswith("There is a structure of this name already; nothing was changed.")
    assert desk.session.structures == before


def test_what_is_ticked_as_there_is_outlined_before_it_is_accepted(desk: Desk) -> None:
    desk.annotator.tick(2, True)
    desk.settle()
    desk.annotator.clear_structure(2)
    assert dict(desk.session.ticks(desk.current)) == {2: True}
    assert not desk.annotator.accept()
    assert desk.problems[-1] == "aponeurosis is ticked as there, and not outlined. Outline it, or untick it."
    desk.annotator.tick(2, None)
    assert desk.annotator.accept()


def test_a_structure_ticked_as_present_is_prompted_for_whatever_the_classifier_thinks(desk: Desk) -> None:
    desk.annotator.tick(2, True)
    desk.settle()
    assert [one[1:] for one in desk.predictor.asked[3:5]] == [((1,), 0.5), ((2,), 0.0)]
    desk.annotator.tick(2, False)
    desk.settle()
    assert not (desk.labels() == 2).any()


REFUSED = "muscle belly is outlined on this image. Wipe it first (Del), then untick it."


def test_what_is_accepted_is_wiped_before_it_is_said_not_to_be_there(desk: Desk) -> None:
    first = desk.current
    desk.accept()
    desk.annotator.go_to(first)
    assert not desk.annotator.tick(1, False)
    assert desk.problems == [REFUSED]
    assert desk.session.ticks(first) == {}
    assert desk.session.status(first) is FrameStatus.ACCEPTED
    desk.annotator.clear_structure(1)
    assert desk.annotator.tick(1, False)
    assert desk.session.ticks(first) == {1: False}
    assert not (desk.labels() == 1).any()


@pytest.mark.parametrize("by", ["stroke", "click"])
def test_what_is_outlined_by_hand_is_wiped_before_it_is_said_not_to_be_there(desk: Desk, by: str) -> None:
    if by == "stroke":
        painted = desk.labels().copy()
        painted[2:5, 2:5] = 1
        desk.annotator.stroke(painted)
    else:
        desk.annotator.click(CLICK, 1)  # its outline is on its way
    assert not desk.annotator.tick(1, False)
    assert desk.problems == [REFUSED]
    desk.settle()
    assert desk.session.ticks(desk.current) == {}
    assert desk.annotator.tick(2, False), "a mere suggestion goes with the tick"
    assert not (desk.labels() == 2).any()
