"""Settings by name, as ``train`` and ``evaluate`` take them: ``feedback=train``, ``loss.map=0.5``, ``dense=no``.

An ablation is a list of such texts, each changed against the settings it starts from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields, replace
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import LossWeights, PromptSettings, Recipe, Settings, TrainSettings

Value = TypeVar("Value")
YES, NO = ("yes", "on", "true", "1"), ("no", "off", "false", "0")
ABLATION = (
    "feedback=off",
    "feedback=train",
    "feedback=train+infer",
    "classifier=gradcam",
    "dense=no",
    "unlabelled=no",
    "cross_prompting=no",
    "ramp=no",
    "ema_teacher=no",
    "cutmix=no",
    "cutmix=yes",
)
"""Each part of the method switched against the whole; what is the default already is left out by the study."""

RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("steps", "batch", "views", "most_prompts", "unlabelled_every"), (1, math.inf)),
    **dict.fromkeys(("width", "size", "tokens"), (1, math.inf)),
    **dict.fromkeys(("rank", "slices"), (1, 256)),
    **dict.fromkeys(("warm_up", "ema", "ema_end", "confidence"), (0, 1)),
    **dict.fromkeys(("prompt.presence", "prompt.threshold", "prompt.peak_share"), (0, 1)),
    "feedback_heads": (1, 4),
    "adapt_from": (-math.inf, math.inf),
}
"""The least and the most of settings that are numbers, those of baselines too; of all others 0 or more."""
ABOVE_ZERO = ("alpha",)


def _paths() -> dict[str, tuple[str, ...]]:
    nested = ("weights", "recipe", "method")
    found: dict[str, tuple[str, ...]] = {f.name: ("train", f.name) for f in fields(TrainSettings)}
    own = {name: path for name, path in found.items() if name not in nested}
    recipe = {f.name: ("train", "recipe", f.name) for f in fields(Recipe)}
    loss = {f"loss.{f.name}": ("train", "weights", f.name) for f in fields(LossWeights)}
    prompt = {f"prompt.{f.name}": ("prompts", f.name) for f in fields(PromptSettings)}
    short = {part: ("prompts", f"use_{part}") for part in ("box", "point", "dense")}
    return own | recipe | loss | prompt | short | {"classifier": ("model", "classifier")}


PATHS = _paths()


def with_settings(settings: Settings, texts: Iterable[str]) -> Settings:
    """The settings with each NAME=VALUE changed, in order; raises InputError for what is no setting, or no value."""
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in PATHS:
            raise InputError(
                f'There is no setting "{text}". Nothing was done. Write NAME=VALUE; the names are {", ".join(PATHS)}.'
            )
        settings = _changed(settings, PATHS[name], name, value)
    return settings


def names_in(texts: Iterable[str]) -> set[str]:
    """The names that NAME=VALUE texts change."""
    return {text.partition("=")[0].strip() for text in texts}


def with_fields(owner: Value, texts: Iterable[str]) -> Value:
    """A flat dataclass of settings with each NAME=VALUE changed; raises InputError like :func:`with_settings`."""
    names = [field.name for field in fields(owner)]  # type: ignore[arg-type]
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in names:
            raise InputError(f'There is no setting "{text}". Nothing was done. The names are {", ".join(names)}.')
        owner = _changed(owner, (name,), name, value)
    return owner


def _changed(owner: Value, path: tuple[str, ...], name: str, text: str) -> Value:
    step, *rest = path
    if rest:
        new = _changed(getattr(owner, step), tuple(rest), name, text)
    else:
        new = _parsed(get_type_hints(type(owner))[step], name, text)
        _check_range(name, new)
    return replace(owner, **{step: new})  # type: ignore[type-var]


def _parsed(kind: Any, name: str, text: str) -> Any:
    """A text as a value of an annotated type."""
    options = list(get_args(kind)) if get_origin(kind) in (Union, UnionType) else [kind]
    if NoneType in options and text.casefold() == "none":
        return None
    wanted = next(option for option in options if option is not NoneType)
    if wanted is bool and text.casefold() in (*YES, *NO):
        return text.casefold() in YES
    if get_origin(wanted) is Literal and text in get_args(wanted):
        return text
    try:
        if wanted in (int, float):
            return wanted(text)
    except ValueError:
        pass
    expected = {bool: "yes or no", int: "a whole number", float: "a number"}.get(wanted) or ", ".join(get_args(wanted))
    raise InputError(f'"{text}" is no value of {name}. Nothing was done. Give {expected}.')


def _check_range(name: str, value: Any) -> None:
    """Raise InputError for a number that the setting cannot be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    low, high = RANGES.get(name, (0, math.inf))
    if low <= value <= high and math.isfinite(value) and not (value == 0 and name in ABOVE_ZERO):
        return
    if high < math.inf:
        expected = f"{low} to {high}"
    elif low == -math.inf:
        expected = "a number"
    else:
        expected = "more than 0" if name in ABOVE_ZERO else f"{low} or more"
    raise InputError(f'"{value}" is no value of {name}. Nothing was done. Give {expected}.')
