"""What a study cannot be run on, said before it begins."""

from __future__ import annotations

from collections.abc import Sequence

from napari_adasam.domain.errors import InputError
from napari_adasam.files.dataset import Dataset
from napari_adasam.files.readers import open_file


def check_pictures(dataset: Dataset, ids: Sequence[str]) -> None:
    """Raise InputError where a file holds several frames: here one label image is the truth of one picture."""
    for key in ids:
        frames = len(open_file(dataset.images[key]).frames)
        if frames > 1:
            raise InputError(
                f"{dataset.images[key].name} holds {frames} frames, and the study session works through single "
                "pictures. Nothing was measured. Give a data set of pictures; volumes and clips are for the study "
                "propagation."
            )
