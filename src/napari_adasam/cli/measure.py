"""The command that measures label images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_adasam.cli.program import StructureNames, app, check_outputs, names_of, progress, show


@app.command("measure")
def measure_labels(
    dataset: Annotated[Path, typer.Argument(help="A folder with labels/, and images/ and index.csv where there are.")],
    out: Annotated[Path, typer.Option(metavar="CSV", help="The table; one row a figure.")],
    structures: StructureNames = "",
    sector: Annotated[
        bool,
        typer.Option("--sector/--no-sector", help="Whether echo intensity leaves out what is not of the scan."),
    ] = True,
    erosion: Annotated[
        float, typer.Option(metavar="MM", min=0, help="Leave so much along the border out of echo intensity.")
    ] = 0.0,
) -> None:
    """Area, thickness, perimeter, position, echo intensity of the label images of a data set."""
    from napari_adasam.services.measuring import MeasureChoice, measure_dataset

    check_outputs((out,))
    with progress("label images", "Nothing was written.") as advance:
        report = measure_dataset(dataset, out, names_of(structures), advance, MeasureChoice(sector, erosion))
    for problem in report.problems:
        typer.echo(problem, err=True)
    show({"images": report.images, "rows": report.rows, "problems": list(report.problems)})
