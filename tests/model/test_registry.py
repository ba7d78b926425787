"""Models by name or path, and adapters on their base."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import small_architectures, tiny_full
from tiny import APONEUROSIS, BELLY, SIZE, blob, embed, tiny_net
from torch import nn

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import ClassifierForm, LossWeights, ModelSettings, PromptSettings
from napari_adasam.model import adaptation, adasam, checkpoints, library, registry
from napari_adasam.model.adapters import lora
from napari_adasam.model.adapters.masam import MaSamSettings
from napari_adasam.model.adapters.medsa import MedSaSettings
from napari_adasam.model.adapters.parts import Adaptation
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.canvas import Canvas, grey_canvas, normalise
from napari_adasam.model.classifier import ClassMap, GradCam
from napari_adasam.model.encoders import TinyVit
from napari_adasam.model.supervision import Lesson, labelled_loss
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.serving import Learned

LORA = lora.LoraSettings(rank=2, alpha=2, tuned=(3,))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The architectures are a tiny ViT here, and nothing is installed."""
    small_architectures(monkeypatch)
    monkeypatch.setattr(library, "models_folder", lambda: tmp_path / "models")


@pytest.fixture
def foreign(tmp_path: Path) -> Callable[[int], Path]:
    """A SAM without a classifier, as others publish it."""

    def save(seed: int) -> Path:
        path = tmp_path / f"sam_{seed}.pth"
        torch.save(tiny_net(seed=seed).sam.state_dict(), path)
        return path

    return save


@pytest.fixture
def full(tmp_path: Path) -> Callable[[int], Path]:
    """A whole model of ours, as the bundled one is."""

    def save(seed: int) -> Path:
        return tiny_full(tmp_path / f"full_{seed}.safetensors", seed)

    return save


def adapt(
    base: Path, form: ClassifierForm = "classmap", settings: Adaptation = LORA
) -> tuple[AdaSam, registry.AdapterOrigin]:
    """A student of a base: its adapted parameters moved at random, and rounded as they are saved."""
    net = registry.load(ModelSettings(str(base), classifier=form))
    own = registry.load(ModelSettings(str(base)))
    origin = registry.AdapterOrigin(str(base), checkpoints.fingerprint(own.state_dict()), "adasam")
    net.set_structures((BELLY, APONEUROSIS))
    adaptation.prepare(net, settings)
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
                parameter.copy_(parameter.half().float())
        for name, parameter in net.head.named_parameters():
            if name.endswith("bias") or name == "shift":
                nn.init.constant_(parameter, 2.0)
    return net.requires_grad_(False).eval(), origin


def suggestions(net: AdaSam) -> list[adasam.AutoMask]:
    pixels, _ = blob(3)
    return adasam.suggest(net, embed(net, pixels), Canvas(64, 64, SIZE), (BELLY, APONEUROSIS), PromptSettings())


@pytest.mark.parametrize("kind", ["medsa", "masam"])
def test_every_adaptation_brings_back_the_same_suggestions(
    kind: str, full: Callable[[int], Path], tmp_path: Path
) -> None:
    first = {"medsa": MedSaSettings(slices=3, width=4, hyper=4), "masam": MaSamSettings(rank=2, width=4)}[kind]
    net, origin = adapt(full(0), settings=first)
    path, top = tmp_path / "round.safetensors", tmp_path / "top.safetensors"
    registry.save_adapter(path, net, origin)
    back = registry.load(ModelSettings(str(path)))
    assert back.adapted == (first,)
    assert set(checkpoints.read(path)[0]) == adaptation.adapted_names(net)
    same(suggestions(net), suggestions(back))
    back.set_structures((APONEUROSIS,))  # and an adapter on that, for fewer structures
    adaptation.prepare(back, LORA)
    origin = replace(origin, base=str(path), base_fingerprint=checkpoints.fingerprint(net.state_dict()))
    adaptation.round_to_file(back)
    registry.save_adapter(top, back, origin)
    again = registry.load(ModelSettings(str(top)))
    assert [one.kind for one in again.adapted] == [kind, "lora"]
    assert checkpoints.fingerprint(again.state_dict()) == checkpoints.fingerprint(back.state_dict())


