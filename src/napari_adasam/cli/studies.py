"""The command evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_adasam.cli.program import BUNDLED, AdapterBase, ModelName, StructureNames, app, names_of, progress, show
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.queue import ORDERS, Order
from napari_adasam.domain.settings import ModelSettings

if TYPE_CHECKING:
    from napari_adasam.evaluation.run import StudyOptions

STUDIES = ("prompts", "labels", "session")


HeldBack = Annotated[
    bool, typer.Option("--held-back", help="Only groups that no bundled training sees: the same for every model.")
]
Validation = Annotated[
    bool, typer.Option("--validation", help="Only groups that models are chosen on, not trained on or reported.")
]
Gated = Annotated[bool, typer.Option("--gated", help="For the study labels: hold some images out, as the window does.")]
Sector = Annotated[bool, typer.Option("--sector", help="The model sees nothing outside the scan sector that is found.")]
Orders = Annotated[
    str, typer.Option("--orders", metavar="ORDER,…", help="For the study session: active, random, file, or several.")
]
Learning = Annotated[
    bool | None, typer.Option("--learning/--static", help="For the study session: only with, or without, learning.")
]
Against = Annotated[
    list[str] | None, typer.Option(metavar="MODEL[@SIZE]", help="Measure this model too, on the same images.")
]


@app.command()
def evaluate(
    dataset: Annotated[Path, typer.Argument(help="A folder with images/, labels/ and index.csv.")],
    study: Annotated[str, typer.Option(help=f"One of: {', '.join(STUDIES)}.")],
    model: ModelName = BUNDLED,
    base: AdapterBase = None,
    test: Annotated[Path | None, typer.Option(metavar="DATASET2", help="Measure on this data set instead.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here as well.")] = None,
    input_size: Annotated[int | None, typer.Option(help="Side of the model's square input, in pixels.")] = None,
    held_back: HeldBack = False,
    validation: Validation = False,
    sector: Sector = False,
    against: Against = None,
    structures: StructureNames = "",
    clicks: Annotated[bool, typer.Option(help="Count clicks to IoU 0.90 (slow).")] = True,
    limit: Annotated[int | None, typer.Option(help="At most this many images.")] = None,
    labels: Annotated[int, typer.Option(help="Accepted images of a round, for the study labels.")] = 10,
    seeds: Annotated[int, typer.Option(help="Seeds from 0 on, for the studies labels and session.")] = 3,
    gated: Gated = False,
    orders: Orders = "active,random,file",
    learning: Learning = None,
) -> None:
    """Figures on images that the model never saw."""
    _check(study)
    from napari_adasam.evaluation.run import StudyOptions

    options = StudyOptions(
        model=ModelSettings(name=model, input_size=input_size, use_sector=sector, base=base),
        part="held-back" if held_back else "validation" if validation else "unseen",
        against=tuple(model_at(one) for one in against or ()),
        names=names_of(structures),
        limit=limit,
        clicks=clicks,
        labels=labels,
        seeds=tuple(range(seeds)),
        gated=gated,
        orders=orders_of(orders),
        learning=(True, False) if learning is None else (learning,),
    )
    _measure(study, test or dataset, options, json_file)


def _check(study: str) -> None:
    """InputError if there is no such study; triton is kept out before torch is imported."""
    if study not in STUDIES:
        raise InputError(f'There is no study "{study}". Nothing was measured. Choose one of: {", ".join(STUDIES)}.')
    from napari_adasam.services.torch_start import keep_triton_out

    keep_triton_out()


def _measure(study: str, folder: Path, options: StudyOptions, json_file: Path | None) -> None:
    from napari_adasam.evaluation.run import STUDIES_BY_NAME, write_json

    with progress("images") as advance:
        result = STUDIES_BY_NAME[study](folder, options, advance)
    if json_file:
        write_json(json_file, result)
    show(result)


def orders_of(text: str) -> tuple[Order, ...]:
    """Orders from "active,random"; InputError for one that is none."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in ORDERS:
            raise InputError(f'There is no order "{name}". Nothing was measured. Choose of: {", ".join(ORDERS)}.')
    return tuple(one for name in names for one in ORDERS if one == name)


def model_at(text: str) -> ModelSettings:
    """A model's name or path, with ``@`` and its input size behind it or not; InputError for a size that is none."""
    name, at, size = text.rpartition("@")
    if not at:
        return ModelSettings(name=text)
    if not size.isdecimal():
        raise InputError(f'"{size}" in "{text}" is no size in pixels. Nothing was measured. Write MODEL@512.')
    return ModelSettings(name=name, input_size=int(size))
