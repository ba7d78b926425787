"""The options of ``evaluate``, and what their help says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
        help="For the study labels: start (the model as it is), adasam, lora, medsa, masam, decoder, classifier, "
        "unet, unet-mean-teacher, unet3d, head, learned-prompts; with settings: "
        '"masam:slices=3,unet:lr=0.001".'
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
Clicks = Annotated[bool, typer.Option(help="For the study prompts: count clicks to IoU 0.90 (slow).")]
Limit = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="At most this many images of the study prompts, of each test of labels (volumes, with --volumes), of each "
        "pass of session; volumes of propagation.",
    ),
]
InputSize = Annotated[int | None, typer.Option(min=1, help="Side of the model's square input, in pixels.")]
Instead = Annotated[
    Path | None,
    typer.Option(
        metavar="DATASET2",
        help="Measure on this data set. The study labels learns on DATASET and tests on this one; the other studies "
        "take it in place of DATASET.",
    ),
]
Table = Annotated[Path | None, typer.Option(help="For the studies labels and session: write a Markdown table here.")]
Plot = Annotated[Path | None, typer.Option(help="For the study session: write learning curves here, as SVG.")]
Against = Annotated[
    list[str] | None,
    typer.Option(metavar="MODEL[@SIZE]", help="For the study prompts: measure this model too, on the same images."),
]
StudyData = Annotated[
    Path,
    typer.Argument(
        help="A folder with images/, labels/ and index.csv; for the study propagation one of volumes, or the word "
        "phantom for drawn clips."
    ),
]
