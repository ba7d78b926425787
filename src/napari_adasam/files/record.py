"""What a session's folder holds, read from its rows: the latest row of a frame is what holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from napari_adasam.domain.calibration import NOT_SET, FrameSetup
from napari_adasam.domain.choices import METHODS, Choices
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.packing import NO_LABELS, PackedAnnotation, PackedAnnotations
from napari_adasam.domain.propagation import PropagatedMasks
from napari_adasam.domain.queue import ORDERS, Place
from napari_adasam.domain.records import Annotation, Draft, Frame, FrameStatus, Spacing
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.structures import Structure
from napari_adasam.domain.versions import Remark
from napari_adasam.files.drafts import DAMAGE, read_draft, read_facts, read_propagated, read_shape
from napari_adasam.files.masks import MaskFolder
from napari_adasam.files.setup_rows import scale_of, sector_of

Rows = Callable[[str], list[tuple[Any, ...]]]
"""Gives all rows of a table, oldest first."""
Ticks = dict[str, dict[int, bool]]
One = TypeVar("One", Draft, PropagatedMasks)
STAND_IN = "An earlier version of the frame is shown if there is one."


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What a session's folder holds.

    Parameters
    ----------
    frames
        In the order they were added.
    statuses
        Frame id to status; frames without one are new.
    annotations
        Frame id to the latest accepted label image, unpacked when it is asked for; the status tells whether the frame
        was reopened since.
    drafts
        Frame id to what was in progress on it; only of frames that are neither accepted nor skipped.
    propagated
        Frame id to the masks that came from a key frame; only of frames that are not accepted.
    ticks
        Frame id to structure value to whether the clinician says that it is there.
    used
        Every structure value that was ever in the list: none is given to another structure.
    serving
        The file, within the session's folder, of the model that served last; ``None`` for the model of the settings.
    setups
        Frame id to the scale and sector that were set by hand.
    rounds
        Reports of all rounds, oldest first; their models are the lineage.
    remarks
        Frame id to what was remarked about it.
    readers
        Names and folders of the sessions that are compared in this one.
    place
        Where one left off.
    choices
        What was chosen; ``None`` in a session of an earlier version.
    problems
        One sentence for each mask that is missing or damaged; an earlier one of the frame stands in for it where
        there is one.
    """

    frames: tuple[Frame, ...] = ()
    structures: tuple[Structure, ...] = ()
    statuses: dict[str, FrameStatus] = field(default_factory=dict)
    annotations: PackedAnnotations = field(default_factory=lambda: PackedAnnotations({}))
    drafts: dict[str, Draft] = field(default_factory=dict)
    propagated: dict[str, PropagatedMasks] = field(default_factory=dict)
    ticks: Ticks = field(default_factory=dict)
    used: frozenset[int] = frozenset()
    serving: Path | None = None
    setups: dict[str, FrameSetup] = field(default_factory=dict)
    rounds: tuple[RoundReport, ...] = ()
    remarks: dict[str, Remark] = field(default_factory=dict)
    readers: tuple[tuple[str, Path], ...] = ()
    place: Place = field(default_factory=Place)
    choices: Choices | None = None
    problems: tuple[str, ...] = ()


def read_record(rows: Rows, masks: MaskFolder, models: Path, lazily: bool = False) -> SessionRecord:
    """Read everything that holds now; a damaged mask or draft is a problem. ``lazily``: see :meth:`Store.load`.

    Raises
    ------
    ValueError, KeyError, TypeError and others of ``DAMAGE``
        If rows make no sense.
    """
    structures = [json.loads(row[0]) for row in rows("structures")]
    serving = rows("serving")
    frames = {row[0]: _frame(row) for row in rows("frames")}
    annotations, problems = _annotations(rows("annotations"), masks, frames if lazily else {})
    drafts, damaged = _passing(rows("drafts"), read_draft)
    propagated, lost = _passing(rows("propagated"), read_propagated)
    return SessionRecord(
        frames=tuple(frames.values()),
        structures=tuple(Structure(**item) for item in structures[-1]) if structures else (),
        used=frozenset(item["value"] for items in structures for item in items),
        serving=models / serving[-1][0] if serving and serving[-1][0] else None,
        drafts=drafts,
        propagated=propagated,
        statuses={frame_id: FrameStatus(status) for frame_id, status in rows("statuses")},
        annotations=annotations,
        ticks=_ticks(rows),
        setups=_setups(rows),
        rounds=tuple(_report(row[3]) for row in rows("rounds")),
        remarks={row[0]: Remark(row[1], bool(row[2])) for row in rows("remarks")},
        readers=tuple((name, Path(folder)) for name, folder in rows("readers")),
        place=_place(rows("places")),
        choices=_choices(rows("choices")),
        problems=(*problems, *damaged, *lost),
    )


