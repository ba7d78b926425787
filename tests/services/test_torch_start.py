"""What is imported when: triton never, torch only on the lane."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from annotator_fakes import FakePredictor, FakeTrainer

from napari_adasam.services import torch_start
from napari_adasam.services.models import Models
from napari_adasam.services.ports import Predictor
from napari_adasam.services.torch_start import keep_triton_out, no_collections

PICTURE = """
import hashlib, sys, torch
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.model import registry
torch.set_num_threads(1)
net = registry.load(ModelSettings())
image = torch.linspace(-2, 2, 3 * 512 * 512).reshape(1, 3, 512, 512)
with torch.no_grad():
    print(hashlib.sha256(net.sam.encoder(image).numpy().tobytes()).hexdigest())
"""
IN_STEPS = """
import gc, sys
from napari_adasam.services.torch_start import imported_in_steps
for _ in imported_in_steps():
    assert gc.isenabled()
assert not [name for name in sys.modules if name.startswith(("torch._dynamo", "sympy"))]
"""
COMPILER = """
from timm.models.naflexvit import NaFlexEmbeds, NaFlexRopeIterator
assert not [name for name in sys.modules if name.startswith(("torch._dynamo", "sympy"))], "an embedding was computed"
from torchvision.ops import roi_align
assert roi_align.__globals__["is_compile_supported"]("cpu") is torch._dynamo.utils.is_compile_supported("cpu")
def sum_of(boxes):
    return NaFlexRopeIterator.__next__(iter([boxes.sum()]))
torch._dynamo.reset()
try:
    torch.compile(sum_of, backend="eager", fullgraph=True)(torch.ones(3))
except torch._dynamo.exc.Unsupported as error:
    assert "disable" in str(error), error
else:
    raise AssertionError("the compiler went into a function that timm keeps from it")
assert torch.compile(lambda x: x + 1, backend="eager", fullgraph=True)(torch.ones(1)).item() == 2
"""
INTACT = """
import timm, torchvision, torchvision.models.feature_extraction as features
boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.9]])
assert torchvision.ops.nms(boxes, torch.tensor([0.5, 0.6]), 0.5).tolist() == [1]
assert torchvision.ops.roi_align(torch.ones(1, 1, 8, 8), [boxes[:1]], 2).shape == (1, 1, 2, 2)
net = timm.create_model("resnet18", features_only=True)
assert len(net(torch.zeros(1, 3, 64, 64))) == 5
assert features.get_graph_node_names(torchvision.models.resnet18())[0]
"""


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


class Knot:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collecting() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.enable()
    gc.unfreeze()  # what a test before this one has left frozen
    yield
    if not was_on:
        gc.disable()


@pytest.mark.usefixtures("collecting")
def test_nothing_is_collected_meanwhile_and_all_of_it_later() -> None:
    with no_collections():
        assert not gc.isenabled()
        knot = Knot()
        found = weakref.ref(knot)
        del knot
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.collect(1)
    assert found() is not None, "what is new must count as old: a young collection would go over all of it"
    gc.collect()
    assert found() is None


@pytest.mark.usefixtures("collecting")
def test_the_collector_is_left_as_somebody_else_wants_it() -> None:
    gc.disable()
    with no_collections():
        pass
    assert not gc.isenabled()
    gc.enable()
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with no_collections():
            pass
        assert frozen / 2 < gc.get_freeze_count() <= frozen
    finally:
        gc.unfreeze()


@pytest.mark.usefixtures("collecting")
def test_an_error_ends_it_too() -> None:
    with pytest.raises(ImportError), no_collections():
        raise ImportError
    assert gc.isenabled()


def test_importing_in_steps_gives_the_same_embedding_and_whole_packages() -> None:
    pytest.importorskip("torch")
    first = "from napari_adasam.services.torch_start import keep_triton_out; keep_triton_out()\n"
    found = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300).stdout
        for code in (first + PICTURE, first + IN_STEPS + PICTURE + COMPILER + INTACT)
    ]
    assert len(found[0].strip()) == 64
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "asks",
    ["import torch._dynamo.config", "import torch\nmarked = torch.compiler.disable(recursive=False)(abs)"],
    ids=["a part of it", "a mark that the stand-in does not know"],
)
def test_a_package_that_asks_more_of_the_compiler_gets_it(tmp_path: Path, asks: str) -> None:
    pytest.importorskip("torch")
    (tmp_path / "asks_more.py").write_text(asks)
    code = (
        "import sys; from napari_adasam.services import torch_start; torch_start.keep_triton_out()\n"
        "torch_start.HEAVY = ('asks_more',); list(torch_start.imported_in_steps())\n"
        "import torch; assert torch._dynamo is sys.modules['torch._dynamo'] and torch._dynamo.config.recompile_limit\n"
        "print(torch._dynamo.__file__)"
    )
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300, env=path
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip().endswith("__init__.py")


@pytest.mark.usefixtures("no_triton")
def test_a_predictor_is_made_in_steps_and_once() -> None:
    made: list[FakePredictor] = []

    def make() -> Generator[None, None, Predictor]:
        yield
        yield
        made.append(FakePredictor(version=1 + len(made)))
        return made[-1]

    models = Models(make, FakeTrainer)  # type: ignore[arg-type]
    steps = models.loading()
    next(steps)
    assert made == []
    at_once = models.predictor()  # a click between two steps
    ended: list[object] = []
    while not ended:
        try:
            next(steps)
        except StopIteration as stop:
            ended.append(stop.value)
    assert ended == [made[0].info()]
    assert models.predictor() is at_once is made[0]
    assert models.exchange(make, None).lineage[-1] == f"v{len(made)}"


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
