"""Prompt-free masks of files and folders."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import APONEUROSIS, BELLY, BrightnessEncoder, blob, see_brightness, tiny_net

from napari_adasam.domain.errors import InputError, ModelError
from napari_adasam.domain.records import Suggestion
from napari_adasam.domain.settings import ModelSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.files.clips import Clip
from napari_adasam.files.scaling import Pixels
from napari_adasam.model import registry
from napari_adasam.services.batch import label_image, predict_paths, structures_of
from napari_adasam.services.predictor import ModelPredictor

CPU = Settings(model=ModelSettings("tiny", device="cpu"))
LESION = Structure(3, "lesion")


@pytest.fixture(autouse=True)
def net(monkeypatch: pytest.MonkeyPatch) -> None:
    made = see_brightness(tiny_net(structures=(LESION, BELLY, APONEUROSIS), encoder=BrightnessEncoder()))
    monkeypatch.setattr(registry, "load", lambda settings: made)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scans"
    made.mkdir()
    for seed, name in enumerate(("a", "b")):
        Image.fromarray(blob(seed, (60, 90))[0]).save(made / f"{name}.png")
    return made


def nothing(done: int, total: int, what: str) -> None:
    """No progress wanted."""


def test_each_frame_gets_a_mask_and_a_map_a_structure(folder: Path, tmp_path: Path) -> None:
    heard: list[tuple[int, int, str]] = []
    report = predict_paths([folder], tmp_path / "out", CPU, lambda *event: heard.append(event))
    assert (report.frames, report.problems, report.device) == (2, (), "cpu")
    assert report.seconds_per_frame > 0
    assert heard == [(1, 2, "a"), (2, 2, "b")]
    written = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.png"))
    assert written == ["cams/a_1.png", "cams/a_2.png", "cams/b_1.png", "cams/b_2.png", "masks/a.png", "masks/b.png"]
    mask, cam = (np.array(Image.open(tmp_path / "out" / name)) for name in ("masks/a.png", "cams/a_1.png"))
    assert mask.shape == cam.shape == (60, 90)
    assert set(np.unique(mask)) <= {0, 1, 2}
    bright = blob(0, (60, 90))[0] > 150
    assert cam[bright].mean() > cam[~bright].mean() + 50


def test_a_broken_file_is_named_and_the_rest_is_done(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "a.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").touch()
    report = predict_paths([folder, tmp_path / "gone.png"], tmp_path / "out", CPU, nothing)
    assert report.frames == 2
    assert sorted(p.stem for p in (tmp_path / "out" / "masks").iterdir()) == ["a", "b"]
    assert len(report.problems) == 3
    for name in ("broken.png", "empty.png", "gone.png"):
        assert sum(name in problem for problem in report.problems) == 1


def test_a_file_that_breaks_while_it_is_read_is_named_and_the_rest_is_done(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Clip.read

    def broken(clip: Clip, index: int) -> Pixels:
        if clip.path.name == "a.png":
            raise InputError("a.png is damaged.")
        return read(clip, index)

    monkeypatch.setattr(Clip, "read", broken)
    report = predict_paths([folder], tmp_path / "out", CPU, nothing)
    assert report.frames == 1
    assert report.problems == ("a.png is damaged.",)
    assert [p.stem for p in (tmp_path / "out" / "masks").iterdir()] == ["b"]


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModelError("The model gave no usable embedding of this frame."), "the model gave no usable answer"),
        (OutOfMemoryError("CUDA out of memory"), "more memory than is free"),
        (MemoryError(), "more memory than is free"),
    ],
)
def test_a_frame_that_the_model_fails_on_is_named_and_the_rest_is_done(
    error: Exception, said: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, forgotten = ModelPredictor.suggest, []

    def fails(predictor: ModelPredictor, frame_id: str, pixels: Pixels, *rest: object) -> list[Suggestion]:
        if np.array_equal(pixels, np.array(Image.open(folder / "a.png"))):
            raise error
        return real(predictor, frame_id, pixels, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ModelPredictor, "suggest", fails)
    monkeypatch.setattr(ModelPredictor, "forget", lambda predictor, frame_id: forgotten.append(frame_id))
    report = predict_paths([folder], tmp_path / "out", CPU, nothing)
    assert report.frames == 1
    assert len(report.problems) == 1
    assert report.problems[0].startswith("a.png was left out: ")
    assert said in report.problems[0]
    assert [p.stem for p in (tmp_path / "out" / "masks").iterdir()] == ["b"]
    assert len(forgotten) == 2, "what a failed frame has cached would stay in memory"


def test_a_bug_is_not_taken_for_a_frame_that_failed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object) -> list[Suggestion]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(ModelPredictor, "suggest", fails)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        predict_paths([folder], tmp_path / "out", CPU, nothing)


@pytest.mark.parametrize(("inside", "name"), [("masks", "a.png"), ("cams", "b_1.png")])
def test_an_input_is_never_written_over(folder: Path, tmp_path: Path, inside: str, name: str) -> None:
    """``predict X/masks --out X``, and the like."""
    given = tmp_path / "X" / inside
    given.mkdir(parents=True)
    (given / name).write_bytes((folder / "a.png").read_bytes())
    before = (given / name).read_bytes()
    inputs = [folder, given] if inside == "cams" else [given]
    with pytest.raises(InputError, match=rf"written over the input .*{name}.* Nothing was written"):
        predict_paths(inputs, tmp_path / "scans" / ".." / "X", CPU, nothing)
    assert (given / name).read_bytes() == before
    assert [p.name for p in (tmp_path / "X").rglob("*")] == [inside, name]


@pytest.mark.parametrize("name", ["provenance.json", "session.sqlite"])
def test_what_people_have_accepted_is_not_mixed_with_masks_of_a_model(name: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "masks").mkdir(parents=True)
    (out / "masks" / "a.png").write_bytes(b"accepted")
    (out / name).write_text("{}")
    with pytest.raises(InputError, match="must not be mixed"):
        predict_paths([folder], out, CPU, nothing)
    assert (out / "masks" / "a.png").read_bytes() == b"accepted"


def test_the_same_picture_twice_gives_two_masks(folder: Path, tmp_path: Path) -> None:
    (folder / "copy.png").write_bytes((folder / "a.png").read_bytes())
    report = predict_paths([folder], tmp_path / "out", CPU, nothing)
    masks = tmp_path / "out" / "masks"
    assert report.frames == 3
    assert (masks / "a.png").read_bytes() == (masks / "copy.png").read_bytes()
    assert (masks / "a.png").read_bytes() != (masks / "b.png").read_bytes()


def test_two_files_of_one_name_do_not_overwrite_each_other(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.png").write_bytes((folder / "b.png").read_bytes())
    report = predict_paths([folder, other], tmp_path / "out", CPU, nothing)
    assert report.frames == 3
    assert sorted(p.stem for p in (tmp_path / "out" / "masks").iterdir()) == ["a", "a_2", "b"]


def test_a_name_as_long_as_the_disk_takes_it_gets_shorter_ones(folder: Path, tmp_path: Path) -> None:
    for end in "xy":
        (folder / f"{'n' * 250}{end}.png").write_bytes((folder / "a.png").read_bytes())
    report = predict_paths([folder], tmp_path / "out", CPU, nothing)
    assert (report.frames, report.problems) == (4, ())
    stems = sorted(one.stem for one in (tmp_path / "out" / "masks").iterdir())
    assert stems[:2] == ["a", "b"]
    assert [len(one) for one in stems[2:]] == [235, 235]
    assert len(list((tmp_path / "out" / "cams").iterdir())) == 8


def test_nothing_to_read_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        predict_paths([tmp_path / "empty"], tmp_path / "out", CPU, nothing)
    with pytest.raises(InputError, match="nothing to read"):
        predict_paths([], tmp_path / "out", CPU, nothing)
    assert not (tmp_path / "out").exists()


def test_weights_that_know_no_structure_are_one_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "load", lambda settings: tiny_net(structures=()))
    with pytest.raises(InputError, match="has not learned any structure"):
        predict_paths([folder], tmp_path / "out", CPU, nothing)
    assert not (tmp_path / "out").exists()


def test_the_muscle_preset_is_asked_for_where_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert structures_of(ModelPredictor(CPU.model)) == MUSCLE_PRESET
    monkeypatch.setattr(registry, "load", lambda settings: tiny_net(structures=(LESION, BELLY)))
    assert structures_of(ModelPredictor(CPU.model)) == (LESION, BELLY)


def test_what_is_named_is_looked_for_and_gets_its_value(folder: Path, tmp_path: Path) -> None:
    report = predict_paths([folder], tmp_path / "out", CPU, nothing, ((7, "Lesion"), (2, "aponeurosis")))
    assert report.frames == 2
    assert sorted(path.name for path in (tmp_path / "out" / "cams").iterdir()) == [
        "a_2.png", "a_7.png", "b_2.png", "b_7.png",
    ]  # fmt: skip
    assert structures_of(ModelPredictor(CPU.model), ((2, "aponeurosis"),))[0].several_parts


def test_what_a_model_has_not_learned_is_one_error(folder: Path, tmp_path: Path) -> None:
    said = r'has not learned "bone"\. Nothing was written\. It has learned: lesion, muscle belly, aponeurosis\.'
    with pytest.raises(InputError, match=said):
        predict_paths([folder], tmp_path / "out", CPU, nothing, ((1, "bone"),))
    assert not (tmp_path / "out").exists()


def test_thin_structures_lie_on_top() -> None:
    def said(value: int, rows: slice) -> Suggestion:
        mask = np.zeros((6, 4), bool)
        mask[rows] = True
        return Suggestion("f", value, mask, 0.9, 0.9, (), np.zeros((6, 4), np.float32), "m")

    labels = label_image([said(2, slice(1, 3)), said(1, slice(0, 5))], (APONEUROSIS, BELLY))
    assert labels[:, 0].tolist() == [1, 2, 2, 1, 1, 0]


def test_an_input_under_another_spelling_is_not_written_over(folder: Path, tmp_path: Path) -> None:
    """As on disks where ``A.PNG`` is ``a.png``: another name, and the same file."""
    (tmp_path / "X" / "masks").mkdir(parents=True)
    os.link(folder / "a.png", tmp_path / "X" / "masks" / "a.png")
    with pytest.raises(InputError, match="written over the input"):
        predict_paths([folder], tmp_path / "X", CPU, nothing)
    assert [path.name for path in (tmp_path / "X").rglob("*")] == ["masks", "a.png"]


@pytest.mark.parametrize("inside", ["", "predicted", "night/1"])
def test_a_second_run_does_not_take_the_first_one_s_results_for_pictures(folder: Path, inside: str) -> None:
    out = folder / inside
    first = predict_paths([folder], out, CPU, nothing)
    written = {path: path.read_bytes() for path in folder.rglob("*.png")}
    assert predict_paths([folder], out, CPU, nothing).frames == first.frames == 2
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == written


def test_pictures_beside_the_results_are_still_read(folder: Path) -> None:
    (folder / "P01").mkdir()
    (folder / "a.png").rename(folder / "P01" / "a.png")
    for _ in range(2):
        assert predict_paths([folder], folder / "P01", CPU, nothing).frames == 2


def test_masks_by_hand_are_not_written_over(folder: Path) -> None:
    (folder / "masks").mkdir()
    Image.fromarray(np.ones((60, 90), np.uint8)).save(folder / "masks" / "b.png")
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    with pytest.raises(InputError, match=r"written over .*b\.png, which this program did not write\. Nothing was"):
        predict_paths([folder], folder, CPU, nothing)
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == before