def _place(rows: list[tuple[Any, ...]]) -> Place:
    """The last one; the usual order where it is of a kind that is not known here."""
    current, how, seed = rows[-1] if rows else ("", "file", 0)
    return Place(current, next((known for known in ORDERS if known == how), "file"), int(seed))


def _choices(rows: list[tuple[Any, ...]]) -> Choices | None:
    """The last ones; ``None`` where they are none that can be set here."""
    if not rows:
        return None
    name, base, how, slices, every = rows[-1]
    method = next((known for known in METHODS if known == how), None)
    if method is None or not name or not 1 <= int(slices) < 100 or int(every) < 0:
        return None
    return Choices(str(name), None if base is None else str(base), method, int(slices), int(every))


def _ticks(rows: Rows) -> Ticks:
    ticks: Ticks = {}
    for frame_id, structure, present in rows("ticks"):
        marks = ticks.setdefault(frame_id, {})
        marks.pop(structure, None)
        if present is not None:
            marks[structure] = bool(present)
    return {frame_id: marks for frame_id, marks in ticks.items() if marks}


def _setups(rows: Rows) -> dict[str, FrameSetup]:
    found: dict[str, FrameSetup] = {}
    for frame_id, *scale in rows("scales"):
        found[frame_id] = replace(found.get(frame_id, NOT_SET), scale=scale_of(*scale))
    for frame_id, text in rows("sectors"):
        found[frame_id] = replace(found.get(frame_id, NOT_SET), sector=sector_of(text))
    return {frame_id: setup for frame_id, setup in found.items() if setup != NOT_SET}


def _annotations(
    rows: list[tuple[Any, ...]], masks: MaskFolder, frames: Mapping[str, Frame]
) -> tuple[PackedAnnotations, tuple[str, ...]]:
    """The last version of each frame whose mask is there; those of ``frames`` are not read yet."""
    found: dict[str, PackedAnnotation] = {}
    problems = []
    there = {path.name for path in masks.path.glob("*.tif")} if frames else set()
    for row in reversed(rows):
        if row[0] in found:
            continue
        try:
            if row[0] in frames and f"{row[1]}.tif" in there:
                found[row[0]] = _unread(row, masks, frames[row[0]])
            else:
                found[row[0]] = PackedAnnotation.of(_annotation(row, masks))
        except InputError as error:
            problems.append(f"{error} {STAND_IN}")
    return PackedAnnotations(dict(reversed(found.items()))), tuple(problems)


def _passing(rows: list[tuple[Any, ...]], read: Callable[[tuple[Any, ...]], One]) -> tuple[dict[str, One], list[str]]:
    found: dict[str, One] = {}
    problems = []
    for row in rows:
        try:
            found[row[0]] = read(row)
        except DAMAGE:
            problems.append("Work in progress on one frame is damaged and was left out; what is accepted is safe.")
    return found, problems


def _frame(row: tuple[Any, ...]) -> Frame:
    frame_id, path, index, height, width, stem, y_mm, x_mm, source, note = row
    spacing = None if y_mm is None else Spacing(y_mm, x_mm, source)
    return Frame(frame_id, path, index, *read_shape(height, width), stem, spacing, note)


def frame_row(frame: Frame) -> tuple[Any, ...]:
    """The row of a frame."""
    spacing = frame.spacing
    scale = (None, None, None) if spacing is None else (spacing.y_mm, spacing.x_mm, spacing.source)
    return (frame.id, frame.path, frame.index, frame.height, frame.width, frame.stem, *scale, frame.note)


def _annotation(row: tuple[Any, ...], masks: MaskFolder) -> Annotation:
    frame_id, mask, *facts = row
    return Annotation(frame_id, masks.read(mask), *read_facts(facts))


def _unread(row: tuple[Any, ...], masks: MaskFolder, frame: Frame) -> PackedAnnotation:
    frame_id, mask, *facts = row
    bare = Annotation(frame_id, NO_LABELS, *read_facts(facts))
    return PackedAnnotation(bare, masks.stored(mask, (frame.height, frame.width)))


def _report(text: str) -> RoundReport:
    fields = json.loads(text)
    for name in ("before", "after"):
        fields[name] = {int(value): float(dice) for value, dice in fields[name].items()}
    return RoundReport(**fields | {"losses": tuple(fields["losses"])})
