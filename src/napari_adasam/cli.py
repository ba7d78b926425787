"""The command line. Progress goes to stderr, results to stdout as JSON; exit code 0 done, 2 bad input, 1 failure.

Everything heavy (torch, Qt, napari) is imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from typer.core import TyperGroup
from typer.main import get_group

from napari_adasam.domain.errors import AdasamError, InputError
from napari_adasam.domain.settings import Method, ModelSettings, Settings, TrainSettings
from napari_adasam.ui.screen import move_to_virtual_screen, need_window

if TYPE_CHECKING:
    from napari_adasam.domain.rounds import RoundProgress

OPEN = "open"
STUDIES = ("prompts", "labels")
BAD_INPUT, FAILURE = 2, 1
BUNDLED = ModelSettings().name


class PathsOrCommand(TyperGroup):
    """A group in which what is not the name of a command is a path to open: ``napari-adasam FOLDER``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the hidden command before paths, and before nothing at all."""
        if not args or not (args[0].startswith("-") or args[0] in self.commands):
            args = [OPEN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=PathsOrCommand,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Annotate ultrasound with a model that learns while you work. "
    "`napari-adasam [PATH…]` opens the window on files, folders or a session; the commands below work without it.",
)

ModelName = Annotated[str, typer.Option("--model", help="A model's name, or the path of a checkpoint or adapter.")]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn at random.")]
OnCount = Callable[[int, int, str], None]


@app.command(OPEN, hidden=True)
def open_window(paths: Annotated[list[Path] | None, typer.Argument()] = None) -> None:
    """Open the window on files, folders or a session."""
    for path in paths or []:
        if not path.exists():
            raise InputError(_no_such_path(str(path)))
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
    if headless:
        move_to_virtual_screen(sys.argv[1:])
    need_window()
    from napari_adasam.ui.demo import DemoPlan, run_demo

    with progress("demo") as advance:
        report = run_demo(DemoPlan(out=out or Path("demo-out"), headless=headless, seed=seed), advance)
    if report is not None:
        show(report)


@app.command()
def predict(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT", help="Image files or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for masks/ and cams/.")],
    model: ModelName = BUNDLED,
) -> None:
    """Masks and maps of files or folders, without any prompt."""
    from napari_adasam.services.torch_start import keep_triton_out

    keep_triton_out()
    from napari_adasam.services.batch import predict_paths

    with progress("images") as advance:
        report = predict_paths(inputs, out, Settings(model=ModelSettings(name=model)), advance)
    for problem in report.problems:
        typer.echo(problem, err=True)
    show({"frames": report.frames, "seconds_per_frame": report.seconds_per_frame, "device": report.device})


@app.command()
def train(
    dataset: Annotated[Path, typer.Argument(help="A folder with images/, labels/ and index.csv.")],
    out: Annotated[Path, typer.Option(metavar="MODEL", help="The adapter's file, *.safetensors.")],
    labels: Annotated[int | None, typer.Option(help="Use this many labelled images; all, if not given.")] = None,
    method: Annotated[str, typer.Option(help=f"One of: {', '.join(get_args(Method))}.")] = TrainSettings().method,
    base: Annotated[str, typer.Option(help="The model to start from: a name or a path.")] = BUNDLED,
    seed: Seed = 0,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps; by the number of labels, if not given.")] = None,
    structures: Annotated[str, typer.Option(help='Names of the label values: "1=muscle belly,2=aponeurosis".')] = "",
) -> None:
    """Fine-tune on a data set, without a window."""
    settings = TrainSettings(method=method_of(method), seed=seed, steps=steps or TrainSettings().steps)
    from napari_adasam.services.torch_start import keep_triton_out

    keep_triton_out()
    from napari_adasam.services.training import TrainOptions, train_dataset

    options = TrainOptions(labels, ModelSettings(name=base), settings, names_of(structures), steps is None)
    with progress("steps") as advance:
        show(train_dataset(dataset, out, options, _on_round(advance)))


@app.command()
def evaluate(
    dataset: Annotated[Path, typer.Argument(help="A folder with images/, labels/ and index.csv.")],
    study: Annotated[str, typer.Option(help=f"One of: {', '.join(STUDIES)}.")],
    model: ModelName = BUNDLED,
    test: Annotated[Path | None, typer.Option(metavar="DATASET2", help="Measure on this data set instead.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here as well.")] = None,
    input_size: Annotated[int | None, typer.Option(help="Side of the model's square input, in pixels.")] = None,
    held_back: Annotated[
        bool, typer.Option("--held-back", help="Only groups that no bundled training sees: the same for every model.")
    ] = False,
    structures: Annotated[str, typer.Option(help='Names of the label values: "1=muscle belly,2=aponeurosis".')] = "",
    clicks: Annotated[bool, typer.Option(help="Count clicks to IoU 0.90 (slow).")] = True,
    limit: Annotated[int | None, typer.Option(help="At most this many images.")] = None,
    labels: Annotated[int, typer.Option(help="Accepted images of a round, for the study labels.")] = 10,
    seeds: Annotated[int, typer.Option(help="Rounds, with seeds from 0 on, for the study labels.")] = 3,
) -> None:
    """Figures on images that the model never saw."""
    if study not in STUDIES:
        raise InputError(f'There is no study "{study}". Nothing was measured. Choose one of: {", ".join(STUDIES)}.')
    from napari_adasam.services.torch_start import keep_triton_out

    keep_triton_out()
    from napari_adasam.evaluation.run import STUDIES_BY_NAME, StudyOptions, write_json

    options = StudyOptions(
        model=ModelSettings(name=model, input_size=input_size),
        part="held-back" if held_back else "unseen",
        names=names_of(structures),
        limit=limit,
        clicks=clicks,
        labels=labels,
        seeds=tuple(range(seeds)),
    )
    with progress("images") as advance:
        result = STUDIES_BY_NAME[study](test or dataset, options, advance)
    if json_file:
        write_json(json_file, result)
    show(result)


@app.command("train-bundled")
def train_bundled(
    data: Annotated[Path, typer.Argument(help="A folder with the data sets muscle, breast and fetal_head.")],
    base: Annotated[
        Path, typer.Option(help="A MobileSAM checkpoint, or an earlier file of this command to go on from.")
    ],
    out: Annotated[Path, typer.Option(metavar="MODEL", help="The model's file, *.safetensors.")],
    steps: Annotated[int, typer.Option(help="Optimiser steps; each sees four views.")] = 460,
    seed: Seed = 0,
) -> None:
    """Make the bundled model."""
    from napari_adasam.services.torch_start import keep_triton_out

    keep_triton_out()
    from napari_adasam.services.bundled import BundledSettings
    from napari_adasam.services.bundled import train_bundled as run

    with progress("steps") as advance:
        show(run(data, base, out, BundledSettings(steps=steps, seed=seed), _on_step(advance, steps)))


@app.command()
def doctor() -> None:
    """Versions, Qt and GL, devices with a numeric self-check, weights and their licences."""
    from napari_adasam.ui.doctor import examine

    sound = examine()
    if not sound:
        raise typer.Exit(FAILURE)


def method_of(name: str) -> Method:
    """The method of this name; InputError if there is none."""
    methods: tuple[Method, ...] = get_args(Method)
    for method in methods:
        if method == name:
            return method
    raise InputError(f'There is no method "{name}". Nothing was trained. Choose one of: {", ".join(methods)}.')


def show(result: dict[str, Any]) -> None:
    """Print a result to stdout, as JSON."""
    typer.echo(json.dumps(result, ensure_ascii=False, indent=2))


@contextmanager
def progress(unit: str) -> Iterator[OnCount]:
    """A progress bar on stderr; yields what takes (done, total, what)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=console.is_terminal) as bar:
        task = bar.add_task("Starting", total=None)

        def advance(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield advance


def _on_round(advance: OnCount) -> Callable[[RoundProgress], None]:
    def on_progress(event: RoundProgress) -> None:
        advance(event.step, event.steps, event.what)

    return on_progress


def _on_step(advance: OnCount, steps: int) -> Callable[[int, float, float], None]:
    def on_step(step: int, loss: float, seconds: float) -> None:
        advance(step, steps, f"loss {loss:.3f}")

    return on_step


def names_of(text: str) -> tuple[tuple[int, str], ...]:
    """Structure names from "1=muscle belly,2=aponeurosis"; InputError where that cannot be read."""
    pairs = [part.split("=", 1) for part in text.split(",") if part.strip()]
    if any(len(pair) != 2 or not pair[0].strip().isdecimal() or not pair[1].strip() for pair in pairs):
        raise InputError(
            f'The names "{text}" cannot be read. Nothing was measured. Write "1=muscle belly,2=aponeurosis".'
        )
    return tuple((int(value), name.strip()) for value, name in pairs)


def _no_such_path(name: str) -> str:
    near = difflib.get_close_matches(name, set(get_group(app).commands) - {OPEN}, n=1)
    advice = f'Did you mean "napari-adasam {near[0]}"?' if near else "Check the spelling; --help lists the commands."
    return f'There is no file, folder or command "{name}". Nothing was opened. {advice}'


def main() -> None:
    """Run the command line; errors that people can do something about are one sentence on stderr."""
    try:
        app()
    except InputError as error:
        typer.echo(str(error), err=True)
        sys.exit(BAD_INPUT)
    except (AdasamError, OSError) as error:
        typer.echo(str(error), err=True)
        sys.exit(FAILURE)
