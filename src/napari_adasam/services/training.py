"""Fine-tuning on a data set without a window: the command ``train``. The round is the one that the window runs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scipy import ndimage

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.domain.settings import NEVER, LearnSettings, ModelSettings, PromptSettings, TrainSettings
from napari_adasam.domain.splits import seeded_order
from napari_adasam.domain.structures import Structure
from napari_adasam.files.dataset import SLICES, Dataset
from napari_adasam.model import adaptation, checkpoints, registry
from napari_adasam.services import neighbours
from napari_adasam.services.bundled_data import names_by_folder
from napari_adasam.services.part_file import PartFile, Tell, about, say_nothing
from napari_adasam.services.ports import LabelledFrame, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.trainer import RoundTrainer


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What ``train`` is asked for.

    Parameters
    ----------
    labels
        How many images are labelled, the first in seeded group-wise order; the rest are unlabelled. ``None`` for all
        that have a label image.
    names
        Structure names by label value; a value without a name gets its number. A name that the base knows starts from
        what the base learned.
    more_steps
        Take :func:`for_labels` in place of the settings' steps; else they are taken as they are, mild or not.
    image_labels
        Tell which structures each unlabelled image shows, where it has a label image: nothing else of it is used.
    prompts
        What the CAM's prompts consist of, in training.
    """

    labels: int | None = None
    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    names: tuple[tuple[int, str], ...] = ()
    more_steps: bool = False
    image_labels: bool = False
    prompts: PromptSettings = field(default_factory=PromptSettings)


def ordered_ids(dataset: Dataset, seed: int) -> tuple[str, ...]:
    """A data set's IDs in seeded group-wise order: groups by seed, the IDs of a group together in natural order."""
    place = {group: i for i, group in enumerate(seeded_order(dataset.groups.values(), seed))}
    return tuple(sorted(dataset.ids, key=lambda key: place[dataset.groups[key]]))


def structures_in(dataset: Dataset, ids: Sequence[str], names: Sequence[tuple[int, str]]) -> tuple[Structure, ...]:
    """The structures of some label images; one in two or more large parts in most of them has several parts."""
    named = dict(names)
    seen: dict[int, list[bool]] = {}
    for key in ids:
        labels = dataset.labels(key)
        for value in sorted(set(labels.flat) - {0}):
            seen.setdefault(int(value), []).append(several_large_parts(labels == value))
    return tuple(
        Structure(value, named.get(value, f"structure {value}"), sum(parts) * 2 > len(parts))
        for value, parts in sorted(seen.items())
    )


