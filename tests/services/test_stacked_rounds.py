"""Rounds and answers of models that look at a frame with its neighbours."""

from __future__ import annotations

import copy
import pickle
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from lane_fakes import Heard
from tiny import BELLY, blob, tiny_net, tiny_vit
from toy_rounds import LET_PASS, SHORT, Serving, labelled, serving, to_the_end, unlabelled

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.overlap import dice
from napari_adasam.domain.records import Along, Frame, Stack
from napari_adasam.domain.session import Session
from napari_adasam.domain.settings import FeedbackMode, Method, PromptSettings, Recipe, Settings
from napari_adasam.files.clips import Clip
from napari_adasam.files.readers import open_file
from napari_adasam.model import adaptation
from napari_adasam.model.adapters.parts import added
from napari_adasam.model.adasam import AdaSam
from napari_adasam.services import trainer as trainer_module
from napari_adasam.services.annotator import Annotator
from napari_adasam.services.jobs import Job, JobKind
from napari_adasam.services.neighbours import Neighbours
from napari_adasam.services.ports import LabelledFrame, Picture, RoundReport, UnlabelledFrame
from napari_adasam.services.predictor import ModelPredictor
from napari_adasam.services.process_trainer import Assignment, ProcessTrainer
from napari_adasam.services.serving import Learned
from napari_adasam.services.trainer import RoundTrainer
from napari_adasam.services.views import Views

__all__ = ["serving"]  # a fixture
COUNT = 6
DEEP = replace(SHORT, method="medsa", slices=3, adapt_from=1)

DEEPER = replace(DEEP, steps=6)  # so that a view is drawn that is not the plain one


class Volume:
    """Six slices of discs, and how often each was read."""

    def __init__(self, stack: Stack | None = None) -> None:
        self.pixels, self.labels = zip(*(blob(50 + i) for i in range(COUNT)), strict=True)
        self.reads: list[int] = []
        frames = [Frame(f"v-{i}", "volume.nii", i, 64, 64, f"volume_{i}", stack=stack) for i in range(COUNT)]
        self.clip = Clip(Path("volume.nii"), tuple(frames), self._read)
        self.lone = Clip(Path("lone.png"), (Frame("lone", "lone.png", 0, 64, 64, "lone"),), lambda _: blob(9)[0])

    def _read(self, index: int) -> np.ndarray:
        self.reads.append(index)
        return self.pixels[index]

    def of(self, frame_id: str) -> Clip:
        return self.clip if frame_id.startswith("v-") else self.lone

    def picture(self, index: int) -> Picture:
        return Picture(f"v-{index}", self.pixels[index])

    def labelled(self, *places: int) -> list[LabelledFrame]:
        return [LabelledFrame(f"v-{i}", self.pixels[i], self.labels[i], group=f"g{i}") for i in places]

    def unlabelled(self, *places: int) -> list[UnlabelledFrame]:
        return [UnlabelledFrame(f"v-{i}", self.pixels[i]) for i in places]

    def serve(self, serving: Serving) -> ModelPredictor:
        torch.manual_seed(5)  # the encoder is made before the model seeds
        predictor = serving(tiny_net(encoder=tiny_vit(depth=2)))
        predictor.neighbours = Neighbours(self.of)
        return predictor


@pytest.fixture
def volume() -> Volume:
    return Volume()


def learned_in_depth(predictor: ModelPredictor) -> None:
    """Insert a depth branch at random into what serves."""
    net = copy.deepcopy(predictor.net)
    adaptation.prepare(net, adaptation.asked(DEEP, net.sam.encoder))
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in added(net).values():
            parameter.normal_(std=0.3)
    predictor.serve(Learned(net, "medsa", answers=True))


# -- neighbours --------------------------------------------------------------------------------------------------------


def ids(volume: Volume, index: int, slices: int) -> list[str]:
    stack = Neighbours(volume.of).around(volume.picture(index), slices)
    assert stack is not None
    return [one.frame_id for one in stack]


def test_a_frame_stands_in_the_middle_and_the_ends_are_repeated(volume: Volume) -> None:
    assert ids(volume, 3, 3) == ["v-2", "v-3", "v-4"]
    assert ids(volume, 0, 5) == ["v-0", "v-0", "v-0", "v-1", "v-2"]
    assert ids(volume, 5, 3) == ["v-4", "v-5", "v-5"]


def test_a_file_of_one_picture_has_no_neighbours(volume: Volume) -> None:
    lone = Picture("lone", blob(9)[0])
    assert Neighbours(volume.of).around(lone, 3) is None
    assert Neighbours().around(volume.picture(2), 3) is None
    assert Neighbours(volume.of).around(volume.picture(2), 1) is None
    assert Neighbours(volume.of).whole("lone") is None


