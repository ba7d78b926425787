"""A session on its way into a new folder, in turns: what is changed during one is written in the next."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_adasam.domain.choices import Choices
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.rounds import RoundReport
from napari_adasam.domain.session import Session
from napari_adasam.files import home
from napari_adasam.files.exports.naming import KEY_FILE, carry_key
from napari_adasam.files.store import is_session
from napari_adasam.files.store_copy import StoreCopy
from napari_adasam.services.lane import give_way
from napari_adasam.services.writing import Writing, changed

ORIGIN_GONE = (
    "Nothing was copied: masks of earlier sittings are in {folder} alone, which is not there now. What you did in this "
    "window is safe while it stays open. Put the folder back (plug its drive in, or restore it from the bin or a "
    "backup), then use “Keep session in…” again."
)
MASK_GONE = (
    "{error} Nothing was copied, and the session is kept where it was. Put the file back from a backup; or close this "
    "window, open the session again, which then shows an earlier version of the image if there is one, and keep it "
    "elsewhere then."
)
TELL_S = 0.25
"""So often (s) a turn tells how far it is."""


@dataclass(frozen=True, slots=True)
class Copied:
    """How many masks and frames are written, and of how many."""

    done: int
    total: int


class SessionCopy:
    """Made and finished on the GUI thread; a turn may be taken on any.

    Parameters
    ----------
    folder
        It may exist, but hold no session.
    origin
        Where the session lies now; ``None`` for one that is in memory only.
    """

    def __init__(self, folder: Path, origin: Path | None) -> None:
        self.folder, self._origin = folder, origin
        self.writing = Writing(Session(()))
        self._store: StoreCopy | None = None
        self._there: tuple[Path, ...] = ()
        self._seen = Session(())
        self._carried = 0

    def behind(self, session: Session) -> int:
        """How many frames hold something else than what is written of them."""
        return len(changed(self._seen, session))

    def turn(self, now: Session, reports: Sequence[RoundReport]) -> Generator[Copied, None, None]:
        """Write a session as it is ``now``; it must not change meanwhile. All is taken back where a turn has no end.

        Yields now and then how far it is, and lets clicks go first. Raises StorageError or InputError.
        """
        try:
            yield from _now_and_then(self._write(self._store or self._begin(), now, reports))
        except BaseException:
            self.discard()
            raise

    def finish(self, session: Session, reports: Sequence[RoundReport], choices: Choices | None) -> StoreCopy:
        """Write what is still behind, and make it a session. Raises as :meth:`turn` does, with nothing left of it."""
        for _ in self.turn(session, reports):
            pass
        store = self._store
        if store is None:
            raise RuntimeError("expected a copy that was begun, got one that was taken back")
        try:
            if choices is not None:
                store.save_choices(choices)
            if self._origin is not None:
                carry_key(self._origin, self.folder)
            store.finish()
            home.drop_word(self.folder)
        except BaseException:
            self.discard()
            raise
        return store

    def discard(self) -> None:
        """Take back what was written; a second call does nothing."""
        store, self._store = self._store, None
        if store is None:
            return
        store.discard()
        for path in (self.folder / KEY_FILE, self.folder / home.MOVED):
            with suppress(OSError):
                if path not in self._there:
                    path.unlink(missing_ok=True)

    def _begin(self) -> StoreCopy:
        store = self._store = StoreCopy.create(self.folder)
        self.writing = Writing(Session(()), store)
        self._there = tuple(self.folder.iterdir())
        if self._origin is not None:
            carry_key(self._origin, self.folder)
            if self.folder / home.MOVED not in self._there:
                home.leave_word(self.folder, self._origin)  # who opens a copy that has no end is led to the whole
        return store

    def _write(self, store: StoreCopy, now: Session, reports: Sequence[RoundReport]) -> Generator[Copied, None, None]:
        behind, masks = len(changed(self._seen, now)), 0
        if self._origin is not None:
            carrying = store.carry_past(self._origin, self._carried)
            while True:
                try:
                    done, masks = next(carrying)
                except StopIteration as end:
                    self._carried = end.value
                    break
                yield Copied(done, masks + behind)
        for done in self._catch_up(now, reports):
            yield Copied(masks + done, masks + behind)
        store.bring_down()
        self._seen = now

    def _catch_up(self, now: Session, reports: Sequence[RoundReport]) -> Generator[int, None, None]:
        try:
            yield from self.writing.catch_up(now, reports)
        except InputError as error:
            if self._origin is None or is_session(self._origin):
                raise InputError(MASK_GONE.format(error=error)) from error
            raise InputError(ORIGIN_GONE.format(folder=self._origin)) from error


def _now_and_then(steps: Generator[Copied, None, None]) -> Generator[Copied, None, None]:
    """The same, telling less often; clicks go first between any two."""
    told = time.monotonic()
    for step in steps:
        give_way()
        if time.monotonic() - told >= TELL_S:
            yield step
            told = time.monotonic()
