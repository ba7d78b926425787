"""What a round will take: counted against rounds whose parts are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_adasam.domain.effort import PROCESS_BYTES, STARTING, STEP_BYTES, Estimate, ModelSize, Speeds, Work
from napari_adasam.domain.settings import TrainSettings

SPEEDS = Speeds(encode=1.0, labelled=10.0, unlabelled=100.0, measured=1000.0)
SIZE = ModelSize(weights=10, input=512, view=1)
TRAIN = TrainSettings(steps=40, batch=2, views=3, warm_up=0.25, unlabelled_every=2, max_unlabelled=20, most_prompts=4)


def test_each_part_counts_as_often_as_it_is_done() -> None:
    work = Work.of(TRAIN, learned=8, held=2, rest=50)
    assert (work.labelled, work.unlabelled, work.measured) == (80, 15, 4)
    # 80 draws from 24 views see 23.2 of them, a third of which are the frames as they are; 15 from 20 frames see 10.7,
    # and both views of each are new.
    assert work.encodings == pytest.approx(2 / 3 * 23.2 + 2 * 10.7, abs=0.2)
    assert work.estimate(SPEEDS, SIZE, 4).seconds == pytest.approx(STARTING + 36.9 + 800 + 1500 + 4000, abs=0.2)


def test_a_round_on_stacks_takes_its_slices_times_as_long() -> None:
    train = replace(TRAIN, method="masam", slices=3)
    one, three = (Work.of(each, 8, 2, 50) for each in (replace(TRAIN, method="masam"), train))
    assert three.encodings == 3 * one.encodings
    seconds = [work.estimate(SPEEDS, SIZE, 4).seconds - STARTING for work in (one, three)]
    assert seconds[1] == pytest.approx(3 * seconds[0])
    more = three.estimate(SPEEDS, SIZE, 4).bytes - one.estimate(SPEEDS, SIZE, 4).bytes
    assert more == pytest.approx(STEP_BYTES, abs=200)
    assert Work.of(replace(TRAIN, slices=3), 8, 2, 50).slices == 1, "adasam looks at single images"


def test_what_earlier_rounds_have_encoded_is_at_hand() -> None:
    first, second, tenth = (Work.of(TRAIN, 8, 2, 50, rounds) for rounds in (0, 1, 9))
    assert first.encodings > second.encodings > tenth.encodings >= 0
    assert tenth.encodings < 0.5
    assert second.labelled == first.labelled


@pytest.mark.parametrize(("train", "rest"), [(TrainSettings(method="lora"), 50), (TRAIN, 0)])
def test_without_other_frames_none_are_counted(train: TrainSettings, rest: int) -> None:
    assert Work.of(train, learned=8, held=2, rest=rest).unlabelled == 0


def test_one_accepted_frame_is_enough_for_an_estimate() -> None:
    assert Work.of(TRAIN, learned=1, held=0, rest=0).estimate(SPEEDS, SIZE, 4).seconds > 800


def test_memory_is_a_process_three_copies_of_the_weights_a_step_and_the_views() -> None:
    found = Work(encodings=5, labelled=0, unlabelled=0, measured=0).estimate(SPEEDS, SIZE, 4)
    assert found == Estimate(STARTING + 5.0, PROCESS_BYTES + 30 + STEP_BYTES + 5)


def test_a_step_on_half_the_side_takes_a_quarter() -> None:
    half = Work(0, 0, 0, 0).estimate(SPEEDS, ModelSize(0, 256), 4)
    assert half.bytes == PROCESS_BYTES + STEP_BYTES / 4


def test_what_was_not_measured_is_guessed_from_an_encoding() -> None:
    guessed = Speeds.guessed(0.5)
    assert guessed.encode == 0.5
    assert min(guessed.labelled, guessed.unlabelled, guessed.measured) > 0