def test_the_slices_of_another_moment_are_no_neighbours() -> None:
    moving = Volume(Stack(COUNT, Along.DEPTH, 3))
    assert ids(moving, 2, 3) == ["v-1", "v-2", "v-2"]
    assert ids(moving, 3, 3) == ["v-3", "v-3", "v-4"]
    whole = Neighbours(moving.of).whole("v-4")
    assert whole is not None
    assert [one.frame_id for one in whole] == ["v-3", "v-4", "v-5"]


def test_the_moments_of_a_clip_are_neighbours_in_a_nifti_too(tmp_path: Path) -> None:
    """One slice at each moment: a clip, as a video is."""
    image = nibabel.Nifti1Image(np.zeros((40, 30, 1, COUNT), np.uint8), np.eye(4))
    image.to_filename(tmp_path / "clip.nii")
    clip = open_file(tmp_path / "clip.nii")
    around = Neighbours(lambda _: clip).around(Picture(clip.frames[2].id, clip.grey(2)), 3)
    assert [one.frame_id for one in around or ()] == [frame.id for frame in clip.frames[1:4]]


def test_a_neighbour_is_read_once(volume: Volume) -> None:
    neighbours = Neighbours(volume.of)
    for _ in range(2):
        for index in range(COUNT):
            neighbours.around(volume.picture(index), 3)
    assert sorted(volume.reads) == list(range(COUNT))


def test_a_neighbour_that_cannot_be_read_is_a_sentence(serving: Serving, volume: Volume) -> None:
    predictor = volume.serve(serving)
    learned_in_depth(predictor)
    volume.clip = Clip(volume.clip.path, volume.clip.frames, lambda index: volume.pixels[99])
    with pytest.raises(InputError, match=r"volume\.nii is damaged"):
        predictor.suggest("v-2", volume.pixels[2], (BELLY,), PromptSettings())


# -- answers -----------------------------------------------------------------------------------------------------------


def test_an_answer_depends_on_the_neighbours_of_the_frame_alone(serving: Serving, volume: Volume) -> None:
    predictor = volume.serve(serving)
    learned_in_depth(predictor)
    before = predictor.embedding("v-2", volume.pixels[2])
    for changed, same in ((4, True), (3, False)):
        other = copy.copy(volume)
        other.pixels = tuple(255 - p if i == changed else p for i, p in enumerate(volume.pixels))
        other.clip = Clip(volume.clip.path, volume.clip.frames, other._read)
        again = volume.serve(serving)
        again.neighbours = Neighbours(other.of)
        learned_in_depth(again)
        assert torch.equal(again.embedding("v-2", volume.pixels[2]), before) == same


def test_without_neighbours_a_frame_is_a_stack_of_copies(serving: Serving, volume: Volume) -> None:
    predictor = volume.serve(serving)
    learned_in_depth(predictor)
    alone = predictor.embedding("lone", blob(9)[0])
    copies = Clip(volume.clip.path, volume.clip.frames, lambda _: blob(9)[0])
    predictor.neighbours = Neighbours(lambda _: copies)
    among = predictor.embedding("v-2", blob(9)[0])
    torch.testing.assert_close(among, alone, rtol=1e-4, atol=1e-5)


def test_a_model_of_single_images_asks_for_no_neighbour(serving: Serving, volume: Volume) -> None:
    predictor = volume.serve(serving)
    plain = serving(predictor.net)
    for index in range(COUNT):
        found = predictor.embedding(f"v-{index}", volume.pixels[index])
        assert torch.equal(found, plain.embedding(f"v-{index}", volume.pixels[index]))
    assert volume.reads == []


# -- rounds ------------------------------------------------------------------------------------------------------------


def test_the_slices_of_a_view_go_through_the_geometry_of_their_middle(serving: Serving, volume: Volume) -> None:
    same = volume.pixels[0]
    copies = Clip(volume.clip.path, volume.clip.frames, lambda _: same)
    predictor = volume.serve(serving)
    predictor.neighbours = Neighbours(lambda _: copies)
    student, since = RoundTrainer(predictor, DEEP)._student((BELLY,))
    views = Views(predictor, student, since)
    frames = [LabelledFrame(f"v-{i}", same, volume.labels[0]) for i in range(COUNT)]
    fronts = [views.labelled(frame, 1)[0] for frame in frames]
    for front in fronts:
        assert len(front) == 3
        assert torch.equal(front[0], front[1])
        assert torch.equal(front[1], front[2])
    assert not any(torch.equal(one, other) for one, other in pairwise(fronts)), "each frame has draws of its own"
    assert not torch.equal(fronts[2], views.labelled(frames[2], 2)[0])
    assert not torch.equal(fronts[2], views.plain(frames[2]))


