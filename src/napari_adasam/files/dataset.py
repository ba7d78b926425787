"""A data set on disk: NAME/images/ID.*, NAME/labels/ID.* (same stem; whole numbers, 0 background), NAME/index.csv.

The columns of index.csv are parted by commas, semicolons or tabs, as its first line is.

Volumes (NIfTI) can be taken apart: then the IDs are those of slices, ``STEM_0012``, and a volume is a group. So many
slices are taken of each, at even distances over its whole depth and without a look at its labels: some show the
structures, some do not.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Labels, Spacing
from napari_adasam.files import nifti
from napari_adasam.files.clips import LEFT_OUT, Clip, content_id, ending_of, natural_key, stem_of
from napari_adasam.files.labels import ENDINGS as LABEL_ENDINGS
from napari_adasam.files.labels import read_labels
from napari_adasam.files.readers import OPENERS, open_file
from napari_adasam.files.scaling import Pixels
from napari_adasam.files.tables import composed, table_reader

SLICES = 9
"""Slices of a volume where it is taken apart for learning and for studies."""
GROUP_COLUMNS = ("cluster", "patient", "subject", "group")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images with their label images, by ID.

    Parameters
    ----------
    folder
        Where it lies.
    ids
        Every image's ID, in natural order; also those without a label image.
    groups
        ID to what it must not be split from: the column ``cluster``, ``patient``, ``subject`` or ``group`` of
        index.csv; without one, the number the ID begins with; else the ID.
    rows
        ID to its row of index.csv, empty where it has none.
    images, labelled
        ID to the file of its image, and of its label image where there is one.
    places
        ID to its place in a volume that was taken apart.
    go_on
        Whether the rest is used where a file cannot be read; if not, the sentence about it says that nothing goes on.
    """

    folder: Path
    ids: tuple[str, ...]
    groups: Mapping[str, str]
    rows: Mapping[str, Mapping[str, str]] = field(repr=False)
    images: Mapping[str, Path] = field(repr=False)
    labelled: Mapping[str, Path] = field(repr=False)
    places: Mapping[str, int] = field(default_factory=dict, repr=False)
    go_on: bool = False

    @classmethod
    def open(cls, folder: Path, need_images: bool = True, slices: int | None = None) -> Dataset:
        """Read the layout of a folder; no pixels yet.

        Parameters
        ----------
        need_images
            If not, label images without a picture count too, and the rest is used where a file cannot be read.
        slices
            Take volumes apart, so many slices of each; ``None`` leaves every file as it is.

        Raises
        ------
        InputError
            If there is no ``images`` folder, nothing in it, or two images of one ID.
        """
        images = _by_stem(folder / "images", tuple(OPENERS))
        found = _by_stem(folder / "labels", LABEL_ENDINGS)
        if need_images and not images:
            raise InputError(f"{folder} is not a data set: expected pictures in {folder / 'images'}, found none.")
        rows = _rows(folder / "index.csv")
        if slices is not None:
            return _apart(folder, images, found, rows, slices)
        ids = tuple(sorted(images if need_images else {**images, **found}, key=natural_key))
        labelled = {key: path for key, path in found.items() if key in images or not need_images}
        return cls(
            folder=folder,
            ids=ids,
            groups=MappingProxyType({key: _group(key, rows.get(key, {})) for key in ids}),
            rows=MappingProxyType(rows),
            images=MappingProxyType(images),
            labelled=MappingProxyType(labelled),
            go_on=not need_images,
        )

    def image(self, key: str) -> Pixels:
        """Pixels, (height, width) or (height, width, 3), uint8 or uint16. Raises InputError if they cannot be read."""
        clip = self.clip(key)
        with _needed(clip.path, self.go_on):
            return clip.read(self.places.get(key, 0))

    def levels(self, key: str) -> NDArray[Any]:
        """Its grey levels (height, width) as the file has them, see :meth:`Clip.levels`."""
        clip = self.clip(key)
        with _needed(clip.path, self.go_on):
            return clip.levels(self.places.get(key, 0))

    def grey(self, key: str) -> NDArray[np.uint8]:
        """The same for the model: (height, width) uint8, see :meth:`Clip.grey`."""
        clip = self.clip(key)
        with _needed(clip.path, self.go_on):
            return clip.grey(self.places.get(key, 0))

    def frame_id(self, key: str) -> str:
        """The id of the picture's content, as :class:`Frame` has it."""
        content = content_id(self.images[key])
        return f"{content}-{self.places[key]}" if key in self.places else content

    def clip(self, key: str) -> Clip:
        """The opened file of a picture. Raises InputError if there is none, or it holds several and is one picture."""
        if key not in self.images:
            raise InputError(f"{key} has no picture in {self.folder / 'images'}.")
        clip = self.opened(key)
        if len(clip.frames) != 1 and key not in self.places:
            raise InputError(
                f"{clip.path.name} holds {len(clip.frames)} frames; in a data set every file is one picture."
            )
        return clip

    def opened(self, key: str) -> Clip:
        """The opened file of a picture, whatever it holds. Raises InputError."""
        with _needed(self.images[key], self.go_on):
            return open_file(self.images[key])

    def labels(self, key: str) -> Labels:
        """(height, width) uint8 label image.

        Raises InputError if there is none, or it cannot be read, or, unless the rest goes on, has not its picture's
        size.
        """
        if key not in self.labelled:
            raise InputError(f"{key} has no label image in {self.folder / 'labels'}.")
        with _needed(self.labelled[key], self.go_on):
            labels = read_labels(self.labelled[key], self.places.get(key, 0))
        if not self.go_on:
            self._check_size(key, labels)
        return labels

    def _check_size(self, key: str, labels: Labels) -> None:
        frame = self.opened(key).frames[self.places.get(key, 0)]
        if labels.shape != (frame.height, frame.width):
            raise InputError(
                f"{self.labelled[key]} has {labels.shape[0]} × {labels.shape[1]} px, and its picture {frame.height} × "
                f"{frame.width} px. Nothing goes on without it, and your files are as they were. Save it in the "
                "picture's size, or take both out of the data set."
            )

    def label_images(self, key: str) -> int:
        """How many label images the file holds; 1 where it is of a kind that is not read as a picture."""
        try:
            return len(open_file(self.labelled[key]).frames)
        except InputError:
            return 1

    def spacing(self, key: str) -> Spacing | None:
        """From ``pixel_size_mm`` in index.csv, else from the file of the image or of the label image; else ``None``.

        Raises InputError if what index.csv gives is no size, or a file cannot be read.
        """
        return self.scale(key)[0]

    def scale(self, key: str) -> tuple[Spacing | None, tuple[int, int, int, int] | None]:
        """The :meth:`spacing`, and the part of the picture that it holds for (:attr:`Frame.region`). InputError."""
        written = self.rows.get(key, {}).get("pixel_size_mm", "").strip()
        if not written:
            files = [table[key] for table in (self.images, self.labelled) if key in table]
            frames = (open_file(path).frames[0] for path in files)
            return next(((one.spacing, one.region) for one in frames if one.spacing is not None), (None, None))
        try:
            side = float(written.replace(",", "."))
            return Spacing(side, side, "index.csv"), None
        except ValueError as error:
            raise InputError(
                f"index.csv gives {key} a pixel_size_mm of {written!r}; expected millimetres above 0."
            ) from error


