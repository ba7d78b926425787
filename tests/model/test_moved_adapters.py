"""Adapters that come to another computer: their base is found, or one sentence says what is missing."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import small_architectures, tiny_full
from tiny import APONEUROSIS, BELLY

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.model import adaptation, checkpoints, library, registry
from napari_adasam.model.adapters.lora import LoraSettings
from napari_adasam.services.library import install
from napari_adasam.services.predictor import ModelPredictor

LORA = LoraSettings(rank=2, alpha=2)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is installed; architectures are tiny here."""
    small_architectures(monkeypatch)
    monkeypatch.setattr(library, "models_folder", lambda: tmp_path / "models")
    return tmp_path / "models"


def adapter_on(base: Path, out: Path) -> Path:
    """What learning on a base saves."""
    net = registry.load(ModelSettings(str(base)))
    origin = registry.AdapterOrigin(str(base), checkpoints.fingerprint(net.state_dict()), "adasam")
    net = copy.deepcopy(net)
    net.set_structures((BELLY, APONEUROSIS))
    adaptation.prepare(net, LORA)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name in adaptation.adapted_names(net):
                parameter.add_(0.05 * torch.randn_like(parameter))
    registry.save_adapter(out, net, origin)
    return out


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder of the computer where an adapter was made: base.safetensors and adapter.safetensors."""
    there = tmp_path / "their computer"
    there.mkdir()
    adapter_on(tiny_full(there / "base.safetensors", seed=1), there / "adapter.safetensors")
    return there


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder of this computer."""
    path = tmp_path / "here"
    path.mkdir()
    return path


def weights_of(name: Path | str, base: str | None = None) -> str:
    return checkpoints.fingerprint(registry.load(ModelSettings(str(name), base=base)).state_dict())


def moved(made: Path, here: Path) -> tuple[Path, str]:
    """The adapter on this computer, and the fingerprint that it must have; the other computer is gone."""
    meant = weights_of(made / "adapter.safetensors")
    adapter = (made / "adapter.safetensors").rename(here / "mine.safetensors")
    (made / "base.safetensors").rename(here.parent / "carried along")
    return adapter, meant


def test_a_base_installed_under_another_name_is_found(made: Path, here: Path) -> None:
    adapter, meant = moved(made, here)
    tiny_full(here / "other.safetensors", seed=2)
    install(here / "other.safetensors")
    (here.parent / "carried along").rename(here / "from the stick.safetensors")
    install(here / "from the stick.safetensors", "scanner-base")
    assert weights_of(adapter) == meant


def test_a_base_beside_the_adapter_is_found(made: Path, here: Path) -> None:
    adapter, meant = moved(made, here)
    (here.parent / "carried along").rename(here / "base.safetensors")
    assert weights_of(adapter) == meant


def test_a_base_is_given_by_its_path(made: Path, here: Path) -> None:
    adapter, meant = moved(made, here)
    assert weights_of(adapter, base=str(here.parent / "carried along")) == meant


