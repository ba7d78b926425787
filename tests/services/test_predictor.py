"""The owner of the serving weights."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import APONEUROSIS, BELLY, BrightnessEncoder, blob, picture, see_brightness, tiny_net, tiny_vit

from napari_adasam.domain.errors import ModelError
from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import ModelSettings, PromptSettings
from napari_adasam.files.activations import ActivationStore
from napari_adasam.model import adaptation, checkpoints, registry
from napari_adasam.model.adapters import lora
from napari_adasam.model.adasam import AdaSam
from napari_adasam.services.cache import Cache
from napari_adasam.services.gate import Past
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.serving import Learned

CPU = ModelSettings("tiny", device="cpu")


def serving(net: AdaSam, monkeypatch: pytest.MonkeyPatch) -> ModelPredictor:
    monkeypatch.setattr(registry, "load", lambda settings: net)
    return ModelPredictor(CPU)


@pytest.fixture
def predictor(monkeypatch: pytest.MonkeyPatch) -> ModelPredictor:
    return serving(tiny_net(structures=(BELLY,), encoder=tiny_vit(depth=2)), monkeypatch)


@pytest.fixture
def runs(predictor: ModelPredictor) -> list[str]:
    """What has been encoded so far: "front" or "back"."""
    made: list[str] = []
    units = predictor.net.sam.encoder.units
    units[0].register_forward_hook(lambda *_: made.append("front"))
    units[-1].register_forward_hook(lambda *_: made.append("back"))
    return made


def student_of(net: AdaSam, adapt_from: int | None = None) -> AdaSam:
    """Another model on the same frozen front."""
    student = copy.deepcopy(net)
    adaptation.prepare(student, lora.LoraSettings(adapt_from=adapt_from))
    with torch.no_grad():
        for parameter in lora.parameters(student).values():
            parameter.normal_(std=0.5)
    return student


def test_the_model_is_loaded_once_at_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[ModelSettings] = []
    net = tiny_net()
    monkeypatch.setattr(registry, "load", lambda settings: loads.append(settings) or net)
    predictor = ModelPredictor(CPU)
    assert loads == []
    info = predictor.info()
    assert predictor.info() == info
    assert loads == [CPU]
    assert info.name == "tiny"
    assert info.device == "cpu"
    assert info.fingerprint == checkpoints.fingerprint(net.state_dict())
    assert not any(p.requires_grad for p in net.parameters())


def test_a_frame_is_encoded_once(predictor: ModelPredictor, runs: list[str]) -> None:
    pixels = picture(0)
    predictor.embedding("a", pixels)
    assert runs == ["front", "back"]
    predictor.suggest("a", pixels, (BELLY,), PromptSettings())
    predictor.segment("a", pixels, Prompt(points=(Point(3, 3),)), None)
    predictor.embedding("a", pixels)
    assert runs == ["front", "back"]
    predictor.embedding("b", picture(1))
    assert runs == ["front", "back"] * 2


def test_the_embedding_is_the_encoders_but_for_half_precision(predictor: ModelPredictor) -> None:
    from tiny import embed

    expected = embed(predictor.net, picture(0))
    torch.testing.assert_close(predictor.embedding("a", picture(0)), expected, rtol=1e-2, atol=1e-2)
    assert expected.std() > 0.1


def test_a_forgotten_frame_is_encoded_anew(predictor: ModelPredictor, runs: list[str]) -> None:
    predictor.embedding("a", picture(0))
    predictor.forget("a")
    predictor.forget("never seen")
    assert predictor.activations.size == 0
    predictor.embedding("a", picture(0))
    assert runs == ["front", "back"] * 2


def test_a_new_model_renews_the_embedding_but_not_the_activation(predictor: ModelPredictor, runs: list[str]) -> None:
    first = predictor.embedding("a", picture(0)).clone()
    before = predictor.info()
    student = student_of(predictor.net)
    after = predictor.serve(Learned(student, "adasam", answers=True))
    assert after == predictor.info()
    assert after.fingerprint != before.fingerprint
    again = predictor.embedding("a", picture(0))
    assert runs == ["front", "back", "back"]
    assert not torch.allclose(first, again)


def test_going_back_brings_the_earlier_model_and_its_answers(predictor: ModelPredictor) -> None:
    first, before = predictor.embedding("a", picture(0)).clone(), predictor.info()
    with pytest.raises(ModelError, match="no earlier model"):
        predictor.go_back()
    predictor.serve(Learned(student_of(predictor.net), "adasam", answers=True))
    predictor.serve(Learned(student_of(predictor.net), "adasam", answers=True))
    assert (before.earlier, predictor.info().earlier) == (0, 2)
    predictor.go_back()
    assert predictor.go_back() == before
    assert torch.equal(predictor.embedding("a", picture(0)), first)
    with pytest.raises(ModelError, match="no earlier model"):
        predictor.go_back()


def test_a_student_adapted_earlier_than_usual_moves_the_cut(predictor: ModelPredictor) -> None:
    """The cached activation must lie before the first adapted unit, or the new adapter is passed by."""
    net = serving_depth_5(predictor)
    usual = predictor.cut
    assert usual == 2
    predictor.embedding("a", picture(0))
    student = student_of(net, adapt_from=1)
    from tiny import embed

    expected = embed(student.requires_grad_(False).eval(), picture(0))
    predictor.serve(Learned(student, "adasam", answers=True))
    assert predictor.cut == 1
    torch.testing.assert_close(predictor.embedding("a", picture(0)), expected, rtol=2e-2, atol=2e-2)
    predictor.go_back()
    assert predictor.cut == usual


def serving_depth_5(predictor: ModelPredictor) -> AdaSam:
    net = tiny_net(encoder=tiny_vit(depth=5)).requires_grad_(False)
    predictor.serve(Learned(net, "adasam", answers=True))
    return net


def test_suggestions_carry_frame_structure_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    net = see_brightness(tiny_net(structures=(BELLY, APONEUROSIS), encoder=BrightnessEncoder()))
    predictor = serving(net, monkeypatch)
    pixels, _ = blob(0, shape=(80, 120))
    made = predictor.suggest("f", pixels, (APONEUROSIS, BELLY), PromptSettings())
    assert [s.structure for s in made] == [2, 1]
    assert {s.frame_id for s in made} == {"f"}
    assert {s.model for s in made} == {predictor.info().fingerprint}
    assert all(s.mask.shape == s.cam.shape == (80, 120) for s in made)
    assert all(s.prompts for s in made)


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_all_kinds_of_pixels_are_taken(predictor: ModelPredictor, shape: tuple[int, ...], dtype: type) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    answer = predictor.segment("a", pixels, Prompt(box=(5, 5, 40, 60)), None)
    assert answer.mask.shape == (48, 64)
    assert answer.logits.shape == (16, 16)
    assert answer.logits.dtype == np.float32


def test_the_logits_given_back_change_the_answer(predictor: ModelPredictor) -> None:
    prompt = Prompt(points=(Point(20, 20),))
    first = predictor.segment("a", picture(0), prompt, None)
    second = predictor.segment("a", picture(0), prompt, first.logits)
    assert not np.array_equal(first.logits, second.logits)
    again = predictor.segment("a", picture(0), prompt, None)
    assert np.array_equal(first.logits, again.logits)


def test_an_embedding_that_is_not_finite_is_an_error_and_is_not_kept(predictor: ModelPredictor) -> None:
    with torch.no_grad():
        predictor.net.sam.encoder.units[-1].neck[0].weight.fill_(float("nan"))
    for _ in range(2):
        with pytest.raises(ModelError, match="no usable embedding"):
            predictor.embedding("a", picture(0))


def test_the_cache_drops_the_least_recently_used_by_bytes() -> None:
    cache = Cache(limit=100)
    for name in "abc":
        cache.put(name, torch.zeros(10))  # 40 bytes
        cache.get("a")
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert cache.get("c") is not None
    assert cache.size == 80
    cache.put("a", torch.zeros(5))
    assert cache.size == 60
    cache.drop("c")
    cache.drop("never")
    assert cache.size == 20
    cache.clear()
    assert cache.size == 0
    assert cache.get("a") is None


def test_one_tensor_larger_than_the_limit_is_kept_alone() -> None:
    cache = Cache(limit=100)
    cache.put("small", torch.zeros(5))
    cache.put("large", torch.zeros(500))
    assert cache.get("large") is not None
    assert cache.get("small") is None


def test_a_sitting_later_suggestions_come_without_encoding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Kept by content and by the weights in front: under another id, and behind a learned adapter, too."""
    net = tiny_net(structures=(BELLY,), encoder=tiny_vit(depth=2))
    monkeypatch.setattr(registry, "load", lambda settings: copy.deepcopy(net))
    pixels = picture(0)
    first = ModelPredictor(CPU, store=ActivationStore(tmp_path))
    (made,) = first.suggest("a", pixels, (BELLY,), PromptSettings())
    student = student_of(net)

    later = ModelPredictor(CPU, store=ActivationStore(tmp_path))
    runs: list[str] = []
    later.net.sam.encoder.units[0].register_forward_hook(lambda *_: runs.append("front"))
    (again,) = later.suggest("renamed", pixels, (BELLY,), PromptSettings())
    assert runs == []
    assert np.array_equal(again.mask, made.mask)
    assert np.array_equal(again.cam, made.cam)
    later.serve(Learned(student, "adasam", answers=True))
    later.activations.clear()
    later.embedding("renamed", pixels)
    assert runs == []
    later.embedding("other", picture(1))
    assert runs == []  # the student has its own units
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2

    files[0].write_bytes(b"damaged")
    files[1].write_bytes(b"damaged")
    third = ModelPredictor(CPU, store=ActivationStore(tmp_path))
    (anew,) = third.suggest("a", pixels, (BELLY,), PromptSettings())
    assert np.array_equal(anew.mask, made.mask)
    assert "damaged" in caplog.text


