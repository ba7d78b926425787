"""The benchmark without a window: plans, figures, encoding, the work of the lanes, other programs' environments."""

from __future__ import annotations

import mmap
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from napari_adasam.domain.errors import AdasamError, InputError
from napari_adasam.evaluation import peers, speed
from napari_adasam.evaluation.lane_work import in_a_process, work
from napari_adasam.evaluation.memory import resident_mb
from napari_adasam.evaluation.peers import PEERS, PeerOrder, environment, full_precision
from napari_adasam.evaluation.speed import Figures, SpeedPlan, encodings, image_paths
from napari_adasam.model import registry

from tiny import APONEUROSIS, BELLY, SIZE, tiny_net  # isort: skip


@pytest.fixture
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(settings: Any) -> Any:
        return tiny_net((BELLY, APONEUROSIS), size=settings.input_size or SIZE)

    monkeypatch.setattr(registry, "load", load)
    monkeypatch.setattr(registry, "fingerprint_of_base", lambda settings, own: own)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    for number in range(3):
        Image.fromarray(pixels).save(tmp_path / f"scan_{number}.png")
    return sorted(tmp_path.iterdir())


def test_figures_are_rows() -> None:
    figures = Figures()
    figures.add("click_ms", *range(101))
    figures.add("encode_ratio", 0.12345)
    figures.add("nothing_ms")
    assert figures.rows() == [
        {"what": "click_ms", "p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0, "n": 101},
        {"what": "encode_ratio", "p50": 0.123, "p95": 0.123, "p99": 0.123, "max": 0.123, "n": 1},
    ]


def test_images_are_taken_from_a_data_set_or_a_folder(paths: list[Path], tmp_path: Path) -> None:
    plan = SpeedPlan(images=tmp_path, accepted=1, frames=2)
    assert image_paths(plan, tmp_path) == paths[:2]
    (tmp_path / "images").mkdir()
    for path in paths:
        path.rename(tmp_path / "images" / path.name)
    assert [path.name for path in image_paths(plan, tmp_path)] == ["scan_0.png", "scan_1.png"]


def test_too_few_images_are_one_sentence(tmp_path: Path, paths: list[Path]) -> None:
    with pytest.raises(InputError, match="3 images"):
        image_paths(SpeedPlan(images=tmp_path), tmp_path)


def test_encoding_is_compared_in_pairs(tiny_model: None, paths: list[Path]) -> None:
    found = encodings(SpeedPlan(encodings=2), paths)
    assert {what: len(values) for what, values in found.items()} == {
        "encode_ms": 2,
        "encode_1024_ms": 2,
        "encode_ratio": 2,
    }
    for own, large, ratio in zip(*found.values(), strict=True):
        assert ratio == large / own
    assert min(found["encode_ratio"]) > 1  # 256 times as many pixels


def test_memory_is_that_of_this_process() -> None:
    before = resident_mb()
    with mmap.mmap(-1, 64 * 2**20) as held:  # of the system itself: an allocator may have as much left over
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
        assert 60 < resident_mb() - before < 100
    assert resident_mb() - before < 40


def test_the_work_of_the_lanes_is_the_same_at_each_call(tiny_model: None) -> None:
    done = list(work(2))
    assert [one.what for one in done] == ["ready", "encode", "step", "step"]
    assert all(one.began <= one.at for one in done)
    assert all(before.at <= after.began for before, after in pairwise(done))


def test_a_process_that_cannot_train_is_one_sentence() -> None:
    with pytest.raises(AdasamError, match="no-such-model"):
        list(in_a_process(1, "no-such-model"))


def test_a_window_that_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "COLD_START", "napari_adasam.no_such_module")
    with pytest.raises(AdasamError, match="no_such_module"):
        speed.cold_start(SpeedPlan(), Path("scan.png"))


def fake_environment(home: Path, name: str, script: str) -> None:
    """An environment whose Python is a script."""
    (home / name / "bin").mkdir(parents=True)
    python = home / name / "bin" / "python"
    python.write_text(f"#!{sys.executable}\n{script}\n")
    python.chmod(0o755)
    (home / name / "complete").touch()


