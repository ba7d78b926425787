"""Masks and measurements of a saved session, without a window and without the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_adasam.cli.program import app, check_folder, progress, show
from napari_adasam.domain.export_formats import FORMATS


@app.command()
def export(
    session: Annotated[Path, typer.Argument(help="The folder of a saved session.")],
    formats: Annotated[
        list[str],
        typer.Option("--format", metavar="FORMAT", help=f"One of: {', '.join(FORMATS)}. Repeat it for several."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that gets the files.")],
    frames: Annotated[
        list[str] | None,
        typer.Option(metavar="STEM", help="Only this frame, or this file's. Repeat it for several; all, if not given."),
    ] = None,
    deidentify: Annotated[
        bool, typer.Option("--deidentify", help="Pseudonyms in place of names, no paths. An aid, and not certified.")
    ] = False,
    table: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Your table of files, its columns behind those of measurements.csv."),
    ] = None,
    erosion: Annotated[
        float, typer.Option(metavar="MM", min=0, help="Leave so much along the border out of echo intensity.")
    ] = 0.0,
    blank_outside: Annotated[
        bool, typer.Option("--blank-outside", help="Make overlays black outside the scan sector.")
    ] = False,
) -> None:
    """Masks and measurements of the accepted frames of a session."""
    from napari_adasam.files.exports import Extras
    from napari_adasam.services.session_export import SessionExport, export_session

    extras = Extras(blank_outside, erosion, table)
    order = SessionExport(tuple(dict.fromkeys(formats)), tuple(frames or ()), deidentify, extras)
    check_folder(out)
    with progress("images", "An export is there whole or not at all; the session is unchanged.") as advance:
        report = export_session(session, out, order, _tell, advance)
    show({"files": len(report.files), "frames": report.frames, "out": str(out)})


def _tell(sentence: str) -> None:
    typer.echo(sentence, err=True)