def same(before: list[adasam.AutoMask], after: list[adasam.AutoMask]) -> None:
    """Answers that are equal to the bit, and not all empty."""
    assert any(answer.mask.any() for answer in before)
    for first, second in zip(before, after, strict=True):
        assert (first.score, first.presence) == (second.score, second.presence)
        assert (first.mask == second.mask).all()
        assert (first.cam == second.cam).all()


@pytest.mark.parametrize("form", ["classmap", "gradcam"])
@pytest.mark.parametrize("base", ["foreign", "full"])
def test_an_adapter_brings_back_the_same_suggestions(
    base: str, form: ClassifierForm, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    net, origin = adapt(request.getfixturevalue(base)(0), form)
    path = tmp_path / "round.safetensors"
    registry.save_adapter(path, net, origin)
    back = registry.load(ModelSettings(str(path)))
    assert back.card == net.card
    assert not any(p.requires_grad for p in back.parameters())
    same(suggestions(net), suggestions(back))
    assert checkpoints.fingerprint(back.state_dict()) == checkpoints.fingerprint(net.state_dict())


def test_an_adapter_holds_only_what_was_trained(full: Callable[[int], Path], tmp_path: Path) -> None:
    net, origin = adapt(full(0))
    path = tmp_path / "round.safetensors"
    registry.save_adapter(path, net, origin)
    weights, fields = checkpoints.read(path)
    assert set(weights) == adaptation.adapted_names(net)
    assert fields["kind"] == "adapter"
    assert fields["adaptations"] == [
        {"kind": "lora", "rank": 2, "alpha": 2, "adapt_from": None, "tuned": [3], "skip": False}
    ]


def test_an_adapter_can_be_the_base_of_another(full: Callable[[int], Path], tmp_path: Path) -> None:
    net, origin = adapt(full(0))
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    registry.save_adapter(first, net, origin)
    on_top, its_origin = adapt(first)
    registry.save_adapter(second, on_top, its_origin)
    back = registry.load(ModelSettings(str(second)))
    assert checkpoints.fingerprint(back.state_dict()) == checkpoints.fingerprint(on_top.state_dict())
    assert checkpoints.fingerprint(back.state_dict()) != checkpoints.fingerprint(net.state_dict())


def test_an_adapter_refuses_another_base(full: Callable[[int], Path], tmp_path: Path) -> None:
    net, origin = adapt(full(0))
    path = tmp_path / "round.safetensors"
    registry.save_adapter(path, net, replace(origin, base=str(full(1))))
    with pytest.raises(InputError, match="belongs to other weights"):
        registry.load(ModelSettings(str(path)))


def test_an_adapter_without_its_base_names_what_is_missing(full: Callable[[int], Path], tmp_path: Path) -> None:
    net, origin = adapt(full(0))
    path = tmp_path / "round.safetensors"
    registry.save_adapter(path, net, origin)
    Path(origin.base).unlink()
    with pytest.raises(InputError, match=r"full_0\.safetensors"):
        registry.load(ModelSettings(str(path)))


def test_an_adapter_that_lacks_a_tensor_is_refused(full: Callable[[int], Path], tmp_path: Path) -> None:
    net, origin = adapt(full(0))
    whole, part = tmp_path / "whole.safetensors", tmp_path / "part.safetensors"
    registry.save_adapter(whole, net, origin)
    weights, fields = checkpoints.read(whole)
    weights.pop(next(name for name in weights if name.endswith("qkv.b")))
    checkpoints.write(part, weights, json.dumps(fields))
    with pytest.raises(InputError, match="not whole"):
        registry.load(ModelSettings(str(part)))


def test_an_adapter_of_a_newer_version_says_so_whatever_its_base(full: Callable[[int], Path], tmp_path: Path) -> None:
    net, origin = adapt(full(0))
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    registry.save_adapter(old, net, replace(origin, base="gone"))
    weights, fields = checkpoints.read(old)
    checkpoints.write(new, weights, json.dumps(fields | {"format": checkpoints.FORMAT + 1}))
    with pytest.raises(InputError, match="another version"):
        registry.load(ModelSettings(str(new)))


def test_a_foreign_sam_has_learned_no_structure(foreign: Callable[[int], Path]) -> None:
    path = foreign(0)
    net = registry.load(ModelSettings(str(path), classifier="gradcam"))
    assert net.card.structures == ()
    assert net.card.name == "sam_0"
    assert net.card.classifier == "gradcam"
    assert net.card.ambiguous_points
    assert net.card.licence == "unknown"
    again = registry.load(ModelSettings(str(path)))
    assert again.card.lineage == net.card.lineage
    assert registry.load(ModelSettings(str(foreign(1)))).card.lineage != net.card.lineage


def test_another_form_of_classifier_starts_untrained_and_says_so(full: Callable[[int], Path]) -> None:
    own = registry.load(ModelSettings(str(full(0))))
    assert (own.card.classifier, type(own.head)) == ("classmap", ClassMap)
    assert registry.load(ModelSettings(str(full(0)), classifier="classmap")).card == own.card
    other = registry.load(ModelSettings(str(full(0)), classifier="gradcam"))
    assert (other.card.classifier, type(other.head)) == ("gradcam", GradCam)
    assert other.card.structures == own.card.structures
    assert other.card.lineage == (*own.card.lineage, "classifier: untrained gradcam in place of classmap")
    assert not other.training
    assert not any(answer.mask.any() for answer in suggestions(other)), "it says absent to everything"
    for name, tensor in own.sam.state_dict().items():
        assert torch.equal(other.sam.state_dict()[name], tensor)


def test_an_untrained_classifier_is_always_the_same_and_leaves_the_seed_alone(full: Callable[[int], Path]) -> None:
    net = registry.load(ModelSettings(str(full(0))))
    torch.manual_seed(1)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    first = registry._with_form(copy.deepcopy(net), "gradcam")
    assert torch.equal(torch.rand(1), drawn)
    second = registry._with_form(net, "gradcam")
    assert checkpoints.fingerprint(first.state_dict()) == checkpoints.fingerprint(second.state_dict())


def test_the_input_size_is_a_setting(full: Callable[[int], Path], tmp_path: Path) -> None:
    net, origin = adapt(full(0))
    path = tmp_path / "round.safetensors"
    registry.save_adapter(path, net, origin)
    assert registry.load(ModelSettings(str(path))).sam.size == SIZE
    larger = registry.load(ModelSettings(str(path), input_size=128))
    assert larger.sam.size == larger.card.input_size == 128


def test_a_published_model_is_looked_for_and_its_hash_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "models_folder", lambda: tmp_path)
    with pytest.raises(InputError, match=r"vit_b is not on this computer.*sam_vit_b_01ec64\.pth"):
        library.find("vit_b")
    file = tmp_path / "sam_vit_b_01ec64.pth"
    file.write_bytes(b"something else")
    with pytest.raises(InputError, match="sha256 differs"):
        library.find("vit_b")
    right = replace(library.PUBLISHED["vit_b"], sha256=library.sha256(file))
    monkeypatch.setitem(library.PUBLISHED, "vit_b", right)
    assert library.find("vit_b") == file


