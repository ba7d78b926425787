"""What ``evaluate`` reads from its options, and which of them do not go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.queue import ORDERS, Order
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.domain.switches import PATHS, names_in

if TYPE_CHECKING:
    from napari_adasam.evaluation.subjects import Part

WITH_TABLE, WITH_PLOT = ("labels", "session"), ("session",)
UNUSED = {"prompts": ("train",), "propagation": ("train", "prompts")}
"""Parts of the settings that a study does not use."""


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


def check_changes(study: str, changes: Sequence[str]) -> None:
    """Raise InputError for settings that a study would take and not use."""
    for name in sorted(names_in(changes)):
        if PATHS[name][0] in UNUSED.get(study, ()):
            raise InputError(f"The study {study} does not use the setting {name}. Nothing was measured. Leave it out.")


def orders_of(text: str) -> tuple[Order, ...]:
    """Orders from "active,random"; InputError for one that is none."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in ORDERS:
            raise InputError(f'There is no order "{name}". Nothing was measured. Choose of: {", ".join(ORDERS)}.')
    return tuple(one for name in names for one in ORDERS if one == name)


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
    if not size.isdecimal():
        raise InputError(f'"{size}" in "{text}" is no size in pixels. Nothing was measured. Write MODEL@512.')
    return ModelSettings(name=name, input_size=int(size))
