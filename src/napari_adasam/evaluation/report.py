"""Rows of the study ``labels`` over seeds, and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

Row = dict[str, Any]


def summary(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row a method, its settings, number of labels and structure.

    Means over seeds, and the Dice's 95 % t-interval over them. A file that was gone on with under other settings has
    rows of both, which are never averaged.
    """
    found: dict[tuple[str, str, int, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = row["method"], row.get("settings", ""), row["labels"], row["structure"]
        found.setdefault(key, []).append(row)
    return [
        {
            "method": method,
            "settings": settings,
            "labels": labels,
            "structure": structure,
            "name": same[0]["name"],
            "seeds": len(same),
            "dice": float(np.mean([row["dice"] for row in same])),
            "dice_ci95": over_seeds([row["dice"] for row in same]),
            "hd95": float(np.mean([row["hd95"] for row in same])),
            "seconds": float(np.mean([row["seconds"] for row in same])),
            "memory_mb": float(np.mean([row.get("memory_mb", np.nan) for row in same])),
            "parameters": same[0].get("parameters"),
            "unit": same[0].get("unit", "px"),
        }
        for (method, settings, labels, structure), same in found.items()
    ]


def over_seeds(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the mean by Student's t; ``None`` for fewer than two values."""
    if len(values) < 2:
        return None
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def table(found: Sequence[Mapping[str, Any]], what: str = "labels") -> str:
    """A summary as a Markdown table: a line a method and structure, a column a number of labels or volumes.

    A method that ran with several settings has a line for each, with their mark behind its name.
    """
    counts = sorted({row["labels"] for row in found})
    unit = found[0]["unit"] if found else ""
    heads = " | ".join(f"{n} {what}: Dice (95 %), HD95 {unit}, s, MB" for n in counts)
    lines = [f"| method | trained | structure | {heads} |", "| --- | --- | --- |" + " --- |" * len(counts)]
    settings = {(row["method"], row["settings"]) for row in found}
    mixed = {method for method, _ in settings if sum(method == other for other, _ in settings) > 1}
    for line in dict.fromkeys(map(_line_of, found)):
        own = {row["labels"]: row for row in found if _line_of(row) == line}
        first = next(iter(own.values()))
        method = f"{first['method']} [{first['settings']}]" if first["method"] in mixed else first["method"]
        name, trained = first["name"], "" if first["parameters"] is None else f"{first['parameters']:,}"
        cells = [_cell(own[n]) if n in own else "" for n in counts]
        lines.append(f"| {method} | {trained} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _line_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["method"], row["settings"], row["structure"]


def _cell(row: Mapping[str, Any]) -> str:
    within = "" if row["dice_ci95"] is None else f" ({row['dice_ci95'][0]:.3f}–{row['dice_ci95'][1]:.3f})"
    distance = f"{row['hd95']:.0f}" if row["unit"] == "px" else f"{row['hd95']:.1f}"
    return f"{row['dice']:.3f}{within}, {distance}, {row['seconds']:.0f}, {row['memory_mb']:.0f}"
