"""A viewer with the dock on fakes, and images on disk. Needs an X display (xvfb-run) because napari needs GL."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tifffile
from PIL import Image

with warnings.catch_warnings():
    # napari 0.9 and npe2 define their models with options that pydantic has deprecated; nothing of ours.
    warnings.simplefilter("ignore")
    import napari.layers
    import napari.viewer  # noqa: F401
    import npe2

from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.lane import Outcome
from napari_adasam.ui.dock import AdasamDock

from window_fakes import BrightnessPredictor, CountingTrainer, picture, wait_idle  # isort: skip

FOREIGN = (
    "ignore::pydantic.warnings.PydanticDeprecatedSince20",
    # napari reads deprecated members of its own Qt binding and of pint while a window is made. Not of this package,
    # whose name begins alike: what it uses of napari must not be deprecated.
    r"ignore::DeprecationWarning:napari(\.|$)",
    "ignore::DeprecationWarning:vispy",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for line in FOREIGN:
                item.add_marker(pytest.mark.filterwarnings(line))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of four PNG images of 60 × 80 pixels."""
    folder = tmp_path / "exams"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(picture(shift=number)).save(folder / f"scan_{number}.png")
    return folder


@pytest.fixture
def scaled_image(tmp_path: Path) -> Path:
    """A TIFF of 60 × 80 pixels, 0.25 mm high and 0.25 mm wide each."""
    path = tmp_path / "scaled.tif"
    tifffile.imwrite(path, picture(), imagej=True, resolution=(4.0, 4.0), metadata={"unit": "mm"})
    return path


@pytest.fixture
def predictor() -> BrightnessPredictor:
    return BrightnessPredictor()


@pytest.fixture
def trainer(predictor: BrightnessPredictor) -> CountingTrainer:
    return CountingTrainer(predictor)


@pytest.fixture
def make_dock(
    make_napari_viewer: Callable[..., Any],
    qtbot: Any,
    predictor: BrightnessPredictor,
    trainer: CountingTrainer,
) -> Iterator[Callable[..., AdasamDock]]:
    """Docks on fakes, each in a viewer of its own; all are shut down after the test."""
    docks = []

    def make_annotator(forward: Callable[[Outcome], None]) -> Annotator:
        settings = Settings(learn=LearnSettings(every=0))
        return Annotator(Session(), lambda: predictor, lambda _: trainer, settings, forward=forward)

    def make(show: bool = False) -> AdasamDock:
        viewer = make_napari_viewer(show=show)
        dock = AdasamDock(viewer, make_annotator, samples=lambda: [])
        viewer.window.add_dock_widget(dock, name="AdaSAM ultrasound", area="right")
        docks.append(dock)
        return dock

    yield make
    for dock in docks:
        dock.canvas.lose_window()  # the viewer is closed with it; to take layers out of it one by one takes seconds
        dock.shut_down()
        dock.viewer.layers._list.clear()  # nor does napari take them out: the window goes whole


@pytest.fixture
def dock(make_dock: Callable[..., AdasamDock]) -> AdasamDock:
    return make_dock()


@pytest.fixture
def opened(dock: AdasamDock, images: Path, qtbot: Any) -> AdasamDock:
    """A dock with four images, the first one suggested."""
    dock.open([images])
    wait_idle(dock, qtbot)
    return dock


@pytest.fixture(autouse=True, scope="session")
def plugins_are_looked_for_once() -> Iterator[None]:
    """And not for each viewer, among all packages that are installed."""
    look, looked = npe2.PluginManager.discover, []

    def discover(self: npe2.PluginManager, *args: Any, **kwargs: Any) -> None:
        if self not in looked:
            look(self, *args, **kwargs)
            looked.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npe2.PluginManager, "discover", discover)
        yield


@pytest.fixture(autouse=True, scope="module")
def only_what_is_new_is_looked_through() -> None:
    """napari collects garbage at each layer that goes: without this among all that earlier modules have left, too."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def shown(make_dock: Callable[..., AdasamDock], images: Path, qtbot: Any) -> AdasamDock:
    """A visible window with the first image suggested."""
    dock = make_dock(show=True)
    dock.viewer.window.set_geometry(0, 0, 1366, 728)
    window = dock.window()
    window.setUpdatesEnabled(False)  # nobody looks yet, and drawing each layer as it comes takes a second
    dock.open([images])
    wait_idle(dock, qtbot)
    window.setUpdatesEnabled(True)
    qtbot.wait(200)
    return dock