def test_other_names_are_paths() -> None:
    assert library.find("some/where.pth") == Path("some/where.pth")
    assert library.find("adasam-us").name == "adasam-us.safetensors"
    assert library.known_names()[:5] == ("adasam-us", "mobile_sam", "vit_b", "vit_l", "vit_h")


def test_a_student_of_a_tiny_vit_trains_only_its_last_stage() -> None:
    """The one test with the bundled model's shape: a step of training moves LoRA, and nothing frozen."""
    torch.manual_seed(0)
    net = tiny_net(encoder=TinyVit(), size=64)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    adaptation.prepare(net, LORA)
    adapted = adaptation.adapted_names(net)
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.5)
    pixels, labels = blob(0)
    net.train()
    grey, valid, _ = grey_canvas(pixels, 64)
    embedding = net.sam.encoder(normalise(grey[None], valid[None]))
    on_square = torch.from_numpy(labels.astype(np.int64))
    labelled_loss(net, embedding, on_square, np.random.default_rng(0), Lesson(LossWeights())).backward()
    optimiser.step()
    after = dict(net.named_parameters())
    frozen = {name.replace("qkv.base.", "qkv."): p for name, p in after.items() if name not in adapted}
    assert all(torch.equal(p, before[name]) for name, p in frozen.items())
    assert any(name.endswith("qkv.b") and p.any() for name, p in after.items())
    assert {name.split(".")[3] for name in adapted if name.startswith("sam.encoder")} == {"3"}


