"""What is imported when: triton never, torch only on the lane."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from annotator_fakes import FakePredictor, FakeTrainer

from napari_adasam.services import torch_start
from napari_adasam.services.models import Models
from napari_adasam.services.torch_start import keep_triton_out


@pytest.fixture
def no_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", sys)
    monkeypatch.delitem(sys.modules, "triton")


@pytest.mark.usefixtures("no_triton")
def test_triton_cannot_be_imported_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    keep_triton_out()
    with pytest.raises(ImportError):
        import triton  # type: ignore[import-not-found,unused-ignore]  # noqa: F401


@pytest.mark.usefixtures("no_triton")
def test_triton_is_left_alone_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    keep_triton_out()
    assert "triton" not in sys.modules


def test_triton_that_is_there_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", sys)
    keep_triton_out()
    assert sys.modules["triton"] is sys


@pytest.mark.usefixtures("no_triton")
def test_the_predictor_is_made_after_triton_is_kept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    seen: list[object] = []

    def make() -> FakePredictor:
        seen.append(sys.modules.get("triton", "not there"))
        return FakePredictor()

    models = Models(make, FakeTrainer)  # type: ignore[arg-type]
    models.predictor()
    models.predictor()
    assert seen == [None]


@pytest.mark.parametrize(("cores", "asked", "expected"), [(2, None, 1), (1, None, 1), (8, None, 7), (8, "5", 5)])
def test_where_torch_spins_already_the_window_keeps_a_core(
    monkeypatch: pytest.MonkeyPatch, cores: int, asked: str | None, expected: int
) -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    monkeypatch.setattr(torch_start, "_cores", lambda: cores)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if asked is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    try:
        torch.set_num_threads(int(asked or cores))
        torch_start.share_cores()
        assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)


def test_the_annotator_imports_neither_torch_nor_qt() -> None:
    code = (
        "import sys; import napari_adasam.services.annotator; "
        "print([name for name in ('torch', 'qtpy', 'napari', 'PySide6') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(("policy", "threads"), [(None, 1), ("passive", 4)])
def test_threads_that_sleep_may_have_all_cores(policy: str | None, threads: int) -> None:
    code = (
        "import os; from napari_adasam.services import torch_start; torch_start._cores = lambda: 2\n"
        f"{'torch_start.share_cores()' if policy else ''}\n"
        "import torch; torch.set_num_threads(4); torch_start.share_cores()\n"
        "print(os.environ.get('OMP_WAIT_POLICY'), torch.get_num_threads())"
    )
    given = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=given)
    assert found.stdout.split() == [str(policy), str(threads)]
