"""The command ``train``: a round on a data set, without a window."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import APONEUROSIS, BELLY, blob, tiny_net

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.rounds import RoundProgress
from napari_adasam.domain.settings import NEVER, Method, ModelSettings, PromptSettings, TrainSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.files.clips import content_id
from napari_adasam.files.dataset import Dataset
from napari_adasam.files.phantom import PhantomSettings, write_samples
from napari_adasam.model import adaptation, checkpoints, registry
from napari_adasam.model.adasam import AdaSam
from napari_adasam.services import gate, training
from napari_adasam.services.part_file import part_of
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.training import (
    TrainOptions,
    as_told,
    for_labels,
    ordered_ids,
    several_large_parts,
    structures_in,
    train_dataset,
)

QUICK = TrainSettings(steps=2, batch=1, views=2, warm_up=0.0, rank=2)
OPTIONS = TrainOptions(model=ModelSettings("tiny", device="cpu"), train=QUICK)
NAMES = ((1, "muscle belly"), (2, "aponeurosis"))


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> AdaSam:
    """What every name but a file's loads: a tiny model that knows one structure."""
    real, net = registry.load, tiny_net(structures=(BELLY,))
    monkeypatch.setattr(registry, "load", lambda settings: net if settings.name == "tiny" else real(settings))
    return net


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six phantoms of three exams, one without a label image."""
    made = write_samples(
        tmp_path_factory.mktemp("set") / "phantoms", 6, settings=PhantomSettings(64, 96, probe="linear"), per_cluster=2
    )
    (made / "labels" / "phantom_0003.png").unlink()
    return made


def quiet(event: RoundProgress) -> None:
    """No progress wanted."""


def test_an_adapter_comes_out_that_loads_on_its_base(folder: Path, tmp_path: Path, base: AdaSam) -> None:
    heard: list[RoundProgress] = []
    out = tmp_path / "model.safetensors"
    before = checkpoints.fingerprint(base.state_dict())
    said = train_dataset(folder, out, replace(OPTIONS, labels=3, names=NAMES), heard.append)
    loss, seconds = said.pop("loss"), said.pop("seconds")
    assert 0 < said.pop("trained_share") < 1
    assert said.pop("trained_parameters") > 0
    assert loss > 0
    assert seconds > 0
    assert said == {
        "model": str(out),
        "base": "tiny",
        "method": "adasam",
        "labels": 3,
        "unlabelled": 3,
        "seed": 0,
        "steps": 2,
        "structures": {"1": "muscle belly", "2": "aponeurosis"},
        "device": "cpu",
    }
    assert heard[-1].step == 2
    assert checkpoints.fingerprint(base.state_dict()) == before
    net = registry.load(ModelSettings(str(out)))
    assert [s.name for s in net.card.structures] == ["muscle belly", "aponeurosis"]
    dataset = Dataset.open(folder)
    assert net.card.trained_on == {content_id(path) for path in dataset.images.values()}
    assert len(net.card.lineage) == 1


def test_neither_the_adapter_nor_what_is_printed_names_an_image(folder: Path, tmp_path: Path) -> None:
    """Files of a study are often called like people; the card knows images by their content."""
    named = Path(shutil.copytree(folder, tmp_path / "study"))
    for kind in ("images", "labels"):
        for path in (named / kind).iterdir():
            path.rename(path.with_stem(path.stem.replace("phantom", "Qwertzuiop_Y")))
    (named / "index.csv").unlink(missing_ok=True)
    out = tmp_path / "model.safetensors"
    said = train_dataset(named, out, replace(OPTIONS, labels=3, names=NAMES), quiet)
    for text in (json.dumps(said).encode(), out.read_bytes()):
        assert b"qwertzuiop" not in text.lower()
        assert b"study" not in text
    assert b"muscle belly" in out.read_bytes()


@pytest.mark.parametrize("method", ["medsa", "masam"])
def test_every_adaptation_trains_saves_and_predicts(
    folder: Path, tmp_path: Path, method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ``train``, and ``predict`` with what it made: the same figures as from memory."""
    out = tmp_path / "model.safetensors"
    train = replace(QUICK, method=method)
    said = train_dataset(folder, out, replace(OPTIONS, labels=3, train=train, names=NAMES), quiet)
    assert (said["method"], said["unlabelled"]) == (method, 3)
    net = registry.load(ModelSettings(str(out)))
    assert [one.kind for one in net.adapted] == [method]
    asked = adaptation.describe(net, net.adapted[-1])
    assert (said["trained_parameters"], said["trained_share"]) == (asked.trained, asked.share)
    ups = [p for name, p in net.sam.encoder.named_parameters() if name.endswith("up.weight")]
    assert ups
    assert all(p.any() for p in ups)
    monkeypatch.setattr(registry, "load", lambda settings: net)
    predictor = ModelPredictor(ModelSettings(str(out), device="cpu"))
    made = predictor.suggest("f", blob(0)[0], net.card.structures, PromptSettings(presence=0.0))
    assert [one.mask.shape for one in made] == [(64, 64)] * 2
    assert all(np.isfinite(one.score) for one in made)


