"""What ``evaluate`` reads from its options, and which of them do not go together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from napari_adasam.cli.program import said
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.queue import ORDERS, Order
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.domain.switches import PATHS, names_in

if TYPE_CHECKING:
    from napari_adasam.evaluation.subjects import Part

WITH_TABLE, WITH_PLOT = ("labels", "session"), ("session",)
UNUSED = {"prompts": ("train",), "propagation": ("train", "prompts")}
"""Parts of the settings that a study does not use."""
OWN_SEEDS = ("labels", "session")
"""Studies that give each training, or each pass, a seed of their own."""
DRAWN = "phantom"
"""The word in place of a data set for which the study propagation draws clips; in the tables a study of its own."""
IN_WORDS = {"propagation": "propagation of volumes", DRAWN: "propagation of drawn clips"}
OF_DATA = ("prompts", "labels", "session", "propagation")
USED_BY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("held_back", "validation", "structures", "limit"), OF_DATA),
    **dict.fromkeys(("against", "clicks"), ("prompts",)),
    **dict.fromkeys(("methods", "labels", "volumes", "boxes", "gated", "ablation"), ("labels",)),
    **dict.fromkeys(("orders", "learning", "every"), ("session",)),
    "seeds": ("labels", "session", DRAWN),
    "frames": (DRAWN,),
}
"""Which studies use an option of ``evaluate``. One that is not named here is of all, or has a check of its own."""


def part_of(held_back: bool, validation: bool) -> Part:
    """Which groups are measured on; InputError where two parts are asked for at once."""
    if held_back and validation:
        raise InputError(
            "--held-back and --validation are two parts of a data set. Nothing was measured. Give one of them."
        )
    return "held-back" if held_back else "validation" if validation else "unseen"


def check_has(study: str, table: bool, plot: bool) -> None:
    """Raise InputError where a study is asked for a table or a plot that it has none of."""
    for option, asked, having in (("--table", table, WITH_TABLE), ("--plot", plot, WITH_PLOT)):
        if asked and study not in having:
            raise InputError(
                f"The study {study} has nothing for {option}: that is of {' and '.join(having)}. Nothing was measured. "
                "Leave it out; --json FILE keeps the rows."
            )


def check_used(ctx: typer.Context, study: str, folder: Path) -> None:
    """Raise InputError for an option that was given and that this study of this folder does not use."""
    kind = DRAWN if study == "propagation" and folder.name == DRAWN and not folder.exists() else study
    for one in ctx.command.params:
        name = one.name or ""
        using = USED_BY.get(name, (kind,))
        if kind not in using and said(ctx, name):
            option = [*one.opts, *one.secondary_opts][-1 if ctx.params[name] is False else 0]
            raise InputError(
                f"The study {_in_words([kind])} does not use {option}: that is for the "
                f"stud{'y' if len(using) == 1 else 'ies'} {_in_words(using)}. Nothing was measured. Leave it out."
            )
    if ctx.params["boxes"] and not ctx.params["volumes"]:
        raise InputError("--boxes is measured on whole volumes. Nothing was measured. Give --volumes too.")
    if ctx.params["test"] and ctx.params["volumes"]:
        raise InputError("--volumes tests on volumes of the same data set. Nothing was measured. Leave --test out.")


def _in_words(studies: Sequence[str]) -> str:
    *first, last = [IN_WORDS.get(one, one) for one in studies]
    return f"{', '.join(first)} and {last}" if first else last


def check_changes(study: str, changes: Sequence[str]) -> None:
    """Raise InputError for settings that a study would take and not use."""
    for name in sorted(names_in(changes)):
        if PATHS[name][0] in UNUSED.get(study, ()) or (name == "seed" and study in OWN_SEEDS):
            raise InputError(f"The study {study} does not use the setting {name}. Nothing was measured. Leave it out.")


def orders_of(text: str) -> tuple[Order, ...]:
    """Orders from "active,random"; InputError for one that is none."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in ORDERS:
            raise InputError(f'There is no order "{name}". Nothing was measured. Choose of: {", ".join(ORDERS)}.')
    return tuple(one for name in names for one in ORDERS if one == name)


def methods_of(text: str) -> tuple[str, ...]:
    """Methods from "start,adasam:rank=4"; InputError where there is none. Whether they exist, the study knows."""
    found = tuple(method.strip() for method in text.split(",") if method.strip())
    if not found:
        raise InputError(f'There is no method in --methods "{text}". Nothing was measured. Write --methods start,unet.')
    return found


def counts_of(text: str) -> tuple[int, ...]:
    """Numbers of labels from "5,10,20"; InputError where that cannot be read."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f'"{text}" are no numbers of labels. Nothing was measured. Write --labels 5,10,20.')
    return tuple(int(part) for part in parts)


def model_at(text: str) -> ModelSettings:
    """A model's name or path, with ``@`` and its input size behind it or not; InputError for a size that is none."""
    name, at, size = text.rpartition("@")
    if not at:
        return ModelSettings(name=text)
    if not size.isdecimal() or not int(size):
        raise InputError(f'"{size}" in "{text}" is no size in pixels. Nothing was measured. Write MODEL@512.')
    return ModelSettings(name=name, input_size=int(size))
