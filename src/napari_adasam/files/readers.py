"""Files and folders in: every readable picture as a lazy clip, every other one as a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_adasam.domain.errors import InputError
from napari_adasam.files import dicom_marks, nifti, raster, tiff, video
from napari_adasam.files.clips import Clip, broken, ending_of, natural_key

__all__ = ["SUPPORTED", "Clip", "OpenResult", "open_file", "open_paths"]


def _open_dicom(path: Path) -> Clip:
    """Import pydicom with the first file of its kind: opening the dock need not wait for it."""
    from napari_adasam.files.dicom import open_dicom

    return open_dicom(path)


OPENERS: dict[str, Callable[[Path], Clip]] = {
    **dict.fromkeys(raster.ENDINGS, raster.open_raster),
    **dict.fromkeys(tiff.ENDINGS, tiff.open_tiff),
    **dict.fromkeys(dicom_marks.ENDINGS, _open_dicom),
    **dict.fromkeys(nifti.ENDINGS, nifti.open_nifti),
    **dict.fromkeys(video.ENDINGS, video.open_video),
}
SUPPORTED = "PNG, JPEG, TIFF, DICOM, NIfTI, AVI and MP4"
NOT_READ = frozenset(
    {
        ".bmp",
        ".gif",
        ".webp",
        ".jp2",
        ".heic",
        ".mov",
        ".m4v",
        ".mkv",
        ".mpg",
        ".mpeg",
        ".wmv",
        ".webm",
        ".nrrd",
        ".mha",
    }
)
"""Pictures and films of other kinds: in a folder they are passed over as all else, but that is told."""
SESSION_FILE, UNFINISHED_FILE = "session.sqlite", "unfinished.sqlite"
PROVENANCE_FILE, OURS = "provenance.json", b'"napari-adasam": "'
"""An export says in its beginning which version of this program wrote it."""
EXPORTED = frozenset({"masks", "overlays", "dicom-seg", "stacks"})
"""Folders that an export puts its files in."""
BEGINNING = 4096
UPWARDS = (
    "{path} is a link to a folder above the one that you opened, so it was left out; to have the images there, open "
    "that folder."
)


@dataclass(frozen=True, slots=True)
class OpenResult:
    """What came of opening: clips in natural order, and one sentence for each file that could not be read."""

    clips: tuple[Clip, ...]
    problems: tuple[str, ...]


def open_file(path: Path) -> Clip:
    """Open one file.

    Raises
    ------
    InputError
        With one sentence, if it cannot be read.
    """
    opener = OPENERS.get(ending_of(path))
    try:
        if not path.exists():
            raise InputError(f"{path} does not exist; check the name.")
        if opener is None and dicom_marks.is_dicom(path):
            opener = _open_dicom
        if opener is None:
            raise InputError(f"{path.name} is of a kind that is not read; {SUPPORTED} are.")
        if path.stat().st_size == 0:
            raise InputError(f"{path.name} is empty (0 bytes), and was left out; copy it again from where it came.")
        return opener(path)
    except OSError as error:
        raise InputError(broken(path, error)) from error


def open_paths(paths: Sequence[Path], without: Sequence[Path] = ()) -> OpenResult:
    """Open files and folders, folders with their subfolders.

    Nothing is raised: what cannot be read is a sentence, and the rest is opened. Pixels are read later, frame by frame.
    In a folder, files of other kinds are passed over, with a sentence if they are pictures; ``labels`` beside
    ``images`` is too, and so are a saved session, what an export of this program wrote, and subfolders that are one of
    ``without``. Links to folders are followed, after the folders that lie there.
    """
    steps = opening(paths, without)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: OpenResult = end.value
        return result


def opening(paths: Sequence[Path], without: Sequence[Path] = ()) -> Generator[tuple[int, int], None, OpenResult]:
    """The same, file by file: yields how many files are opened, and of how many."""
    clips: list[Clip] = []
    problems: list[str] = []
    files: list[Path] = []
    for path in paths:
        found, lost = [path], list[str]()
        if os.path.isdir(path):
            found = sorted(_pictures(path, without, lost), key=lambda file: natural_key(str(file)))
        if not found and not lost:
            problems.append(f"{path} holds no pictures; {SUPPORTED} are read.")
        files += found
        problems += lost
    for done, file in enumerate(files, start=1):
        try:
            clips.append(open_file(file))
        except InputError as error:
            problems.append(str(error))
        yield done, len(files)
    return OpenResult(_unique_stems(clips), tuple(problems))


def _pictures(folder: Path, without: Sequence[Path], lost: list[str]) -> Iterator[Path]:
    """The pictures below a folder; ``lost`` gets a sentence for what a person would miss among them."""
    others: list[str] = []
    dead: list[Path] = []
    for root, folders, files in _folders(folder, lost):
        if SESSION_FILE in files or UNFINISHED_FILE in files:
            folders.clear()
            continue
        hidden = {"labels"} if {"images", "labels"} <= set(folders) else set()
        if PROVENANCE_FILE in files and _is_ours(Path(root, PROVENANCE_FILE)):
            hidden |= EXPORTED  # and no more than these: people export beside their pictures, too
        hidden |= {name for name in folders if _is_one_of(Path(root, name), without)}
        folders[:] = [name for name in folders if name not in hidden and not name.startswith(".")]
        for name in files:
            path = Path(root, name)
            if name.startswith("."):
                continue
            if os.path.islink(path) and not os.path.exists(path):
                dead.append(path)
            elif ending_of(path) in OPENERS or dicom_marks.is_dicom(path):
                yield path
            elif ending_of(path) in NOT_READ:
                others.append(ending_of(path))
    lost += _left_out(folder, others, dead)


def _left_out(folder: Path, others: Sequence[str], dead: Sequence[Path]) -> list[str]:
    """A sentence for links that lead nowhere, and one for pictures of kinds that are not read, by their endings."""
    told = []
    if dead:
        links, it = (f"{dead[0]} and {len(dead) - 1} more", "they link") if len(dead) > 1 else (dead[0], "it links")
        told.append(f"{links} left out: what {it} to is not there. Connect its disk, and open {folder} again.")
    if others:
        counted = "1 picture" if len(others) == 1 else f"{len(others)} pictures"
        kinds = ", ".join(sorted(set(others)))
        told.append(f"{counted} of a kind that is not read ({kinds}) left out of {folder}; {SUPPORTED} are read.")
    return told


def _folders(folder: Path, lost: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """``os.walk`` that also goes where links lead, each folder once, so that links in a circle come to an end.

    What leads above ``folder`` is not followed, with a sentence: it could be all of the disk.
    """
    top, seen, waiting = os.path.realpath(folder), set[str](), [str(folder)]
    while waiting:
        for root, folders, files in os.walk(
            waiting.pop(0), onerror=lambda error: lost.append(broken(Path(error.filename), error))
        ):
            place = os.path.realpath(root)
            if place in seen:
                folders.clear()
            elif Path(place) in Path(top).parents:
                folders.clear()
                lost.append(UPWARDS.format(path=root))
            else:
                seen.add(place)
                yield root, folders, files
                paths = [os.path.join(root, name) for name in folders]
                waiting += [path for path in paths if os.path.realpath(path) != os.path.join(place, Path(path).name)]


def _is_one_of(folder: Path, others: Sequence[Path]) -> bool:
    return any(os.path.isdir(one) and folder.samefile(one) for one in others)


def _is_ours(provenance: Path) -> bool:
    """Whether an export of this program wrote the file; one that cannot be read is not taken for ours."""
    try:
        with provenance.open("rb") as file:
            return OURS in file.read(BEGINNING)
    except OSError:
        return False


def _unique_stems(clips: Sequence[Clip]) -> tuple[Clip, ...]:
    """Give every frame a stem of its own: the second ``scan`` becomes ``scan_2``, and so does ``Scan``."""
    taken: set[str] = set()
    unique = []
    for clip in clips:
        number, frames = 1, clip.frames
        while any(frame.stem.casefold() in taken for frame in frames):
            number += 1
            frames = tuple(replace(frame, stem=f"{frame.stem}_{number}") for frame in clip.frames)
        taken.update(frame.stem.casefold() for frame in frames)
        unique.append(clip if number == 1 else replace(clip, frames=frames))
    return tuple(unique)