@pytest.mark.skipif(sys.platform == "win32", reason="the fake environment is a script")
def test_programs_that_do_not_run_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_environment(tmp_path, "napari-sam", "raise SystemExit('AttributeError: no such layer')")
    fine = 'print(\'{"series": {"click_ms": [2.0, 4.0]}, "versions": {"napari": "0.4"}}\')'
    fake_environment(tmp_path, "napari-segment-anything", fine)
    monkeypatch.setattr(peers.sys, "executable", str(tmp_path / "napari-segment-anything" / "bin" / "python"))
    orders = peers._orders(PeerOrder(peers.OURS, (), "bundled", "bundled"), "", "vit_b.pth")
    rows = peers._side_by_side(orders, tmp_path, lambda *event: None)
    whys = {row["program"]: row["why"] for row in rows if "why" in row}
    assert set(whys) == {"micro-sam", "napari-sam"}
    assert "--weights" in whys["micro-sam"]
    assert "AttributeError: no such layer" in whys["napari-sam"]
    figures = {row["program"]: row for row in rows if "why" not in row}
    assert {name: row["weights"] for name, row in figures.items()} == {
        peers.OURS: "bundled",
        peers.OURS_IN_ORDER: "bundled",
        peers.OURS_VIT_B: peers.VIT_B,
        "napari-segment-anything": peers.VIT_B,
    }
    for row in figures.values():
        assert (row["what"], row["p50"], row["max"], row["n"]) == ("peer_click_ms", 3.0, 4.0, 2)
        assert row["versions"] == {"napari": "0.4"}


@pytest.mark.skipif(sys.platform == "win32", reason="the fake environment is a script")
def test_a_program_that_dies_in_a_running_napari_is_measured_all_the_same(tmp_path: Path) -> None:
    script = """
import json, os, signal, sys
if not json.loads(sys.argv[-1])["early"]:
    print('Fatal Python error: Aborted\\n  File "<frozen x>", line 1 in y', file=sys.stderr)
    print('  File "/venv/lib/site-packages/triton/knobs.py", line 15 in <module>', file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
print('{"series": {"click_ms": [2.0]}, "versions": {}}')
"""
    fake_environment(tmp_path, "napari-sam", script)
    died, measured = peers._measured(PEERS[1], PeerOrder("napari-sam", ()), tmp_path)
    assert "signal 9 in triton/knobs.py, line 15." in died["why"]
    assert measured["what"] == "peer_click_ms"


def test_what_cannot_be_installed_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Builder:
        @staticmethod
        def create(folder: Path, with_pip: bool, clear: bool) -> None:
            folder.mkdir(parents=True)
            (folder / "bin").mkdir()
            script = "raise SystemExit('notice\\nERROR: No matching distribution found for napari-sam')"
            python = folder / "bin" / "python"
            python.write_text(f"#!{sys.executable}\n{script}\n")
            python.chmod(0o755)

    monkeypatch.setattr(peers, "venv", Builder)
    with pytest.raises(AdasamError, match="No matching distribution found"):
        environment(PEERS[1], tmp_path)


def test_the_given_weights_go_to_whoever_takes_them() -> None:
    orders = peers._orders(PeerOrder(peers.OURS, (), "bundled", "bundled"), "mobile.pt", "vit_b.pth")
    assert {order.name: (order.weights, order.says) for order in orders if order.weights != "bundled"} == {
        peers.OURS_SAME_WEIGHTS: ("mobile.pt", peers.GIVEN),
        peers.OURS_VIT_B: ("vit_b.pth", peers.VIT_B),
        "micro-sam": ("mobile.pt", peers.GIVEN),
        "napari-sam": ("vit_b.pth", peers.VIT_B),
        "napari-segment-anything": ("vit_b.pth", peers.VIT_B),
    }
    assert {order.name for order in orders if order.clicked} == {peers.OURS_SAME_WEIGHTS, peers.OURS_VIT_B}


def test_weights_of_half_precision_become_whole(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2).half()}, tmp_path / "half.pt")
    found = torch.load(full_precision(tmp_path / "half.pt", tmp_path), weights_only=True)
    assert found["a"].dtype == torch.float32
    with pytest.raises(InputError, match="nothing"):
        full_precision(tmp_path / "nothing", tmp_path)
