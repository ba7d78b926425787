"""Write an export, all of it or nothing.

``masks/NAME.png``, ``.tif`` and ``.nii.gz``, ``overlays/NAME.png``, ``dicom-seg/FILE.dcm``, ``coco.json``,
``measurements.csv``; for clips and volumes ``stacks.csv`` and ``stacks/FILE.svg``; and last ``provenance.json``, which
lists the files with their SHA-256. One frame is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from napari_adasam.domain.errors import AdasamError, InputError
from napari_adasam.domain.export_formats import FORMATS
from napari_adasam.domain.records import Annotation, Frame
from napari_adasam.domain.structures import Structure
from napari_adasam.files.clips import needed
from napari_adasam.files.exports.naming import word_for
from napari_adasam.files.exports.options import ExportOptions, ExportReport, Item, Progress
from napari_adasam.files.exports.outputs import open_output
from napari_adasam.files.exports.plan import Plan, make_plan
from napari_adasam.files.exports.provenance import FILE, frame_facts, provenance_json
from napari_adasam.files.exports.stacks import StackFiles
from napari_adasam.files.exports.target import check_target, written_over
from napari_adasam.files.staging import Staging

AS_USUAL = ExportOptions()
FULL = "The export needs more memory than is free. Close other programs and try again."


def export(
    annotations: Mapping[str, Annotation],
    frames: Sequence[Frame],
    structures: Sequence[Structure],
    folder: Path,
    options: ExportOptions = AS_USUAL,
) -> ExportReport:
    """Write the accepted frames and say what was written; see :func:`export_steps`."""
    steps = export_steps(annotations, frames, structures, folder, options)
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            report: ExportReport = end.value
            return report
        if options.progress is not None:
            options.progress(step.done, step.total, step.what)


def export_steps(
    annotations: Mapping[str, Annotation],
    frames: Sequence[Frame],
    structures: Sequence[Structure],
    folder: Path,
    options: ExportOptions = AS_USUAL,
) -> Generator[Progress, None, ExportReport]:
    """Write the accepted frames, a step a frame; closing the generator before its end leaves nothing behind.

    Parameters
    ----------
    annotations
        By frame id; asked once for each frame. Frames without one are left out.
    frames
        Of the session, in the order of the export.
    folder
        Is made if need be. What is not replaced by a file of the same name stays.

    Raises
    ------
    InputError
        If nothing is accepted, a format is unknown, a picture cannot be read or would be written over, or the folder
        is none for this export (:func:`~napari_adasam.files.exports.target.check_target`).
    StorageError
        If the disk did not take it.
    AdasamError
        If the memory is full. After any, nothing of this export is there, and earlier ones are as they were.
    """
    plan = make_plan(annotations, frames, structures, options)
    check_target(folder, options.deidentify)
    total, ready = len(plan.frames) + len(plan.propagated), 0
    try:
        with Staging(folder) as staging:
            for ready, name in enumerate(_write(plan, annotations, staging, options)):
                yield Progress(ready, total, name)
            _protect_sources(frames, staging.targets)
            written = staging.commit()
    except (AdasamError, MemoryError) as error:
        how_far = f"{ready} of {total} {word_for(plan.sources)}s were ready; earlier exports are as they were"
        why, kind = (needed(str(error)), type(error)) if isinstance(error, AdasamError) else (FULL, AdasamError)
        raise kind(f"{why} Nothing was exported ({how_far}).") from error
    return ExportReport(folder, tuple(written), len(plan.frames))


def _write(
    plan: Plan, annotations: Mapping[str, Annotation], staging: Staging, options: ExportOptions
) -> Generator[str, None, None]:
    """Write every file into the staging; gives the name of each frame before it is written, and of the end."""
    facts = []
    with ExitStack() as files:
        outputs = [open_output(name, plan, staging, files) for name in FORMATS if name in options.formats]
        stacks = StackFiles(staging, plan)
        outputs += [stacks] if "csv" in options.formats else []
        for frame, source in zip(plan.frames, plan.sources, strict=True):
            name = plan.names[frame.id]
            yield name
            item = Item(frame, Path(source.path), name, annotations[frame.id], plan.structures)
            for output in outputs:
                output.add(item)
            facts.append(frame_facts(frame, item.annotation, name))
        for frame in plan.propagated:
            yield plan.names[frame.id]
            stacks.add_propagated(frame, options.propagated[frame.id])
        yield "moving the files to their place"
        for output in outputs:
            output.finish()
    listed = staging.files
    origin = provenance_json(options.provenance, plan.structures, facts, listed, options.deidentify)
    staging.write(FILE, origin)


def _protect_sources(frames: Sequence[Frame], targets: Sequence[Path]) -> None:
    lost = written_over(targets, (Path(path) for path in dict.fromkeys(frame.path for frame in frames)))
    if lost is not None:
        raise InputError(f"The export would write over the picture {lost}; choose another folder.")
