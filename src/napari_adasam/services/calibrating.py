"""What a clinician says of an image as a picture: its scale, and which part of it is the scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from napari_adasam.domain.calibration import Ruler
from napari_adasam.domain.sector import Sector, Vertex, whole_picture
from napari_adasam.domain.ticks import Ticks
from napari_adasam.services.arranging import Arranging
from napari_adasam.services.lane import Job, JobKind, Outcome

Found = TypeVar("Found")


class Calibrating(Arranging):
    """Scale and scan sector of a sitting's frames, by hand. Every method runs on the GUI thread."""

    def sector(self, frame_id: str) -> Sector:
        """The scan sector of a frame, by hand or found; ``sector.mask(shape)`` is the valid region. InputError."""
        return self._marking_out.sector(frame_id)

    def sector_soon(self, frame_id: str, then: Callable[[], None]) -> Sector | None:
        """The same; ``None`` where it is long to find: the lane looks for it, and ``then`` is called. InputError."""
        known = self._marking_out.sector_is_known(frame_id)
        if known or not self._marking_out.takes_long(frame_id):
            return self.sector(frame_id)
        self._look_for("the scan sector", frame_id, lambda: self.sector(frame_id), lambda _found: then())
        return None

    def alike(self, frame_id: str) -> tuple[str, ...]:
        """Ids of the other frames of its folder that a frame's scale by hand may be used for."""
        return self._marking_out.alike(frame_id)

    def objection(self, frame_id: str) -> str:
        """What must be confirmed before a frame's scale is set by hand; empty where it has none of its own."""
        return self._marking_out.objection(frame_id)

    def set_scale(self, ruler: Ruler, folder: bool = False, confirmed: bool = False) -> bool:
        """Set the current frame's scale by hand, with ``folder`` that of all :meth:`alike`; ``False`` if refused.

        ``confirmed``: the clinician has agreed to the :meth:`objection`.
        """
        current = self._current("set_scale")
        return current is not None and self._mark_out(
            lambda: self._marking_out.scale(current, ruler, folder, confirmed)
        )

    def find_ticks(self, frame_id: str, then: Callable[[Ticks | None], None]) -> None:
        """Give ``then`` the marks of the scanner's ruler in a frame, to propose a scale from, or ``None``.

        ``None`` where they are not certain. In a large picture the lane looks for them. Raises InputError.
        """
        if not self._marking_out.takes_long(frame_id):
            then(self._marking_out.ticks(frame_id))
            return
        self._look_for("the ruler's marks", frame_id, lambda: self._marking_out.ticks(frame_id), then)

    def _look_for(self, what: str, frame_id: str, find: Callable[[], Found], then: Callable[[Found], None]) -> None:
        """Find something in a frame's picture on the lane; ``then`` gets it, if the frame is still the current one."""

        def receive(outcome: Outcome) -> None:
            if outcome.state == "done" and self._session.current == frame_id:
                then(cast(Found, outcome.value))

        doing = f"Looking for {what}"
        if all((one.doing, one.job.key) != (doing, frame_id) for one in self._bench.dispatch.errands):
            self._bench.dispatch.send(Job(JobKind.READ, find, key=frame_id), doing, receive)

    def own_scale(self) -> None:
        """Take the current frame's scale by hand back: what its file says holds again."""
        current = self._current("own_scale")
        if current is not None:
            self._mark_out(lambda: self._marking_out.own_scale(current))

    def draw_sector(self, vertices: Sequence[Vertex]) -> bool:
        """Correct the scan sector by two opposite corners or three and more vertices (y, x); ``False`` if refused."""
        current = self._current("draw_sector")
        return current is not None and self._mark_out(lambda: self._marking_out.draw_sector(current, vertices))

    def set_sector(self, whole: bool) -> None:
        """Use the whole picture of the current frame, or else the sector as it is found."""
        current, sector = self._current("set_sector"), whole_picture("by hand") if whole else None
        if current is not None:
            self._mark_out(lambda: self._marking_out.set_sector(current, sector))

    def _mark_out(self, act: Callable[[], object]) -> bool:
        """Set a scale or a sector; ``False``, with a sentence, if it is refused or the disk does not take it."""
        if not self._recording.attempt(act, ("marks", self._session.current)):
            return False
        self._walk.just_closed = None
        return True
