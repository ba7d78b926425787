"""The command that compares two readers' sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_adasam.cli.program import app, check_folder, in_session, show
from napari_adasam.domain.errors import InputError

Adjudicate = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Make a third session here, in which both readers are laid beside each image."),
]


@app.command()
def agreement(
    first: Annotated[Path, typer.Argument(metavar="SESSION", help="The folder of the first reader's session.")],
    second: Annotated[Path, typer.Argument(metavar="SESSION2", help="The second reader's, on the same images.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the table and the plot.")] = None,
    adjudicate: Adjudicate = None,
) -> None:
    """Dice, HD95, ICC and Bland-Altman figures of what two sessions have accepted."""
    from napari_adasam.services.agreeing import begin_adjudication, compare_sessions, summary, write_agreement

    _check_folders(out, adjudicate)
    found = compare_sessions(first, second)
    written = write_agreement(found, out) if out else []
    if adjudicate:
        begin_adjudication(first, second, found, adjudicate)
    show(summary(found) | {"files": [str(path) for path in written]})


def _check_folders(out: Path | None, adjudicate: Path | None) -> None:
    """Raise InputError for a folder that cannot be written to as asked: before anything is, and before comparing."""
    for option, folder in (("--out", out), ("--adjudicate", adjudicate)):
        if folder is None:
            continue
        if in_session(folder):
            raise InputError(f"{folder} is of a session. Nothing was compared. Give {option} another folder.")
        check_folder(folder)
    if out is not None and adjudicate is not None and out.resolve() == adjudicate.resolve():
        raise InputError(
            "--out and --adjudicate are one folder. Nothing was compared. Give the third session one of its own."
        )
