"""The command evaluate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_adasam.cli.program import (
    BUNDLED,
    AdapterBase,
    Changes,
    StructureNames,
    app,
    check_outputs,
    names_of,
    progress,
    show,
)
from napari_adasam.cli.study_texts import check_changes, check_has, counts_of, model_at, orders_of, part_of
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import LearnSettings, ModelSettings, Settings
from napari_adasam.domain.switches import names_in, with_settings

if TYPE_CHECKING:
    from napari_adasam.evaluation.run import StudyOptions
    from napari_adasam.evaluation.subjects import Names, Part

STUDIES = ("prompts", "labels", "session", "propagation")


HeldBack = Annotated[
    bool, typer.Option("--held-back", help="Only groups that no bundled training sees: the same for every model.")
]
Validation = Annotated[
    bool, typer.Option("--validation", help="Only groups that models are chosen on, not trained on or reported.")
]
Seeds = Annotated[int, typer.Option(min=1, help="Seeds from 0 on, for the studies labels and session; drawn clips.")]
Gated = Annotated[bool, typer.Option("--gated", help="For the study labels: hold some images out, as the window does.")]
Sector = Annotated[
    bool, typer.Option("--sector/--no-sector", help="Whether the model sees nothing outside the scan sector.")
]
Orders = Annotated[
    str, typer.Option("--orders", metavar="ORDER,…", help="For the study session: active, random, file, or several.")
]
Learning = Annotated[
    bool | None, typer.Option("--learning/--static", help="For the study session: only with, or without, learning.")
]
StartName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL[@SIZE]",
        help="A model's name, or the path of a checkpoint or adapter. If not given: adasam-us; for the study labels "
        "mobile_sam@512 where adasam-us has learned from this data set.",
    ),
]
Methods = Annotated[
    str,
    typer.Option(
        help="For the study labels: start (the model as it is), adasam, lora, medsa, masam, decoder, unet, "
        'unet-mean-teacher, unet3d, head, learned-prompts; with settings: "masam:slices=3,unet:lr=0.001".'
    ),
]
Labels = Annotated[str, typer.Option(help='Labelled images, for the study labels: "5,10,20,50".')]
Volumes = Annotated[
    bool, typer.Option("--volumes", help="For the study labels: count and test whole volumes, all slices labelled.")
]
Ablation = Annotated[
    bool, typer.Option("--ablation", help="For the study labels: also adasam with each of its parts switched.")
]
Every = Annotated[
    int, typer.Option(min=1, help="For the study session: the model learns after so many accepted images.")
]
Table = Annotated[Path | None, typer.Option(help="For the studies labels and session: write a Markdown table here.")]
Plot = Annotated[Path | None, typer.Option(help="For the study session: write learning curves here, as SVG.")]
Against = Annotated[
    list[str] | None, typer.Option(metavar="MODEL[@SIZE]", help="Measure this model too, on the same images.")
]


StudyData = Annotated[
    Path,
    typer.Argument(
        help="A folder with images/, labels/ and index.csv; for the study propagation one of volumes, or the word "
        "phantom for drawn clips."
    ),
]


@app.command()
def evaluate(
    dataset: StudyData,
    study: Annotated[str, typer.Option(help=f"One of: {', '.join(STUDIES)}.")],
    model: StartName = None,
    base: AdapterBase = None,
    test: Annotated[Path | None, typer.Option(metavar="DATASET2", help="Measure on this data set instead.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here as well.")] = None,
    input_size: Annotated[int | None, typer.Option(help="Side of the model's square input, in pixels.")] = None,
    held_back: HeldBack = False,
    validation: Validation = False,
    sector: Sector = True,
    against: Against = None,
    structures: StructureNames = "",
    clicks: Annotated[bool, typer.Option(help="Count clicks to IoU 0.90 (slow).")] = True,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many images.")] = None,
    methods: Methods = "start,adasam",
    labels: Labels = "10",
    volumes: Volumes = False,
    boxes: Annotated[bool, typer.Option("--boxes", help="With --volumes: Dice of a box in each slice, too.")] = False,
    seeds: Seeds = 3,
    frames: Annotated[int, typer.Option(min=8, help="For the study propagation: frames of a drawn clip.")] = 200,
    gated: Gated = False,
    ablation: Ablation = False,
    changes: Changes = None,
    table: Table = None,
    orders: Orders = "active,random,file",
    learning: Learning = None,
    every: Every = LearnSettings().every,
    plot: Plot = None,
) -> None:
    """Figures on images that the model never saw.

    The studies labels and session go on where they were stopped: what the file of --json holds already is not run
    again. The command `effort` lays results of the study session beside each other.
    """
    folder, part = test or dataset, part_of(held_back, validation)
    settings = _start(study, folder, ModelSettings(model or "", use_sector=sector, base=base), input_size, changes)
    if study == "labels":
        which = (methods, counts_of(labels), seeds, volumes, boxes, "steps" in names_in(changes or ()))
        options = _of_labels(settings, part, which, names_of(structures), limit, gated, ablation, json_file)
    else:
        options = _of_images(settings, part, names_of(structures), (against, limit, clicks, frames), seeds)
    if study == "session":
        options = _of_session(replace(options, resume=json_file), settings, seeds, orders, learning, every)
    _measure(study, folder, options, json_file, table, plot)


@app.command()
def effort(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT…", help="Files of --json of the study session.")],
    table: Annotated[Path | None, typer.Option(help="Write Markdown tables here.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write learning curves here, as SVG.")] = None,
) -> None:
    """Lay results of the study session beside each other: what learning and the order have saved."""
    from napari_adasam.evaluation.saved_work import read_results, summary

    check_outputs((table, plot), results)
    found = read_results(results)
    _write_effort(found, table, plot)
    show(summary(found))


def _write_effort(results: list[dict[str, Any]], table_file: Path | None, plot_file: Path | None) -> None:
    from napari_adasam.evaluation import saved_work
    from napari_adasam.files.atomic import write_whole

    if table_file:
        write_whole(table_file, saved_work.table(saved_work.summary(results)).encode())
    if plot_file:
        write_whole(plot_file, saved_work.curves(results).encode())


def _check(study: str) -> None:
    """InputError if there is no such study; triton is kept out before torch is imported."""
    if study not in STUDIES:
        raise InputError(f'There is no study "{study}". Nothing was measured. Choose one of: {", ".join(STUDIES)}.')
    from napari_adasam.services.torch_start import keep_triton_out

    keep_triton_out()


def _start(
    study: str, folder: Path, asked: ModelSettings, input_size: int | None, changes: list[str] | None
) -> Settings:
    """The settings of a study; a model without a name is the study's own choice."""
    _check(study)
    if study != "labels" or asked.name:
        start = model_at(asked.name or BUNDLED)
    else:
        from napari_adasam.evaluation.run import default_start

        start = default_start(folder)
    start = replace(start, input_size=input_size or start.input_size, use_sector=asked.use_sector, base=asked.base)
    settings = with_settings(Settings(model=start), changes or ())
    check_changes(study, changes or ())
    return settings


