"""A session on disk: ``session.sqlite``, ``masks/`` and ``models/`` in one folder.

Every change is a new row, and no row is ever changed: the latest row of a frame is what holds, the earlier ones are
its history. A mask is on the disk before the row that names it, and the row is on the disk before
:meth:`Store.save_annotation` returns, so that an interruption at any instant loses nothing that was accepted.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_adasam.domain.calibration import NOT_SET, FrameSetup
from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.records import Annotation, Frame, FrameStatus, MaskOrigin, Spacing
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.structures import Structure
from napari_adasam.files import schema
from napari_adasam.files.atomic import flush_folder, make_folder
from napari_adasam.files.masks import read_mask, write_mask
from napari_adasam.files.setup_rows import scale_of, scale_row, sector_of, sector_row

DATABASE = "session.sqlite"
Ticks = dict[str, dict[int, bool]]


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
        Frame id to the latest accepted label image; the status tells whether the frame was reopened since.
    ticks
        Frame id to structure value to whether the clinician says that it is there.
    setups
        Frame id to the scale and sector that were set by hand.
    rounds
        Reports of all rounds, oldest first; their models are the lineage.
    problems
        One sentence for each mask that is missing or damaged; an earlier one of the frame stands in for it where
        there is one.
    """

    frames: tuple[Frame, ...] = ()
    structures: tuple[Structure, ...] = ()
    statuses: dict[str, FrameStatus] = field(default_factory=dict)
    annotations: dict[str, Annotation] = field(default_factory=dict)
    ticks: Ticks = field(default_factory=dict)
    setups: dict[str, FrameSetup] = field(default_factory=dict)
    rounds: tuple[RoundReport, ...] = ()
    problems: tuple[str, ...] = ()


