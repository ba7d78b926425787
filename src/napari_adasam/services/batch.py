"""Prompt-free masks and CAMs of files and folders, without a window: the command ``predict``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from napari_adasam.domain.errors import InputError, ModelError
from napari_adasam.domain.protection import lay_suggestions
from napari_adasam.domain.records import Frame, Labels, Suggestion
from napari_adasam.domain.settings import Settings
from napari_adasam.domain.structures import MUSCLE_PRESET, Structure
from napari_adasam.files.atomic import make_folder, write_whole
from napari_adasam.files.clips import Clip
from napari_adasam.files.exports import mask_png
from napari_adasam.files.exports.naming import unique_names
from napari_adasam.files.exports.png import TEXT
from napari_adasam.files.exports.provenance import FILE as PROVENANCE
from napari_adasam.files.exports.target import check_target, written_over
from napari_adasam.files.readers import open_paths
from napari_adasam.model.adasam import AdaSam
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.regions import Regions
from napari_adasam.services.sentences import is_out_of_memory

OnProgress = Callable[[int, int, str], None]
FOLDERS = ("masks", "cams")


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What ``predict`` did: frames written, seconds a frame (reading and writing included), device, and problems."""

    frames: int
    seconds_per_frame: float
    device: str
    problems: tuple[str, ...]


def structures_of(predictor: ModelPredictor, names: Sequence[tuple[int, str]] = ()) -> tuple[Structure, ...]:
    """What a model is asked for: what is named; else the muscle preset if it knows it, else all it knows."""
    net = predictor.net
    if names:
        return tuple(_known(net, Structure(value, name)) for value, name in names)
    if all(net.index_of(s) is not None for s in MUSCLE_PRESET):
        return MUSCLE_PRESET
    if not net.card.structures:
        raise InputError(
            f"The model {net.card.name} has not learned any structure, so it cannot find one without a prompt. "
            "Nothing was written. Choose adasam-us, or train it first."
        )
    return net.card.structures


def _known(net: AdaSam, wanted: Structure) -> Structure:
    """A structure with what the model knows of it; InputError if it knows none of this name."""
    index = net.index_of(wanted)
    if index is None:
        known = ", ".join(one.name for one in net.card.structures) or "none"
        raise InputError(
            f'The model {net.card.name} has not learned "{wanted.name}". Nothing was written. It has learned: {known}.'
        )
    return replace(wanted, several_parts=net.card.structures[index].several_parts)


def label_image(suggestions: Sequence[Suggestion], structures: Sequence[Structure]) -> Labels:
    """Suggestions of one frame laid into one label image (height, width) uint8, thin structures on top."""
    masks = {s.structure: s.mask for s in suggestions}
    on_top = {s.value for s in structures if s.several_parts}
    return lay_suggestions(np.zeros(suggestions[0].mask.shape, dtype=np.uint8), masks, on_top)


