"""The recipe of the bundled model, on a handful of phantoms and a tiny model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import BrightnessEncoder, blob, tiny_net, tiny_vit

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.domain.splits import split_groups
from napari_adasam.files.clips import content_id
from napari_adasam.model import adaptation, checkpoints, registry
from napari_adasam.model.adapters import skips
from napari_adasam.model.augment import View
from napari_adasam.model.encoders import TinyVit
from napari_adasam.model.sam import SamNet
from napari_adasam.services import bundled, bundled_data
from napari_adasam.services.bundled import parameter_groups, schedule, train_bundled
from napari_adasam.services.bundled_data import (
    STRUCTURES,
    Item,
    Source,
    draw_view,
    load_sources,
    names_by_folder,
)
from napari_adasam.services.bundled_settings import BundledSettings
from napari_adasam.services.part_file import part_of

SETTINGS = BundledSettings(steps=3, accumulate=1, size=64, warm_up=1)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two small data sets of ten groups each; the second one's label 1 is structure 3."""
    folder = tmp_path / "data"
    for name in ("first", "second"):
        for part in ("images", "labels"):
            (folder / name / part).mkdir(parents=True)
        for number in range(10):
            pixels, labels = blob(number if name == "first" else 50 + number)
            Image.fromarray(pixels).save(folder / name / "images" / f"{number}_a.png")
            Image.fromarray(labels).save(folder / name / "labels" / f"{number}_a.png")
    sources = (Source("first", ((1, 1),), 0.75), Source("second", ((1, 3),), 0.25))
    monkeypatch.setattr(bundled_data, "SOURCES", sources)
    return folder


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SAM checkpoint, which is tiny here."""
    monkeypatch.setattr(checkpoints, "architecture", lambda weights: "vit_b")
    monkeypatch.setattr(checkpoints, "empty_sam", lambda name, size: SamNet(tiny_vit(), size))

    def load(weights: checkpoints.Weights, size: int) -> SamNet:
        sam = SamNet(tiny_vit(), size)
        checkpoints.load_exactly(sam, weights)
        return sam

    monkeypatch.setattr(checkpoints, "from_sam_weights", load)
    path = tmp_path / "base.pth"
    torch.save(tiny_net().sam.state_dict(), path)
    return path


def test_groups_that_are_held_back_are_not_read(data: Path) -> None:
    loaded, seen = load_sources(data, 64)
    assert [share for share, _ in loaded] == [0.75, 0.25]
    assert [len(items) for _, items in loaded] == [7, 7]
    split = split_groups(str(i) for i in range(10))
    for name in ("first", "second"):
        for group in (*split.held_back, *split.validation):
            assert content_id(data / name / "images" / f"{group}_a.png") not in seen
        for group in split.train:
            assert content_id(data / name / "images" / f"{group}_a.png") in seen
    assert len(seen) == 14


def test_labels_become_the_models_structures(data: Path) -> None:
    (_, first), (_, second) = load_sources(data, 64)[0]
    assert {int(v) for item in first for v in item.view.labels.unique()} == {0, 1}  # type: ignore[union-attr]
    assert {int(v) for item in second for v in item.view.labels.unique()} == {0, 3}  # type: ignore[union-attr]


def test_training_writes_a_model_that_loads_and_has_moved(data: Path, base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    heard: list[tuple[int, float]] = []
    said = train_bundled(data, base, out, SETTINGS, lambda step, loss, seconds: heard.append((step, loss)))
    assert said["images"] == 14
    assert [step for step, _ in heard] == [1, 2, 3]
    assert all(math.isfinite(loss) for _, loss in heard)
    weights, fields = checkpoints.read(out)
    net = checkpoints.load_full(weights, fields)
    assert net.card.structures == bundled_data.taught()
    assert net.card.trained_on == load_sources(data, 64)[1]
    assert not net.card.ambiguous_points
    assert net.card.lineage[0].startswith("base ")
    assert net.card.lineage[1] == "adasam-us, 3 of 3 steps, seed 0"
    before = tiny_net().sam.state_dict()
    moved = {name: not torch.equal(net.sam.state_dict()[name], v.half().float()) for name, v in before.items()}
    assert moved["encoder.units.0.patch_embed.proj.weight"]
    assert moved["mask_decoder.mask_tokens.weight"]
    assert net.head.maps.weight.any()


def test_drawn_shapes_teach_prompts_and_no_class(data: Path, base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    heard: list[float] = []
    settings = replace(SETTINGS, steps=2, drawn=1.0, corrections=2)
    train_bundled(data, base, out, settings, lambda step, loss, seconds: heard.append(loss))
    assert max(heard) > 0
    net = checkpoints.load_full(*checkpoints.read(out))
    before = tiny_net()
    moved = net.sam.mask_decoder.state_dict()["mask_tokens.weight"]
    assert not torch.equal(moved, before.sam.state_dict()["mask_decoder.mask_tokens.weight"].half().float())
    assert not net.head.maps.weight.any()  # as it began: nothing taught it a class


def test_the_decoder_alone_learns_and_what_the_model_sees_stays(data: Path, base: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    train_bundled(data, base, first, SETTINGS, lambda *_: None)
    settings = replace(SETTINGS, decoder_only=True, corrections=3, drawn=0.5)
    train_bundled(data, first, second, settings, lambda *_: None)
    before, after = (checkpoints.read(path)[0] for path in (first, second))
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert "sam.mask_decoder.mask_tokens.weight" in changed
    assert {name.split(".")[1] for name in changed} <= {"mask_decoder", "prompt_encoder"}
    assert checkpoints.read(second)[1]["lineage"][-1] == "adasam-us, 3 of 3 steps, seed 0, decoder alone"


def test_scores_alone_learn_and_every_mask_stays(data: Path, base: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    train_bundled(data, base, first, SETTINGS, lambda *_: None)
    train_bundled(data, first, second, replace(SETTINGS, scores_only=True, lr=1e-2), lambda *_: None)
    before, after = (checkpoints.read(path)[0] for path in (first, second))
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all(name.startswith("sam.mask_decoder.iou_prediction_head.") for name in changed)
    assert checkpoints.read(second)[1]["lineage"][-1] == "adasam-us, 3 of 3 steps, seed 0, predicted scores alone"


def test_scores_alone_take_no_option_that_teaches_something_else(tmp_path: Path) -> None:
    given: dict[str, object] = {"decoder_only": True, "skip": True, "drawn": 0.3, "learned": tmp_path / "other"}
    for name, value in given.items():
        with pytest.raises(InputError, match="--scores-only trains what predicts scores"):
            replace(SETTINGS, scores_only=True, blend=0.5, **{name: value})  # type: ignore[arg-type]


def test_a_skip_is_learned_beside_the_decoder_and_serves(data: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{name}.safetensors" for name in ("first", "second", "third"))
    start = tiny_net(STRUCTURES, encoder=TinyVit())
    card = replace(start.card, architecture="tiny_vit", lineage=("made",))
    checkpoints.write(first, start.state_dict(), checkpoints.card_to_json(card, kind="full"))
    settings = replace(SETTINGS, decoder_only=True, skip=True)
    train_bundled(data, first, second, settings, lambda *_: None)
    before, (after, fields) = checkpoints.read(first)[0], checkpoints.read(second)
    changed = {name for name, tensor in after.items() if name not in before or not torch.equal(tensor, before[name])}
    assert {name for name in changed if name.startswith("sam.encoder.")} == {
        f"{skips.NAME}project.{part}" for part in ("weight", "bias")
    }
    assert not any(name.startswith("head.") for name in changed)
    assert fields["lineage"][-1] == "adasam-us, 3 of 3 steps, seed 0, decoder and finer features alone"
    net = registry.load(ModelSettings(str(second)))
    assert net.sam.encoder.skip is not None
    assert net.sam.encoder.skip.project.weight.abs().max() > 0  # type: ignore[union-attr]
    assert adaptation.first_adapted(net) == TinyVit.finer[0]
    train_bundled(data, second, third, SETTINGS, lambda *_: None)  # and it can be gone on from, as a whole
    assert checkpoints.read(third)[1]["lineage"][-1] == "adasam-us, 3 of 3 steps, seed 0"


def test_it_can_go_on_from_its_own_file(data: Path, base: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    train_bundled(data, base, first, SETTINGS, lambda *_: None)
    train_bundled(data, first, second, SETTINGS, lambda *_: None)
    fields = checkpoints.read(second)[1]
    assert len(fields["lineage"]) == 3
    assert fields["lineage"][0].startswith("base ")


def test_a_kind_that_is_left_out_is_not_read_and_the_file_says_so(data: Path, base: Path, tmp_path: Path) -> None:
    out, on = tmp_path / "out.safetensors", tmp_path / "on.safetensors"
    train_bundled(data, base, out, replace(SETTINGS, without=("second",)), lambda *_: None)
    fields = checkpoints.read(out)[1]
    assert len(fields["trained_on"]) == 7
    assert set(fields["trained_on"]) == load_sources(data, 64, ("second",))[1]
    assert fields["lineage"][1] == "adasam-us, 3 of 3 steps, seed 0, without second"
    assert [one["name"] for one in fields["structures"]] == ["muscle belly"], "it does not pass for known and absent"
    train_bundled(data, out, on, replace(SETTINGS, without=("first",)), lambda *_: None)
    fields = checkpoints.read(on)[1]
    assert len(fields["trained_on"]) == 14  # what the base saw is seen
    assert [one["name"] for one in fields["structures"]] == ["muscle belly", "lesion"]


@pytest.mark.parametrize("without", [("first", "second"), ("nerve",)])
def test_kinds_that_cannot_be_left_out_are_refused(data: Path, without: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="Nothing was trained"):
        BundledSettings(without=without)


def test_a_blend_lies_between_the_base_and_what_was_learned(data: Path, base: Path, tmp_path: Path) -> None:
    whole, half, again = (tmp_path / f"{name}.safetensors" for name in ("whole", "half", "again"))
    train_bundled(data, base, whole, SETTINGS, lambda *_: None)
    blend = replace(SETTINGS, blend=0.5, settle=2)
    heard: list[int] = []
    said = train_bundled(data, base, half, replace(blend, learned=whole), lambda step, *_: heard.append(step))
    assert said["steps"] == 0
    assert heard == [1, 2]
    start = torch.load(base, weights_only=True)
    learned, blended = checkpoints.read(whole)[0], checkpoints.read(half)[0]
    for name, origin in start.items():
        between = (origin.float() + learned[f"sam.{name}"].float()) / 2
        torch.testing.assert_close(blended[f"sam.{name}"].float(), between, atol=1e-3, rtol=1e-3)
    assert not torch.equal(blended["head.maps.weight"], learned["head.maps.weight"])
    fields = checkpoints.read(half)[1]
    assert fields["lineage"][1:] == [
        "adasam-us, 3 of 3 steps, seed 0",
        f"50% of what was learned, the rest {fields['lineage'][0]}; classifier: 2 more steps",
    ]
    assert len(fields["trained_on"]) == 14
    train_bundled(data, base, again, blend, lambda *_: None)  # in one go: the same but for rounding in between
    for name, tensor in checkpoints.read(again)[0].items():
        torch.testing.assert_close(tensor.float(), blended[name].float(), atol=5e-3, rtol=5e-3)


def test_two_learned_models_are_blended_with_their_classifiers(data: Path, base: Path, tmp_path: Path) -> None:
    one, other, both = (tmp_path / f"{name}.safetensors" for name in ("one", "other", "both"))
    train_bundled(data, base, one, SETTINGS, lambda *_: None)
    train_bundled(data, base, other, replace(SETTINGS, seed=1), lambda *_: None)
    train_bundled(data, one, both, replace(SETTINGS, blend=0.25, learned=other), lambda *_: None)
    first, second, blended = (checkpoints.read(path)[0] for path in (one, other, both))
    assert not torch.equal(first["head.maps.weight"], second["head.maps.weight"])
    for name, tensor in blended.items():
        between = 0.75 * first[name].float() + 0.25 * second[name].float()
        torch.testing.assert_close(tensor.float(), between, atol=2e-3, rtol=2e-3)
    fields = checkpoints.read(both)[1]
    assert fields["lineage"][-1].startswith("25% of what was learned, the rest one ")
    assert len(fields["trained_on"]) == 14


def test_the_same_seed_makes_the_same_model(data: Path, base: Path, tmp_path: Path) -> None:
    prints = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.safetensors"
        train_bundled(data, base, path, SETTINGS, lambda *_: None)
        prints.append(checkpoints.fingerprint(checkpoints.read(path)[0]))
    assert prints[0] == prints[1]


def stopped_at(step: int) -> Callable[..., None]:
    def on_step(number: int, *_: float) -> None:
        if number == step:
            raise KeyboardInterrupt

    return on_step


@pytest.mark.parametrize(("blend", "stops"), [(1.0, (1, 3)), (0.5, (2, 5))])
def test_a_stopped_run_goes_on_and_makes_the_same_model(
    data: Path, base: Path, tmp_path: Path, blend: float, stops: tuple[int, ...]
) -> None:
    """Stopped in its first steps, in its last one, and while the classifier settles."""
    whole, out, told = tmp_path / "whole.safetensors", tmp_path / "out.safetensors", list[str]()
    settings = replace(SETTINGS, steps=4, blend=blend, settle=2 if blend < 1 else 0, drawn=0.3, corrections=2)
    expected = train_bundled(data, base, whole, settings, lambda *_: None)
    for step in stops:
        torch.manual_seed(step)
        with pytest.raises(KeyboardInterrupt):
            train_bundled(data, base, out, settings, stopped_at(step), told.append)
    heard: list[int] = []
    said = train_bundled(data, base, out, settings, lambda step, *_: heard.append(step), told.append)
    assert heard[0] == min(stops[-1], settings.steps) + 1
    assert [one.split(",")[0] for one in told if one.startswith("Going")] == [
        f"Going on from step {min(step, settings.steps)}" for step in stops
    ]
    first, second = checkpoints.read(whole), checkpoints.read(out)
    assert first[1] == second[1]
    assert all(torch.equal(tensor, second[0][name]) for name, tensor in first[0].items())
    assert (said["steps"], said["images"]) == (expected["steps"], expected["images"])
    assert not part_of(out).exists()


def test_a_stopped_run_is_not_gone_on_from_with_other_labels(data: Path, base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train_bundled(data, base, out, SETTINGS, stopped_at(2))
    group = split_groups(str(i) for i in range(10)).train[0]
    path = data / "first" / "labels" / f"{group}_a.png"
    Image.fromarray(np.zeros_like(np.asarray(Image.open(path)))).save(path)
    with pytest.raises(InputError, match="other images or outlines"):
        train_bundled(data, base, out, SETTINGS, lambda *_: None)
    with pytest.raises(InputError, match="other arguments and other images or outlines"):
        train_bundled(data, base, out, replace(SETTINGS, seed=1), lambda *_: None)


def test_the_schedule_warms_up_and_falls_to_two_per_cent() -> None:
    settings = BundledSettings(steps=100, warm_up=10)
    rates = [schedule(step, settings) for step in range(101)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert max(rates) == pytest.approx(1)
    assert rates[55] == pytest.approx(0.51)
    assert rates[100] == pytest.approx(0.02)
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))


@pytest.mark.parametrize("with_skip", [False, True])
def test_four_speeds_cover_every_parameter_once(with_skip: bool) -> None:
    net = tiny_net(encoder=TinyVit() if with_skip else BrightnessEncoder())
    if with_skip:
        skips.insert(net.sam.encoder)
    groups = parameter_groups(net, 1.0)
    assert [group["lr"] for group in groups] == [1, 2, 4, 40]
    assert bool(groups[2]["params"]) is with_skip
    covered = [id(p) for group in groups for p in group["params"]]
    assert len(covered) == len(set(covered)) == len(list(net.parameters()))


def test_sources_are_drawn_by_their_share() -> None:
    def item(level: int) -> Item:
        grey = torch.full((1, 64, 64), level, dtype=torch.uint8)
        return Item(View(grey, torch.ones(1, 64, 64), torch.full((64, 64), level, dtype=torch.uint8)))

    loaded = [(0.75, [item(1)]), (0.25, [item(2)])]
    rng = np.random.default_rng(0)
    drawn = [int(draw_view(loaded, rng).labels.max()) for _ in range(200)]  # type: ignore[union-attr]
    assert 130 < drawn.count(1) < 170
    assert drawn.count(2) == 200 - drawn.count(1)


def test_averages_and_pulls_go_the_share_they_say() -> None:
    slow, fast = tiny_net(seed=0), tiny_net(seed=1)
    before, target = slow.sam.mask_decoder.iou_token.weight.clone(), fast.sam.mask_decoder.iou_token.weight
    bundled.average(slow, fast, 0.75)
    torch.testing.assert_close(slow.sam.mask_decoder.iou_token.weight, 0.75 * before + 0.25 * target)
    moved, origin = torch.ones(3), torch.zeros(3)
    bundled.pull([moved], [origin], 0.1)
    torch.testing.assert_close(moved, torch.full((3,), 0.9))


def test_the_data_sets_it_learned_from_have_their_structures_names() -> None:
    assert dict(names_by_folder("muscle")) == {1: "muscle belly", 2: "aponeurosis"}
    assert dict(names_by_folder("breast")) == {1: "lesion"}
    assert names_by_folder("something else") == ()
