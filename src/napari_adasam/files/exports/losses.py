"""What an export cannot hold or gives away, in sentences, to be read before anything is written."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Frame
from napari_adasam.domain.structures import Structure
from napari_adasam.files.dicom_marks import BURNED_IN
from napari_adasam.files.exports.dicom_source import comes_from_dicom
from napari_adasam.files.exports.naming import word_for
from napari_adasam.files.exports.nifti import is_slice
from napari_adasam.files.exports.options import NO_EXTRAS, Extras
from napari_adasam.files.exports.table import read_file_table
from napari_adasam.files.exports.table_rows import rows_of
from napari_adasam.files.exports.tiff import TIFF

LONGEST_LABEL = 64
NO_PLACE_FOR_SCALE = ("png", "coco")


def losses(
    formats: Collection[str],
    frames: Sequence[Frame],
    structures: Sequence[Structure],
    deidentify: bool = False,
    extras: Extras = NO_EXTRAS,
) -> tuple[str, ...]:
    """One sentence for each thing that a person should know before these frames are exported; none if all is kept.

    Masks of one frame never overlap in a session, so that no format loses an overlap.

    Parameters
    ----------
    formats
        As in :data:`~napari_adasam.domain.export_formats.FORMATS`.
    frames
        Those that will be exported, with the paths of their files.
    deidentify
        Whether names are left out.
    extras
        What else is asked for.
    """
    found = [*_names_and_scale(formats, frames)]
    if "dicom-seg" in formats:
        found += _dicom(frames, structures, deidentify)
    if "csv" in formats and extras.table is not None:
        found += _table(extras.table, frames, deidentify)
    return (*found, *_privacy(formats, frames, deidentify, extras.blank_outside))


def _names_and_scale(formats: Collection[str], frames: Sequence[Frame]) -> list[str]:
    found = []
    unknown = sum(frame.spacing is None for frame in frames)
    if unknown and set(formats) - {"png"}:
        word, some = word_for(frames), f"{unknown} of {len(frames)}"
        which = f"No {word} has a scale" if unknown == len(frames) else f"{some} {word}s have no scale"
        found.append(f"{which}: their figures are in pixels.")
    own = [name for name in ("png", "tiff", "nifti") if name in formats]
    if own:
        found.append(
            f"{_listed(own)}: other programs will not see the names of structures; they are in provenance.json."
        )
    if "nifti" in formats and any(is_slice(frame) for frame in frames):
        found.append("NIfTI: slices of a volume are put back into one file; others are empty in it.")
    if "tiff" in formats and any(one.id != one.file_id and one.path.lower().endswith(TIFF) for one in frames):
        found.append("TIFF: pages of a stack are put back into one file; others are empty in it.")
    scaleless = [name for name in NO_PLACE_FOR_SCALE if name in formats]
    if scaleless and unknown < len(frames):
        found.append(f"{_listed(scaleless)}: other programs will not see the scale; it is in provenance.json.")
    return found


def _dicom(frames: Sequence[Frame], structures: Sequence[Structure], deidentify: bool) -> list[str]:
    found = []
    sources = {path: comes_from_dicom(path) for path in dict.fromkeys(frame.path for frame in frames)}
    fitting = [frame for frame in frames if sources[frame.path]]
    if len(fitting) < len(frames):
        found.append(
            f"DICOM SEG: {len(frames) - len(fitting)} of {len(frames)} {word_for(frames)}s are not from DICOM and get "
            "none."
        )
    if any(structure.value != place for place, structure in enumerate(structures, start=1)):
        found.append("DICOM SEG: structures are numbered 1, 2, 3… anew; their own numbers stand in the descriptions.")
    if any(len(one.name) > LONGEST_LABEL or re.search(r"[\\\x00-\x1f]", one.name) for one in structures):
        found.append("DICOM SEG: names are cut to 64 characters, and a backslash in them becomes a slash.")
    if _some_scaled_files_are_mixed(fitting):
        found.append("DICOM SEG: a file of which not all frames have a scale gets none.")
    if fitting and not deidentify:
        found.append(
            "DICOM SEG: the patient's name, birth date and study are copied from the picture, or it would be invalid."
        )
    if fitting and deidentify:
        found.append(
            "DICOM SEG: the identifiers (UIDs) of study and picture stay, or it would fit no picture; "
            "whoever has the archive finds the patient by them."
        )
    return found


def _some_scaled_files_are_mixed(frames: Sequence[Frame]) -> bool:
    known: dict[str, set[bool]] = {}
    for frame in frames:
        known.setdefault(frame.path, set()).add(frame.spacing is None)
    return any(len(one) > 1 for one in known.values())


@lru_cache(maxsize=1)
def _rows(path: Path, changed: int) -> dict[str, dict[str, str]]:
    """A window asks at every change of what is chosen; the table is read again when it has changed."""
    return read_file_table(path)


def _table(path: Path, frames: Sequence[Frame], deidentify: bool) -> list[str]:
    try:
        table = _rows(path, path.stat().st_mtime_ns if path.exists() else 0)
    except InputError as error:
        return [str(error)]
    without = len(frames) - len(rows_of(table, frames))
    found = [f"{path.name} has no row for {without} of {len(frames)} {word_for(frames)}s."] if without else []
    return [*found, f"{path.name}: its columns go out as they are, names in them too."] if deidentify else found


def _privacy(formats: Collection[str], frames: Sequence[Frame], deidentify: bool, blank: bool) -> list[str]:
    found = []
    if not deidentify and frames:
        found.append(
            "Files and rows are called like your image files, and their folders where two share a name; "
            "if those are names of people, leave names out."
        )
    marked = sum(BURNED_IN in frame.note for frame in frames)
    if marked:
        shown = "and an overlay shows what of it lies in the scan" if blank else "and an overlay would show it"
        where = shown if "overlay" in formats else "though masks and figures do not show it"
        found.append(f"{marked} picture{'s' if marked != 1 else ''} may have the patient's name written in, {where}.")
    if blank and "overlay" in formats:
        found.append(
            "Overlay: what lies outside the scan sector is black; look at each, since a sector can be wrong, or be the "
            "whole picture, and text within it stays."
        )
    elif not marked and deidentify and "overlay" in formats:
        found.append("Overlay: text that is written in a picture is still there; look at each before you pass it on.")
    if deidentify:
        found.append("This is an aid, not a certified de-identification; check the files before you pass them on.")
    return found


def _listed(formats: Sequence[str]) -> str:
    words = {"png": "PNG", "tiff": "TIFF", "nifti": "NIfTI", "coco": "COCO"}
    return ", ".join(words[name] for name in formats)