def test_without_unlabelled_images_only_the_labelled_ones_are_seen(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    settings = replace(QUICK, method="lora")
    said = train_dataset(folder, out, replace(OPTIONS, labels=2, train=settings), quiet)
    assert said["unlabelled"] == 0
    dataset = Dataset.open(folder)
    first = [key for key in ordered_ids(dataset, 0) if key in dataset.labelled][:2]
    seen = registry.load(ModelSettings(str(out))).card.trained_on
    assert seen == {content_id(dataset.images[key]) for key in first}


def test_more_labels_take_more_steps_where_nobody_said_how_many() -> None:
    usual = TrainSettings().steps
    assert [for_labels(TrainSettings(), labels).steps for labels in (1, 10, usual)] == [usual, usual, 4 * usual]


def test_a_model_that_does_well_is_trained_mildly_unless_steps_were_asked_for(
    folder: Path, tmp_path: Path, base: AdaSam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On toy images the tiny model does not do well; the limits are set so low that it would."""
    monkeypatch.setattr(gate, "TELLING", 2)
    well = replace(
        OPTIONS, train=replace(QUICK, steps=TrainSettings().steps, mild_from=-1.0), more_steps=True, labels=2
    )
    asked = replace(well, more_steps=False, train=replace(well.train, steps=4))
    assert train_dataset(folder, tmp_path / "mild.safetensors", well, quiet)["steps"] == TrainSettings().steps // 2
    assert train_dataset(folder, tmp_path / "both.safetensors", asked, quiet)["steps"] == 2, "both were asked for"
    assert as_told(TrainSettings()).mild_from == NEVER


@pytest.mark.parametrize("labels", [0, 6, -1])
def test_more_labels_than_there_are_is_one_error(folder: Path, tmp_path: Path, labels: int) -> None:
    with pytest.raises(InputError, match=rf"5 labelled images, not {labels}"):
        train_dataset(folder, tmp_path / "model.safetensors", replace(OPTIONS, labels=labels), quiet)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_data_set_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a data set"):
        train_dataset(tmp_path, tmp_path / "model.safetensors", OPTIONS, quiet)


def test_a_full_disk_is_one_error(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any, **named: Any) -> None:
        raise OSError(28, "No space left on device")

    out, heard = tmp_path / "model.safetensors", list[RoundProgress]()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save_file", full)
        with pytest.raises(StorageError, match="No space left"):
            train_dataset(folder, out, replace(OPTIONS, labels=1), quiet)
    assert list(tmp_path.iterdir()) == [part_of(out)]
    said = train_dataset(folder, out, replace(OPTIONS, labels=1), heard.append)
    assert (said["steps"], {event.step for event in heard}) == (2, {2}), "what was learned is written, not learned anew"
    assert list(tmp_path.iterdir()) == [out]


def stopped_at(step: int) -> Callable[[RoundProgress], None]:
    def heard(event: RoundProgress) -> None:
        if event.step == step and event.what == "learning":
            raise KeyboardInterrupt

    return heard


def test_the_same_command_goes_on_where_it_was_stopped(folder: Path, tmp_path: Path) -> None:
    whole, out, told, heard = tmp_path / "whole.safetensors", tmp_path / "m.safetensors", list[str](), []
    options = replace(OPTIONS, labels=3, names=NAMES, train=replace(QUICK, steps=4))
    expected = train_dataset(folder, whole, options, quiet)
    out.write_bytes(b"an earlier model")
    for step in (2, 3):
        torch.manual_seed(step)
        with pytest.raises(KeyboardInterrupt):
            train_dataset(folder, out, options, stopped_at(step), told.append)
    assert out.read_bytes() == b"an earlier model"
    assert {one.name for one in tmp_path.iterdir()} == {"whole.safetensors", "m.safetensors", "m.safetensors.part"}
    torch.manual_seed(5)
    said = train_dataset(folder, out, options, heard.append, told.append)
    assert [sentence.partition(",")[0].partition(" is in ")[0] for sentence in told] == [
        "What was learned until step 2",
        "Going on from step 2",
        "What was learned until step 3",
        "Going on from step 3",
    ]
    assert min(event.step for event in heard) == 3, "the bar begins there, whatever is made again first"
    before, after = checkpoints.read(whole), checkpoints.read(out)
    assert before[1] == after[1]
    assert before[0].keys() == after[0].keys()
    assert all(torch.equal(tensor, after[0][name]) for name, tensor in before[0].items())
    same = {key for key in said if key not in ("model", "seconds")}
    assert {key: said[key] for key in same} == {key: expected[key] for key in same}
    assert {one.name for one in tmp_path.iterdir()} == {"whole.safetensors", "m.safetensors"}


def test_another_training_does_not_go_on_from_it_and_does_not_lose_it(
    folder: Path, tmp_path: Path, base: AdaSam
) -> None:
    own, out = Path(shutil.copytree(folder, tmp_path / "own")), tmp_path / "m.safetensors"
    options = replace(OPTIONS, labels=3)
    with pytest.raises(KeyboardInterrupt):
        train_dataset(own, out, options, stopped_at(1))
    kept = part_of(out).read_bytes()

    def refused(why: str, other: TrainOptions = options) -> None:
        with pytest.raises(InputError, match=rf"this one has other {why}\. Nothing was done"):
            train_dataset(own, out, other, quiet)
        assert part_of(out).read_bytes() == kept
        assert not out.exists()

    refused("arguments", replace(options, train=replace(QUICK, lr=0.1)))
    refused("arguments", replace(options, names=NAMES))
    refused("arguments", replace(options, prompts=PromptSettings(use_dense=False)))
    refused("arguments and other images or outlines", replace(options, train=replace(QUICK, seed=1)))
    refused("images or outlines", replace(options, image_labels=True))
    dataset = Dataset.open(own)
    key = next(key for key in ordered_ids(dataset, 0) if key in dataset.labelled)
    drawn = dataset.labels(key).copy()
    changed = drawn.copy()
    changed[0, 0] = 1 - changed[0, 0]
    Image.fromarray(changed).save(dataset.labelled[key])
    refused("images or outlines")
    Image.fromarray(drawn).save(dataset.labelled[key])
    with torch.no_grad():
        base.head.shift.add_(1.0)  # type: ignore[operator, union-attr]
    refused("weights to start from")
    with torch.no_grad():
        base.head.shift.sub_(1.0)  # type: ignore[operator, union-attr]
    train_dataset(own, out, options, quiet)
    assert not part_of(out).exists()


def test_labelled_images_come_first_in_seeded_group_order(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    real = training.labelled_frames
    monkeypatch.setattr(
        training, "labelled_frames", lambda dataset, ids: asked.append(tuple(ids)) or real(dataset, ids)
    )
    for seed in (0, 1):
        options = replace(OPTIONS, labels=3, train=replace(QUICK, seed=seed, steps=1))
        train_dataset(folder, tmp_path / "model.safetensors", options, quiet)
    dataset = Dataset.open(folder)
    for seed, ids in enumerate(asked):
        order = [key for key in ordered_ids(dataset, seed) if key in dataset.labelled]
        assert ids == tuple(order[:3])


@pytest.fixture
def handmade(tmp_path: Path) -> Callable[[dict[str, np.ndarray]], Dataset]:
    def make(labels: dict[str, np.ndarray]) -> Dataset:
        for name in ("images", "labels"):
            (tmp_path / name).mkdir()
        for key, values in labels.items():
            Image.fromarray(blob(0, (40, 60))[0]).save(tmp_path / "images" / f"{key}.png")
            Image.fromarray(values).save(tmp_path / "labels" / f"{key}.png")
        return Dataset.open(tmp_path)

    return make


def test_the_ids_of_a_group_stay_together(handmade: Callable[[dict[str, np.ndarray]], Dataset]) -> None:
    zeros = np.zeros((40, 60), np.uint8)
    dataset = handmade({f"{group}_{i}": zeros for group in range(1, 6) for i in (2, 10)})
    orders = {ordered_ids(dataset, seed) for seed in range(5)}
    assert len(orders) > 1
    for order in orders:
        assert sorted(order) == sorted(dataset.ids)
        assert [key.split("_")[0] for key in order[::2]] == [key.split("_")[0] for key in order[1::2]]
        assert all(key.endswith("_2") for key in order[::2])


def bars(*rows: int) -> np.ndarray:
    made = np.zeros((40, 60), np.uint8)
    for row in rows:
        made[row : row + 4] = 2
    return made


def test_structures_are_those_in_the_labels_with_their_names(
    handmade: Callable[[dict[str, np.ndarray]], Dataset],
) -> None:
    two, one = bars(5, 25), bars(5)
    one[30:] = 7
    dataset = handmade({"1": two, "2": two, "3": one})
    found = structures_in(dataset, dataset.ids, ((2, "aponeurosis"),))
    assert found == (APONEUROSIS, Structure(7, "structure 7"))
    assert structures_in(dataset, ("3",), ()) == (Structure(2, "structure 2"), Structure(7, "structure 7"))


@pytest.mark.parametrize(("small", "several"), [(0, False), (3, False), (5, True), (20, True)])
def test_a_second_part_counts_from_a_fifth_of_the_first(small: int, several: bool) -> None:
    mask = np.zeros((10, 30), bool)
    mask[2, :20] = True
    mask[6, :small] = True
    assert several_large_parts(mask) is several
