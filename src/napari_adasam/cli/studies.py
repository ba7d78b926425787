"""The command evaluate."""

from __future__ import annotations

from collections.abc import Mapping
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
    files_of,
    names_of,
    progress,
    show,
    tell_groups,
)
from napari_adasam.cli.study_options import (
    STUDIES,
    Ablation,
    Against,
    Clicks,
    Every,
    Gated,
    HeldBack,
    InputSize,
    Instead,
    Labels,
    Learning,
    Limit,
    Methods,
    Orders,
    Plot,
    Sector,
    Seeds,
    StartName,
    StudyData,
    Table,
    Validation,
    Volumes,
)
from napari_adasam.cli.study_texts import (
    WITH_TABLE,
    check_changes,
    check_has,
    check_used,
    counts_of,
    methods_of,
    model_at,
    orders_of,
    part_of,
)
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import LearnSettings, ModelSettings, Settings
from napari_adasam.domain.switches import names_in, with_settings

if TYPE_CHECKING:
    from napari_adasam.evaluation.run import StudyOptions
    from napari_adasam.evaluation.subjects import Names, Part


@app.command()
def evaluate(
    ctx: typer.Context,
    dataset: StudyData,
    study: Annotated[str, typer.Option(help=f"One of: {', '.join(STUDIES)}.")],
    model: StartName = None,
    base: AdapterBase = None,
    test: Instead = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here as well.")] = None,
    input_size: InputSize = None,
    held_back: HeldBack = False,
    validation: Validation = False,
    sector: Sector = True,
    against: Against = None,
    structures: StructureNames = "",
    clicks: Clicks = True,
    limit: Limit = None,
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
    folder = dataset if test is None or study == "labels" else test
    part = part_of(held_back, validation)
    _check(ctx, study, folder)
    settings = _start(study, folder, ModelSettings(model or "", use_sector=sector, base=base), input_size, changes)
    options_of = _of_labels if study == "labels" else _of_images
    options = options_of(settings, part, names_of(structures), ctx.params)
    weights = [Path(model_at(one).name) for one in (model, base, *(against or ())) if one]
    check_outputs((json_file, table, plot), (*files_of(dataset, test or dataset), *weights))
    _report(_measured(study, folder, options, json_file), json_file, table, plot)


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


def _check(ctx: typer.Context, study: str, folder: Path) -> None:
    """InputError for a study that is none, or is asked for what it has not; triton is kept out ahead of torch."""
    if study not in STUDIES:
        raise InputError(f'There is no study "{study}". Nothing was measured. Choose one of: {", ".join(STUDIES)}.')
    check_used(ctx, study, folder)
    check_has(study, ctx.params["table"] is not None, ctx.params["plot"] is not None)
    methods_of(ctx.params["methods"])  # now, not after a model was read
    from napari_adasam.services.torch_start import keep_triton_out

    keep_triton_out()


def _start(
    study: str, folder: Path, asked: ModelSettings, input_size: int | None, changes: list[str] | None
) -> Settings:
    """The settings of a study; a model without a name is the study's own choice."""
    if study != "labels" or asked.name:
        start = model_at(asked.name or BUNDLED)
    else:
        from napari_adasam.evaluation.run import default_start

        start = default_start(folder)
    start = replace(
        start,
        input_size=start.input_size if input_size is None else input_size,
        use_sector=asked.use_sector,
        base=asked.base,
    )
    settings = with_settings(Settings(model=start), changes or ())
    check_changes(study, changes or ())
    return settings


def _of_images(settings: Settings, part: Part, names: Names, given: Mapping[str, Any]) -> StudyOptions:
    """Of the studies prompts, session and propagation; ``given`` are the options of the command by their names."""
    from napari_adasam.evaluation.run import StudyOptions

    against = (model_at(one) for one in given["against"] or ())
    return StudyOptions(
        model=settings.model,
        part=part,
        names=names,
        prompts=settings.prompts,
        against=tuple(replace(one, use_sector=settings.model.use_sector) for one in against),
        limit=given["limit"],
        clicks=given["clicks"],
        seeds=tuple(range(given["seeds"])),
        frames=given["frames"],
        train=settings.train,
        learn=replace(settings.learn, every=given["every"]),
        orders=orders_of(given["orders"]),
        learning=(True, False) if given["learning"] is None else (given["learning"],),
        resume=_resumed(given),
    )


def _of_labels(settings: Settings, part: Part, names: Names, given: Mapping[str, Any]) -> StudyOptions:
    from napari_adasam.evaluation.run import StudyOptions

    return StudyOptions(
        model=settings.model,
        names=names,
        prompts=settings.prompts,
        train=settings.train,
        part=part,
        methods=methods_of(given["methods"]),
        labels=counts_of(given["labels"]),
        seeds=tuple(range(given["seeds"])),
        test=Path(given["test"]) if given["test"] else None,
        gated=given["gated"],
        said=frozenset(names_in(given["changes"] or ())),
        ablation=given["ablation"],
        volumes=given["volumes"],
        boxes=given["boxes"],
        limit=given["limit"],
        resume=_resumed(given),
    )


def _resumed(given: Mapping[str, Any]) -> Path | None:
    """The file of --json; whether a context has paths or texts is up to the version of Typer."""
    return Path(given["json_file"]) if given["json_file"] else None


def _measured(study: str, folder: Path, options: StudyOptions, file: Path | None) -> dict[str, Any]:
    from napari_adasam.evaluation.run import STUDIES_BY_NAME

    tell_groups(folder)
    with progress("trainings" if study == "labels" else "images", _kept(study, file)) as advance:
        return STUDIES_BY_NAME[study](folder, options, advance)


def _kept(study: str, file: Path | None) -> str:
    """What is safe of a study that is stopped."""
    if study not in WITH_TABLE:
        return "Nothing was written."
    one = "training" if study == "labels" else "pass"
    if file is None:
        return f"Nothing was kept. With --json FILE each finished {one} is, and the same command goes on from there."
    return f"Each finished {one} is in {file}, and the same command goes on from there."


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