class Store:
    """One open session folder; may be called from any thread. Make it with :meth:`create` or :meth:`open`.

    Every ``save_…`` method returns when its rows are on the disk, and raises StorageError, with nothing half written,
    if they are not.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def create(cls, folder: Path) -> Store:
        """Make a new session in ``folder``, which may exist but hold no session. Raises InputError or StorageError."""
        database = folder / DATABASE
        if is_session(folder):
            raise InputError(f"{folder} holds a session already; open it, or choose another folder.")
        for name in ("masks", "models"):
            make_folder(folder / name)
        try:
            connection = schema.connect(database)
            flush_folder(folder)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(schema.not_saved(folder, error)) from error
        return cls(folder, connection)

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open an existing session. Raises InputError if there is none, or a newer program made it; StorageError."""
        if not is_session(folder):
            raise InputError(f"{folder} holds no session ({DATABASE} is missing or empty); choose the folder of one.")
        try:
            return cls(folder, schema.connect(folder / DATABASE))
        except sqlite3.DatabaseError as error:
            raise InputError(schema.not_opened(folder, error)) from error

    @property
    def masks(self) -> Path:
        """Folder of the label images."""
        return self.folder / "masks"

    @property
    def models(self) -> Path:
        """Folder of the adapters of accepted rounds."""
        return self.folder / "models"

    def close(self) -> None:
        """Close the database; a second call does nothing."""
        with self._lock:
            self._connection.close()

    def save_frames(self, frames: Iterable[Frame]) -> None:
        """Add frames, or new versions of them."""
        self._append("frames", [_frame_row(frame) for frame in frames])

    def save_structures(self, structures: Sequence[Structure]) -> None:
        """Replace the list of structures."""
        self._append("structures", [(json.dumps([asdict(structure) for structure in structures]),)])

    def save_status(self, frame_id: str, status: FrameStatus) -> None:
        """Note where a frame stands from now on."""
        self._append("statuses", [(frame_id, str(status))])

    def save_annotation(self, annotation: Annotation) -> None:
        """Save an accepted label image; the frame's status becomes accepted in the same transaction."""
        mask = write_mask(self.masks, annotation.labels)
        origins = json.dumps({value: str(origin) for value, origin in annotation.origins.items()})
        shares = json.dumps({value: float(share) for value, share in annotation.changed_share.items()})
        row = (annotation.frame_id, mask, origins, shares, float(annotation.seconds), annotation.model)
        with self._lock, self._transaction():
            self._insert("annotations", [row])
            self._insert("statuses", [(annotation.frame_id, str(FrameStatus.ACCEPTED))])

    def save_tick(self, frame_id: str, structure: int, present: bool | None) -> None:
        """Save an image-level label; ``None`` takes it back."""
        self._append("ticks", [(frame_id, int(structure), None if present is None else int(present))])

    def save_setups(self, before: Mapping[str, FrameSetup], after: Mapping[str, FrameSetup]) -> None:
        """Save scales and sectors by hand of all frames in ``after``, where other than ``before``; all or none."""
        scales, sectors = [], []
        for frame_id, setup in after.items():
            was = before.get(frame_id, NOT_SET)
            if setup.scale != was.scale:
                scales.append(scale_row(frame_id, setup))
            if setup.sector != was.sector:
                sectors.append(sector_row(frame_id, setup))
        with self._lock, self._transaction():
            self._insert("scales", scales)
            self._insert("sectors", sectors)

    def save_round(self, report: RoundReport) -> None:
        """Save a round's report: the next link of the model's lineage."""
        self._append("rounds", [(report.number, report.model, int(report.accepted), json.dumps(asdict(report)))])

    def load(self) -> SessionRecord:
        """Everything that holds now. Raises StorageError if the database is damaged; a damaged mask is a problem."""
        try:
            with self._lock:
                return self._load()
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"The session in {self.folder} is damaged and was not changed; restore it from a copy."
            ) from error

    def _load(self) -> SessionRecord:
        structures = self._rows("structures")
        annotations, problems = self._annotations()
        ticks: Ticks = {}
        for frame_id, structure, present in self._rows("ticks"):
            marks = ticks.setdefault(frame_id, {})
            marks.pop(structure, None)
            if present is not None:
                marks[structure] = bool(present)
        return SessionRecord(
            frames=tuple({row[0]: _frame(row) for row in self._rows("frames")}.values()),
            structures=tuple(Structure(**item) for item in json.loads(structures[-1][0])) if structures else (),
            statuses={frame_id: FrameStatus(status) for frame_id, status in self._rows("statuses")},
            annotations=annotations,
            ticks={frame_id: marks for frame_id, marks in ticks.items() if marks},
            setups=self._setups(),
            rounds=tuple(_report(row[3]) for row in self._rows("rounds")),
            problems=problems,
        )

    def _setups(self) -> dict[str, FrameSetup]:
        found: dict[str, FrameSetup] = {}
        for frame_id, *scale in self._rows("scales"):
            found[frame_id] = replace(found.get(frame_id, NOT_SET), scale=scale_of(*scale))
        for frame_id, text in self._rows("sectors"):
            found[frame_id] = replace(found.get(frame_id, NOT_SET), sector=sector_of(text))
        return {frame_id: setup for frame_id, setup in found.items() if setup != NOT_SET}

    def _annotations(self) -> tuple[dict[str, Annotation], tuple[str, ...]]:
        found: dict[str, Annotation] = {}
        problems = []
        for row in reversed(self._rows("annotations")):
            if row[0] in found:
                continue
            try:
                found[row[0]] = _annotation(row, self.masks)
            except InputError as error:
                problems.append(f"{error} An earlier version of the frame is shown if there is one.")
        return dict(reversed(found.items())), tuple(problems)

    def _append(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._lock, self._transaction():
            self._insert(table, rows)

    def _transaction(self) -> schema.Transaction:
        return schema.Transaction(self._connection, self.folder)

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._connection.executemany(schema.insert(table), rows)

    def _rows(self, table: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(schema.select(table)).fetchall()


def is_session(folder: Path) -> bool:
    """Whether a folder holds a session."""
    database = folder / DATABASE
    return database.is_file() and database.stat().st_size > 0


def _frame_row(frame: Frame) -> tuple[Any, ...]:
    spacing = frame.spacing
    scale = (None, None, None) if spacing is None else (spacing.y_mm, spacing.x_mm, spacing.source)
    return (frame.id, frame.path, frame.index, frame.height, frame.width, frame.stem, *scale, frame.note)


def _frame(row: tuple[Any, ...]) -> Frame:
    frame_id, path, index, height, width, stem, y_mm, x_mm, source, note = row
    spacing = None if y_mm is None else Spacing(y_mm, x_mm, source)
    return Frame(frame_id, path, index, height, width, stem, spacing, note)


def _annotation(row: tuple[Any, ...], masks: Path) -> Annotation:
    frame_id, mask, origins, shares, seconds, model = row
    return Annotation(
        frame_id=frame_id,
        labels=read_mask(masks, mask),
        origins={int(value): MaskOrigin(origin) for value, origin in json.loads(origins).items()},
        changed_share={int(value): float(share) for value, share in json.loads(shares).items()},
        seconds=seconds,
        model=model,
    )


def _report(text: str) -> RoundReport:
    fields = json.loads(text)
    for name in ("before", "after"):
        fields[name] = {int(value): float(dice) for value, dice in fields[name].items()}
    return RoundReport(**fields | {"losses": tuple(fields["losses"])})