def test_labels_lie_where_the_picture_of_their_view_does(serving: Serving, volume: Volume) -> None:
    """In each augmented view of a stack the disc of the labels is the bright disc of the middle slice."""
    predictor = volume.serve(serving)
    student, _ = RoundTrainer(predictor, replace(DEEP, adapt_from=0))._student((BELLY,))
    views = Views(predictor, student, 0)  # the activation is the square picture itself
    for frame in volume.labelled(1, 4):
        for view in range(1, 5):
            front, labels = views.labelled(frame, view)
            bright = front[1, 0].float() > front[1, 0].float()[labels >= 0].mean()
            inside = labels == 1
            both = (bright & inside).sum() / (bright & (labels >= 0) | inside).sum()
            assert both > 0.6


def test_views_of_a_frame_alone_are_those_of_the_middle(serving: Serving, volume: Volume) -> None:
    predictor = volume.serve(serving)
    student, since = RoundTrainer(predictor, DEEP)._student((BELLY,))
    runs: list[int] = []
    student.sam.encoder.units[0].register_forward_hook(lambda *_: runs.append(1))
    (frame,) = volume.labelled(2)
    front, labels = Views(predictor, student, since).labelled(frame, 1)
    assert len(runs) == 3
    alone, same = Views(predictor, student, since, slices=1).labelled(frame, 1)
    assert len(runs) == 3, "it was encoded already"
    assert torch.equal(alone, front[1:2])
    assert torch.equal(labels, same)


@pytest.mark.parametrize("method", ["medsa", "masam"])
@pytest.mark.parametrize("feedback", ["off", "train+infer"])
def test_the_gates_figure_is_what_the_predictor_then_gives(
    serving: Serving, volume: Volume, method: Method, feedback: FeedbackMode
) -> None:
    predictor = volume.serve(serving)
    settings = replace(DEEP, method=method, steps=4, recipe=Recipe(feedback=feedback, cutmix=True))
    frames = volume.labelled(0, 2, 4)
    rest = [*volume.unlabelled(1, 3), UnlabelledFrame("lone", blob(9)[0])]
    report = to_the_end(RoundTrainer(predictor, settings, LET_PASS).round(frames, rest, (BELLY,)))
    assert report.accepted
    assert np.isfinite(report.losses).all()
    assert adaptation.slices(predictor.net) == 3
    (out,) = [frame for frame in frames if frame.group in predictor.past.held]
    (made,) = predictor.suggest(out.frame_id, out.pixels, (BELLY,), PromptSettings())
    rounding = 1e-6 if feedback == "off" else 0.002  # 3 of 2224 pixels turned: the gradient makes much of little
    assert dice(made.mask, out.labels == 1) == pytest.approx(report.after[1], abs=rounding)


def test_what_a_round_learns_depends_on_slices_that_nobody_labelled(serving: Serving, volume: Volume) -> None:
    losses = []
    for pixels in (volume.pixels, tuple(255 - p if i % 2 else p for i, p in enumerate(volume.pixels))):
        predictor = volume.serve(serving)
        other = Clip(volume.clip.path, volume.clip.frames, lambda i, pixels=pixels: pixels[i])
        predictor.neighbours = Neighbours(lambda _, other=other: other)
        settings = replace(DEEP, steps=4)
        losses.append(
            to_the_end(RoundTrainer(predictor, settings).round(volume.labelled(0, 2, 4), [], (BELLY,))).losses
        )
    assert losses[0] != losses[1]


@pytest.mark.parametrize("method", ["adasam", "medsa", "masam"])
def test_a_round_of_single_images_is_what_it_was(serving: Serving, volume: Volume, method: Method) -> None:
    reports = []
    for neighbours in (Neighbours(), Neighbours(volume.of)):
        predictor = volume.serve(serving)
        predictor.neighbours = neighbours
        trainer = RoundTrainer(predictor, replace(SHORT, method=method), LET_PASS)
        reports.append(to_the_end(trainer.round(volume.labelled(0, 2, 4), volume.unlabelled(1, 3), (BELLY,))))
    assert volume.reads == []
    assert reports[0].losses == reports[1].losses
    assert reports[0].model == reports[1].model


# -- a process of its own ----------------------------------------------------------------------------------------------


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("NAPARI_ADASAM_NICE", "0")
    torch.set_num_threads(1)


