"""What the parts of the annotator share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_adasam.domain.choices import Choices
from napari_adasam.domain.items import Items
from napari_adasam.domain.queue import Place
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import Settings
from napari_adasam.services.ahead import Ahead
from napari_adasam.services.dispatch import Dispatch
from napari_adasam.services.lane import Outcome
from napari_adasam.services.models import MakePredictor, MakeTrainer, Models
from napari_adasam.services.sources import Sources
from napari_adasam.services.stopwatch import Stopwatch


class Workbench:
    """One session with the lane, the models and the files it is worked on with. GUI thread.

    ``settings`` is replaced whole by the annotator, and read by its parts when they need it.
    """

    __slots__ = (
        *("ahead", "choices", "dispatch", "items", "models", "place"),
        *("restored", "session", "settings", "sources", "watch"),
    )

    def __init__(
        self,
        session: Session,
        make_predictor: MakePredictor,
        make_trainer: MakeTrainer,
        settings: Settings,
        forward: Callable[[Outcome], None] | None,
        clock: Callable[[], float],
    ) -> None:
        self.session = session
        self.items = Items(session)
        self.settings = settings
        self.models = Models(make_predictor, make_trainer)
        self.sources = Sources()
        self.dispatch = Dispatch(forward, clock)
        self.ahead = Ahead(self.dispatch, self.sources)
        self.watch = Stopwatch()
        """For the predictor: how fast this computer is."""
        self.place: Place | None = None
        """Where one left the session that was reopened, until it is gone to."""
        self.choices: Choices | None = None
        """What was chosen in it, until that holds again."""
        self.restored: Path | None = None
        """The learned model of the session that was reopened, to be served once the base is loaded."""

    def stem(self, frame_id: str) -> str:
        """What a frame is called."""
        return self.session.frame(frame_id).stem
