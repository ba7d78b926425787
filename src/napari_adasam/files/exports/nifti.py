"""Masks as compressed NIfTI-1: a file a frame, or a file a volume where the frames come from one.

Arrays are x first, as NIfTI has them. A volume has the axes, the shape, the affine, the units and the time step of its
source; a frame of another file is (width, height, 1) with a diagonal affine of its pixel size.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.lazily import Lazily
from napari_adasam.domain.packing import PackedLabels
from napari_adasam.domain.records import Frame, Geometry, Labels, Spacing
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports.naming import as_path, unique_names
from napari_adasam.files.exports.options import Item
from napari_adasam.files.exports.plan import Plan
from napari_adasam.files.exports.png import facts_json
from napari_adasam.files.staging import Staging

NIFTI = (".nii", ".nii.gz")
LEVEL = 6
COMMENT = 6
"""The code of a NIfTI extension in plain text."""
UNKNOWN, MM = 0, 2
"""Codes of NIfTI for units."""


class NiftiFiles:
    """Writes frames as they come, and each volume with its last accepted frame; its other slices are 0."""

    def __init__(self, staging: Staging, plan: Plan) -> None:
        self._staging = staging
        self._geometries = {frame.id: _geometry(frame) for frame in plan.sources}
        stacked = [frame for frame in plan.sources if self._geometries[frame.id] is not None]
        self._counts = Counter(Path(frame.path) for frame in stacked)
        flat = [(frame.id, plan.names[frame.id]) for frame in plan.sources if self._geometries[frame.id] is None]
        stems = {frame.path: plan.file_stem(frame) for frame in stacked}
        self._names = unique_names([*flat, *stems.items()])
        self._volumes: dict[Path, dict[int, PackedLabels]] = {}

    def add(self, item: Item) -> None:
        """Take one frame."""
        labels, geometry = item.annotation.labels, self._geometries[item.frame.id]
        if geometry is None:
            content = mask_nifti(labels, item.frame.spacing, item.structures)
            self._staging.write(f"masks/{self._names[item.frame.id]}.nii.gz", content)
            return
        slices = self._volumes.setdefault(item.source, {})
        slices[item.frame.index] = PackedLabels.of(labels)
        if len(slices) == self._counts[item.source]:
            del self._volumes[item.source]
            text, each = facts_json(item.structures, item.frame.spacing), _in_order(slices, geometry, labels)
            with self._staging.open(f"masks/{self._names[str(item.source)]}.nii.gz") as file:
                _write(file, each, geometry, text)

    def finish(self) -> None:
        """Nothing is left to do: every volume was written with its last frame."""


def mask_nifti(labels: Labels, spacing: Spacing | None = None, structures: Sequence[Structure] = ()) -> bytes:
    """The .nii.gz file of a label image (height, width) uint8; names and scale in an extension of plain text.

    Units are mm where the size of a pixel is known; where it is not, pixels are 1 and the units are "unknown".
    """
    affine = np.diag((1.0, 1.0, 1.0, 1.0) if spacing is None else (spacing.x_mm, spacing.y_mm, 1.0, 1.0))
    units = UNKNOWN if spacing is None else MM
    geometry = Geometry(tuple(tuple(map(float, row)) for row in affine), (*labels.T.shape, 1), 1, 0, units)
    file = BytesIO()
    _write(file, [labels], geometry, facts_json(structures, spacing))
    return file.getvalue()


def is_slice(frame: Frame) -> bool:
    """Whether a frame comes from a NIfTI file, which the masks of its frames go back to."""
    return frame.path.lower().endswith(NIFTI)


def _geometry(frame: Frame) -> Geometry | None:
    """How the volume lies that a frame is a slice of; ``None`` if it is of none."""
    if frame.geometry is None and is_slice(frame):
        raise InputError(
            f"{as_path(frame.path).name} cannot be read, so its masks cannot be put back into a volume; put it back."
        )
    return frame.geometry


def _in_order(slices: Mapping[int, PackedLabels], geometry: Geometry, like: Labels) -> Iterable[Labels]:
    """What lies in the array, in its order: frame by frame where each lies there as one piece, else all at once."""
    last = max(geometry.rows, geometry.columns)
    if geometry.columns < geometry.rows and prod(geometry.shape[: last + 1]) == like.size:
        empty, count = np.zeros_like(like), prod(geometry.shape) // like.size
        return (slices[at].open() if at in slices else empty for at in range(count))
    volume = np.zeros(geometry.shape, np.uint8)
    for at, labels in slices.items():
        volume[geometry.place(at)] = labels.open().T
    return [volume.T]


def _write(file: IO[bytes], frames: Iterable[Labels], geometry: Geometry, text: str) -> None:
    """Write label images (height, width) one by one, in the order of the array."""
    with gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed:
        packed.write(_beginning(geometry, text))
        for labels in frames:
            packed.write(labels.tobytes())


def _beginning(geometry: Geometry, text: str) -> bytes:
    """Header and extension of the file, up to its voxels."""
    nifti: Any = Lazily("nibabel.nifti1")  # its functions have no types
    nothing = np.broadcast_to(np.uint8(0), geometry.shape)
    header = nifti.Nifti1Image(nothing, np.asarray(geometry.affine, np.float64)).header
    header["xyzt_units"] = geometry.units
    if nothing.ndim > 3:
        header["pixdim"][4] = geometry.time_step
    header.set_slope_inter(1, 0)
    header.extensions.append(nifti.Nifti1Extension(COMMENT, text.encode()))
    file = BytesIO()
    header.write_to(file)
    return file.getvalue()
