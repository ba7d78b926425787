"""Files, folders and a session's folder in: between the disk and the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from napari_adasam.domain.calibration import NOT_SET
from napari_adasam.domain.errors import AdasamError, InputError, OnlyReadableError
from napari_adasam.domain.history import FrameContent
from napari_adasam.domain.records import Frame, FrameStatus
from napari_adasam.domain.session import Session
from napari_adasam.domain.steps import restored
from napari_adasam.domain.versions import NO_REMARK
from napari_adasam.files.clips import Clip
from napari_adasam.files.home import earlier_folders, kept_in, known_pictures_folder, new_folder
from napari_adasam.files.readers import OpenResult, open_paths, opening
from napari_adasam.files.store import SessionRecord, is_session
from napari_adasam.files.store_copy import session_at
from napari_adasam.services.checking import Checking
from napari_adasam.services.keeping import Keeping
from napari_adasam.services.lane import Job, JobKind, Outcome
from napari_adasam.services.rounds import Learning
from napari_adasam.services.sentences import ForNow
from napari_adasam.services.workbench import Workbench

HELD = (
    "This session is open in another window, so it can only be looked at here. Go on in that window; or close it, and "
    "open the session again."
)
NOT_WRITABLE = (
    "This session's folder may not be written to, so it can only be looked at. “Keep session in…” makes a copy."
)
NOT_FINISHED = (
    "The copy of your session in {copy} was not finished. Nothing is lost: the session itself, in {session}, was "
    "opened. To copy it again, use “Keep session in…”."
)
ALL_KNOWN = ForNow("All of these images are in the session already; nothing was added.")
UNTOUCHED = ForNow("These images were opened before, and nothing is done on them yet.")


class Filing:
    """Reads into the session. GUI thread."""

    def __init__(self, bench: Workbench, keeping: Keeping, learning: Learning, checking: Checking) -> None:
        self._checking = checking
        self._bench = bench
        self._keeping = keeping
        self._learning = learning
        self.home: Path | None = None
        """Where sessions are kept that nobody chooses a folder for."""
        self.opening: tuple[int, int] | None = None
        """How many files are opened, and of how many, while that is under way."""

    def open(self, paths: Sequence[Path]) -> list[str]:
        """Open files, folders or one session's folder; one sentence for each that cannot be."""
        problems, folders = [], {path: session_at(path) for path in paths}
        for path, folder in folders.items():
            if folder is None:
                continue
            problems += [] if folder == path else [NOT_FINISHED.format(copy=path, session=folder)]
            try:
                problems += [*self._open_session(folder), *self._bench.sources.missing()]
            except AdasamError as error:
                problems.append(str(error))
        pictures = [path for path, folder in folders.items() if folder is None]
        return [*problems, *self._take(pictures, open_paths(pictures))] if pictures else problems

    def open_soon(self, pictures: Sequence[Path], then: Callable[[list[str]], None]) -> None:
        """Open files and folders on the lane; ``then`` gets the sentences when their frames are in the session."""

        def receive(outcome: Outcome) -> None:
            if not outcome.ended:
                self.opening = cast("tuple[int, int]", outcome.value)
                return
            self.opening = None
            if outcome.state == "done":
                then(self._take(pictures, cast(OpenResult, outcome.value)))

        job = Job(JobKind.READ, lambda: opening(pictures), key="open")
        self.opening = (0, 0)
        self._bench.dispatch.send(job, "Opening images", receive)

    def _take(self, pictures: Sequence[Path], result: OpenResult) -> list[str]:
        clips = [clip for clip in result.clips if _is_text(clip.path)]
        problems = [*result.problems, *_not_text([clip.path for clip in result.clips if not _is_text(clip.path)])]
        resumed = self._resume_at_home(pictures[0], clips) if clips else []
        problems += resumed
        known = {frame.id for frame in self._bench.session.frames}
        new = any(frame.id not in known for clip in clips for frame in clip.frames)
        moved = self._move(clips)
        problems += moved
        nothing_new = [ALL_KNOWN] if clips and not (new or resumed or moved) else []
        if self._keeping.reading:
            return [*problems, *([f"{self._keeping.reading} No image was added."] if new else nothing_new)]
        problems += self._bench.sources.missing() if known else []
        fresh = self._bench.sources.add_clips(clips)
        problems += [*(self._bench.sources.same_pictures(clips) or nothing_new), *self._add(fresh)]
        return problems + self._begin_at_home(pictures[0])

    def _resume_at_home(self, opened: Path, clips: Sequence[Clip]) -> list[str]:
        """Go on where these pictures were left, if they were worked on before and nobody chose a folder."""
        if self.home is None or self._keeping.folder is not None or self._bench.session.frames:
            return []
        problems, session = list[str](), self._bench.session
        folders = earlier_folders(self.home, opened)
        if not folders:
            known = known_pictures_folder(self.home, {frame.id: frame.path for clip in clips for frame in clip.frames})
            folders = [] if known is None else [known]
        for made in folders:
            try:
                folder = kept_in(made)
                if not is_session(folder):
                    continue
                problems += self._open_session(folder, automatic=folder == made)
            except AdasamError as error:
                problems.append(str(error))
                continue
            if self._keeping.reading:
                return problems
            accepted = len(session.annotations)
            said = ForNow(f"Your earlier work is here again: {accepted} of {len(session.frames)} accepted.")
            return [*problems, UNTOUCHED if _is_untouched(session) else said]
        return problems

    def _begin_at_home(self, opened: Path) -> list[str]:
        """Keep a session that nobody chose a folder for, so that nothing accepted is ever in memory alone."""
        session = self._bench.session
        if self.home is None or self._keeping.folder is not None or self._keeping.reading or not session.frames:
            return []
        try:
            self._keeping.begin(new_folder(self.home, opened), self._learning.reports, automatic=True)
        except AdasamError as error:
            return [f"{error} Until then your work is in memory only; use “Keep session in…”."]
        return []

    def _move(self, clips: Sequence[Clip]) -> list[str]:
        """Images of the session that lie in another place now: known by their content."""
        moved = self._bench.sources.found_again(clips)
        if not moved:
            return []
        session = self._bench.session
        session.move_frames(moved)
        where = Path(next(iter(moved.values()))).parent
        try:
            self._keeping.frames([session.own_frame(frame_id) for frame_id in moved])
        except AdasamError as error:
            return [str(error)]
        return [f"{len(moved)} image{'s were' if len(moved) > 1 else ' was'} found again in {where}."]

    def _add(self, frames: Sequence[Frame]) -> list[str]:
        """Take new frames in; not if the session's folder cannot, because what is accepted on them would be lost."""
        try:
            self._keeping.frames(frames)
        except AdasamError as error:
            self._bench.sources.drop(frames)
            return [str(error)]
        self._bench.session.add_frames(frames)
        return []

    def _open_session(self, folder: Path, automatic: bool = False) -> list[str]:
        session = self._bench.session
        if session.frames:
            raise InputError(
                f"{folder.name} is a saved session; open it in a new window, where no images are open yet."
            )
        problems = []
        try:
            record = self._keeping.resume(folder, automatic)
        except OnlyReadableError as error:
            why = HELD if "another window" in str(error) else NOT_WRITABLE
            record, problems = self._keeping.look(folder, why), [why]
        self._learning.reports = record.rounds
        self._bench.restored, self._bench.place, self._bench.choices = record.serving, record.place, record.choices
        session.note_used(record.used)
        if record.structures or record.used:  # all may have been removed
            session.set_structures(record.structures)
        self._bench.sources.add_frames(record.frames)
        session.add_kept(record.frames, {frame.id: content_of(record, frame.id) for frame in record.frames})
        known = {frame.id for frame in record.frames}
        session.set_up({key: setup for key, setup in record.setups.items() if key in known})
        for frame_id, remark in record.remarks.items():
            session.set_remark(frame_id, remark)
        self._checking.begin(record)
        return [*problems, *record.problems]


def content_of(record: SessionRecord, frame_id: str) -> FrameContent:
    """A frame as the disk has it."""
    status = record.statuses.get(frame_id, FrameStatus.NEW)
    draft, ticks = record.drafts.get(frame_id), record.ticks.get(frame_id, {})
    masks = record.propagated.get(frame_id)
    return restored(status, record.annotations.packed(frame_id), ticks, draft, masks)


def _is_untouched(session: Session) -> bool:
    """Whether nothing was done on any of the frames."""
    return not any(
        session.status(one.id) is not FrameStatus.NEW
        or session.ticks(one.id)
        or session.remark(one.id) != NO_REMARK
        or session.setup(one.id) != NOT_SET
        for one in session.frames
    )


def _is_text(path: Path) -> bool:
    """Whether a path can be written down; names on old disks may hold bytes that are no text here."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_text(paths: Sequence[Path]) -> list[str]:
    """One sentence for all of them, or none."""
    if not paths:
        return []
    shown = str(paths[0]).encode(errors="replace").decode()
    shown += f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return [f"{shown} not opened: a name in the path has characters that are no text. Rename it, and open it again."]
