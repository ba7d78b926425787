"""Masks as compressed NIfTI-1, one file a frame: (width, height, 1), x first as NIfTI has it."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.records import Frame, Labels
from napari_adasam.domain.structures import Structure
from napari_adasam.files.exports.png import facts_json

LEVEL = 6
COMMENT = 6
"""The code of a NIfTI extension in plain text."""


def mask_nifti(labels: Labels, frame: Frame, structures: Sequence[Structure] = ()) -> bytes:
    """The .nii.gz file of a label image (height, width) uint8; names and scale in an extension of plain text.

    Units are mm where the size of a pixel is known; where it is not, pixels are 1 and the units are "unknown".
    """
    affine = affine_of(frame)
    nifti: Any = nibabel.nifti1  # its functions have no types
    image = nifti.Nifti1Image(np.ascontiguousarray(labels.T)[..., None], affine)
    known = frame.spacing is not None or _own_affine(frame) is not None
    image.header.set_xyzt_units("mm" if known else "unknown")
    text = facts_json(structures, frame.spacing).encode()
    image.header.extensions.append(nifti.Nifti1Extension(COMMENT, text))
    return gzip.compress(image.to_bytes(), compresslevel=LEVEL, mtime=0)


def affine_of(frame: Frame) -> NDArray[np.float64]:
    """(4, 4): from (column, row, 0) of the frame to mm, the source's own where it has one, else without rotation."""
    own = _own_affine(frame)
    if own is not None:
        return own
    spacing = frame.spacing
    return np.diag((1.0, 1.0, 1.0, 1.0) if spacing is None else (spacing.x_mm, spacing.y_mm, 1.0, 1.0))


def _own_affine(frame: Frame) -> NDArray[np.float64] | None:
    geometry = getattr(frame, "geometry", None)  # only frames that come from a volume have one
    return None if geometry is None else np.asarray(geometry.affine, np.float64).reshape(4, 4)
