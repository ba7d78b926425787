"""The demo's scripted clinician: she corrects towards the exact labels, protects other structures, and stops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_adasam.domain.overlap import dice
from napari_adasam.domain.records import Labels
from napari_adasam.domain.settings import ModelSettings, PromptSettings, TrainSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.evaluation.demo import (
    GOOD,
    Click,
    DemoPlan,
    ScriptedClinician,
    Stroke,
    agreement,
    draw_samples,
    mean_by_name,
    stroke_over_error,
)
from napari_adasam.files.readers import open_paths
from napari_adasam.services.gate import fit
from napari_adasam.services.predictor import ModelPredictor


@pytest.fixture
def truth() -> Labels:
    """A muscle belly of 30 rows between two aponeuroses of 6."""
    labels = np.zeros((80, 120), np.uint8)
    labels[26:56] = 1
    labels[20:26] = labels[56:62] = 2
    return labels


def painted(labels: Labels, stroke: Stroke) -> Labels:
    """A stroke as the window's brush makes it: others' pixels are protected."""
    rows, columns = np.mgrid[: labels.shape[0], : labels.shape[1]]
    result = labels.copy()
    for y, x in stroke.path:
        disc = (rows - y) ** 2 + (columns - x) ** 2 <= (stroke.size / 2) ** 2
        if stroke.erase:
            result[disc & (result == stroke.structure)] = 0
        else:
            result[disc & (result == 0)] = stroke.structure
    return result


def test_exact_labels_need_nothing(truth: Labels) -> None:
    assert ScriptedClinician(truth, MUSCLE_PRESET).next(truth) is None


def test_the_worst_structure_is_clicked_first_where_it_is_wrong(truth: Labels) -> None:
    labels = np.where(truth == 2, 0, truth).astype(np.uint8)
    click = ScriptedClinician(truth, MUSCLE_PRESET).next(labels)
    assert isinstance(click, Click)
    assert click.structure == 2
    assert click.point.positive
    assert truth[int(click.point.y), int(click.point.x)] == 2


@pytest.mark.parametrize("shift", [(8, 0), (-8, 0), (4, 10)])
def test_strokes_alone_bring_shifted_labels_close_to_the_truth(truth: Labels, shift: tuple[int, int]) -> None:
    labels = np.roll(truth, shift, (0, 1))
    clinician = ScriptedClinician(truth, MUSCLE_PRESET)
    before = agreement(labels, truth, MUSCLE_PRESET)
    while (correction := clinician.next(labels)) is not None:
        if isinstance(correction, Stroke):
            after = painted(labels, correction)
            labels = labels if clinician.got_worse(labels, after) else after
    after_all = agreement(labels, truth, MUSCLE_PRESET)
    assert min(before.values()) < 0.7
    assert min(after_all.values()) > 0.8
    assert clinician.count("stroke") > 0


def test_a_stroke_stays_inside_the_truth(truth: Labels) -> None:
    labels = np.zeros_like(truth)
    stroke = stroke_over_error(labels, truth, 1)
    assert not stroke.erase
    assert np.isin(painted(labels, stroke), (0, 1)).all()
    assert not ((painted(labels, stroke) == 1) & (truth != 1)).any()


def test_what_another_structure_covers_is_erased_first(truth: Labels) -> None:
    labels = np.where(truth == 2, 1, truth).astype(np.uint8)
    stroke = stroke_over_error(labels, truth, 2)
    assert (stroke.structure, stroke.erase) == (1, True)


def test_too_much_is_erased(truth: Labels) -> None:
    labels = truth.copy()
    labels[70:76] = 1
    stroke = stroke_over_error(labels, truth, 1)
    assert stroke.erase
    assert (painted(labels, stroke) == 1).sum() < (labels == 1).sum()


def test_she_gives_up_after_a_number_of_corrections(truth: Labels) -> None:
    clinician = ScriptedClinician(truth, MUSCLE_PRESET)
    labels = np.zeros_like(truth)
    corrections = 0
    while clinician.next(labels) is not None:
        corrections += 1
        assert corrections < 100
    assert corrections == clinician.count("click") + clinician.count("stroke")
    assert min(agreement(labels, truth, MUSCLE_PRESET).values()) < GOOD


def test_samples_carry_their_scale_and_their_exact_labels(tmp_path: Path) -> None:
    truth = draw_samples(tmp_path / "images", DemoPlan(tmp_path, accepted=1, waiting=0, unseen=1))
    opened = open_paths([tmp_path / "images"])
    assert opened.problems == ()
    frames = [frame for clip in opened.clips for frame in clip.frames]
    assert [frame.stem for frame in frames] == list(truth) == ["sample_01", "sample_02"]
    for frame in frames:
        assert frame.spacing is not None
        assert 0.02 < frame.spacing.y_mm < 0.5
        assert truth[frame.stem].shape == (frame.height, frame.width)


def test_means_are_over_frames_and_then_structures() -> None:
    means = mean_by_name([{1: 1.0, 2: 0.0}, {1: 0.5, 2: 0.5}], MUSCLE_PRESET)
    assert means == {"muscle belly": 0.75, "aponeurosis": 0.25, "mean": 0.5}


def test_the_drawn_images_are_a_kind_for_which_the_bundled_model_takes_a_full_round(tmp_path: Path) -> None:
    """A mild round teaches nothing there, and the demo is to show that learning does something."""
    plan = DemoPlan(tmp_path)
    truth = draw_samples(tmp_path, plan)
    predictor, figures = ModelPredictor(ModelSettings()), dict[int, list[float]]()
    for clip in open_paths([tmp_path]).clips[: plan.accepted]:
        frame = clip.frames[0]
        for one in predictor.suggest(frame.id, clip.grey(0), MUSCLE_PRESET, PromptSettings()):
            figures.setdefault(one.structure, []).append(dice(one.mask, truth[frame.stem] == one.structure))
    train = TrainSettings()
    assert fit(train, figures, ()) == train
