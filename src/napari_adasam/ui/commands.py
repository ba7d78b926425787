"""What the clinician can ask for, one named command each: buttons, keys and the help sheet share this list."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from psygnal import Signal

from napari_adasam.domain.errors import AdasamError
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.sentences import ForNow
from napari_adasam.ui.canvas import Canvas
from napari_adasam.ui.tools import LAYER_MODES, Tool, Tools

SHOWN_PROBLEMS = 3
DRAWING = (
    "A stroke is not finished yet. Let go of the mouse first; a ring that you have begun with the right button ends "
    "where it began, or with Q."
)

POLYGON = "A polygon is not finished yet. Click in the image; Enter fills the polygon, Esc takes it away."


@dataclass(frozen=True, slots=True)
class Command:
    """A command's name in code, its key, what a button says and what the help sheet says."""

    name: str
    keys: tuple[str, ...]
    label: str
    explanation: str

    @property
    def key(self) -> str:
        """The key shown on the button."""
        return self.keys[0]


# The first key of each lies under the left hand; the second is the letter of the English word.
COMMANDS = (
    Command("accept", ("A",), "Accept and next", "The outlines are right: keep them and go to the next image"),
    Command("back", ("Z",), "Back", "Go to the image before"),
    Command("next", ("X",), "Next", "Go to the next image without deciding about this one"),
    Command("skip", ("S",), "Skip", "Leave this image out, as one that does not belong here; O opens it again"),
    Command("reopen", ("O",), "Reopen", "Take back that this image was accepted or skipped, to change it"),
    Command("point", ("F", "P"), "+ Belongs", "Click what belongs to the structure (hold Shift for the opposite)"),
    Command("not_point", ("R", "N"), "− Does not", "Click what does not belong to the structure"),
    Command("box", ("B",), "Box", "Draw a box around the structure, to outline it anew"),
    Command("brush", ("D",), "Brush", "Draw by hand, over what is only suggested too;  [  and  ]  change the size"),
    Command("eraser", ("E",), "Eraser", "Erase by hand, of this structure alone"),
    Command("move", ("Q",), "Move", "Move the image with the mouse; the wheel zooms (or hold Space)"),
    Command("next_structure", ("T",), "Structure", "Go to the next structure"),
    Command("maps", ("C", "M"), "Map", "Show or hide where the program looks (map and its prompt)"),
    Command("masks", ("V",), "Outline", "Show or hide the outlines"),
    Command("suggest", ("W",), "Suggest", "Ask the program for its outlines again; your own stay as they are"),
    Command("clear", ("G",), "No clicks", "Forget the clicks and the box of this structure; its outline stays"),
    Command("clear_structure", ("Delete", "Backspace"), "Wipe", "Remove the whole outline of this structure here"),
    Command("undo", ("Control-Z",), "Undo", "Take the last step back: suggestion, click, stroke, accept or skip"),
    Command("redo", ("Control-Y", "Control-Shift-Z"), "Redo", "Do again what was taken back"),
    Command("frame_before", ("1", "Left"), "◀ Frame", "Go to the frame before in this clip or volume"),
    Command("next_frame", ("2", "Right"), "Frame ▶", "Go to the next frame of this clip or volume"),
    Command("item_before", ("3", "PageUp"), "◀ File", "Go to the file before, to what is still to be done in it"),
    Command("next_item", ("4", "PageDown"), "File ▶", "Go to the next file, to what is still to be done in it"),
    Command("propagate", ("K",), "Propagate", "Take the outlines of the accepted frames to the others of this clip"),
    Command("measure_stack", ("J",), "Measure", "Volume, and thickness from frame to frame, of this clip or volume"),
    Command("volume", ("5", "L"), "3D", "Look at this volume and its outlines in 3D, and go back to the frame"),
    Command("skip_file", ("Y",), "Skip rest", "Leave out all of this clip or volume that is not accepted"),
    Command("panel", ("F6",), "Panel", "The keyboard to the panel, where Tab goes on and Space presses; or back"),
    Command("help", ("H", "F1"), "Help", "This sheet (also ?)"),
)
ABOUT_THE_WINDOW = ("panel", "help")
"""Commands that have no button of their own in step 3."""
BY_NAME = {command.name: command for command in COMMANDS}
# A command to the annotator's, where that one may say why not.
ASKED = {"accept": "accept", "back": "back", "next": "next", "skip": "skip", "reopen": "reopen", "undo": "undo",
         "redo": "redo", "suggest": "suggest", "clear": "clear_prompts", "clear_structure": "clear_structure",
         "point": "click", "not_point": "click", "box": "box", "brush": "stroke", "eraser": "stroke",
         "propagate": "propagate", "frame_before": "frame_before", "next_frame": "next_frame",
         "item_before": "item_before", "next_item": "next_item", "measure_stack": "measure_stack",
         "volume": "show_volume", "skip_file": "skip_file"}  # fmt: skip


