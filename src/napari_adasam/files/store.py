"""A session on disk: ``session.sqlite``, ``masks/`` and ``models/`` in one folder.

Every decision is a new row, and no row is ever changed: the latest row of a frame is what holds, the earlier ones are
its history. Only work in progress (drafts) replaces what was saved of it before.

A mask is on the disk before the row that names it, and the row is on the disk before :meth:`Store.save_annotation`
returns, so that an interruption at any instant loses nothing that was accepted.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from napari_adasam.domain.calibration import NOT_SET, FrameSetup
from napari_adasam.domain.choices import Choices
from napari_adasam.domain.errors import InputError, OnlyReadableError, StorageError
from napari_adasam.domain.packing import PackedMask
from napari_adasam.domain.propagation import PropagatedMasks
from napari_adasam.domain.queue import Place
from napari_adasam.domain.records import Annotation, Draft, Frame, FrameStatus
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.structures import Structure
from napari_adasam.domain.versions import Remark, Version
from napari_adasam.files import past, schema
from napari_adasam.files.atomic import flush_folder, make_folder
from napari_adasam.files.drafts import DAMAGE, draft_row, facts_row, propagated_row
from napari_adasam.files.lock import FolderLock
from napari_adasam.files.masks import MaskFolder, write_mask
from napari_adasam.files.record import SessionRecord, frame_row, read_record
from napari_adasam.files.setup_rows import scale_row, sector_row
from napari_adasam.files.store_sentences import may_not_be_written, not_opened, not_saved

__all__ = ["DATABASE", "SessionRecord", "Store", "is_session"]

DATABASE = schema.DATABASE
NOTHING: Mapping[int, PackedMask] = MappingProxyType({})


class Store:
    """One open session folder; may be called from any thread. Make it with :meth:`create` or :meth:`open`.

    Every ``save_…`` method returns when its rows are on the disk, and raises StorageError, with nothing half written,
    if they are not.
    """

    _name = DATABASE
    _sound: frozenset[str] = frozenset()
    """Masks that were found unharmed in a folder that nobody else writes to."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, held: FolderLock) -> None:
        self.folder, self._mask_folder = folder, MaskFolder(folder / "masks")
        self._connection = connection
        self._held = held
        self._lock = threading.Lock()

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Make a new session in ``folder``, which may exist but hold no session. Raises InputError or StorageError."""
        if is_session(folder):
            raise InputError(f"{folder} holds a session already; open it, or choose another folder.")
        for name in ("masks", "models"):
            make_folder(folder / name)
        held = FolderLock(folder)
        held.take()
        try:
            cls._clear(folder)
            connection = schema.connect(folder / cls._name)
            flush_folder(folder)
        except (OSError, sqlite3.Error) as error:
            held.release()
            raise StorageError(not_saved(folder, error)) from error
        return cls(folder, connection, held)

    @classmethod
    def _clear(cls, folder: Path) -> None:
        """Take away what would be in the way of a new one."""

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open an existing session.

        Raises InputError if there is none or a newer program made it; OnlyReadableError if it is open in another window
        or may not be written to; StorageError.
        """
        if not is_session(folder):
            raise InputError(f"{folder} holds no session ({DATABASE} is missing or empty); choose the folder of one.")
        held = FolderLock(folder)
        held.take()
        return cls._connect(folder, held)

    @classmethod
    def read(cls, folder: Path, lazily: bool = False) -> SessionRecord:
        """What a session holds, also while it is open in a window or may not be written to; changes nothing.

        Raises as :meth:`load` and :meth:`to_read` do.
        """
        with contextlib.closing(cls.to_read(folder)) as store:
            return store.load(lazily)

    @classmethod
    def to_read(cls, folder: Path) -> Store:
        """Open a session to read only, without its lock. InputError if there is none or a newer program made it."""
        if not is_session(folder):
            raise InputError(f"{folder} holds no session ({DATABASE} is missing or empty); choose the folder of one.")
        try:
            return cls(folder, schema.connect_to_read(folder / DATABASE), FolderLock(folder))
        except sqlite3.DatabaseError as error:
            raise InputError(not_opened(folder, error)) from error

    @classmethod
    def _connect(cls, folder: Path, held: FolderLock) -> Store:
        try:
            return cls(folder, schema.connect(folder / DATABASE), held)
        except sqlite3.DatabaseError as error:
            held.release()
            kind = OnlyReadableError if may_not_be_written(error) else InputError
            raise kind(not_opened(folder, error)) from error
        except BaseException:
            held.release()
            raise

    @property
    def masks(self) -> Path:
        """Folder of the label images."""
        return self.folder / "masks"

    @property
    def models(self) -> Path:
        """Folder of the adapters of accepted rounds."""
        return self.folder / "models"

    def follow(self, other: Store) -> None:
        """Read what was loaded lazily from another folder, which the session has moved to, from now on."""
        self._mask_folder.path = other.masks
        other._mask_folder = self._mask_folder

    def close(self) -> None:
        """Close the database; a second call does nothing."""
        with self._lock:
            self._connection.close()
            self._held.release()

    def discard(self) -> None:
        """Close a session that could not be made whole, and take its database away; masks written so far stay."""
        self.close()
        for path in self.folder.glob(f"{self._name}*"):
            path.unlink(missing_ok=True)

    def save_frames(self, frames: Iterable[Frame]) -> None:
        """Add frames, or new versions of them."""
        self._append("frames", [frame_row(frame) for frame in frames])

    def save_structures(self, structures: Sequence[Structure]) -> None:
        """Replace the list of structures."""
        self._append("structures", [(json.dumps([asdict(structure) for structure in structures]),)])

    def save_status(self, frame_id: str, status: FrameStatus, *others: tuple[str, FrameStatus]) -> None:
        """Note where a frame stands from now on, and where others do: all or none."""
        self._append("statuses", [(one, str(stands)) for one, stands in ((frame_id, status), *others)])

    def save_annotation(self, annotation: Annotation, suggested: Mapping[int, PackedMask] = NOTHING) -> None:
        """Save an accepted label image; the frame's status becomes accepted in the same transaction.

        ``suggested``: structure value to the mask that was suggested; without any, what was saved of that stays.
        """
        schema.check_there(self.folder, self._name)
        row = (annotation.frame_id, write_mask(self.masks, annotation.labels, self._sound), *facts_row(annotation))
        with self._lock, self._transaction():
            self._insert("annotations", [row])
            self._insert("statuses", [(annotation.frame_id, str(FrameStatus.ACCEPTED))])
            for table in (*schema.OF_FRAMES, *(["suggested"] if suggested else [])):
                self._connection.execute(f"DELETE FROM {table} WHERE frame_id = ?", (annotation.frame_id,))
            self._insert("suggested", past.suggested_rows(annotation.frame_id, suggested))

    def save_propagated(self, masks: PropagatedMasks) -> None:
        """Save the masks that came to a frame from a key frame, in place of earlier ones."""
        with self._lock, self._transaction():
            self._connection.execute("DELETE FROM propagated WHERE frame_id = ?", (masks.frame_id,))
            self._insert("propagated", [propagated_row(masks)])

    def drop_propagated(self, frame_id: str) -> None:
        """Forget the masks that came to a frame from a key frame."""
        with self._lock, self._transaction():
            self._connection.execute("DELETE FROM propagated WHERE frame_id = ?", (frame_id,))

    def save_draft(self, draft: Draft) -> None:
        """Save work in progress on a frame, in place of what was saved of it before."""
        with self._lock, self._transaction():
            self._connection.execute("DELETE FROM drafts WHERE frame_id = ?", (draft.annotation.frame_id,))
            self._insert("drafts", [draft_row(draft)])

    def drop_draft(self, frame_id: str) -> None:
        """Forget the work in progress on a frame, because it was all taken back."""
        with self._lock, self._transaction():
            self._connection.execute("DELETE FROM drafts WHERE frame_id = ?", (frame_id,))

    def save_serving(self, file: Path | None) -> None:
        """Note which model serves from now on: a file in :attr:`models`, or ``None`` for that of the settings."""
        self._append("serving", [("" if file is None else file.name,)])

    def save_place(self, place: Place) -> None:
        """Note where one is, in place of what was noted before."""
        with self._lock, self._transaction():
            self._connection.execute("DELETE FROM places")
            self._insert("places", [(place.current, place.how, place.seed)])

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

    def save_remark(self, frame_id: str, remark: Remark) -> None:
        """Save the note on a frame, in place of an earlier one."""
        self._append("remarks", [(frame_id, remark.note, int(remark.unusable))])

    def save_readers(self, readers: Sequence[tuple[str, Path]]) -> None:
        """Note whose sessions are compared in this one: names and folders."""
        self._append("readers", [(name, str(folder)) for name, folder in readers])

    def save_choices(self, choices: Choices) -> None:
        """Note what is chosen from now on."""
        self._append("choices", [(choices.model, choices.base, choices.method, choices.slices, choices.every)])

    def versions(self, frame_id: str) -> tuple[Version, ...]:
        """Every accepted version of a frame, oldest first; masks are read when they are asked for.

        What was accepted again without a change is not another version.
        """
        with self._lock:
            return past.versions(self._connection, self._mask_folder, frame_id)

    def suggested(self, frame_id: str) -> Mapping[int, PackedMask]:
        """Structure value to the mask that was suggested before a frame was accepted; empty where none was kept.

        Raises InputError if they are damaged.
        """
        with self._lock:
            return past.suggested(self._connection, frame_id)

    def load(self, lazily: bool = False) -> SessionRecord:
        """Everything that holds now. Raises StorageError if the database is damaged; a damaged mask is a problem.

        ``lazily``: masks are read when they are asked for, and only whether their files are there is looked at now.
        """
        try:
            with self._lock:
                return read_record(self._rows, self._mask_folder, self.models, lazily)
        except (sqlite3.Error, *DAMAGE) as error:
            raise StorageError(
                f"The session in {self.folder} is damaged and was not changed; restore it from a copy."
            ) from error

    def _append(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._lock, self._transaction():
            self._insert(table, rows)

    def _transaction(self) -> schema.Transaction:
        return schema.Transaction(self._connection, self.folder, self._name)

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._connection.executemany(schema.insert(table), rows)

    def _rows(self, table: str) -> list[tuple[Any, ...]]:
        """All rows; none of a table that an earlier version, opened to read only, did not have."""
        there = self._connection.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        return self._connection.execute(schema.select(table)).fetchall() if there else []


def is_session(folder: Path) -> bool:
    """Whether a folder holds a session, and may be looked into."""
    try:
        return os.path.isfile(folder / DATABASE) and os.path.getsize(folder / DATABASE) > 0
    except OSError:
        return False
