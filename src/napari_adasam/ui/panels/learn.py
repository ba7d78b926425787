"""Step 4: the program learns from what was accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from html import escape
from math import isfinite

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSpinBox, QWidget

from napari_adasam.domain.effort import Estimate
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.structures import Structure
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.panels.method_choice import MethodChoice
from napari_adasam.ui.panels.model_choice import ModelChoice
from napari_adasam.ui.panels.round_plot import LinePlot
from napari_adasam.ui.section import allow, reason_label
from napari_adasam.ui.status_line import duration_words

MOST_EVERY = 99
EVERY = "By itself after so many accepted"
LOSS, WITH_EARLIER = "Loss (lower is better)", "Loss (lower is better); in grey, earlier rounds"


def dice_words(report: RoundReport, structures: Sequence[Structure]) -> str:
    """Dice on held-out images before and after, per structure, as a small HTML table."""
    names = {one.value: one for one in structures}
    rows = []
    for value, after in report.after.items():
        known = names.get(value)
        name, color = (known.name, known.color) if known else (f"structure {value}", "gray")
        before = report.before.get(value)
        was = "–" if before is None else f"{before:.2f}"
        rows.append(
            f"<tr><td><span style='color:{color}'>■</span> {escape(name)}&nbsp;&nbsp;</td>"
            f"<td>{was} → <b>{after:.2f}</b></td></tr>"
        )
    if not rows:
        return ""
    images = f"{report.held_out} image{'s' if report.held_out != 1 else ''}"
    return f"Agreement (Dice) on {images} not learned from:<table>{''.join(rows)}</table>"


def estimate_words(expected: Estimate) -> str:
    """What a round will take, in words."""
    return f"A round takes about {duration_words(expected.seconds)} and {expected.bytes / 1e9:.1f} GB of memory."


def finite(losses: Sequence[float]) -> list[float]:
    """Those that can be drawn."""
    return [loss for loss in losses if isfinite(loss)]


class LearnPanel(QWidget):
    """Start and stop a round, see how it goes, read the verdict, go back."""

    def __init__(self, annotator: Annotator, commander: Commander) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self._losses: list[float] = []
        self._running, self._step = False, -1
        self._told: tuple[RoundReport, ...] = ()
        self._structures: tuple[Structure, ...] = ()
        self.start = QPushButton("Learn now")
        self.start.setToolTip("Learn from the accepted images; you can go on working meanwhile")
        self.pause = QPushButton("Pause")
        self.pause.setToolTip("Hold the round where it is, for instance to have the whole computer to yourself")
        self.cancel = QPushButton("Stop")
        self.cancel.setToolTip("End this round; the model stays as it was")
        self.earlier = QPushButton("Go back to the earlier model")
        for button, command in (
            (self.start, annotator.start_round),
            (self.pause, self._pause_or_go_on),
            (self.cancel, annotator.cancel_round),
            (self.earlier, annotator.go_back_to_earlier_model),
        ):
            by_tab(button)
            button.clicked.connect(partial(self._run, command))
        self.estimate = QLabel()
        self.estimate.setObjectName("hint")
        self.estimate.setWordWrap(True)
        self.every = self._make_every()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.progress, self.verdict, self.table = QLabel(), QLabel(), QLabel()
        for label in (self.progress, self.verdict, self.table):
            label.setWordWrap(True)
        self.model = ModelChoice(annotator, commander)
        self.method = MethodChoice(annotator)
        self.loss_plot = LinePlot(LOSS)
        self.dice_plot = LinePlot("Agreement by round (higher is better)")
        self.reason = reason_label()
        self._arrange()
        self.show_reports()

    def refresh(self) -> None:
        """Allow what is possible now; show which model serves, and the rounds of a session that was opened again."""
        if self._annotator.reports is not self._told or self._annotator.session.structures != self._structures:
            self.show_reports()
            return
        said, locked = self._annotator.only_to_look_at, self._annotator.why_not("set_settings")
        allow(self.start, self._annotator.why_not("start_round"), self.reason, said)
        allow(self.every, locked)
        allow(self.cancel, "" if self._annotator.training else "No learning is under way.")
        allow(self.earlier, self._annotator.why_not("go_back_to_earlier_model"))
        with QSignalBlocker(self.every):
            self.every.setValue(self._annotator.settings.learn.every)
        training = self._annotator.training
        self._running = self._running and training
        for widget in (self.bar, self.progress):
            widget.setVisible(training)
        self.cancel.setVisible(training)
        self._show_estimate()
        self.pause.setVisible(training)
        self.pause.setText("Go on" if self._annotator.round_paused else "Pause")
        if self._annotator.round_paused:
            self.progress.setText(self._annotator.activity.text)
        self.loss_plot.setVisible(bool(self._losses))
        self.model.refresh()
        self.method.refresh()

    def show_progress(self, progress: RoundProgress) -> None:
        """One step further."""
        if not self._running:
            self._running, self._step, self._losses = True, -1, []
        if progress.step != self._step and isfinite(progress.loss):  # a step may report more than once, or no loss
            self._step = progress.step
            self._losses.append(progress.loss)
        self.bar.setRange(0, progress.steps)
        self.bar.setValue(progress.step)
        left = "" if progress.seconds_left is None else f" · about {duration_words(progress.seconds_left)} left"
        self.progress.setText(f"{progress.what.capitalize()}: step {progress.step} of {progress.steps}{left}")
        self._show_losses(self._annotator.reports)
        self.refresh()

    def show_reports(self) -> None:
        """The last round's verdict and figures, and the line over all rounds."""
        reports = self._told = self._annotator.reports
        structures = self._structures = self._annotator.session.structures
        for widget in (self.verdict, self.table):
            widget.setVisible(bool(reports))
        self.dice_plot.setVisible(bool(reports))
        if reports:
            last = reports[-1]
            self.verdict.setText(f"Round {last.number}: {last.verdict}")
            self.table.setText(dice_words(last, structures))
            if last.losses:
                self._losses = finite(last.losses)
                self._show_losses(reports[:-1])
            self._show_dice(reports)
        self.refresh()

    def _show_losses(self, earlier: Sequence[RoundReport]) -> None:
        """Loss by step, of this round and of those before it."""
        before = [("#888888", finite(one.losses)) for one in earlier if one.losses]
        self.loss_plot.title = WITH_EARLIER if before else LOSS
        self.loss_plot.show_lines([("#56b4e9", self._losses), *before])

    def _show_dice(self, reports: Sequence[RoundReport]) -> None:
        """Dice of the model that served: at first, then after each round."""
        lines = []
        for structure in self._annotator.session.structures:
            served = [one.after if one.accepted else one.before for one in reports]
            values = [reports[0].before.get(structure.value), *(one.get(structure.value) for one in served)]
            lines.append((structure.color, values))
        self.dice_plot.show_lines(lines, limits=(0.0, 1.0))

    def _arrange(self) -> None:
        self.earlier.setToolTip("Use the model again that there was before the last round; what you accepted stays")
        layout = QGridLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.start, 0, 0)
        layout.addWidget(self.pause, 0, 1)
        layout.addWidget(self.cancel, 0, 2)
        layout.addWidget(self.reason, 1, 0, 1, 3)
        layout.addWidget(self.estimate, 2, 0, 1, 3)
        layout.addWidget(QLabel(f"{EVERY}:"), 3, 0)
        layout.addWidget(self.every, 3, 1, 1, 2)
        adapts = QHBoxLayout()  # a row of its own: the list is to have room for its words
        adapts.addWidget(QLabel("What it adapts:"))
        adapts.addWidget(self.method, stretch=1)
        layout.addLayout(adapts, 4, 0, 1, 3)
        running = (self.progress, self.bar, self.loss_plot)
        finished = (self.verdict, self.table, self.dice_plot, self.earlier, self.model)
        for row, widget in enumerate((*running, *finished), start=5):
            layout.addWidget(widget, row, 0, 1, 3)

    def _run(self, command: object, *_: object) -> None:
        if callable(command):
            self._commander.attempt(command)
        self.refresh()

    def _make_every(self) -> QSpinBox:
        every = QSpinBox()
        every.setRange(0, MOST_EVERY)
        every.setSpecialValueText("never")
        every.setAccessibleName(EVERY)
        every.setToolTip("After so many accepted images a round of learning starts by itself")
        every.valueChanged.connect(self._set_every)
        return every

    def _show_estimate(self) -> None:
        expected = self._annotator.estimate()
        self.estimate.setVisible(expected is not None)
        if expected is not None and self.estimate.text() != (words := estimate_words(expected)):
            self.estimate.setText(words)

    def _pause_or_go_on(self) -> None:
        if self._annotator.round_paused:
            self._annotator.resume_round()
        else:
            self._annotator.pause_round()

    def _set_every(self, every: int) -> None:
        settings = self._annotator.settings
        self._annotator.set_settings(replace(settings, learn=replace(settings.learn, every=every)))
