"""Part of step 3, for a clip or a volume: its volume, and its thickness from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_adasam.domain.items import Standing
from napari_adasam.domain.stacks import BOTH, StackMeasure, StackReport, no_volume
from napari_adasam.domain.structures import Structure
from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.panels.curve_plot import CurvePlot

COUNTING = (Standing.ACCEPTED, Standing.PROPAGATED)
MM3_IN_CM3 = 1000.0
CHANGED = "Outlines have changed since; measure again (J)."


def volume_words(mm3: float) -> str:
    """A volume for the eye: in cm³ from 1 cm³ on."""
    return f"{mm3 / MM3_IN_CM3:.4g} cm³" if mm3 >= MM3_IN_CM3 else f"{mm3:.4g} mm³"


def measures_words(report: StackReport, structures: Sequence[Structure]) -> str:
    """The figures as a small HTML table, and why there is no volume."""
    names = {one.value: one for one in structures}
    none = no_volume(report.frame)
    rows = [_row(one, names[one.structure], none) for one in report.measures if one.structure in names]
    why = f"<br>{escape(none)}" if none else ""
    return f"<table>{''.join(rows)}</table>{why}"


def _row(one: StackMeasure, structure: Structure, none: str) -> str:
    figures = []
    if not none:
        figures.append(escape(one.why) if one.volume_mm3 is None else f"<b>{volume_words(one.volume_mm3)}</b>")
    if one.thickness is not None:
        spread = one.thickness
        what = "between its parts" if structure.several_parts else "thickness"
        figures.append(f"{what} {spread.mean:.4g} {spread.unit} ({spread.least:.4g} to {spread.greatest:.4g})")
    frames = f"{one.measured} of {one.frames} frames, {'with propagated' if one.counted == BOTH else 'accepted'}"
    square = f"<span style='color:{structure.color}'>■</span>"
    words = f"{escape(structure.name)}<br>{' · '.join(figures) or '–'}<br><i>{frames}</i>"
    return f"<tr><td>{square}&nbsp;</td><td>{words}</td></tr>"


class StackCard(QWidget):
    """The figures of the file on the screen, if it was measured."""

    def __init__(self, annotator: Annotator) -> None:
        super().__init__()
        self._annotator = annotator
        self._reports: dict[str, StackReport] = {}
        self._changed: set[str] = set()
        self._shown: StackReport | None = None
        self._structures: tuple[Structure, ...] = ()
        self.figures, self.stale = QLabel(), QLabel(CHANGED)
        self.stale.setObjectName("reason")
        for label in (self.figures, self.stale):
            label.setWordWrap(True)
        self.plot = CurvePlot()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for widget in (self.figures, self.stale, self.plot):
            layout.addWidget(widget)

    def show_report(self, file_id: str, report: StackReport) -> None:
        """Keep the figures of a file, and show them while it is on the screen."""
        self._reports[file_id] = report
        self._changed.discard(file_id)
        self.refresh()

    def renew(self, frame_id: str) -> None:
        """A frame stands otherwise, or its outlines or scale do: figures of its file may be out of date."""
        report = self._reports.get(frame_id.partition("-")[0])
        if report is not None and (frame_id in report.counted or self._annotator.items.standing(frame_id) in COUNTING):
            self._changed.add(report.frame.file_id)

    def refresh(self) -> None:
        """Show the figures of the current file; nothing where it was not measured."""
        session = self._annotator.session
        file_id = "" if session.current is None else session.frame(session.current).file_id
        report = self._reports.get(file_id)
        self.setVisible(report is not None)
        self.stale.setVisible(file_id in self._changed)
        if report is None or (report is self._shown and session.structures == self._structures):
            return
        self._shown, self._structures = report, session.structures
        self.figures.setText(measures_words(report, session.structures))
        self.plot.setVisible(bool(report.curves))
        colors = {one.value: one.color for one in session.structures}
        self.plot.show_curves(report.curves, colors, report.axis)