@pytest.mark.usefixtures("one_thread")
def test_a_process_gives_what_the_thread_gives(heard: Heard, serving: Serving, volume: Volume) -> None:
    frames, rest = volume.labelled(0, 2, 4), volume.unlabelled(3)
    other = volume.serve(serving)
    here = to_the_end(RoundTrainer(other, DEEPER, LET_PASS).round(frames, rest, (BELLY,)))
    predictor = volume.serve(serving)
    predictor.info()
    trainer = ProcessTrainer(predictor, DEEPER, LET_PASS)
    job = heard.lane.submit(Job(JobKind.TRAIN, lambda: trainer.round(frames, rest, (BELLY,))))
    end = time.monotonic() + 300.0
    while heard.end(job) is None:  # importing torch takes long in a process of its own
        assert time.monotonic() < end
        heard.outcomes += heard.waiting()
        time.sleep(0.01)
    assert heard.end(job).error is None
    assert here.accepted
    assert predictor.info().fingerprint == other.info().fingerprint == here.model
    kept = predictor.activations.of(("v-1",))
    assert any(" of v-" in key for key in kept), "what was encoded of a neighbour comes back"


def test_what_goes_to_the_process_holds_each_slice_once(
    serving: Serving, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Assignment] = []
    monkeypatch.setattr(ProcessTrainer, "_supervise", lambda self, order: sent.append(order) or iter(()))
    predictor = volume.serve(serving)
    steps = ProcessTrainer(predictor, replace(DEEP, slices=5)).round(volume.labelled(*range(COUNT)), [], (BELLY,))
    with pytest.raises(AttributeError):  # it has no end
        list(steps)
    order = sent[0]
    assert {len(stack) for stack in order.stacks.values()} == {5}
    assert len(pickle.dumps((order.labelled, order.stacks))) < 2.3 * sum(p.nbytes for p in volume.pixels)
    assert set(order.regions) == {f"v-{i}" for i in range(COUNT)}


def test_where_memory_is_full_a_round_looks_at_fewer_slices(
    serving: Serving, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    real = trainer_module.labelled_loss

    def hungry(net: AdaSam, embedding: torch.Tensor, *rest: Any) -> torch.Tensor:
        looked_at.append(depth[-1])
        if depth[-1] > 1:
            raise MemoryError
        return real(net, embedding, *rest)

    depth: list[int] = []
    embed = Views.embed

    def counted(views: Views, net: AdaSam, front: torch.Tensor) -> torch.Tensor:
        depth.append(len(front))
        return embed(views, net, front)

    monkeypatch.setattr(trainer_module, "labelled_loss", hungry)
    monkeypatch.setattr(Views, "embed", counted)
    predictor = volume.serve(serving)
    trainer = RoundTrainer(predictor, replace(DEEP, slices=5, most_prompts=1), LET_PASS)
    *_, report = trainer.round(volume.labelled(0, 3), volume.unlabelled(2), (BELLY,))
    assert looked_at[:3] == [5, 3, 1]
    assert set(looked_at[3:]) == {1}
    assert isinstance(report, RoundReport)
    assert report.verdict.endswith("It learned from single images, because memory was short.")
    assert report.accepted
    assert (depth[-1], adaptation.slices(predictor.net)) == (5, 5), "it is measured, and answers, with stacks"


def test_frames_without_neighbours_are_learned_from_as_before(serving: Serving, volume: Volume) -> None:
    predictor = volume.serve(serving)
    report = to_the_end(RoundTrainer(predictor, DEEP, LET_PASS).round(labelled(3), unlabelled(2), (BELLY,)))
    assert report.accepted


# -- a session ---------------------------------------------------------------------------------------------------------


def test_a_round_in_a_session_looks_at_the_frames_around_the_accepted_ones(tmp_path: Path, serving: Serving) -> None:
    """A clip is opened, two frames are accepted, a round learns in depth, and the next suggestion sees neighbours."""
    clip = np.stack([blob(50 + i)[0] for i in range(COUNT)])
    tifffile.imwrite(tmp_path / "cine.tif", clip, photometric="minisblack")
    torch.manual_seed(5)
    predictor = serving(tiny_net(encoder=tiny_vit(depth=2)))
    settings = Settings(train=DEEP, learn=replace(LET_PASS, every=0))

    def make_predictor() -> ModelPredictor:
        predictor.neighbours = ModelPredictor(settings.model, annotator.regions).neighbours
        return predictor

    annotator = Annotator(
        Session((BELLY,)), make_predictor, lambda _: RoundTrainer(predictor, DEEP, LET_PASS), settings
    )
    try:
        assert annotator.open([tmp_path / "cine.tif"]) == []
        annotator.wait_idle(60)
        for at in (1, 4):
            annotator.go_to(annotator.session.frames[at].id)
            annotator.wait_idle(60)
            annotator.stroke(blob(50 + at)[1])
            assert annotator.accept()
        assert annotator.start_round()
        annotator.wait_idle(120)
        assert [report.accepted for report in annotator.reports] == [True]
        assert adaptation.slices(predictor.net) == 3
        encoded = {key.split("/")[0] for key in predictor.activations.of(tuple(f.id for f in annotator.session.frames))}
        assert encoded == {frame.id for frame in annotator.session.frames}
    finally:
        annotator.close()
