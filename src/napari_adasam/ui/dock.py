"""The dock: Open · Structures · Annotate · Learn · Export from top to bottom, and the status line below them.

One dock is one session. When it goes, the annotator is closed, and our layers and keys leave the viewer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from inspect import unwrap
from pathlib import Path
from typing import Any

from napari.viewer import Viewer
from qtpy.QtCore import QSize, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_adasam.files.exports import ExportReport
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.lane import Outcome
from napari_adasam.ui import first_layers
from napari_adasam.ui.assembly import make_kept_annotator, sample_paths
from napari_adasam.ui.at_once import take_out
from napari_adasam.ui.bridge import Bridge
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.canvas import ANSWER_MS, Canvas
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.docked import Docked
from napari_adasam.ui.guide import next_step, summaries
from napari_adasam.ui.later import Later
from napari_adasam.ui.marking import Marking
from napari_adasam.ui.offers import not_taken_in, taken_in
from napari_adasam.ui.panels.annotate import AnnotatePanel
from napari_adasam.ui.panels.export import ExportPanel
from napari_adasam.ui.panels.learn import LearnPanel
from napari_adasam.ui.panels.open_files import OpenPanel
from napari_adasam.ui.panels.scale import ScalePanel
from napari_adasam.ui.panels.structures import StructuresPanel
from napari_adasam.ui.section import Section
from napari_adasam.ui.shortcuts import HelpSheet, Keys
from napari_adasam.ui.status_line import StatusLine
from napari_adasam.ui.steps import Steps
from napari_adasam.ui.theme import Look
from napari_adasam.ui.tools import Tools

WIDTH = 350
WARM_UP_MS = 500
"""After the dock is shown: it is drawn by then, and nobody has found the way to a file yet."""
WATCH_MS = 5000
"""How often a job that gives no sign of progress is looked for."""

MakeAnnotator = Callable[[Callable[[Outcome], None]], Annotator]


class AdasamDock(Docked):
    """The whole user interface of one session.

    Parameters
    ----------
    napari_viewer
        The viewer to work in. napari's menu gives one by this name, in a wrapping that compares with nothing by ``is``.
    make
        Makes the annotator, given where its outcomes go; for tests and scripts. ``None`` makes the real one, kept on
        the disk from the first picture on.
    samples
        Gives the paths of the sample images.
    """

    def __init__(
        self,
        napari_viewer: Viewer,
        make: MakeAnnotator | None = None,
        samples: Callable[[], Sequence[Path]] = sample_paths,
    ) -> None:
        super().__init__()
        viewer: Viewer = unwrap(napari_viewer)
        self.viewer = viewer
        self._sheet: HelpSheet | None = None
        self._closing = ExitStack()
        bridge = Bridge()
        self.annotator = (make or make_kept_annotator)(bridge.forward)
        self.canvas = Canvas(viewer, self.annotator, QTimer(self))
        masks = self.canvas.masks
        self._later = Later(self._refresh, self._until_answered, self)
        bridge.connect_to(self._deliver, lambda: masks.stroke_open)
        self.tools = Tools(viewer, self.canvas, self.annotator)
        self.marking = Marking(viewer, self.canvas, self.tools, self.annotator)
        self.commander = Commander(self.annotator, self.canvas, self.tools, self._later.together)
        self.keys = Keys(viewer, self.commander, self)
        self.status_line = StatusLine()
        self.hint = QLabel()
        self.help = QPushButton()
        self._lines: set[str] = set()
        self._make_panels(samples)
        self._arrange()
        self._closing.callback(self._later.stop)
        look = Look(viewer, self, WIDTH)
        for part in (look, bridge, self.annotator, self.keys, self.keyboard, self.tools, self.marking, self.canvas):
            self._closing.callback(part.close)
        self._connect()
        self._follow_dock()
        self._watch, self._warm_up = QTimer(self), QTimer(self, singleShot=True)
        for timer, slot in ((self._watch, self.annotator.look_again), (self._warm_up, self._get_ready)):
            timer.timeout.connect(slot)
            self._closing.callback(timer.stop)
        self._watch.start(WATCH_MS)
        self._on_layers()
        self._refresh()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide enough for three buttons side by side, narrow enough to leave the canvas large on 1366 × 768."""
        return QSize(self.minimumWidth(), 640)

    def shut_down(self) -> None:
        """Stop the lane and let go of the viewer; nothing accepted is lost. May be called twice."""
        self._closing.close()

    def open(self, paths: Sequence[Path]) -> None:
        """Take files, folders or a session's folder in; pictures are opened on the lane."""
        if self._warm_up.isActive():
            self._warm_up.stop()
            self._get_ready()
        self.commander.open(list(paths))
        self._refresh()

    def show_help(self) -> None:
        """Show the sheet of keys."""
        if self._sheet is None:
            self._sheet = HelpSheet(self)
        self._sheet.show()
        self._sheet.raise_()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Load the model behind the dock that is drawn: it takes seconds, and so does opening the first image."""
        if event is not None:
            super().showEvent(event)
        self._warm_up.start(WARM_UP_MS)

    def _get_ready(self) -> None:
        self.annotator.warm_up(first_layers.prepare)

    def _make_panels(self, samples: Callable[[], Sequence[Path]]) -> None:
        annotator, commander = self.annotator, self.commander
        self.open_panel = OpenPanel(annotator, commander, samples)
        self.scale_panel = ScalePanel(annotator, commander, self.marking)
        self.structures_panel = StructuresPanel(annotator, commander)
        self.annotate_panel = AnnotatePanel(annotator, commander, self.canvas, self.tools)
        self._closing.callback(self.annotate_panel.structures.close_rows)
        self.learn_panel = LearnPanel(annotator, commander)
        self.export_panel = ExportPanel(annotator, commander)
        self.sections = {
            "open": Section("1  Open", self.open_panel, self.scale_panel),
            "structures": Section("2  Structures", self.structures_panel),
            "annotate": Section("3  Annotate", self.annotate_panel),
            "learn": Section("4  Learn", self.learn_panel),
            "export": Section("5  Export", self.export_panel),
        }
        self.sections["annotate"].header.toggled.connect(self.annotate_panel.onward.setVisible)
        for name in ("annotate", "learn", "export"):
            self.sections[name].set_open(False)

    def _arrange(self) -> None:
        self.steps = Steps(self.sections.values())
        self.hint.setObjectName("hint")
        self.hint.setWordWrap(True)
        self.help.setText("?")
        for say in (self.help.setToolTip, self.help.setAccessibleName):
            say("All keys on one sheet")
        by_tab(self.help)
        self.help.setFixedWidth(26)
        self.help.clicked.connect(self.show_help)
        self.status_line.stop.clicked.connect(self._stop)
        top = QHBoxLayout()
        top.addWidget(self.hint, stretch=1)
        top.addWidget(self.help)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 2, 2)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addWidget(self.steps, stretch=1)
        layout.addWidget(self.annotate_panel.onward)  # below what scrolls: the most used buttons are always there
        layout.addWidget(self.status_line)

    def _follow_dock(self) -> None:
        """Where it stands in napari's window, and what is dropped on it."""
        self.destroyed.connect(self.canvas.lose_window)  # once it is undocked, it is closed before it is destroyed
        self.destroyed.connect(self._closing.close)
        self.undocked.connect(self._end)
        self.dropped.connect(self.open)

    def _connect(self) -> None:
        annotator, session, soon = self.annotator, self.annotator.session, self._later.ask
        said = (self.marking.problem, annotator.problem, self.commander.problem, self.canvas.message)
        told: tuple[tuple[Any, Callable[..., Any]], ...] = (
            *((one, self._say) for one in said),
            *((one, soon) for one in (session.current_changed, session.ticks_changed, annotator.activity_changed)),
            *((one, soon) for one in (annotator.model_changed, annotator.settings_changed, annotator.queue_changed)),
            (annotator.saved, soon),
            (session.current_changed, self.status_line.forget_what_is_past),
            (session.frames_changed, self._on_frames),
            (session.labels_changed, self._on_status),
            (session.suggestions_changed, self._on_status),
            (session.status_changed, self._on_status),
            (session.setup_changed, self._on_status),
            (session.remark_changed, self._on_status),
            (self.marking.changed, self.scale_panel.refresh),
            (session.structures_changed, self._on_structures),
            (annotator.round_progress, self.learn_panel.show_progress),
            (annotator.round_finished, self._on_round),
            (annotator.exported, self._on_export),
            (annotator.stack_measured, self.annotate_panel.stack.show_report),
            (self.commander.help_wanted, self.show_help),
            (self.commander.panel_wanted, self.keyboard.in_or_out),
            (self.canvas.layer_made, self.keys.bind),
            (self.tools.structure_changed, self._show_hint),
            (self.canvas.volume.changed, self._show_hint),
            (self.commander.views_changed, self._show_hint),
        )
        for signal, slot in told:
            signal.connect(slot)
            self._closing.callback(signal.disconnect, slot)
        events, layers, hint = self.viewer.layers.events, self._on_layers, self._show_hint
        looks = (self.viewer.dims.events.ndisplay, self.viewer.canvas.grid.events.enabled, events.reordered)
        for emitter, slot in ((events.inserted, layers), (events.removed, layers), *((one, hint) for one in looks)):
            emitter.connect(slot)
            self._closing.callback(emitter.disconnect, slot)
        for layer in self.canvas.layers():
            self.keys.bind(layer)

    def _deliver(self, outcome: Outcome) -> None:
        with self._later.together():
            self.annotator.deliver(outcome)

    def _refresh(self) -> None:
        """Show all as it is now. Signals only ask for it: a click sends a handful of them before its answer."""
        while self._lines:
            self.annotate_panel.renew_frame(self._lines.pop())
        for panel in (self.open_panel, self.scale_panel, self.annotate_panel, self.learn_panel, self.export_panel):
            panel.refresh()
        self.status_line.show_activity(self.annotator.activity, self.annotator.busy)
        for name, words in summaries(self.annotator).items():
            self.sections[name].set_summary(words)
        self._show_hint()
        self.keyboard.give_back()

    def _until_answered(self) -> int:
        """The dock is drawn with the outline that a click asked for, or once for several frames of a clip: in ms."""
        return ANSWER_MS if self.annotator.answering or self.annotator.in_steps else 0

    def _show_hint(self, event: Any = None) -> None:
        self.hint.setText(next_step(self.annotator, self.tools.current_structure(), self.tools.looking))

    def _on_frames(self) -> None:
        self.annotate_panel.frame_card.fill()
        if self.annotator.session.frames and not self.sections["annotate"].is_open:
            for name, wanted in (("open", False), ("structures", False), ("annotate", True)):
                self.sections[name].set_open(wanted)
        take_out(self.viewer, taken_in(list(self.viewer.layers), self.annotator.session.frames))
        self._on_layers()
        self._refresh()

    def _on_status(self, frame_id: str) -> None:
        self._lines.add(frame_id)
        self._later.ask()

    def _on_structures(self) -> None:
        self.structures_panel.refresh()
        self.annotate_panel.structures.fill()
        self._refresh()

    def _say(self, sentence: str) -> None:
        self.status_line.show_notice(sentence, self.commander.reasons)

    def _on_round(self, _report: object) -> None:
        self.learn_panel.show_reports()
        self.sections["learn"].set_open(True)
        self._refresh()

    def _on_export(self, report: ExportReport) -> None:
        self.export_panel.show_report(report)
        self.steps.show_step(self.sections["export"])

    def _on_layers(self, event: Any = None) -> None:
        """Images that were opened or dropped in napari are offered to the session."""
        own = self.canvas.all_layers()
        others = [layer for layer in self.viewer.layers if layer not in own]
        self.open_panel.offer(not_taken_in(others, self.annotator.session.frames))
        self._show_hint()

    def _end(self) -> None:
        """Nobody sees it any more, and napari makes another one when it is asked to."""
        self.shut_down()
        self.deleteLater()

    def _stop(self) -> None:
        self.commander.attempt(self.annotator.cancel)