def _apart(
    folder: Path, images: dict[str, Path], found: dict[str, Path], rows: dict[str, Mapping[str, str]], slices: int
) -> Dataset:
    """The data set with its volumes taken apart; everything else as it is."""
    groups: dict[str, str] = {}
    of_slice: dict[str, tuple[str, int | None]] = {}
    for stem in sorted(images, key=natural_key):
        with _needed(images[stem], go_on=False):
            count = nifti.open_volume(images[stem]).frames if ending_of(images[stem]) in nifti.ENDINGS else 1
        chosen = even_places(count, slices) if count > 1 else [None]
        keys = {stem if at is None else f"{stem}_{at:04d}": (stem, at) for at in chosen}
        of_slice |= keys
        groups |= {key: _group(stem, rows.get(key, rows.get(stem, {}))) for key in keys}
    return Dataset(
        folder=folder,
        ids=tuple(of_slice),
        groups=MappingProxyType(groups),
        rows=MappingProxyType({key: rows.get(key, rows.get(stem, {})) for key, (stem, _) in of_slice.items()}),
        images=MappingProxyType({key: images[stem] for key, (stem, _) in of_slice.items()}),
        labelled=MappingProxyType({key: found[stem] for key, (stem, _) in of_slice.items() if stem in found}),
        places=MappingProxyType({key: at for key, (_, at) in of_slice.items() if at is not None}),
    )


@contextmanager
def _needed(path: Path, go_on: bool) -> Iterator[None]:
    """Where nothing goes on without a file, let the sentence about it say so, and name it whole."""
    try:
        yield
    except InputError as error:
        if go_on:
            raise
        why = str(error)
        for words in LEFT_OUT:
            why = why.partition(words)[0]
        raise InputError(
            f"{path} cannot be read: {why.rstrip('.')}. Nothing goes on without it, and your files are as they were. "
            "Copy it again from where it came, or take it out of the data set."
        ) from error


def even_places(count: int, wanted: int) -> list[int]:
    """So many places at even distances from 0 to ``count`` - 1, in the middle of equal parts; all where that is fewer.

    >>> even_places(36, 9)
    [2, 6, 10, 14, 18, 22, 26, 30, 34]
    """
    return [int((2 * i + 1) * count / (2 * wanted)) for i in range(wanted)] if wanted < count else list(range(count))


def _by_stem(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda file: natural_key(file.name)):
        if path.name.startswith(".") or ending_of(path) not in endings:
            continue
        stem = composed(stem_of(path))
        if stem in found:
            raise InputError(f"{folder} holds two files for {stem}: {found[stem].name} and {path.name}; keep one.")
        found[stem] = path
    return found


def names_groups(folder: Path) -> bool:
    """Whether index.csv of a data set says of any image which group it is of. Raises InputError like ``open``."""
    rows = _rows(folder / "index.csv").values()
    return any(row.get(column, "").strip() for row in rows for column in GROUP_COLUMNS)


def _rows(path: Path) -> dict[str, Mapping[str, str]]:
    if path.is_dir():
        raise InputError(f"{path} is a folder; a table is expected there. Nothing was done. Move it elsewhere.")
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = table_reader(file.read(), ("id",))
            if "id" not in (table.fieldnames or ()):
                raise InputError(f"{path} has no column 'id'; its first line names the columns.")
            rows = [{name: cell for name, cell in row.items() if name is not None} for row in table]
            return {composed(row["id"]).strip(): MappingProxyType(row) for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table in UTF-8; save it again as CSV.") from error


def _group(key: str, row: Mapping[str, str]) -> str:
    for column in GROUP_COLUMNS:
        if row.get(column, "").strip():
            return row[column].strip()
    number = re.match(r"\d+", key)
    return number.group() if number else key