def predict_paths(
    inputs: Sequence[Path],
    out: Path,
    settings: Settings,
    on_progress: OnProgress,
    names: Sequence[tuple[int, str]] = (),
) -> BatchReport:
    """Write ``out/masks/STEM.png`` (indexed) and ``out/cams/STEM_STRUCTURE.png`` (0 to 255) for each frame.

    ``names`` are values and names of the structures to look for; without any: :func:`structures_of`.
    Where ``out`` lies within a folder of pictures, these are none of its pictures: a second run does the same again.
    A frame that cannot be read, that the model fails on or that does not fit into memory is a sentence in
    ``problems``; the rest is done.

    Raises
    ------
    InputError
        If no input holds a readable frame, the model cannot work without prompts or does not know a structure, an
        input or a mask that another program made would be written over, or the folder holds a session or an export.
    StorageError
        If the folder cannot be written.
    """
    _keep_accepted(out)
    opened = open_paths(inputs, without=[out / name for name in FOLDERS])
    problems = list(opened.problems)
    frames = [(clip, frame) for clip in opened.clips for frame in clip.frames]
    if not frames:
        raise InputError(
            " ".join(problems) or "There is nothing to read. Nothing was written. Give image files or folders."
        )
    files = {frame.id: clip for clip, frame in frames}
    predictor = ModelPredictor(settings.model, Regions(files.__getitem__))
    structures = structures_of(predictor, names)
    stems = unique_names((str(number), frame.stem) for number, (_, frame) in enumerate(frames))
    places = [_places(out, stem, structures) for stem in stems.values()]
    _keep_inputs(places, opened.clips)
    _keep_masks([mask for mask, *_ in places])
    for folder in FOLDERS:
        make_folder(out / folder)
    began, done = time.monotonic(), 0
    for number, ((clip, frame), (mask, *cams)) in enumerate(zip(frames, places, strict=True), start=1):
        try:
            suggestions = _suggest(predictor, clip, frame, structures, settings)
        except (InputError, ModelError, MemoryError, RuntimeError) as error:
            problems.append(_left_out(error, clip, frame))
        else:
            write_whole(mask, mask_png(label_image(suggestions, structures), structures))
            for cam, suggestion in zip(cams, suggestions, strict=True):
                write_whole(cam, _grey_png(suggestion))
            done += 1
        on_progress(number, len(frames), frame.stem)
    seconds = (time.monotonic() - began) / len(frames)
    return BatchReport(done, seconds, predictor.info().device, tuple(problems))


def _places(out: Path, stem: str, structures: Sequence[Structure]) -> list[Path]:
    """Where a frame's mask goes, and then its maps."""
    masks, cams = (out / name for name in FOLDERS)
    return [masks / f"{stem}.png", *(cams / f"{stem}_{one.value}.png" for one in structures)]


def _keep_accepted(out: Path) -> None:
    """Raise InputError for a folder with what people have accepted: its masks would be replaced by a model's."""
    check_target(out, deidentify=False)
    if (out / PROVENANCE).is_file():
        raise InputError(
            f"{out} holds an export; its masks must not be mixed with others. Nothing was written. Choose another "
            "folder for --out."
        )


def _keep_inputs(places: Sequence[Sequence[Path]], clips: Sequence[Clip]) -> None:
    """Raise InputError if a result would be written over one of the pictures that it is made from."""
    lost = written_over((path for one in places for path in one), (clip.path for clip in clips))
    if lost is not None:
        raise InputError(
            f"The results would be written over the input {lost}. Nothing was written. Choose another folder for --out."
        )


def _keep_masks(masks: Sequence[Path]) -> None:
    """Raise InputError if a mask would be written over one that this program did not write, such as one by hand."""
    foreign = next((mask for mask in masks if mask.exists() and not _is_ours(mask)), None)
    if foreign is not None:
        raise InputError(
            f"The results would be written over {foreign}, which this program did not write. Nothing was written. "
            "Choose another folder for --out."
        )


def _is_ours(mask: Path) -> bool:
    try:
        with Image.open(mask, formats=("PNG",)) as image:
            return TEXT in image.info
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _suggest(
    predictor: ModelPredictor, clip: Clip, frame: Frame, structures: Sequence[Structure], settings: Settings
) -> list[Suggestion]:
    pixels = clip.grey(frame.index)
    try:
        return predictor.suggest(frame.id, pixels, structures, settings.prompts)
    finally:
        predictor.forget(frame.id)


def _left_out(error: Exception, clip: Clip, frame: Frame) -> str:
    """The sentence for a frame that nothing was written for; an error that nobody foresaw is raised again."""
    if isinstance(error, InputError):
        return str(error)
    name = f"{clip.path.name}, frame {frame.index}," if len(clip.frames) > 1 else clip.path.name
    if isinstance(error, ModelError):
        return f"{name} was left out: the model gave no usable answer. Choose another model for it."
    if is_out_of_memory(error):
        return f"{name} was left out: it needs more memory than is free. Close other programs and run it again."
    raise error


def _grey_png(suggestion: Suggestion) -> bytes:
    file = BytesIO()
    Image.fromarray(np.rint(suggestion.cam * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
