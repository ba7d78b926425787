"""Other SAM plugins of napari, measured on the same images: their environments, and a process of each.

Everything runs in an environment of the plugin's own, which is made with pip where it is not there. In it
``ui/peer_window.py`` drives the plugin's own widget; a plugin that cannot be installed or run is a row that says why.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import platformdirs
from PIL import Image

import napari_adasam
from napari_adasam.domain.errors import AdasamError, InputError
from napari_adasam.evaluation.speed import Figures, OnProgress, SpeedPlan, image_paths, last_line
from napari_adasam.files.readers import open_paths

WINDOW = "napari_adasam.ui.peer_window"
INSTALL_LIMIT_S, RUN_LIMIT_S = 1800, 1200
OLD_NAPARI = ("napari==0.4.19.post1", "PyQt6", "numpy<2", "pydantic<2", "torch", "torchvision", "segment-anything")
"""For plugins that use what later versions of napari do not have; Qt 6 as for the others."""


class DiedError(AdasamError):
    """A process was ended by the system, as after a segmentation fault."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One program, and what is installed for it. Its driver in ``ui/peer_window.py`` has its name.

    ``takes_given`` is whether it takes the MobileSAM checkpoint, and cannot be run without; the others get a ViT-B of
    random weights, the smallest model that they know: times do not depend on the values, masks do.
    """

    name: str
    packages: tuple[str, ...] = ()
    takes_given: bool = False


OURS = "napari-adasam"
OURS_IN_ORDER = "napari-adasam, images in order"
"""As a person goes through them: the next one is prepared meanwhile. The other runs go backwards, where none is."""
OURS_SAME_WEIGHTS = "napari-adasam, the weights given"
OURS_VIT_B = "napari-adasam, ViT-B"
GIVEN, VIT_B = "MobileSAM of --weights", "ViT-B, random values"
"""What rows say of the weights, where they are not the bundled ones."""
PEERS = (
    Peer("micro-sam", ("micro-sam>=1.8", "mobilesam-mirror"), takes_given=True),
    Peer("napari-sam", ("napari-sam", *OLD_NAPARI)),
    Peer("napari-segment-anything", ("napari-segment-anything", "scikit-image", *OLD_NAPARI)),
)


@dataclass(frozen=True, slots=True)
class PeerOrder:
    """What a process does: the images (8-bit PNG) one after the other, each clicked ``clicks`` times.

    ``weights`` is a checkpoint, or for this program a model's name; ``says`` is what rows say of it. ``clicked`` is
    whether our own program is clicked for its first mask too, as the others are: a model that was never taught the
    structures suggests none. ``early`` is whether the plugin is imported before napari's window is opened, and not as
    from napari's menu.
    """

    name: str
    images: tuple[str, ...]
    weights: str = ""
    says: str = ""
    backwards: bool = False
    clicked: bool = False
    early: bool = False
    clicks: int = 3
    folder: str = ""
    picture: str = ""
    packages: tuple[str, ...] = ()


def measure_peers(
    plan: SpeedPlan, weights: Path | None, home: Path | None, on_progress: OnProgress
) -> list[dict[str, Any]]:
    """Rows ``peer_…`` with the key ``program``; where a program cannot be run, one with ``why`` in place of figures.

    Parameters
    ----------
    weights
        A MobileSAM checkpoint.
    home
        Where the environments lie, one folder a plugin; ``None`` for the user's cache.
    """
    environments = home or Path(platformdirs.user_cache_dir("napari-adasam")) / "peers"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = replace(plan, frames=plan.peer_images + 1, accepted=plan.peer_images)
        images = _pictures(image_paths(wanted, folder), folder)
        given = "" if weights is None else str(full_precision(weights, folder))
        orders = _orders(PeerOrder(OURS, images, plan.model, plan.model), given, str(random_vit_b(folder)))
        return _side_by_side(orders, environments, on_progress)


def _pictures(paths: Sequence[Path], folder: Path) -> tuple[str, ...]:
    """The first frame of each file as 8-bit PNG, which every program can read."""
    written = []
    for number, clip in enumerate(open_paths(paths).clips):
        written.append(str(folder / f"picture_{number:02d}.png"))
        Image.fromarray(clip.grey(0)).save(written[-1])
    return tuple(written)


def _orders(ours: PeerOrder, given: str, vit_b: str) -> list[PeerOrder]:
    """Our own program, with its weights and with those that the others get, and the others."""
    orders = [replace(ours, backwards=True), replace(ours, name=OURS_IN_ORDER)]
    likewise = replace(ours, backwards=True, clicked=True)
    if given:
        orders.append(replace(likewise, name=OURS_SAME_WEIGHTS, weights=given, says=GIVEN))
    orders.append(replace(likewise, name=OURS_VIT_B, weights=vit_b, says=VIT_B))
    for one in PEERS:
        weights, says = (given, GIVEN) if one.takes_given else (vit_b, VIT_B)
        orders.append(replace(ours, name=one.name, weights=weights, says=says, packages=(one.name,)))
    return orders


def _side_by_side(orders: Sequence[PeerOrder], environments: Path, on_progress: OnProgress) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, order in enumerate(orders):
        on_progress(number, len(orders), order.name)
        try:
            rows += _measured(next((one for one in PEERS if one.name == order.name), None), order, environments)
        except AdasamError as error:
            rows.append({"what": "peer", "program": order.name, "why": str(error)})
    on_progress(len(orders), len(orders), "done")
    return rows


def _measured(peer: Peer | None, order: PeerOrder, home: Path) -> list[dict[str, Any]]:
    if peer is not None and peer.takes_given and not order.weights:
        raise InputError(f"{peer.name} was given no weights: name a MobileSAM checkpoint with --weights.")
    python = sys.executable if peer is None else str(environment(peer, home))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        try:
            found = _run(python, peer, order, Path(name) / "late")
        except DiedError as error:
            why = f"{error} That was opened in a running napari; measured with its imports before the window."
            rows.append({"what": "peer", "program": order.name, "why": why})
            found = _run(python, peer, replace(order, early=True), Path(name) / "early")
    figures = Figures()
    for what, values in found["series"].items():
        figures.add(f"peer_{what}", *values)
    named = {"program": order.name, "weights": order.says, "versions": found["versions"]}
    return rows + [row | named for row in figures.rows()]


def environment(peer: Peer, home: Path) -> Path:
    """The Python of a plugin's environment, made if it is not there. AdasamError where pip cannot install it."""
    folder = home.resolve() / peer.name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    complete = folder / "complete"
    if complete.exists():
        return python
    try:
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *peer.packages]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_LIMIT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise AdasamError(f"No environment could be made for {peer.name}: {error}") from error
    if ended.returncode != 0:
        errors = [line for line in ended.stderr.splitlines() if line.startswith("ERROR")]
        raise AdasamError(f"{peer.name} cannot be installed: {(errors or [last_line(ended.stderr)])[0]}")
    complete.touch()
    return python


