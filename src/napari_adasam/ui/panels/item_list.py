"""The lists of step 3 as models: files with how far each is, and the frames of one. A line is made when it is seen."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence

from qtpy.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt

from napari_adasam.domain.items import Item, Items, Standing, file_stem
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.session import Session

Index = QModelIndex | QPersistentModelIndex
Fits = Callable[[Session, str], bool]
TOP = QModelIndex()
SHOWN, KEPT = int(Qt.ItemDataRole.DisplayRole), int(Qt.ItemDataRole.UserRole)
MARKS = {FrameStatus.NEW: "○", FrameStatus.SUGGESTED: "◔", FrameStatus.CORRECTED: "◑", FrameStatus.ACCEPTED: "●",
         FrameStatus.SKIPPED: "⊘"}  # fmt: skip
KEY_FRAME = "◆"


def state_words(session: Session, frame_id: str) -> str:
    """How a frame stands, in a word."""
    return "unusable" if session.is_unusable(frame_id) else session.status(frame_id).value


def image_line(session: Session, frame_id: str) -> str:
    """A single image."""
    note = " ✎" if session.remark(frame_id).note else ""
    return f"{MARKS[session.status(frame_id)]} {session.frame(frame_id).stem} · {state_words(session, frame_id)}{note}"


def counts_words(counts: Counter[Standing]) -> str:
    """How far a clip or a volume is."""
    left, propagated = counts[Standing.OPEN] + counts[Standing.PROPAGATED], counts[Standing.PROPAGATED]
    words = [f"{counts[Standing.ACCEPTED]} accepted", f"{left} to do"]
    if propagated:
        words[-1] += f" ({propagated} propagated)"
    if counts[Standing.SKIPPED]:
        words.append(f"{counts[Standing.SKIPPED]} skipped")
    return ", ".join(words)


def item_line(session: Session, items: Items, item: Item) -> str:
    """A file: a single image, or a clip with how many frames stand how."""
    first = item.frames[0]
    if not item.several:
        return image_line(session, first)
    counts, stem = items.counts(item), file_stem(session.frame(first))
    mark = MARKS[FrameStatus.NEW]
    if counts[Standing.ACCEPTED] + counts[Standing.SKIPPED] == len(item.frames):
        mark = MARKS[FrameStatus.ACCEPTED if counts[Standing.ACCEPTED] else FrameStatus.SKIPPED]
    elif counts[Standing.ACCEPTED]:
        mark = MARKS[FrameStatus.CORRECTED]
    return f"{mark} {stem} · {counts_words(counts)}"


def frame_words(session: Session, frame_id: str) -> str:
    """How a frame of a clip stands: key frame, or which frame its outlines come from and how sure they are."""
    how, status = session.propagated(frame_id), session.status(frame_id)
    note = " ✎" if session.remark(frame_id).note else ""
    if status is FrameStatus.ACCEPTED:
        return f"key frame{note}"
    if how is None or status is FrameStatus.SKIPPED:
        return f"{state_words(session, frame_id)}{note}"
    changed = "corrected" if session.touched(frame_id) else "propagated"
    return f"{changed} from {frame_number(session, how.source)}, {how.confidence:.0%} sure{note}"


def frame_number(session: Session, frame_id: str) -> str:
    """What tells a frame from the others of its file: its number in it, as in its name."""
    return f"{session.frame(frame_id).index:04d}"


class ItemList(QAbstractListModel):
    """The files that a filter lets through; what is kept of a line is the id of the file's first frame."""

    def __init__(self, session: Session, items: Items) -> None:
        super().__init__()
        self._session = session
        self._items = items
        self._rows: list[int] = []
        self._fitting: set[str] = set()
        self._counts: Counter[int] = Counter()
        self.fits: Fits = lambda session, frame_id: True

    @property
    def fitting(self) -> int:
        """How many frames the filter lets through."""
        return len(self._fitting)

    def fitting_of(self, frame_id: str) -> list[str]:
        """The frames of a frame's file that the filter lets through."""
        return [one for one in self._items.of(frame_id).frames if one in self._fitting]

    def rowCount(self, parent: Index = TOP) -> int:  # noqa: N802 - Qt's name
        """How many lines there are."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = SHOWN) -> object:
        """A line, or the id of its first frame."""
        if not index.isValid() or role not in (SHOWN, KEPT):
            return None
        item = self._items.all[self._rows[index.row()]]
        return item_line(self._session, self._items, item) if role == SHOWN else item.frames[0]

    def fill(self) -> None:
        """List anew."""
        self.beginResetModel()
        self._fitting = {one.id for one in self._session.frames if self.fits(self._session, one.id)}
        self._counts = Counter(self._items.of(frame_id).number for frame_id in self._fitting)
        self._rows = sorted(self._counts)
        self.endResetModel()

    def renew(self, frame_id: str) -> None:
        """A frame stands otherwise: its file's line, which may come or go."""
        number, fits = self._items.of(frame_id).number, self.fits(self._session, frame_id)
        row = bisect_left(self._rows, number)
        if fits != (frame_id in self._fitting):
            (self._fitting.add if fits else self._fitting.discard)(frame_id)
            self._counts[number] += 1 if fits else -1
            there = row < len(self._rows) and self._rows[row] == number
            if fits and not there:
                self.beginInsertRows(TOP, row, row)
                self._rows.insert(row, number)
                self.endInsertRows()
            elif not fits and not self._counts[number]:
                self.beginRemoveRows(TOP, row, row)
                del self._rows[row]
                self.endRemoveRows()
                return
        if row < len(self._rows) and self._rows[row] == number:
            self.dataChanged.emit(self.index(row), self.index(row))

    def row_of(self, frame_id: str) -> int:
        """The line of a frame's file; -1 where it is not listed."""
        number = self._items.of(frame_id).number
        row = bisect_left(self._rows, number)
        return row if row < len(self._rows) and self._rows[row] == number else -1


class FrameList(QAbstractListModel):
    """All frames of one clip or volume; what is kept of a line is the frame's id."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.frames: Sequence[str] = ()
        self._places: dict[str, int] = {}

    def rowCount(self, parent: Index = TOP) -> int:  # noqa: N802 - Qt's name
        """How many lines there are."""
        return 0 if parent.isValid() else len(self.frames)

    def data(self, index: Index, role: int = SHOWN) -> object:
        """A line, or the frame's id."""
        if not index.isValid() or role not in (SHOWN, KEPT):
            return None
        frame_id = self.frames[index.row()]
        if role == KEPT:
            return frame_id
        session, status = self._session, self._session.status(frame_id)
        mark = KEY_FRAME if status is FrameStatus.ACCEPTED else MARKS[status]
        return f"{mark} {frame_number(session, frame_id)} · {frame_words(session, frame_id)}"

    def show_frames(self, frames: Sequence[str]) -> None:
        """List the frames of a file, in place of those of another."""
        if frames != self.frames:
            self.beginResetModel()
            self.frames, self._places = frames, {one: at for at, one in enumerate(frames)}
            self.endResetModel()

    def renew(self, frame_id: str) -> None:
        """A frame stands otherwise."""
        if frame_id in self._places:
            index = self.index(self._places[frame_id])
            self.dataChanged.emit(index, index)

    def row_of(self, frame_id: str) -> int:
        """The line of a frame; -1 where it is not of this file."""
        return self._places.get(frame_id, -1)
