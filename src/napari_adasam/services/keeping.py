"""The session on disk, in step with the one in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.packing import PackedLabels, PackedMask
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.session import Session
from napari_adasam.domain.versions import Version
from napari_adasam.files import home
from napari_adasam.files.own_folders import make_own_folder
from napari_adasam.files.store import SessionRecord, Store
from napari_adasam.services.session_copy import SessionCopy
from napari_adasam.services.writing import Writing

Past = TypeVar("Past")


class Keeping(Writing):
    """Writes what the clinician decides, if there is a folder for it. GUI thread."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._looked: Path | None = None
        self.reading = ""
        """Why the session that is open may only be looked at; empty where it may be changed."""
        self.readers: tuple[tuple[str, Path], ...] = ()
        """Names and folders of the sessions that are compared in this one."""
        self.automatic = False
        """Whether the folder was chosen by the program."""
        self.left: Path | None = None
        """The folder that the program had chosen and that is kept no more, since the session moved into another."""

    @property
    def folder(self) -> Path | None:
        """The session's folder; ``None`` while nothing is kept."""
        return None if self._store is None else self._store.folder

    @property
    def lies_in(self) -> Path | None:
        """The folder that the session is kept in or, where it is only looked at, read from; ``None`` for neither."""
        return self._looked if self._store is None else self._store.folder

    def begin(self, folder: Path, reports: Sequence[RoundReport], automatic: bool = False) -> None:
        """Make a new session in a folder with everything that is decided so far, and keep it there from now on.

        Raises InputError if the folder holds a session already; StorageError.
        """
        if automatic:
            make_own_folder(folder)
        copy = self.copy_into(folder)
        for _ in copy.turn(self._session, reports):
            pass
        self.move_in(copy, reports, automatic)

    def copy_into(self, folder: Path) -> SessionCopy:
        """A copy of the session, to be written to a new folder and then moved into."""
        return SessionCopy(folder, self.lies_in)

    def move_in(self, copy: SessionCopy, reports: Sequence[RoundReport], automatic: bool = False) -> None:
        """Keep the session where it was copied to, from now on; what was done since it was is written there, too.

        Raises StorageError or InputError: then it is kept where it was, and nothing is left of the copy.
        """
        old = self._store
        new = copy.finish(self._session, reports, self.choices)
        try:
            new.save_readers(self.readers)
            if old is not None:
                self._leave_word(old.folder, copy.folder)
        except BaseException:
            copy.discard()
            raise
        self.take_over(copy.writing)
        self.reading, self.left, self._looked = "", None, None
        if old is not None:
            self.left = old.folder if self.automatic else None
            old.follow(new)
            old.close()
        self.automatic = automatic

    def _leave_word(self, old: Path, new: Path) -> None:
        """Let the images lead to the new folder; the old one may be gone by now, with the disk that it was on."""
        try:
            if self.automatic:
                make_own_folder(old)  # where it was deleted: the images would lead nowhere
            home.leave_word(old, new)
        except StorageError:
            if self.automatic and old.is_dir():
                raise

    def look(self, folder: Path, why: str) -> SessionRecord:
        """Read a session's folder without keeping anything there; ``why`` is told to who wants to change it."""
        record = Store.read(folder, lazily=True)
        self.reading, self._looked, self.readers = why, folder, record.readers
        return record

    def resume(self, folder: Path, automatic: bool = False) -> SessionRecord:
        """Read a session's folder, and keep the session there from now on."""
        store = Store.open(folder)
        try:
            record = store.load(lazily=True)
        except Exception:
            store.close()
            raise
        self._store = store
        self.automatic = automatic
        self._drafts = {
            key: (PackedLabels.of(one.annotation.labels), one.touched) for key, one in record.drafts.items()
        }
        self._propagated = {frame_id: (one.how, one.labels) for frame_id, one in record.propagated.items()}
        self._statuses = dict(record.statuses)
        self._remarks = dict(record.remarks)
        self.readers = record.readers
        self.choices = record.choices or self.choices
        self._ticks = {frame_id: dict(ticks) for frame_id, ticks in record.ticks.items()}
        return record

    def versions(self, frame_id: str) -> tuple[Version, ...]:
        """Every accepted version of a frame; none while nothing is kept, or where what is looked at has gone."""
        return self._past(lambda store: store.versions(frame_id), ())

    def suggested(self, frame_id: str) -> Mapping[int, PackedMask]:
        """What was suggested before a frame was accepted, by structure value; empty in the same cases."""
        return self._past(lambda store: store.suggested(frame_id), {})

    def _past(self, ask: Callable[[Store], Past], nothing: Past) -> Past:
        try:
            if self._store is not None:
                return ask(self._store)
            if self._looked is None:
                return nothing
            with closing(Store.to_read(self._looked)) as store:
                return ask(store)
        except InputError:
            return nothing

    def models_folder(self) -> Path | None:
        """Where the session's learned models go; ``None`` while nothing is kept."""
        return None if self._store is None else self._store.models

    def close(self) -> None:
        """Close the folder."""
        if self._store is not None:
            self._store.close()
            self._store = None
