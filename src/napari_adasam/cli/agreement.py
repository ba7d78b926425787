"""The command that compares two readers' sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_adasam.cli.program import app, show

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

    found = compare_sessions(first, second)
    written = write_agreement(found, out) if out else []
    if adjudicate:
        begin_adjudication(first, second, found, adjudicate)
    show(summary(found) | {"files": [str(path) for path in written]})
