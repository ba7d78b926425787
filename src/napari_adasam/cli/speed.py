"""The command that measures speed and smoothness in a real window."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_adasam.cli.program import BUNDLED, ModelName, app, check_outputs, progress, show
from napari_adasam.ui.screen import need_window

if TYPE_CHECKING:
    from napari_adasam.evaluation.speed import SpeedPlan

NOTHING_MEASURED = "No figures were written."


@app.command()
def benchmark(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here too.")
    ] = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="Other SAM plugins of napari, too; pip downloads each into its own venv.")
    ] = False,
    lanes: Annotated[
        bool, typer.Option("--lanes", help="Training inline, on a thread and in a process too, side by side.")
    ] = False,
    own: Annotated[bool, typer.Option("--own/--no-own", help="Whether this program's own rows are measured.")] = True,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of images; drawn ones, if not given.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A MobileSAM checkpoint for the plugins that take one.")
    ] = None,
    peers_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the plugins' venvs lie or are made; else in the cache.")
    ] = None,
    peer_images: Annotated[int, typer.Option(metavar="N", min=1, help="Images that each program is measured on.")] = 20,
    quick: Annotated[bool, typer.Option("--quick", help="In a minute: to see that it runs, not for figures.")] = False,
    model: ModelName = BUNDLED,
) -> None:
    """Speed and smoothness of the program in a real window, on this computer."""
    need_window()
    check_outputs((json_file,))
    surroundings = dict(os.environ)
    plan = _plan(images, model, peer_images, quick)
    result = _own(plan) if own else _nothing()
    if lanes:
        result["rows"] += _lanes(plan)
    if peers:
        os.environ.pop("OMP_WAIT_POLICY", None)  # others run as if there were no program of ours
        os.environ.update(surroundings)
        result["rows"] += _peers(plan, weights, peers_dir)
    if json_file:
        from napari_adasam.evaluation.run import write_json

        write_json(json_file, result)
    show(result)


def _plan(images: Path | None, model: str, peer_images: int, quick: bool) -> SpeedPlan:
    from napari_adasam.services.torch_start import keep_triton_out, share_cores

    keep_triton_out()
    share_cores()  # for whatever is measured: places of training would else differ in how torch's threads wait
    from napari_adasam.evaluation.speed import SpeedPlan

    plan = SpeedPlan(images=images, model=model, peer_images=peer_images)
    return plan.quick() if quick else plan


def _nothing() -> dict[str, Any]:
    from napari_adasam.evaluation.speed import setting

    return {**setting(), "rows": []}


def _own(plan: SpeedPlan) -> dict[str, Any]:
    from napari_adasam.ui.benchmark import run_benchmark

    with progress("parts", NOTHING_MEASURED) as advance:
        return run_benchmark(plan, advance)


def _lanes(plan: SpeedPlan) -> list[dict[str, Any]]:
    from napari_adasam.ui.lanes import measure_lanes

    with progress("parts", NOTHING_MEASURED) as advance:
        return measure_lanes(plan, advance)


def _peers(plan: SpeedPlan, weights: Path | None, home: Path | None) -> list[dict[str, Any]]:
    from napari_adasam.evaluation.peers import measure_peers

    with progress("programs", NOTHING_MEASURED) as advance:
        return measure_peers(plan, weights, home, advance)