def learned_predictor(base: Path) -> ModelPredictor:
    """A predictor that serves what a round made of a base."""
    predictor = ModelPredictor(ModelSettings(str(base), device="cpu"))
    student = copy.deepcopy(predictor.net)
    student.set_structures((BELLY, APONEUROSIS))
    adaptation.prepare(student, LORA)
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if name in adaptation.adapted_names(student):
                parameter.add_(torch.randn_like(parameter) * 0.01)
    predictor.serve(Learned(student, "lora", answers=True))
    return predictor


def test_what_was_learned_is_saved_and_serves_again_bit_for_bit(full: Callable[[int], Path], tmp_path: Path) -> None:
    base = full(3)
    predictor = learned_predictor(base)
    path = predictor.save(tmp_path)
    assert path is not None
    assert path.stem == predictor.info().fingerprint
    assert predictor.save(tmp_path) == path
    again = ModelPredictor(ModelSettings(str(base), device="cpu"))
    plain = again.info().fingerprint
    assert again.restore(path).fingerprint == predictor.info().fingerprint
    assert again.save(tmp_path) == path
    assert again.go_back().fingerprint == plain
    assert again.save(tmp_path) is None


def test_what_was_learned_on_another_base_is_refused(full: Callable[[int], Path], tmp_path: Path) -> None:
    path = learned_predictor(full(3)).save(tmp_path)
    assert path is not None
    other = ModelPredictor(ModelSettings(str(full(4)), device="cpu"))
    before = other.info()
    with pytest.raises(InputError, match="another base model"):
        other.restore(path)
    assert other.info() == before
    with pytest.raises(InputError, match="is not an adapter"):
        other.restore(full(3))


@pytest.mark.parametrize("size", [None, 64, 128])
def test_what_was_learned_at_another_input_size_serves_at_the_one_that_is_set(
    full: Callable[[int], Path], tmp_path: Path, size: int | None
) -> None:
    """Two models answer: clicks come to the one that learning began with, and both look at the same square."""
    base = full(3)
    learned = ModelPredictor(ModelSettings(str(base), device="cpu", input_size=96))
    student = copy.deepcopy(learned.net)
    adaptation.prepare(student, LORA)
    learned.serve(Learned(student, "adasam", answers=False))
    path = learned.save(tmp_path)
    assert path is not None
    again = ModelPredictor(ModelSettings(str(base), device="cpu", input_size=size))
    again.restore(path)
    assert again.net.sam.size == (size or SIZE)
    assert again.segment("f", blob(3)[0], Prompt((Point(20, 20),)), None).mask.shape == (64, 64)
    assert again.suggest("f", blob(3)[0], (BELLY,), PromptSettings())[0].mask.shape == (64, 64)


