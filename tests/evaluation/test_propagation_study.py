"""The study ``propagation``, with a predictor that knows the truth and is wrong where it is told to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Labels, Suggestion
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.evaluation.propagation import Film, drawn, study, volumes
from napari_adasam.services.ports import FollowAnswer, Picture

BELLY = MUSCLE_PRESET[:1]
FRAMES, BREAK = 24, 12


@dataclass
class Knowing:
    """Answers with the truth; beyond ``BREAK``, coming from before it, with nothing, and so sure at the break."""

    film: Film
    at_break: float = 1.0
    breaks: bool = True

    def follow(self, before: Picture, after: Picture, labels: Labels, structures: Sequence[Structure]) -> FollowAnswer:
        at = int(after.frame_id.rpartition("-")[2])
        wrong = self.breaks and (at == BREAK or not labels.any())
        truth = self.film.truth[at]
        mask = np.zeros(truth.shape, np.bool_) if wrong else truth == 1
        one = Suggestion(after.frame_id, 1, mask, 0.9, 1.0, (), np.zeros(truth.shape, np.float32), "m")
        return FollowAnswer((one,), self.at_break if at == BREAK else 0.95)


@pytest.fixture
def film() -> Film:
    truth = [np.zeros((20, 40), np.uint8) for _ in range(FRAMES)]
    for at, labels in enumerate(truth):
        labels[5:15, at : at + 10] = 1
    return Film("square", [labels * 200 for labels in truth], truth)


def rows_of(predictor: Knowing, film: Film) -> dict[str, list[dict[str, Any]]]:
    rows = study(predictor, iter([film]), BELLY, lambda *_: None)  # type: ignore[arg-type]
    return {what: [row for row in rows if row["what"] == what] for what in ("distance", "drift", "keys")}


def test_where_nothing_goes_wrong_one_key_frame_is_enough(film: Film) -> None:
    rows = rows_of(Knowing(film, breaks=False), film)
    assert [(row["from"], row["to"], row["n"]) for row in rows["distance"]] == [
        (1, 5, 5),
        (6, 10, 5),
        (11, 20, 10),
        (21, 40, 3),
    ]
    assert all(row["dice"] == row["dice_kept"] == row["kept"] == 1.0 for row in rows["distance"])
    assert rows["drift"][0] | {"stop_below": 0} == {
        "what": "drift",
        "stop_below": 0,
        "frames": 23,
        "low": 0,
        "caught": None,
        "good_lost": 0.0,
    }
    assert rows["keys"][0]["keys"] == [1]


def test_key_frames_are_not_taken_side_by_side(film: Film) -> None:
    """Where a structure never comes to 0.95, and the frame beside a key frame is always the least sure one."""
    asked: list[int] = []

    class Unsure(Knowing):
        def follow(
            self, before: Picture, after: Picture, labels: Labels, structures: Sequence[Structure]
        ) -> FollowAnswer:
            first, then = (int(one.frame_id.rpartition("-")[2]) for one in (before, after))
            if np.array_equal(labels, self.film.truth[first]):
                asked.append(first)  # nothing but a key frame has the true labels
            half = self.film.truth[then].copy()
            half[10:] = 0
            none = np.zeros(half.shape, np.float32)
            one = Suggestion(after.frame_id, 1, half == 1, 0.9, 1.0, (), none, "m")
            return FollowAnswer((one,), 0.85 + 0.005 * abs(then - first))

    rows = rows_of(Unsure(film), film)
    keys = sorted(set(asked))
    assert rows["keys"][0]["keys"] == [None]
    assert len(keys) == rows["keys"][0]["most_tried"][0] == 3
    assert min(np.diff(keys)) >= 4


def test_drift_that_was_noticed_is_caught_and_costs_one_more_key_frame(film: Film) -> None:
    rows = rows_of(Knowing(film, at_break=0.3), film)
    assert (rows["drift"][0]["low"], rows["drift"][0]["caught"], rows["drift"][0]["good_lost"]) == (12, 1.0, 0.0)
    assert [row["kept"] for row in rows["distance"]] == [1.0, 1.0, 0.1, 0.0]
    assert rows["distance"][3]["dice_kept"] is None
    assert rows["keys"][0]["keys"] == [2]
    assert rows["keys"][0]["most_tried"] == [3]


def test_a_key_frame_behind_a_cut_takes_nothing_from_the_frames_before_it(film: Film) -> None:
    class Cut(Knowing):
        def follow(
            self, before: Picture, after: Picture, labels: Labels, structures: Sequence[Structure]
        ) -> FollowAnswer:
            found = super().follow(before, after, labels, structures)
            one, other = (int(picture.frame_id.rpartition("-")[2]) for picture in (before, after))
            return FollowAnswer((), 0.0) if {one, other} == {BREAK - 1, BREAK} else found

    rows = rows_of(Cut(film), film)
    assert rows["keys"][0]["keys"] == [2]


def test_drift_that_was_not_noticed_is_not(film: Film) -> None:
    rows = rows_of(Knowing(film, at_break=0.9), film)
    assert rows["drift"][0]["caught"] == 0.0
    assert rows["distance"][2]["dice"] == rows["distance"][2]["dice_kept"] == pytest.approx(0.1)


def test_the_second_drawn_clip_has_a_cut() -> None:
    clips = list(drawn((0, 1), 5))
    jumps = [[np.mean(a != b) for a, b in zip(one.truth, one.truth[1:], strict=False)] for one in clips]
    assert max(jumps[0]) < 0.05
    assert int(np.argmax(jumps[1])) == 2
    assert jumps[1][2] > 0.05


def test_volumes_begin_where_most_is_to_be_seen(tmp_path: Path) -> None:
    labels = np.zeros((20, 24, 11), np.uint8)
    labels[5:12, 5:12, 2:9] = 1
    labels[4:14, 4:14, 6] = 1
    for name, values in (("images", labels * 90), ("labels", labels)):
        (tmp_path / name).mkdir()
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / name / "case.nii.gz")
    structures, films = volumes(tmp_path, frozenset(), "unseen", (), None)
    [film] = films
    assert [one.value for one in structures] == [1]
    assert (len(film.frames), film.first) == (11, 6)
    assert film.frames[0].shape == film.truth[0].shape


def test_a_data_set_without_volumes_is_refused(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.ones((32, 32), np.uint8)).save(tmp_path / name / "one.png")
    with pytest.raises(InputError, match="holds no volumes"):
        volumes(tmp_path, frozenset(), "unseen", (), None)
