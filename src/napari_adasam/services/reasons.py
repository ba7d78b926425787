"""Why something is not possible now, in one sentence: buttons are greyed with it, and commands refuse with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from napari_adasam.domain.items import Items
from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.session import Session
from napari_adasam.domain.steps import CLOSED
from napari_adasam.domain.structures import Structure
from napari_adasam.services.marking_out import MarkingOut
from napari_adasam.services.ports import ModelInfo
from napari_adasam.services.rounds import Learning
from napari_adasam.services.walk import Walk

NO_FRAME = "Open images first."


LOOKING = frozenset(
    {"next", "back", "next_frame", "frame_before", "next_item", "item_before", "cancel", "save_as", "export",
     "second_reader", "measure_stack", "show_volume"}
)  # fmt: skip
"""Commands that change nothing in the session."""


@dataclass(frozen=True, slots=True)
class SittingFacts:
    """What else the reasons need.

    What serves, the scale and sector by hand, why nothing may be changed, why not (by command) for what
    concerns clips, and which files there are.
    """

    model: Callable[[], ModelInfo | None]
    marking_out: MarkingOut
    reading: Callable[[], str]
    of_clips: Mapping[str, Callable[[str], str]]
    items: Items


class Reasons:
    """Knows what each command needs. GUI thread."""

    def __init__(self, session: Session, walk: Walk, learning: Learning, sitting: SittingFacts) -> None:
        self._session = session
        self._walk = walk
        self._learning = learning
        self._model, self._marking_out, self._reading = sitting.model, sitting.marking_out, sitting.reading
        self._items = sitting.items
        self._checks: dict[str, Callable[[str], str]] = {
            "accept": self._accept,
            "next": self._next,
            "reopen": self._reopen,
            "skip_file": self._skip_file,
            "suggest": self._suggest,
            "clear_structure": self._draw,
            "back": self._back,
            "click": self._draw,
            "box": self._draw,
            "stroke": self._draw,
            "undo": self._undo,
            "redo": self._redo,
            "own_scale": self._own_scale,
            **sitting.of_clips,
            "next_frame": partial(self._within, 1),
            "frame_before": partial(self._within, -1),
            "next_item": partial(self._over, 1),
            "item_before": partial(self._over, -1),
        }

    def why_not(self, command: str, busy: bool) -> str:
        """Why a command of the annotator is not possible; empty if it is."""
        if self._reading() and command not in LOOKING:
            return self._reading()
        if command == "start_round":
            return self._learning.why_not()
        if command == "cancel":
            return "" if busy else "Nothing is under way."
        if command == "go_back_to_earlier_model":
            return self._earlier_model()
        if command in ("set_structures", "set_settings"):
            return ""
        if command in ("save_as", "second_reader"):
            return "" if self._session.frames else NO_FRAME
        if command == "export":
            return "" if self._session.accepted else "There is nothing to export yet; accept an image first."
        current = self._session.current
        if current is None:
            return NO_FRAME
        check = self._checks.get(command)
        return "" if check is None else check(current)

    def _accept(self, current: str) -> str:
        session = self._session
        if session.unanswered(current):
            return "The mask of your last click is on its way; look at it, then accept."
        if session.status(current) not in CLOSED and not session.structures:
            return self._draw(current)
        ticks = session.ticks(current)
        nothing_there = all(ticks.get(one.value) is False for one in session.structures)
        if session.status(current) is FrameStatus.NEW and not nothing_there:
            return "Nothing is outlined here yet; wait for the suggestion, draw, skip, or mark what is not there."
        missing = [one.name for one in session.structures if ticks.get(one.value) and not self._is_there(current, one)]
        if missing:
            return f"{missing[0]} is ticked as there, and not outlined. Outline it, or untick it."
        return ""

    def _is_there(self, current: str, structure: Structure) -> bool:
        return bool((self._session.labels(current) == structure.value).any())

    def _next(self, _current: str) -> str:
        return "" if self._walk.coming() else "No other image is left to be done."

    def _within(self, step: int, current: str) -> str:
        if not self._items.of(current).several:
            return "This image is the only one in its file."
        end = "last" if step > 0 else "first"
        return "" if self._items.beside(current, step) is not None else f"This is the {end} frame of its file."

    def _skip_file(self, current: str) -> str:
        item = self._items.of(current)
        left = any(self._session.status(one) not in CLOSED for one in item.frames)
        return "" if left else "All of this file is accepted or skipped already."

    def _over(self, step: int, current: str) -> str:
        number = self._items.of(current).number + step
        return "" if 0 <= number < len(self._items.all) else f"This is the {'last' if step > 0 else 'first'} file."

    def _reopen(self, current: str) -> str:
        return "" if self._session.status(current) in CLOSED else "This image is open; only a closed one is reopened."

    def _suggest(self, current: str) -> str:
        session = self._session
        if session.status(current) in CLOSED:
            return "This image is closed; reopen it first."
        if not session.structures:
            return self._draw(current)
        if all(one.value in session.touched(current) for one in session.structures):
            return "You have worked on every structure here, and a suggestion never replaces your work."
        return ""

    def _back(self, _current: str) -> str:
        return "" if self._walk.earlier() else "This is the first image."

    def _draw(self, _current: str) -> str:
        return "" if self._session.structures else "Name a structure first."

    def _undo(self, current: str) -> str:
        here = self.undoes_here(current)
        possible = here or self._walk.to_undo(here) is not None
        return "" if possible else "There is nothing to take back on this image."

    def undoes_here(self, current: str | None) -> bool:
        """Whether something that was done on the current frame itself can be taken back."""
        return current is not None and (self._session.can_undo(current) or self._marking_out.can_undo(current))

    def _redo(self, current: str) -> str:
        possible = self._session.can_redo(current) or self._marking_out.can_redo(current)
        return "" if possible else "There is nothing to do again on this image."

    def _own_scale(self, current: str) -> str:
        return "" if self._session.setup(current).scale is not None else "No scale was set by hand for this image."

    def _earlier_model(self) -> str:
        if self._learning.running:
            return "A round is under way; wait for it, or stop it."
        model = self._model()
        return "" if model is not None and model.earlier else "There is no earlier model to go back to."
