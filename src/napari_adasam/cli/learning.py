"""Commands that run or make a model: predict, train, train-bundled, evaluate."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from napari_adasam.cli.program import (
    BUNDLED,
    AdapterBase,
    Changes,
    ModelName,
    OnCount,
    Seed,
    StructureNames,
    app,
    check_folder,
    check_outputs,
    files_of,
    names_of,
    progress,
    said,
    show,
    tell_groups,
)
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import ClassifierForm, LossWeights, Method, ModelSettings, Settings, TrainSettings
from napari_adasam.domain.switches import names_in, with_settings

if TYPE_CHECKING:
    from napari_adasam.domain.rounds import RoundProgress

FAILURE = 1
NOT_LEARNED = "The model that it began with is unchanged."
Learned = Annotated[
    Path | None, typer.Option(metavar="MODEL", help="Blend these, learned from BASE before, instead of training.")
]
Without = Annotated[
    list[str] | None, typer.Option(metavar="KIND", help="Leave this data set out, to test on it; repeatable.")
]
DecoderOnly = Annotated[bool, typer.Option("--decoder-only", help="Train the decoder and the prompt encoder alone.")]
ScoresOnly = Annotated[bool, typer.Option("--scores-only", help="Train the predicted scores alone; masks stay.")]
Skip = Annotated[bool, typer.Option("--skip", help="Give the decoder the encoder's finer features, and train them.")]
Enclosures = Annotated[bool, typer.Option("--enclosures", help="Among the shapes, draw large closed ones with a rim.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Optimiser steps; by the number of labels, if not given.")]
Rate = Annotated[float, typer.Option(min=0, help="Learning rate of the encoder; the decoder's is twice that.")]


@app.command()
def predict(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT", help="Image files or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for masks/ and cams/.")],
    model: ModelName = BUNDLED,
    base: AdapterBase = None,
    structures: Annotated[
        str,
        typer.Option(
            help='What to look for, of what the model has learned, and the values in the masks: "3=lesion"; if not '
            "given, muscle belly and aponeurosis where it has learned these, else all."
        ),
    ] = "",
) -> None:
    """Masks and maps of files or folders, without any prompt."""
    from napari_adasam.services.torch_start import keep_triton_out

    keep_triton_out()
    from napari_adasam.services.batch import predict_paths

    check_folder(out)
    with progress("images", f"Files that are in {out} are whole; the same command writes them all again.") as advance:
        settings = Settings(model=ModelSettings(name=model, base=base))
        report = predict_paths(inputs, out, settings, advance, names_of(structures))
    for problem in report.problems:
        typer.echo(problem, err=True)
    show({"frames": report.frames, "seconds_per_frame": report.seconds_per_frame, "device": report.device})
    if not report.frames:
        raise typer.Exit(FAILURE)


@app.command()
def train(
    ctx: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="A folder with images/, labels/ and index.csv.")],
    out: Annotated[Path, typer.Option(metavar="MODEL", help="The adapter's file, *.safetensors.")],
    labels: Annotated[int | None, typer.Option(min=1, help="Use this many labelled images; all, if not given.")] = None,
    method: Annotated[str, typer.Option(help=f"One of: {', '.join(get_args(Method))}.")] = TrainSettings().method,
    base: Annotated[str, typer.Option(help="The model to start from: a name or a path.")] = BUNDLED,
    classifier: Annotated[
        str | None, typer.Option(help=f"One of: {', '.join(get_args(ClassifierForm))}; the base's own, if not given.")
    ] = None,
    seed: Seed = 0,
    steps: Steps = None,
    structures: StructureNames = "",
    changes: Changes = None,
    image_labels: Annotated[
        bool, typer.Option("--image-labels", help="Tell which structures each unlabelled image shows, and no more.")
    ] = False,
) -> None:
    """Fine-tune on a data set, without a window. The same command goes on where it was stopped."""
    _check_once(ctx, names_in(changes or ()))
    train = TrainSettings(method=method_of(method), seed=seed, steps=steps or TrainSettings().steps)
    given = Settings(model=ModelSettings(name=base, classifier=form_of(classifier)), train=train)
    settings = with_settings(given, changes or ())
    more_steps = steps is None and "steps" not in names_in(changes or ())
    from napari_adasam.services.torch_start import keep_triton_out

    keep_triton_out()
    from napari_adasam.services.part_file import part_of
    from napari_adasam.services.training import TrainOptions, train_dataset

    options = TrainOptions(
        labels, settings.model, settings.train, names_of(structures), more_steps, image_labels, settings.prompts
    )
    check_outputs((out, part_of(out)), (Path(base), *files_of(dataset)))
    tell_groups(dataset)
    with progress("steps", NOT_LEARNED) as advance:
        show(train_dataset(dataset, out, options, _on_round(advance), _tell))


@app.command("train-bundled")
def train_bundled(
    data: Annotated[Path, typer.Argument(help="A folder with the data sets muscle, breast and fetal_head.")],
    base: Annotated[
        Path, typer.Option(help="A MobileSAM checkpoint, or an earlier file of this command to go on from.")
    ],
    out: Annotated[Path, typer.Option(metavar="MODEL", help="The model's file, *.safetensors.")],
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps; each sees four views.")] = 460,
    seed: Seed = 0,
    without: Without = None,
    corrections: Annotated[int, typer.Option(min=1, help="Corrections of an answer in a row, at most.")] = 1,
    drawn: Annotated[float, typer.Option(min=0, max=1, help="Share of views with random shapes to ask for.")] = 0.0,
    enclosures: Enclosures = False,
    blend: Annotated[
        float, typer.Option(min=0, max=1, help="Share of what was learned in the weights; the rest is the base's.")
    ] = 1.0,
    settle: Annotated[int, typer.Option(min=0, help="Steps of the classifier alone, after blending.")] = 0,
    learned: Learned = None,
    decoder_only: DecoderOnly = False,
    scores_only: ScoresOnly = False,
    skip: Skip = False,
    iou: Annotated[float, typer.Option(min=0, help="Weight of the predicted IoU's error.")] = LossWeights().iou,
    rate: Rate = 1.5e-4,
) -> None:
    """Make the bundled model. The same command goes on where it was stopped."""
    from napari_adasam.services.torch_start import keep_triton_out

    keep_triton_out()
    from napari_adasam.services.bundled import train_bundled as run
    from napari_adasam.services.bundled_settings import BundledSettings
    from napari_adasam.services.part_file import part_of

    kinds, total = tuple(without or ()), (0 if learned else steps) + (settle if blend < 1 else 0)
    settings = BundledSettings(steps=steps, seed=seed, without=kinds, blend=blend, settle=settle, lr=rate)
    settings = replace(settings, corrections=corrections, drawn=drawn, enclosures=enclosures, learned=learned)
    settings = replace(settings, decoder_only=decoder_only, scores_only=scores_only, skip=skip)
    settings = replace(settings, weights=LossWeights(iou=iou))
    check_outputs((out, part_of(out)), (base, *([learned] if learned else []), *files_of(*data.glob("*"))))
    with progress("steps", NOT_LEARNED) as advance:
        show(run(data, base, out, settings, _on_step(advance, total), _tell))


def _check_once(ctx: typer.Context, changed: set[str]) -> None:
    """Raise InputError for a figure that is given by an option and by --set."""
    for name in ("seed", "steps"):
        if name in changed and said(ctx, name):
            raise InputError(
                f"The setting {name} is given twice, by --{name} and by --set. Nothing was trained. Leave one out."
            )


def method_of(name: str) -> Method:
    """The method of this name; InputError if there is none."""
    methods: tuple[Method, ...] = get_args(Method)
    for method in methods:
        if method == name:
            return method
    raise InputError(f'There is no method "{name}". Nothing was trained. Choose one of: {", ".join(methods)}.')


def form_of(name: str | None) -> ClassifierForm | None:
    """The classifier's form of this name, ``None`` for none; InputError if there is no such form."""
    forms: tuple[ClassifierForm, ...] = get_args(ClassifierForm)
    for form in forms:
        if form == name:
            return form
    if name is None:
        return None
    raise InputError(f'There is no classifier "{name}". Nothing was trained. Choose one of: {", ".join(forms)}.')


def _on_round(advance: OnCount) -> Callable[[RoundProgress], None]:
    def on_progress(event: RoundProgress) -> None:
        advance(event.step, event.steps, event.what)

    return on_progress


def _tell(sentence: str) -> None:
    """Say something on stderr while there is a bar, which ``typer.echo`` would write into."""
    sys.stderr.write(f"{sentence}\n")


def _on_step(advance: OnCount, steps: int) -> Callable[[int, float, float], None]:
    def on_step(step: int, loss: float, seconds: float) -> None:
        advance(step, steps, f"loss {loss:.3f}")

    return on_step
