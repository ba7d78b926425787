"""The study ``labels`` on volumes: what each method makes of N labelled volumes, on whole volumes that nothing saw.

Every slice of a labelled volume is labelled; unlabelled slices are drawn from all volumes that are neither labelled nor
tested on. Dice and HD95 are those of the slices laid together. Methods on a SAM encoder answer a slice at a time, with
what the slices beside it say (:mod:`model.depth`), unless ``prompt.use_neighbours=no``; figures called ``…_alone`` are
of the same training without that. A volume is a group: it is never split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.overlap import dice
from napari_adasam.evaluation.labels import LabelsBench, LabelsPlan, Row, Tally, TestPart, labelling_order, plan
from napari_adasam.evaluation.methods import Answer, Learned, OnStep
from napari_adasam.evaluation.metrics import Mask, hd95_of_volume
from napari_adasam.evaluation.prompts import askable, boxed
from napari_adasam.evaluation.subjects import Subject
from napari_adasam.files.dataset import Dataset

ALL_SLICES = 1 << 30
"""As the slices of a volume that is taken apart: every one."""


@dataclass(frozen=True, slots=True)
class Voxel:
    """Size of a voxel along (depth, rows, columns), in ``unit``: mm, or voxels where the file gives no size."""

    size: tuple[float, float, float]
    unit: str


def voxel_of(dataset: Dataset, key: str) -> Voxel:
    """The voxel of the volume that a slice is from. Raises InputError if its file cannot be read."""
    frame = dataset.clip(key).frames[dataset.places[key]]
    if frame.spacing is None or frame.geometry is None:
        return Voxel((1.0, 1.0, 1.0), "voxels")
    across = ({0, 1, 2} - {frame.geometry.rows, frame.geometry.columns}).pop()
    steps = np.linalg.norm(np.array(frame.geometry.affine)[:3, :3], axis=0)
    depth = float(steps[across] / steps[frame.geometry.rows] * frame.spacing.y_mm)  # the affine may be in other units
    return Voxel((depth, frame.spacing.y_mm, frame.spacing.x_mm), "mm")


def volumes_plan(
    dataset: Dataset, unseen: Sequence[str], volumes: int, seed: int, part: TestPart = "held-back"
) -> LabelsPlan:
    """Like :func:`plan`, but all slices of the first so many volumes are labelled.

    Raises
    ------
    InputError
        If there are too few unseen volumes to label so many and still test.
    """
    order, _, _ = labelling_order(dataset, unseen, seed, part)
    chosen = set(order[:volumes])
    if len(order) <= volumes:
        raise InputError(
            f"{dataset.folder} has {len(order)} volumes that the model has not seen: too few to label {volumes} and "
            "test on others. Nothing was written. Ask for fewer, or give another data set."
        )
    return plan(dataset, unseen, sum(dataset.groups[key] in chosen for key in unseen), seed, part)


class VolumesBench(LabelsBench):
    """Trainings on volumes; ``limit`` of the study is a number of volumes."""

    def _plan(self, volumes: int, seed: int) -> LabelsPlan:
        return volumes_plan(self.dataset, self.unseen, volumes, seed, self.study.part)

    def _measured(self, learned: Learned, test: Sequence[str], on_step: OnStep) -> Iterator[Row]:
        files: dict[object, list[str]] = {}
        for key in test:
            if key in self.dataset.places:
                files.setdefault(self.dataset.images[key], []).append(key)
        if not files:
            raise InputError(f"{self.dataset.folder} holds no volumes to test on. Nothing was written.")
        tallies = {s.value: Tally() for s in self.structures}
        alone = {s.value: Tally() for s in self.structures}
        by_box: dict[int, list[float]] = {s.value: [] for s in self.structures}
        tested, unit = list(files.values())[: self.study.limit], ""
        for number, keys in enumerate(tested, start=1):
            slices = [self._subject(key)[0] for key in keys]
            truth, voxel = np.stack([one.labels for one in slices]), voxel_of(self.dataset, keys[0])
            unit = voxel.unit
            for answer, into in ((learned.answer, tallies), (learned.alone, alone)):
                for value, found in self._stacked(answer, slices).items():
                    pair = found, truth == value
                    into[value].add(*pair, hd95_of_volume(*pair, voxel.size), slices[0].group)
            for value, found in self._by_box(learned, slices).items():
                by_box[value].append(dice(found, truth == value))
            on_step(number, len(tested), "measuring")
        for structure in self.structures:
            own, single = by_box[structure.value], alone[structure.value]
            row = tallies[structure.value].row() | ({"box_dice": float(np.mean(own))} if own else {})
            row |= {f"{key}_alone": figure for key, figure in single.row().items() if key != "n"} if single.dice else {}
            yield {"structure": str(structure.value), "name": structure.name, "unit": unit, **row}

    def _stacked(self, answer: Answer | None, slices: Sequence[Subject]) -> dict[int, Mask]:
        """The answers on a volume's slices laid together, (D, H, W) bool a structure; none where nobody answers."""
        if answer is None:
            return {}
        answers = [answer(one.frame_id, one.pixels) for one in slices]
        return {s.value: np.stack([one[s.value].mask for one in answers]) for s in self.structures}

    def _by_box(self, learned: Learned, slices: Sequence[Subject]) -> dict[int, Mask]:
        """The same with a box around each part of the truth in each slice, where that is asked for.

        A slice without a part that is large enough for a box has no mask.
        """
        predictor = learned.prompted
        if predictor is None or not self.study.boxes:
            return {}
        found = {}
        for structure in self.structures:
            truths = [one.labels == structure.value for one in slices]
            pairs = zip(slices, truths, strict=True)
            found[structure.value] = np.stack(
                [
                    boxed(predictor, one, truth, structure)[0] if askable(truth, structure) else np.zeros_like(truth)
                    for one, truth in pairs
                ]
            )
        return found
