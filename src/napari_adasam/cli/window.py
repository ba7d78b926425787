"""Commands with a window: opening it, the demo, the doctor."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_group

from napari_adasam.cli.program import OPEN, Seed, app, check_folder, progress, show
from napari_adasam.domain.errors import InputError
from napari_adasam.ui.screen import move_to_virtual_screen, need_window

FAILURE = 1


@app.command(OPEN, hidden=True)
def open_window(paths: Annotated[list[Path] | None, typer.Argument()] = None) -> None:
    """Open the window on files, folders or a session."""
    for path in paths or []:
        _check_path(path)
    need_window()
    from napari_adasam.ui.app import launch

    launch(paths or [])


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option(help="Where masks, figures and screenshots go.")] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Work through it by script, write to --out, end.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """The whole main job on sample images: suggest, correct, accept, fine-tune, export."""
    place = out or Path("demo-out")
    check_folder(place)
    if headless:
        move_to_virtual_screen(sys.argv[1:])
    need_window()
    from napari_adasam.ui.demo import DemoPlan, run_demo

    with progress("demo", f"What is in {place} is not the whole of it.") as advance:
        report = run_demo(DemoPlan(out=place, headless=headless, seed=seed), advance)
    if report is not None:
        show(report)


@app.command()
def doctor() -> None:
    """Versions, Qt and GL, devices with a numeric self-check, weights and their licences, what is kept where."""
    from napari_adasam.ui.doctor import examine

    sound = examine()
    if not sound:
        raise typer.Exit(FAILURE)


def _check_path(path: Path) -> None:
    """Raise InputError for a path that there is not, or that may not be read."""
    try:
        there = path.exists()
        readable = os.access(path, os.R_OK | os.X_OK if path.is_dir() else os.R_OK)
    except OSError as error:
        if not isinstance(error, PermissionError):
            raise InputError(f"{path} cannot be opened: {error.strerror}. Check the name.") from error
        there, readable = True, False
    if not there:
        raise InputError(_no_such_path(str(path)))
    if not readable:
        raise InputError(f"{path} may not be read. Nothing was opened. Ask its owner for access, or open a copy.")


def _no_such_path(name: str) -> str:
    near = difflib.get_close_matches(name, set(get_group(app).commands) - {OPEN}, n=1)
    advice = f'Did you mean "napari-adasam {near[0]}"?' if near else "Check the spelling; --help lists the commands."
    return f'There is no file, folder or command "{name}". Nothing was opened. {advice}'