def _run(python: str, peer: Peer | None, order: PeerOrder, folder: Path) -> dict[str, Any]:
    """Play the order in a process; it has a home of its own, where weights are looked for, and our code beside its."""
    folder.mkdir()
    surroundings = os.environ | {"PYTHONFAULTHANDLER": "1"}
    if peer is not None:
        package, left_out = Path(napari_adasam.__file__).parent, shutil.ignore_patterns("weights", "__pycache__")
        shutil.copytree(package, folder / "code" / package.name, ignore=left_out)
        surroundings |= {"PYTHONPATH": str(folder / "code"), "QT_API": "pyqt6", "HOME": str(folder)}
        surroundings.setdefault("XAUTHORITY", str(Path.home() / ".Xauthority"))
    text = json.dumps(asdict(order) | {"folder": str(folder)})
    command = [python, "-W", "ignore", "-m", WINDOW, text]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=RUN_LIMIT_S, env=surroundings
        )
    except subprocess.TimeoutExpired as error:
        raise AdasamError(f"{order.name} did not come to its end in {RUN_LIMIT_S} s.") from error
    if ended.returncode < 0:
        raise DiedError(f"{order.name} was ended by signal {-ended.returncode}{_place(ended.stderr)}.")
    if ended.returncode > 0:
        raise AdasamError(f"{order.name} does not run: {last_line(ended.stderr)}")
    found: dict[str, Any] = json.loads(last_line(ended.stdout))
    return found


def _place(stderr: str) -> str:
    """Where a process died, by its fault handler: " in PACKAGE/FILE, line N"; "" where that is not known."""
    for file, line in re.findall(r'File "([^"<]+)", line (\d+)', stderr):
        return f" in {file.replace(os.sep, '/').split('/site-packages/')[-1]}, line {line}"
    return ""


def random_vit_b(folder: Path) -> Path:
    """A checkpoint of ViT-B as segment-anything makes it, with random values (seed 0). Imports torch."""
    import torch
    from segment_anything import sam_model_registry

    path = folder / "sam_vit_b.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(sam_model_registry["vit_b"]().state_dict(), path)
    return path


def full_precision(weights: Path, folder: Path) -> Path:
    """The same checkpoint with every tensor as 32-bit floats, for programs that take no other. Imports torch."""
    import torch

    try:
        tensors = torch.load(weights, map_location="cpu", weights_only=True)
        path = folder / "mobile_sam.pt"
        torch.save({name: one.float() for name, one in tensors.items()}, path)
    except (OSError, RuntimeError, AttributeError, ValueError, UnpicklingError) as error:
        raise InputError(f"{weights} cannot be read as a checkpoint. Nothing was measured.") from error
    return path
