"""What an export will hold, settled and checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.export_formats import FORMATS
from napari_adasam.domain.records import Annotation, Frame
from napari_adasam.domain.structures import Structure
from napari_adasam.files.clips import stem_of
from napari_adasam.files.exports.dicom_source import comes_from_dicom
from napari_adasam.files.exports.naming import as_path, output_names, without_names, word_for
from napari_adasam.files.exports.options import ExportOptions, Extras, FindScan, ReadOwnValues, ReadPixels
from napari_adasam.files.exports.table import given_columns, read_file_table
from napari_adasam.files.exports.table_rows import rows_of


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What will be exported.

    Parameters
    ----------
    sources
        The wanted frames in their order.
    frames
        The same as they go out: with the name of the file for its path, and folders before it where several files have
        one name; without either if names are left out.
    names
        Frame id to its name in the export.
    given
        Frame id to further columns of the table; every frame has all of them, or there are none.
    key, pixels, own_values, scan, extras
        See :class:`ExportOptions`; ``pixels`` takes frames as they go out.
    propagated
        Frames of the same files that nobody has accepted, as they go out, for figures over clips and volumes.
    partly
        Ids of files of which not all accepted frames are wanted.
    """

    sources: tuple[Frame, ...]
    frames: tuple[Frame, ...]
    names: Mapping[str, str]
    structures: tuple[Structure, ...]
    key: bytes = field(repr=False)
    pixels: ReadPixels | None = field(repr=False)
    own_values: ReadOwnValues = field(repr=False)
    scan: FindScan | None = field(repr=False)
    extras: Extras
    given: Mapping[str, Mapping[str, str]]
    propagated: tuple[Frame, ...] = ()
    partly: frozenset[str] = frozenset()

    def file_stem(self, source: Frame) -> str:
        """What the file of a frame is called in the export: without the frame's own number."""
        if self.key:
            return without_names(source, self.key).stem.removesuffix(f"_{source.index:04d}")
        return stem_of(Path(as_path(source.path).name))


def make_plan(
    annotations: Mapping[str, Annotation],
    frames: Sequence[Frame],
    structures: Sequence[Structure],
    options: ExportOptions,
) -> Plan:
    """Choose the frames and name them. Raises InputError if they or the formats cannot be exported."""
    for unknown in sorted(set(options.formats) - set(FORMATS)):
        raise InputError(f"{unknown!r} is not an export format; {', '.join(FORMATS)} are. Nothing was exported.")
    wanted = None if options.frames is None else set(options.frames)
    sources = [frame for frame in frames if frame.id in annotations and (wanted is None or frame.id in wanted)]
    if not sources:
        word = word_for(frames)
        which = f"No {word} is accepted yet" if wanted is None else f"None of these {word}s is accepted"
        raise InputError(f"{which}, so there is nothing to export; accept one first.")
    if "dicom-seg" in options.formats:
        _check_dicom(sources)
    if "overlay" in options.formats and options.pixels is None:
        raise InputError("Overlays need the pictures, which cannot be read here; choose another format.")
    files, chosen = {frame.file_id for frame in sources}, {frame.id for frame in sources}
    partly = {one.file_id for one in frames if one.id in annotations and one.id not in chosen}
    with_csv = files - partly if "csv" in options.formats else set()
    others = [
        one for one in frames if one.id in options.propagated and one.file_id in with_csv and one.id not in chosen
    ]
    out = _going_out([*sources, *others], options.key)
    shown, further = out[: len(sources)], out[len(sources) :]
    return Plan(
        sources=tuple(sources),
        frames=tuple(shown),
        names=output_names([*shown, *further]),
        structures=tuple(structures),
        key=options.key,
        pixels=_reader(sources, options.pixels),
        own_values=options.own_values,
        scan=options.scan,
        extras=options.extras,
        given=_given(sources, options.extras.table),
        propagated=tuple(further),
        partly=frozenset(partly),
    )


def _given(sources: Sequence[Frame], path: Path | None) -> dict[str, dict[str, str]]:
    """Of the user's table the columns of each frame, empty where it has no row."""
    table = {} if path is None else read_file_table(path)
    columns = given_columns(table)
    rows = rows_of(table, sources) if columns else {}
    empty = dict.fromkeys(columns, "")
    return {frame.id: empty | dict(rows.get(frame.id, {})) for frame in sources} if columns else {}


def _going_out(frames: Sequence[Frame], key: bytes) -> list[Frame]:
    """Frames as others see them: under pseudonyms if there is a key, else with no folder that need not be told."""
    if key:
        return [without_names(frame, key) for frame in frames]
    names = file_names(frame.path for frame in frames)
    return [replace(frame, path=names[frame.path]) for frame in frames]


def file_names(paths: Iterable[str]) -> dict[str, str]:
    """Path to the file's name; files of one name are told apart by their folders, from the deepest common one on."""
    named: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        named.setdefault(as_path(path).name, []).append(path)
    names = {}
    for name, same in named.items():
        folders = [_folders(path) for path in same]
        common = len(list(takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False))))
        for path, own in zip(same, folders, strict=True):
            names[path] = "/".join((*own[common:], name))
    return names


def _folders(path: str) -> tuple[str, ...]:
    """The folders of a file, before them the disk or share where it has one."""
    whole = as_path(path) if as_path(path).drive else Path(path).absolute()
    disk = whole.anchor.replace("\\", "/").strip("/:")
    return (disk, *whole.parts[1:-1]) if disk else whole.parts[1:-1]


def _check_dicom(frames: Sequence[Frame]) -> None:
    if find_spec("highdicom") is None:
        raise InputError(
            'DICOM SEG needs the package highdicom, which is not installed: pip install "napari-adasam[dicom-seg]". '
            "Nothing was exported."
        )
    if not any(comes_from_dicom(frame.path) for frame in frames):
        raise InputError(
            f"None of the {word_for(frames)}s is from a DICOM file, so there is no DICOM SEG; choose another format."
        )


def _reader(sources: Sequence[Frame], read: ReadPixels | None) -> ReadPixels | None:
    """Reads the picture of a frame that may go by a pseudonym; the last one is kept for the next format."""
    originals = {frame.id: frame for frame in sources}
    if read is None:
        return None
    kept: dict[str, NDArray[Any]] = {}

    def pixels(frame: Frame) -> NDArray[Any]:
        if frame.id not in kept:
            picture = read(originals[frame.id])
            kept.clear()
            kept[frame.id] = picture
        return kept[frame.id]

    return pixels