WRONG_CARDS: list[dict[str, object]] = [
    {"input_size": "64"},
    {"input_size": None},
    {"input_size": True},
    {"name": 1},
    {"licence": None},
    {"classifier": "oracle"},
    {"feedback": "always"},
    {"ambiguous_points": "yes"},
    {"lineage": [1]},
    {"trained_on": [2]},
    {"structures": [{"value": 1, "name": None}]},
    {"structures": [{"value": 1.5, "name": "bone"}]},
    {"structures": [{"value": 1, "name": "bone", "learned_as": 3}]},
    {"structures": [{"value": 1, "name": "bone", "several_parts": "no"}]},
]


@pytest.mark.parametrize("wrong", WRONG_CARDS, ids=str)
def test_a_card_with_other_types_is_one_sentence(
    full: Callable[[int], Path], tmp_path: Path, wrong: dict[str, object]
) -> None:
    weights, fields = checkpoints.read(full(0))
    path = tmp_path / "odd.safetensors"
    checkpoints.write(path, weights, json.dumps(fields | wrong))
    with pytest.raises(InputError, match="damaged"):
        registry.load(ModelSettings(str(path)))


WRONG_ADAPTATIONS: list[dict[str, object]] = [
    {"rank": 2.5},
    {"rank": True},
    {"alpha": "2"},
    {"adapt_from": "0"},
    {"adapt_from": [0]},
    {"tuned": 3},
    {"tuned": ["3"]},
    {"skip": 1},
    {"skip": True},
]


@pytest.mark.parametrize("wrong", WRONG_ADAPTATIONS, ids=str)
def test_an_adaptation_with_other_types_is_one_sentence(
    full: Callable[[int], Path], tmp_path: Path, wrong: dict[str, object]
) -> None:
    """The last one is of the right type, but this encoder has no finer features to skip."""
    net, origin = adapt(full(0))
    path = tmp_path / "odd.safetensors"
    registry.save_adapter(path, net, origin)
    weights, fields = checkpoints.read(path)
    checkpoints.write(path, weights, json.dumps(fields | {"adaptations": [fields["adaptations"][0] | wrong]}))
    with pytest.raises(InputError, match=r"damaged|does not fit its base"):
        registry.load(ModelSettings(str(path)))


def test_an_adapter_of_before_there_was_a_choice_still_loads(full: Callable[[int], Path], tmp_path: Path) -> None:
    net, origin = adapt(full(0))
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    registry.save_adapter(new, net, origin)
    weights, fields = checkpoints.read(new)
    del fields["adaptations"]
    fields["lora"] = {"rank": 2, "alpha": 2, "adapt_from": None}
    checkpoints.write(old, weights, json.dumps(fields))
    loaded = [checkpoints.fingerprint(registry.load(ModelSettings(str(path))).state_dict()) for path in (old, new)]
    assert loaded[0] == loaded[1] == checkpoints.fingerprint(net.state_dict())


def test_an_adapter_of_a_kind_from_the_future_is_refused(full: Callable[[int], Path], tmp_path: Path) -> None:
    net, origin = adapt(full(0))
    path = tmp_path / "new.safetensors"
    registry.save_adapter(path, net, origin)
    weights, fields = checkpoints.read(path)
    checkpoints.write(path, weights, json.dumps(fields | {"adaptations": [{"kind": "wizardry"}]}))
    with pytest.raises(InputError, match="does not know"):
        registry.load(ModelSettings(str(path)))


def test_a_decoder_round_after_lora_is_saved_with_both(full: Callable[[int], Path], tmp_path: Path) -> None:
    net, origin = adapt(full(0))
    adaptation.prepare(net, adaptation.DecoderSettings())
    path = tmp_path / "both.safetensors"
    registry.save_adapter(path, net.requires_grad_(False), origin)
    back = registry.load(ModelSettings(str(path)))
    assert checkpoints.fingerprint(back.state_dict()) == checkpoints.fingerprint(net.state_dict())
    assert back.adapted == net.adapted