def test_a_published_base_that_was_a_path_is_found_by_its_weights(
    made: Path, here: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter, meant = moved(made, here)
    carried = here.parent / "carried along"
    entry = replace(library.PUBLISHED["vit_b"], sha256=library.sha256(carried), architecture="tiny")
    monkeypatch.setitem(library.PUBLISHED, "vit_b", entry)
    assert install(carried)[0] == "vit_b"
    assert weights_of(adapter) == meant


def test_an_adapter_can_be_installed_and_used_by_name(made: Path, here: Path) -> None:
    adapter, meant = moved(made, here)
    with pytest.raises(InputError, match="is not on this computer"):
        install(adapter)
    install((here.parent / "carried along").rename(here / "base-1.safetensors"))
    assert install(adapter, "ward 3")[0] == "ward 3"
    adapter.unlink()
    assert library.installed()["ward 3"].kind == "adapter"
    assert weights_of("ward 3") == meant


def test_an_adapter_of_an_adapter_finds_both(made: Path, here: Path) -> None:
    second = adapter_on(made / "adapter.safetensors", made / "second.safetensors")
    meant = weights_of(second)
    second = second.rename(here / "second.safetensors")
    for name in ("base", "adapter"):
        file = (made / f"{name}.safetensors").rename(here / f"our {name}.safetensors")
        install(file)
    assert weights_of(second) == meant


def test_a_missing_base_is_named_without_the_folders_of_the_other_computer(made: Path, here: Path) -> None:
    adapter, _ = moved(made, here)
    with pytest.raises(InputError, match=r"mine\.safetensors was trained on base\.safetensors, which is not") as caught:
        registry.load(ModelSettings(str(adapter)))
    assert "their computer" not in str(caught.value)
    assert "models install FILE" in str(caught.value)


def test_a_base_of_another_system_is_named_without_its_folders(made: Path, here: Path) -> None:
    adapter, _ = moved(made, here)
    weights, fields = checkpoints.read(adapter)
    checkpoints.write(adapter, weights, json.dumps(fields | {"base": "C:\\Users\\somebody\\sam.pth"}))
    with pytest.raises(InputError, match=r"was trained on sam\.pth, which is not"):
        registry.load(ModelSettings(str(adapter)))


@pytest.mark.parametrize("given", [True, False])
def test_a_wrong_base_is_refused(made: Path, here: Path, given: bool) -> None:
    adapter, _ = moved(made, here)
    wrong = tiny_full(here / "base.safetensors", seed=5)
    with pytest.raises(InputError, match=r"belongs to other weights than the base\.safetensors|is not on this"):
        registry.load(ModelSettings(str(adapter), base=str(wrong) if given else None))


def test_a_given_base_that_is_not_there_is_named(made: Path, here: Path) -> None:
    with pytest.raises(InputError, match=r"trained on gone\.pth, which is not|no weights file at"):
        registry.load(ModelSettings(str(made / "adapter.safetensors"), base=str(here / "gone.pth")))


def test_a_base_for_what_is_no_adapter_is_refused(made: Path) -> None:
    base = str(made / "base.safetensors")
    with pytest.raises(InputError, match="is no adapter, so it takes no base"):
        registry.load(ModelSettings(base, base=base))


def test_an_adapter_saved_over_its_own_base_is_a_sentence(made: Path) -> None:
    over = made / "base.safetensors"
    (made / "adapter.safetensors").replace(over)
    with pytest.raises(InputError, match="names itself as its base"):
        registry.load(ModelSettings(str(over)))


@pytest.mark.parametrize(
    "change",
    [
        {"base": None, "base_fingerprint": None},
        {"method": "magic"},
        {"adaptations": [{"kind": "lora", "rank": "two"}]},
        {"adaptations": [{"kind": "lora", "rank": 10**9, "alpha": 1.0}]},
        {"adaptations": [1]},
        {"structures": 3},
        {"adaptations": [{"kind": "lora", "rank": 3, "alpha": 2.0}]},
    ],
    ids=["base", "method", "a word for a rank", "a huge rank", "a list", "structures", "another rank"],
)
def test_a_damaged_adapter_is_a_sentence(made: Path, change: dict[str, Any]) -> None:
    path = made / "adapter.safetensors"
    weights, fields = checkpoints.read(path)
    checkpoints.write(path, weights, json.dumps(fields | change))
    with pytest.raises(InputError, match=r"damaged|does not fit|is not on this computer"):
        registry.load(ModelSettings(str(path)))


def test_a_session_goes_on_where_its_base_lies_elsewhere(made: Path, here: Path) -> None:
    """What a session keeps is an adapter on the model that is set, wherever that one lies now."""
    adapter, meant = moved(made, here)
    predictor = ModelPredictor(ModelSettings(str(here.parent / "carried along"), device="cpu"))
    assert predictor.restore(adapter).fingerprint == meant
