"""Write an export: ``masks/NAME.png``, ``masks/NAME.tif``, ``measurements.csv``, ``provenance.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Annotation, Frame
from napari_adasam.domain.structures import Structure
from napari_adasam.files.atomic import make_folder, write_whole
from napari_adasam.files.exports.png import mask_png
from napari_adasam.files.exports.provenance import Provenance, provenance_json
from napari_adasam.files.exports.table import measurements_csv
from napari_adasam.files.exports.tiff import mask_tiff

FORMATS = ("png", "tiff", "csv")


def export(
    annotations: Mapping[str, Annotation],
    frames: Sequence[Frame],
    structures: Sequence[Structure],
    folder: Path,
    formats: Sequence[str] = FORMATS,
    provenance: Provenance | None = None,
) -> list[Path]:
    """Write the accepted frames, each file whole or not at all, and return what was written.

    Parameters
    ----------
    annotations
        By frame id; frames without one are left out.
    folder
        Is made. Masks lie in its subfolder ``masks``, apart from pictures of the same names.
    formats
        Some of :data:`FORMATS`; provenance.json is always written.

    Raises
    ------
    InputError
        If nothing is accepted, a format is unknown, or a picture would be written over.
    StorageError
        If a file did not reach the disk; those before it are whole.
    """
    for unknown in set(formats) - set(FORMATS):
        raise InputError(f"{unknown!r} is not an export format; {', '.join(FORMATS)} are.")
    accepted = [frame for frame in frames if frame.id in annotations]
    if not accepted:
        raise InputError("No frame is accepted yet, so there is nothing to export; accept a frame first.")
    names = output_names(accepted)
    targets = _mask_paths(accepted, names, folder / "masks", formats)
    _protect_sources(frames, [path for _, path in targets])
    make_folder(folder / "masks" if targets else folder)
    written = [_write_mask(annotations[frame.id], frame, structures, path) for frame, path in targets]
    if "csv" in formats:
        table = measurements_csv(annotations, accepted, structures, names, lambda frame: None)
        written.append(write_whole(folder / "measurements.csv", table))
    origin = provenance_json(provenance or Provenance(), annotations, accepted, structures, names)
    return [*written, write_whole(folder / "provenance.json", origin)]


def output_names(frames: Sequence[Frame]) -> dict[str, str]:
    """Frame id to its name in the export: its stem, with ``_2``, ``_3``… behind it where another frame has that name.

    Upper and lower case are not told apart, as on many disks.
    """
    names: dict[str, str] = {}
    taken: set[str] = {frame.stem.casefold() for frame in frames}
    used: set[str] = set()
    for frame in frames:
        name, number = frame.stem, 1
        while name.casefold() in (used if number == 1 else used | taken):
            number += 1
            name = f"{frame.stem}_{number}"
        used.add(name.casefold())
        names[frame.id] = name
    return names


def _mask_paths(
    frames: Sequence[Frame], names: Mapping[str, str], folder: Path, formats: Sequence[str]
) -> list[tuple[Frame, Path]]:
    endings = [ending for name, ending in (("png", ".png"), ("tiff", ".tif")) if name in formats]
    return [(frame, folder / f"{names[frame.id]}{ending}") for frame in frames for ending in endings]


def _protect_sources(frames: Sequence[Frame], targets: Sequence[Path]) -> None:
    sources = {Path(frame.path).resolve() for frame in frames}
    for target in targets:
        if target.resolve() in sources:
            raise InputError(f"The export would write over the picture {target}; choose another folder.")


def _write_mask(annotation: Annotation, frame: Frame, structures: Sequence[Structure], path: Path) -> Path:
    labels = annotation.labels
    content = mask_png(labels, structures) if path.suffix == ".png" else mask_tiff(labels, frame.spacing)
    return write_whole(path, content)
