"""Which device computes."""

from __future__ import annotations

import pytest
import torch
from blocks_under_test import KINDS, encoder_of
from tiny import tiny_net

from napari_adasam.domain.errors import ModelError
from napari_adasam.domain.settings import Method, TrainSettings
from napari_adasam.model import adaptation, devices

HONEST = devices.check_value


def computing(monkeypatch: pytest.MonkeyPatch, wrong_by: float) -> None:
    """A computer with cuda, whose figures are off by so much."""

    def check(device: torch.device) -> torch.Tensor:
        if device.type == "cpu":
            return HONEST(device)
        if wrong_by == float("inf"):
            raise RuntimeError("no kernel image is available for execution on the device")
        return HONEST(torch.device("cpu")) * (1 + wrong_by)

    monkeypatch.setattr(devices, "check_value", check)
    monkeypatch.setattr(devices, "available", lambda: ("cuda", "cpu"))


def test_the_cpu_agrees_with_itself() -> None:
    assert devices.deviation(torch.device("cpu")) == 0
    assert devices.check_value(torch.device("cpu")).std() > 0.1


def test_a_sound_device_is_taken_first(monkeypatch: pytest.MonkeyPatch) -> None:
    computing(monkeypatch, wrong_by=1e-4)
    assert devices.deviation(torch.device("cuda")) == pytest.approx(1e-4, rel=0.01)
    assert devices.choose("auto") == torch.device("cuda")
    assert devices.choose("cuda") == torch.device("cuda")
    assert devices.choose("cpu") == torch.device("cpu")


@pytest.mark.parametrize("wrong_by", [0.01, float("nan"), float("inf")])
def test_a_device_that_computes_wrongly_or_not_at_all_is_not_used(
    monkeypatch: pytest.MonkeyPatch, wrong_by: float
) -> None:
    computing(monkeypatch, wrong_by)
    assert devices.choose("auto") == torch.device("cpu")
    with pytest.raises(ModelError, match="computes wrongly"):
        devices.choose("cuda")


def test_a_device_that_is_not_there_is_one_sentence_with_what_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available", lambda: ("cpu",))
    with pytest.raises(ModelError, match=r"no mps device\. .* Choose one of: cpu\."):
        devices.choose("mps")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["adasam", "medsa", "masam"])
def test_what_a_round_inserts_lies_where_the_model_does(method: Method, kind: str) -> None:
    """On a graphics card a weight that was left on the CPU would stop the round; "meta" stands for any other device."""
    net = tiny_net(encoder=encoder_of(kind)).to("meta")
    adaptation.prepare(net, adaptation.asked(TrainSettings(method=method, slices=3), net.sam.encoder))
    net.use_feedback("train")
    assert {one.device.type for one in (*net.parameters(), *net.buffers())} == {"meta"}
