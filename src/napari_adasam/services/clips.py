"""What is done with the clip or volume on the screen as a whole: propagated, measured, looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from napari_adasam.services.propagating import Propagating
from napari_adasam.services.stacking import Stacking
from napari_adasam.services.volumes import Volumes
from napari_adasam.services.workbench import Workbench


class Clips:
    """The three, each a job of the lane. GUI thread."""

    def __init__(self, bench: Workbench, clock: Callable[[], float]) -> None:
        self.propagating = Propagating(bench, clock)
        self.stacking = Stacking(bench)
        self.volumes = Volumes(bench)

    @property
    def under_way(self) -> Propagating | Stacking | Volumes | None:
        """What the status line is about; ``None`` for nothing."""
        return next((one for one in (self.volumes, self.propagating, self.stacking) if one.running), None)

    def reasons(self) -> Mapping[str, Callable[[str], str]]:
        """By command: why it is not possible on a frame."""
        return {
            "propagate": self.propagating.why_not,
            "measure_stack": self.stacking.why_not,
            "show_volume": self.volumes.why_not,
        }
