"""stacks.csv: figures over clips and volumes, one a row; and a plot of the thickness of each from frame to frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO

from napari_adasam.domain.packing import LabelImage
from napari_adasam.domain.records import Frame, Labels
from napari_adasam.domain.stacks import Counted, FrameFigures, StackMeasure, StackReport, figures_of, report
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports.naming import unique_names
from napari_adasam.files.exports.options import Item
from napari_adasam.files.exports.plan import Plan
from napari_adasam.files.exports.table import scaled_part
from napari_adasam.files.stack_plot import plot
from napari_adasam.files.staging import Staging
from napari_adasam.files.tables import table_writer

FILE = "stacks.csv"
COLUMNS = (
    "file", "structure", "measure", "value", "unit", "counted", "frames", "measured", "present", "frame", "time_s",
    "slice_mm", "scale_source", "note",
)  # fmt: skip
Row = dict[str, str]


class StackFiles:
    """Measures the frames of clips and volumes as they come; the files are written at the end.

    A file of which only some of the accepted frames are exported is left out.
    """

    def __init__(self, staging: Staging, plan: Plan) -> None:
        self._staging = staging
        self._plan = plan
        self._figures: dict[str, list[FrameFigures]] = {}
        stacked = {one.file_id: one for one in plan.sources if one.stack is not None and one.file_id not in plan.partly}
        self._stems = unique_names((file_id, plan.file_stem(one)) for file_id, one in stacked.items())

    def add(self, item: Item) -> None:
        """Measure an accepted frame."""
        if item.frame.file_id in self._stems:
            asked = tuple(one for one in self._plan.structures if item.annotation.tells_of(one.value))
            self._measure(item.frame, item.annotation.labels.copy(), Counted.ACCEPTED, asked)

    def add_propagated(self, frame: Frame, labels: LabelImage) -> None:
        """Measure a frame that nobody has accepted."""
        if frame.file_id in self._stems:
            self._measure(frame, labels.open(), Counted.PROPAGATED, self._plan.structures)

    def finish(self) -> None:
        """Write the table and the plots, where there is a clip or a volume."""
        rows: list[Row] = []
        names = {one.value: one.name for one in self._plan.structures}
        for file_id, figures in self._figures.items():
            found = report(figures, self._plan.structures)
            rows += _rows(found, self._plan, names)
            if found.curves:
                drawing = plot(found, self._plan.structures, self._stems[file_id])
                self._staging.write(f"stacks/{self._stems[file_id]}.svg", drawing.encode())
        if rows:
            text = StringIO()
            writer = table_writer(text, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
            self._staging.write(FILE, text.getvalue().encode())

    def _measure(self, frame: Frame, labels: Labels, counted: Counted, asked: Sequence[Structure]) -> None:
        one = figures_of(frame, labels, asked, counted, scaled_part(frame))
        self._figures.setdefault(frame.file_id, []).append(one)


def _rows(found: StackReport, plan: Plan, names: dict[int, str]) -> Iterator[Row]:
    """Figures over the file, structure by structure; then those of each frame, the curve."""
    frame = found.frame
    own = {"file": frame.path}
    for one in found.measures:
        over = own | _over(one, frame, names)
        notes = "; ".join(filter(None, (over.get("note"), one.why)))
        yield over | _figure("volume", one.volume_mm3, "mm³") | {"scale_source": _source(frame), "note": notes}
        if one.thickness is not None:
            spread, scale = one.thickness, {"scale_source": _scale(frame, one.thickness.unit)}
            yield over | _figure("thickness mean over frames", spread.mean, spread.unit) | scale
            for what, value, at in (
                ("greatest", spread.greatest, spread.greatest_at),
                ("least", spread.least, spread.least_at),
            ):
                yield over | _figure(f"thickness {what}", value, spread.unit) | scale | _at(at, plan)
    for curve in found.curves:
        for point in curve.points:
            common = own | {"structure": names[curve.structure], "counted": str(point.counted)}
            scale = {"scale_source": _scale(frame, curve.unit)}
            yield common | _figure("thickness mean", point.value, curve.unit) | scale | _at(point.frame, plan)


def _over(one: StackMeasure, frame: Frame, names: dict[int, str]) -> Row:
    """Which structure and stack a figure is of; the time of a volume in a file with several moments."""
    stack = frame.stack
    row = {
        "structure": names[one.structure],
        "counted": one.counted,
        "frames": str(one.frames),
        "measured": str(one.measured),
        "present": str(one.present),
    }
    if stack is not None and stack.step_mm is not None:
        row["slice_mm"] = f"{stack.step_mm:.4f}"
    if stack is not None and 1 < stack.slices < stack.count:
        row["note"] = f"volume {one.moment} of {stack.count // stack.slices}"
    return row


def _figure(measure: str, value: float | None, unit: str) -> Row:
    return {"measure": measure, "value": "" if value is None else f"{value:.4f}", "unit": unit}


def _at(frame: Frame, plan: Plan) -> Row:
    return {"frame": plan.names[frame.id], "time_s": "" if frame.time_s is None else f"{frame.time_s:.4f}"}


def _scale(frame: Frame, unit: str) -> str:
    return frame.spacing.source if frame.spacing is not None and unit == "mm" else "none"


def _source(frame: Frame) -> str:
    """Who says how large a pixel is, and how far apart slices are, where that is another one."""
    if frame.spacing is None or frame.stack is None or not frame.stack.source:
        return _scale(frame, "mm")
    own, slices = frame.spacing.source, frame.stack.source
    return own if own == slices else f"{own}; slices: {slices}"