def names_with(given: Sequence[tuple[int, str]], others: Sequence[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    """The names that are given, and of the others those whose value and name are not among them."""
    values, names = {value for value, _ in given}, {name.casefold() for _, name in given}
    return (*given, *((value, name) for value, name in others if not (value in values or name.casefold() in names)))


def check_names(given: Sequence[tuple[int, str]], found: Sequence[Structure], where: Path) -> None:
    """Raise InputError where names are given, and none for a value that was found in label images."""
    there = [str(structure.value) for structure in found]
    if given and not {str(value) for value, _ in given}.intersection(there):
        raise InputError(
            f"--structures names {', '.join(str(value) for value, _ in given)}, and the label images of {where} that "
            f"were looked at hold {', '.join(there) or 'nothing'}. Nothing was done. Name values that are there."
        )


def several_large_parts(mask: Any) -> bool:
    """Whether the second largest connected part has at least a fifth of the pixels of the largest."""
    names, count = ndimage.label(mask)
    if count < 2:
        return False
    sizes = sorted(ndimage.sum_labels(mask, names, range(1, count + 1)))
    return bool(sizes[-2] >= 0.2 * sizes[-1])


def labelled_frames(dataset: Dataset, ids: Sequence[str]) -> list[LabelledFrame]:
    """Images with their label images, as the trainer takes them."""
    return [
        LabelledFrame(dataset.frame_id(key), dataset.grey(key), dataset.labels(key), dataset.groups[key]) for key in ids
    ]


def unlabelled_frames(
    dataset: Dataset, ids: Sequence[str], structures: Sequence[Structure] = ()
) -> list[UnlabelledFrame]:
    """Images without their label images; whether each of the ``structures`` is there, from a label image if any."""
    found = []
    for key in ids:
        values = set(dataset.labels(key).flat) if structures and key in dataset.labelled else None
        present = {} if values is None else {s.value: s.value in values for s in structures}
        found.append(UnlabelledFrame(dataset.frame_id(key), dataset.grey(key), present))
    return found


def run_round(
    trainer: RoundTrainer,
    labelled: Sequence[LabelledFrame],
    unlabelled: Sequence[UnlabelledFrame],
    structures: Sequence[Structure],
    on_progress: Callable[[RoundProgress], None],
) -> RoundReport:
    """A whole round, step by step, to its report."""
    for event in trainer.round(labelled, unlabelled, structures):
        if isinstance(event, RoundReport):
            return event
        on_progress(event)
    raise RuntimeError("expected a report at the end of a round")


def train_dataset(
    folder: Path,
    out: Path,
    options: TrainOptions,
    on_progress: Callable[[RoundProgress], None],
    tell: Tell = say_nothing,
) -> dict[str, Any]:
    """Fine-tune on a data set and write the adapter; returns what the command prints as JSON.

    The whole of the labelled images is learned from: no gate, since a script has its own test set. What a stopped
    training of the same has left beside ``out`` is gone on from; ``tell`` is given a sentence on that.

    Raises
    ------
    InputError
        If the folder is no data set, or holds fewer labelled images than asked for, or another training was stopped.
    """
    began = time.monotonic()
    dataset = Dataset.open(folder, slices=SLICES)
    chosen, rest = choose(dataset, options)
    train = for_labels(options.train, len(chosen)) if options.more_steps else as_told(options.train)
    predictor = ModelPredictor(options.model)
    predictor.neighbours = neighbours.of_dataset(dataset)
    base = registry.fingerprint_of_base(options.model, checkpoints.fingerprint(predictor.net.state_dict()))
    structures = _learned(dataset, chosen, options)
    adaptation.check_kept(predictor.net, train)
    trainer = RoundTrainer(predictor, train, LearnSettings(), options.prompts, gated=False)
    labelled = labelled_frames(dataset, chosen)
    unlabelled = unlabelled_frames(dataset, rest, structures if options.image_labels else ())
    arguments, images = (options.model, train, options.prompts, structures), _contents(labelled, unlabelled)
    with PartFile(out, about(arguments, images, _weights(predictor, base), predictor.net.device), tell) as part:
        began -= part.seconds
        trainer.at_start = part.take_up
        report = run_round(trainer, labelled, unlabelled, structures, _keeping(part, on_progress))
        registry.save_adapter(out, predictor.net, registry.AdapterOrigin(options.model.name, base, train.method))
    return {
        "model": str(out),
        "base": options.model.name,
        "method": train.method,
        "labels": len(labelled),
        "unlabelled": len(unlabelled),
        "steps": len(report.losses),
        "seed": train.seed,
        "trained_parameters": trainer.trained,
        "trained_share": trainer.trained / sum(p.numel() for p in predictor.net.parameters()),
        "structures": {str(s.value): s.name for s in structures},
        "loss": report.losses[-1],
        "seconds": time.monotonic() - began,
        "device": predictor.info().device,
    }


def _learned(dataset: Dataset, ids: Sequence[str], options: TrainOptions) -> tuple[Structure, ...]:
    """The structures of the label images that are learned from; InputError if there are none, or none is named."""
    found = structures_in(dataset, ids, names_with(options.names, names_by_folder(dataset.folder.name)))
    check_names(options.names, found, dataset.folder)
    if not found:
        raise InputError(
            f"None of the {len(ids)} label images of {dataset.folder} that are learned from shows a structure. Nothing "
            "was written. Ask for more of them (--labels), or outline something first."
        )
    return found


def _weights(predictor: ModelPredictor, base: str) -> tuple[str, ...]:
    """What a training starts from: weights, those under them, and what is known of both."""
    return predictor.info().fingerprint, base, checkpoints.card_to_json(predictor.net.card)


def _contents(labelled: Sequence[LabelledFrame], unlabelled: Sequence[UnlabelledFrame]) -> Iterator[object]:
    """What a training learns from, in order."""
    for frame in labelled:
        yield frame.frame_id, frame.labels.shape, hashlib.sha256(frame.labels.tobytes()).hexdigest()
    for other in unlabelled:
        yield other.frame_id, sorted(other.present.items())


def _keeping(part: PartFile, on_progress: Callable[[RoundProgress], None]) -> Callable[[RoundProgress], None]:
    """Progress that begins where a stopped training was, and lets what it comes to be written."""

    def heard(event: RoundProgress) -> None:
        on_progress(replace(event, step=max(event.step, part.step)))
        part.keep_if_due()

    return heard


def for_labels(train: TrainSettings, labels: int) -> TrainSettings:
    """Where nobody said how many steps: four an image, and no fewer than in the window; mild where that is enough."""
    return replace(train, steps=max(TrainSettings().steps, 4 * labels))


def as_told(train: TrainSettings) -> TrainSettings:
    """Where somebody said how many steps: those, however well the model does, unless ``mild_from`` was said, too."""
    return train if train.mild_from != TrainSettings().mild_from else replace(train, mild_from=NEVER)


def choose(dataset: Dataset, options: TrainOptions) -> tuple[list[str], list[str]]:
    """IDs of the labelled and of the unlabelled images; InputError if there are fewer labels than asked for."""
    order = ordered_ids(dataset, options.train.seed)
    usable = [key for key in order if key in dataset.labelled]
    if not usable:
        raise InputError(
            f"{dataset.folder} has no label image of any picture, so there is nothing to learn from. Nothing was "
            f"written. Put label images into {dataset.folder / 'labels'}, called like the pictures."
        )
    wanted = len(usable) if options.labels is None else options.labels
    if not 1 <= wanted <= len(usable):
        raise InputError(
            f"{dataset.folder} has {len(usable)} labelled image{'s' * (len(usable) > 1)}, not {wanted}. Nothing was "
            "written. Choose fewer labels."
        )
    chosen = usable[:wanted]
    rest = [key for key in order if key not in set(chosen)][: options.train.max_unlabelled]
    return chosen, rest if options.train.learns_unlabelled else []