def test_other_weights_in_front_or_another_cut_have_their_own_activations(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nets = iter([tiny_net(encoder=tiny_vit(depth=5), seed=0), tiny_net(seed=1), tiny_net(seed=2, size=128)])
    monkeypatch.setattr(registry, "load", lambda settings: next(nets))
    pixels = picture(0)
    for count in (1, 2, 3):
        ModelPredictor(CPU, store=ActivationStore(tmp_path)).embedding("a", pixels)
        assert len(list(tmp_path.iterdir())) == count


def test_what_is_kept_is_of_one_input_size_and_of_pictures_of_one_shape(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same weights at another size, and the same bytes as another picture, have activations of their own."""
    black, shapes = np.zeros((48, 64), np.uint8), []
    for size in (64, 128):
        net = tiny_net(encoder=BrightnessEncoder(), size=size)
        monkeypatch.setattr(registry, "load", lambda settings, net=net: net)
        for pixels in (black, black.T, black):
            predictor = ModelPredictor(CPU, store=ActivationStore(tmp_path))
            shapes.append((len(list(tmp_path.iterdir())), tuple(predictor.activation("a", pixels).shape[-2:])))
    assert shapes == [(0, (4, 4)), (1, (4, 4)), (2, (4, 4)), (2, (8, 8)), (3, (8, 8)), (4, (8, 8))]


def test_what_is_no_number_is_not_kept_for_the_next_sitting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    net = tiny_net(encoder=BrightnessEncoder())
    net.sam.encoder.units[0].register_forward_hook(lambda _unit, _given, found: found * np.inf)
    monkeypatch.setattr(registry, "load", lambda settings: net)
    predictor = ModelPredictor(CPU, store=ActivationStore(tmp_path / "kept"))
    assert not torch.isfinite(predictor.activation("a", picture(0))).all()
    assert not (tmp_path / "kept").exists()


def test_models_of_two_input_sizes_do_not_share_what_was_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a session has learned at another size than the model is loaded at today."""
    small, large = (tiny_net(structures=(BELLY,), encoder=tiny_vit(depth=2), size=size) for size in (64, 128))
    predictor, pixels = serving(small, monkeypatch), picture(3)
    assert predictor.embedding("f", pixels).shape[-1] == 4
    predictor.serve(Learned(large, "adasam", answers=True))
    assert predictor.embedding("f", pixels).shape[-1] == 8
    predictor.go_back()
    assert predictor.embedding("f", pixels).shape[-1] == 4


def test_what_earlier_rounds_held_out_and_learned_from_is_known_in_the_next_sitting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tiny_net(structures=(BELLY,), encoder=tiny_vit(depth=2))
    predictor = serving(copy.deepcopy(base), monkeypatch)
    predictor.past = past = Past(frozenset({"b", "a"}), frozenset({"c"}), {1: (0.9, 0.25), 2: ()})
    predictor.serve(Learned(student_of(predictor.net), "adasam", answers=True))
    predictor.rounds = 3
    path = predictor.save(tmp_path)
    assert path is not None
    again = serving(base, monkeypatch)
    again.info()
    monkeypatch.setattr(registry, "load", lambda settings: predictor.net)
    assert again.restore(path).fingerprint == predictor.info().fingerprint
    assert (again.past, again.rounds) == (past, 3)
