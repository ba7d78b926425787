"""Scale and scan sector by hand: set, written, taken back, for one frame or a folder in one act. GUI thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from napari_adasam.domain.calibration import FrameSetup, Ruler, alike, check_square, objection
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.sector import Sector, Vertex, drawn_sector
from napari_adasam.domain.ticks import Ticks, find_ticks
from napari_adasam.services.keeping import Keeping
from napari_adasam.services.regions import Regions
from napari_adasam.services.workbench import Workbench

DEPTH = 100
QUICK_PIXELS = 1_000_000
"""In a picture of more pixels the sector and the marks are looked for on the lane: 3 s in 16 million."""

Setups = dict[str, FrameSetup]


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """What was set before and after, and what the frame it was done on held (``step``): undo is in that order.

    ``ahead``: of an act that was taken back, what redo would have brought on the frame then.
    """

    frame_id: str
    step: object
    before: Setups
    after: Setups
    ahead: object = None


class MarkingOut:
    """The one place that sets scales and sectors.

    Parameters
    ----------
    regions
        Finds sectors, and is told of those by hand, for the model.
    """

    def __init__(self, bench: Workbench, keeping: Keeping, regions: Regions) -> None:
        self._session = bench.session
        self._sources, self._ahead = bench.sources, bench.ahead
        self._keeping = keeping
        self._regions = regions
        self._done: list[Act] = []
        self._undone: list[Act] = []
        bench.session.setup_changed.connect(self._on_setup)

    def objection(self, frame_id: str) -> str:
        """What must be confirmed before a frame's scale is set by hand; empty where nothing."""
        return objection(self._session.own_frame(frame_id).spacing)

    def alike(self, frame_id: str) -> tuple[str, ...]:
        """Ids of the other frames that its scale may be used for."""
        return alike(self._session.frame(frame_id), self._session.frames)

    def scale(self, frame_id: str, ruler: Ruler, folder: bool, confirmed: bool) -> int:
        """Set a scale by hand; for all like it in the folder, too. Returns how many frames have it now.

        Raises InputError (nothing is changed) if the line is no good, or the file's own scale would be replaced and
        that is not confirmed; StorageError.
        """
        check_square(self._session.own_frame(frame_id))
        own = self._session.own_frame(frame_id).spacing
        if own is not None and not confirmed:
            raise InputError(f"{objection(own)} The scale was not changed; confirm to replace it.")
        spacing = ruler.spacing(own)
        wanted = (frame_id, *(self.alike(frame_id) if folder else ()))
        self._act(frame_id, {one: replace(self._session.setup(one), scale=spacing) for one in wanted})
        return len(wanted)

    def own_scale(self, frame_id: str) -> None:
        """Go back to what the file says about a frame's scale. Raises StorageError."""
        self._act(frame_id, {frame_id: replace(self._session.setup(frame_id), scale=None)})

    def sector(self, frame_id: str) -> Sector:
        """The scan sector that holds: by hand, or else found in the picture. InputError if it cannot be read."""
        by_hand = self._session.setup(frame_id).sector
        if by_hand is not None:
            return by_hand
        return self._regions.found(frame_id)

    def takes_long(self, frame_id: str) -> bool:
        """Whether the sector and the marks of a frame's picture are long to find."""
        frame = self._session.frame(frame_id)
        return frame.height * frame.width > QUICK_PIXELS

    def sector_is_known(self, frame_id: str) -> bool:
        """Whether the sector that holds is there without being looked for. InputError if the file cannot be read."""
        return self._session.setup(frame_id).sector is not None or self._regions.known(frame_id)

    def ticks(self, frame_id: str) -> Ticks | None:
        """The marks of the scanner's ruler, where they are certain. InputError if the picture cannot be read."""
        return find_ticks(self._sources.grey(frame_id), self.sector(frame_id))

    def draw_sector(self, frame_id: str, vertices: Sequence[Vertex]) -> None:
        """Set a sector by hand, for all frames of the file. Raises InputError or StorageError."""
        frame = self._session.frame(frame_id)
        self.set_sector(frame_id, drawn_sector(vertices, (frame.height, frame.width)))

    def set_sector(self, frame_id: str, sector: Sector | None) -> None:
        """Set the sector of all frames of a file; ``None``: as it is found. Raises StorageError."""
        file_id = self._session.frame(frame_id).file_id
        clip = [one.id for one in self._session.frames if one.file_id == file_id]
        self._act(frame_id, {one: replace(self._session.setup(one), sector=sector) for one in clip})

    def undo(self, frame_id: str) -> bool:
        """Take the last act back, if it was the last thing done on the frame. Raises StorageError."""
        act = self._to_undo(frame_id)
        if act is None:
            return False
        self._change(act.after, act.before)
        self._done.remove(act)
        self._undone.append(replace(act, ahead=self._session.step_ahead(frame_id)))
        return True

    def redo(self, frame_id: str) -> bool:
        """Do it again, if nothing was done on the frame since it was taken back. Raises StorageError."""
        act = self._to_redo(frame_id)
        if act is None:
            return False
        self._change(act.before, act.after)
        self._undone.remove(act)
        self._done.append(act)
        return True

    def can_undo(self, frame_id: str) -> bool:
        """Whether an act is the last thing that was done on the frame."""
        return self._to_undo(frame_id) is not None

    def can_redo(self, frame_id: str) -> bool:
        """Whether an act is the last thing that was taken back on the frame."""
        return self._to_redo(frame_id) is not None

    def _act(self, frame_id: str, after: Setups) -> None:
        before = {one: self._session.setup(one) for one in after}
        if before == after:
            return
        self._put(before, after)
        self._done.append(Act(frame_id, self._session.step(frame_id), before, after))
        del self._done[:-DEPTH]
        self._undone = [act for act in self._undone if act.frame_id != frame_id]

    def _put(self, before: Mapping[str, FrameSetup], after: Mapping[str, FrameSetup]) -> None:
        """On the disk first: what is shown is safe. Who does this stays on the frame."""
        self._ahead.forget()
        self._keeping.setups(before, after)
        self._session.set_up(after)

    def _to_undo(self, frame_id: str) -> Act | None:
        act = next((act for act in reversed(self._done) if act.frame_id == frame_id), None)
        return act if act is not None and act.step is self._session.step(frame_id) else None

    def _to_redo(self, frame_id: str) -> Act | None:
        act = next((act for act in reversed(self._undone) if act.frame_id == frame_id), None)
        here = self._session.step(frame_id), self._session.step_ahead(frame_id)
        return act if act is not None and act.step is here[0] and act.ahead is here[1] else None

    def _change(self, start: Setups, goal: Setups) -> None:
        """From one set of setups to another; what was set anew since, from another frame, stays."""
        now = {one: self._session.setup(one) for one in start}
        self._put(now, {one: _changed(now[one], start[one], goal[one]) for one in start})

    def _on_setup(self, frame_id: str) -> None:
        self._regions.set(frame_id, self._session.setup(frame_id).sector)


def _changed(now: FrameSetup, start: FrameSetup, goal: FrameSetup) -> FrameSetup:
    return FrameSetup(
        goal.scale if now.scale == start.scale else now.scale,
        goal.sector if now.sector == start.sector else now.sector,
    )