ON_A_MAC = (("Control-", "⌘"), ("Shift-", "⇧"), ("Delete", "fn⌫"), ("Backspace", "⌫"))
"""napari's names of keys, and what stands on a Mac's keyboard."""
ELSEWHERE = (("Control-", "Ctrl+"), ("Shift-", "Shift+"), ("Delete", "Del"))


def key_words(key: str) -> str:
    """A key as people write it on this kind of computer."""
    for name, words in ON_A_MAC if sys.platform == "darwin" else ELSEWHERE:
        key = key.replace(name, words)
    return key


def button_words(name: str) -> str:
    """A name as buttons show it: Qt takes a single "&" for the mark of a key."""
    return name.replace("&", "&&")


IN_3D = ("volume", "measure_stack", "propagate", "frame_before", "next_frame", "item_before", "next_item", "back",
         "next")  # fmt: skip
"""Commands that change nothing on the screen that could not be seen in 3D; those that go elsewhere end it."""
ONE_STRUCTURE = ForNow("There is no other structure to take. Step 2 adds one.")
LOOKING = "You are looking at the volume in 3D. Press 5 to go back to the frame, and go on there."


Together = Callable[[], AbstractContextManager[None]]


class Commander:
    """Runs commands by name, each within ``together()``. A refusal becomes a sentence in ``problem``. GUI thread."""

    problem = Signal(str)
    help_wanted = Signal()
    panel_wanted = Signal()
    views_changed = Signal()

    def __init__(self, annotator: Annotator, canvas: Canvas, tools: Tools, together: Together = nullcontext) -> None:
        self._annotator = annotator
        self._canvas = canvas
        self._tools = tools
        self._together = together
        self.maps_shown = True
        tools.outlines_toggled.connect(self.views_changed.emit)
        self._needs_frame: dict[str, Callable[[], object]] = {
            "accept": annotator.accept,
            "back": annotator.back,
            "next": annotator.next,
            "skip": annotator.skip,
            "skip_file": annotator.skip_file,
            "reopen": annotator.reopen,
            "suggest": annotator.suggest,
            "undo": annotator.undo,
            "redo": annotator.redo,
            "next_structure": self._next_structure,
            "maps": self._toggle_maps,
            "masks": self._toggle_masks,
            "clear": self._clear_prompts,
            "clear_structure": self._clear_structure,
            "propagate": annotator.propagate,
            "measure_stack": annotator.measure_stack,
            "volume": self._toggle_volume,
            "frame_before": annotator.frame_before,
            "next_frame": annotator.next_frame,
            "item_before": annotator.item_before,
            "next_item": annotator.next_item,
        }
        self._tools_by_name = {
            "point": Tool.POINT,
            "not_point": Tool.NOT_POINT,
            "box": Tool.BOX,
            "brush": Tool.BRUSH,
            "eraser": Tool.ERASER,
            "move": Tool.MOVE,
        }

    @property
    def masks_shown(self) -> bool:
        """Whether the outlines are shown; napari's eye hides them, too."""
        layer = self._canvas.masks.layer
        return layer is None or layer.visible

    def tool_of(self, name: str) -> Tool | None:
        """The tool that a command takes in hand, if it is such a command."""
        return self._tools_by_name.get(name)

    def why_not(self, name: str) -> str:
        """Why a command is not possible on the image on the screen, in one sentence; empty if it is."""
        if name == "next_structure":
            return ONE_STRUCTURE if len(self._annotator.session.structures) < 2 else ""
        return self._annotator.why_not(ASKED[name]) if name in ASKED else ""

    def reasons(self) -> set[str]:
        """Why commands are not possible now, in the sentences that are said where they are tried."""
        masks = self._canvas.masks
        drawing = ((LOOKING, self._canvas.volume.shown), (DRAWING, masks.stroke_open), (POLYGON, masks.polygon_open))
        said = {self._annotator.not_saved, *(why for why, now in drawing if now)}
        return said | {self.why_not(one) for one in BY_NAME}

    def run(self, name: str) -> None:
        """Run the command, or say in ``problem`` why not."""
        if name == "help":
            self.help_wanted.emit()
        elif name == "panel":
            self.panel_wanted.emit()
        elif name not in IN_3D and self._canvas.volume.shown:
            self.problem.emit(LOOKING)
        elif self._canvas.frame is None:
            self.problem.emit("Open an image first: step 1, at the top of the panel.")
        elif name in self._tools_by_name:
            self._take_in_hand(name)
        elif name in IN_3D:
            self._ask(self._needs_frame[name])
        else:
            self.attempt(self._needs_frame[name])

    def attempt(self, command: Callable[[], object]) -> bool:
        """Call a command of the annotator; False if it was refused, with the reason in ``problem``. It ends 3D."""
        self._canvas.volume.go_flat()
        return self._ask(command)

    def _take_in_hand(self, name: str) -> None:
        if refusal := self.why_not(name):
            self.problem.emit(refusal)
            return
        self._canvas.volume.go_flat()
        tool = self._tools_by_name[name]
        if tool in LAYER_MODES:
            self._canvas.set_masks_visible(True)  # nothing can be drawn in what is hidden
        self._tools.choose(tool)

    def _ask(self, command: Callable[[], object]) -> bool:
        if self._canvas.masks.stroke_open:
            self.problem.emit(DRAWING)
            return False
        if self._canvas.masks.polygon_open:
            self.problem.emit(POLYGON)
            return False
        try:
            with self._together():
                return command() is not False
        except AdasamError as error:
            self.problem.emit(str(error))
            return False

    def open(self, paths: Sequence[Path]) -> None:
        """Take files, folders or a session's folder in; what could not be read is named in ``problem``."""
        if paths:
            self.attempt(lambda: self._annotator.open_soon(paths, self._tell_of_opening))

    def _tell_of_opening(self, problems: list[str]) -> None:
        problems = [one for one in problems if one != self._annotator.only_to_look_at]  # the line at the top says it
        if problems:
            more = f" And {len(problems) - SHOWN_PROBLEMS} more." if len(problems) > SHOWN_PROBLEMS else ""
            said = " ".join(problems[:SHOWN_PROBLEMS]) + more
            self.problem.emit(ForNow(said) if all(isinstance(one, ForNow) for one in problems) else said)

    def _next_structure(self) -> None:
        if refusal := self.why_not("next_structure"):
            self.problem.emit(refusal)
        else:
            self._tools.next_structure()

    def _toggle_volume(self) -> None:
        """Go into 3D, or back to the frame."""
        if self._canvas.volume.shown:
            self._canvas.volume.close()
        else:
            self._annotator.show_volume()

    def _toggle_maps(self) -> None:
        self.maps_shown = not self.maps_shown
        self._canvas.set_maps_visible(self.maps_shown)
        self.views_changed.emit()

    def _toggle_masks(self) -> None:
        self._canvas.set_masks_visible(not self.masks_shown)

    def _clear_prompts(self) -> None:
        session, structure = self._annotator.session, self._tools.current_structure()
        if session.current is None or structure is None:
            return
        if any(session.prompts(session.current, structure.value)) or self._annotator.why_not("clear_prompts"):
            self._annotator.clear_prompts(structure.value)
        else:
            self.problem.emit(ForNow(f"There are no clicks and no box of {structure.name} on this image."))

    def _clear_structure(self) -> None:
        session, structure = self._annotator.session, self._tools.current_structure()
        if session.current is None or structure is None:
            return
        if (session.labels(session.current) == structure.value).any():
            self._annotator.clear_structure(structure.value)
        else:
            self.problem.emit(ForNow(f"There is no outline of {structure.name} on this image."))