def _of_images(
    settings: Settings,
    part: Part,
    names: Names,
    which: tuple[list[str] | None, int | None, bool, int],
    seeds: int,
) -> StudyOptions:
    from napari_adasam.evaluation.run import StudyOptions

    against, limit, clicks, frames = which
    return StudyOptions(
        model=settings.model,
        part=part,
        names=names,
        prompts=settings.prompts,
        against=tuple(replace(model_at(one), use_sector=settings.model.use_sector) for one in against or ()),
        limit=limit,
        clicks=clicks,
        seeds=tuple(range(seeds)),
        frames=frames,
    )


def _of_session(
    options: StudyOptions, settings: Settings, seeds: int, orders: str, learning: bool | None, every: int
) -> StudyOptions:
    return replace(
        options,
        train=settings.train,
        learn=replace(settings.learn, every=every),
        seeds=tuple(range(seeds)),
        orders=orders_of(orders),
        learning=(True, False) if learning is None else (learning,),
    )


def _of_labels(
    settings: Settings,
    part: Part,
    which: tuple[str, tuple[int, ...], int, bool, bool, bool],
    names: Names,
    limit: int | None,
    gated: bool,
    ablation: bool,
    resume: Path | None,
) -> StudyOptions:
    from napari_adasam.evaluation.run import StudyOptions

    methods, labels, seeds, volumes, boxes, steps_said = which
    return StudyOptions(
        model=settings.model,
        names=names,
        prompts=settings.prompts,
        train=settings.train,
        part=part,
        methods=tuple(method.strip() for method in methods.split(",") if method.strip()),
        labels=labels,
        seeds=tuple(range(seeds)),
        gated=gated,
        steps_said=steps_said,
        ablation=ablation,
        volumes=volumes,
        boxes=boxes,
        limit=limit,
        resume=resume,
    )


def _measure(
    study: str, folder: Path, options: StudyOptions, json_file: Path | None, table: Path | None, plot: Path | None
) -> None:
    check_has(study, table is not None, plot is not None)
    check_outputs((json_file, table, plot), (folder / "index.csv",))
    _report(_measured(study, folder, options), json_file, table, plot)


def _measured(study: str, folder: Path, options: StudyOptions) -> dict[str, Any]:
    from napari_adasam.evaluation.run import STUDIES_BY_NAME

    with progress("trainings" if study == "labels" else "images") as advance:
        return STUDIES_BY_NAME[study](folder, options, advance)


def _report(result: dict[str, Any], json_file: Path | None, table_file: Path | None, plot_file: Path | None) -> None:
    if json_file:
        from napari_adasam.evaluation.run import write_json

        write_json(json_file, result)
    if result.get("study") == "session":
        _write_effort([result], table_file, plot_file)
    elif table_file:
        from napari_adasam.evaluation.report import table
        from napari_adasam.files.atomic import write_whole

        what = "volumes" if result["study"] == "volumes" else "labels"
        write_whole(table_file, table(result.get("summary", []), what).encode())
    show(result)
