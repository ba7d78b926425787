"""What a session holds stays small, and comes back as it was."""

from __future__ import annotations

from dataclasses import replace
from threading import Event, current_thread
from threading import enumerate as enumerate_threads

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from session_samples import rows, session, suggestion

from napari_adasam.domain import shelf as memory
from napari_adasam.domain.history import DEPTH
from napari_adasam.domain.packing import PackedLabels, PackedMask
from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.records import Suggestion
from napari_adasam.domain.shelf import PackedSuggestion, Shelf

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=20)


@given(arrays(np.uint8, SHAPES))
def test_labels_are_packed_exactly(labels: np.ndarray) -> None:
    opened = PackedLabels.of(labels).open()
    assert np.array_equal(opened, labels)
    assert not opened.flags.writeable


@given(arrays(np.bool_, SHAPES))
def test_masks_are_packed_exactly(mask: np.ndarray) -> None:
    opened = PackedMask.of(mask).open()
    assert opened.dtype == np.bool_
    assert np.array_equal(opened, mask)


def test_a_label_image_of_a_megapixel_packs_below_a_hundredth() -> None:
    labels = np.zeros((1000, 1000), np.uint8)
    labels[300:700, 200:800] = 1
    assert len(PackedLabels.of(labels).data) < labels.nbytes / 100


@given(st.integers(1, 4))
def test_the_shelf_keeps_the_last_used_open_and_packs_the_others(budgeted: int) -> None:
    one = suggestion(1, rows(1, 2))
    size = one.mask.nbytes + one.cam.nbytes
    shelf = Shelf(budget=budgeted * size)
    sets = [shelf.put({1: suggestion(1, rows(number))}) for number in range(6)]
    assert [item.nbytes > 0 for item in sets] == [number >= 6 - budgeted for number in range(6)]
    for number, item in enumerate(sets):
        found = shelf.read(item)[1]
        assert np.array_equal(found.mask, rows(number))
        assert np.abs(found.cam - one.cam).max() <= 0.5 / 255 + 1e-6
        assert (found.score, found.prompts[0].points, found.model) == (one.score, one.prompts[0].points, "m1")


def test_the_maps_that_were_asked_with_are_counted_and_packed_exactly() -> None:
    dense = np.random.default_rng(0).normal(size=(128, 128)).astype(np.float32)
    dense[: dense.shape[0] // 2] = -10
    asked = replace(suggestion(1, rows(1)), prompts=(Prompt(dense=dense, source="cam"), Prompt((Point(1.0, 2.0),))))
    shelf = Shelf(budget=1)
    first = shelf.put({1: asked})
    assert first.nbytes > dense.nbytes
    shelf.put({1: suggestion(1, rows(2))})
    assert first.nbytes == 0
    packed = first._packed[0]
    assert len(packed.prompts[0].dense) < dense.nbytes
    assert packed.bare.prompts == ()
    map_again, point_again = shelf.read(first)[1].prompts
    assert map_again.dense is not None
    assert np.array_equal(map_again.dense, dense)
    assert map_again.dense.flags.writeable
    assert point_again == asked.prompts[1]


def test_a_large_set_is_packed_on_another_thread_and_may_be_opened_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    go, there, threads, of = Event(), Event(), list[str](), PackedSuggestion.of

    def held(one: Suggestion) -> PackedSuggestion:
        threads.append(current_thread().name)
        there.set()
        assert go.wait(10)
        return of(one)

    monkeypatch.setattr(memory, "LARGE", 1)
    monkeypatch.setattr(PackedSuggestion, "of", held)
    shelf = Shelf(budget=1)
    first = shelf.put({1: suggestion(1, rows(1))})
    shelf.put({1: suggestion(1, rows(2))})
    assert there.wait(10)
    assert first.nbytes > 0
    assert np.array_equal(first.open()[1].mask, rows(1))
    go.set()
    for thread in [one for one in enumerate_threads() if one.name == "adasam-shelf"]:
        thread.join(10)
    assert threads == ["adasam-shelf"]
    assert first.nbytes == 0
    assert np.array_equal(first.open()[1].mask, rows(1))


def test_suggestions_used_long_ago_can_still_be_undone_and_redone() -> None:
    made = session()
    made._shelf = Shelf(budget=1)
    made.propose("a", [suggestion(1, rows(1))], made.revision("a"))
    made.propose("b", [suggestion(1, rows(2), "b")], made.revision("b"))
    made.undo("a")
    assert not made.suggestions("a")
    made.redo("a")
    assert np.array_equal(made.suggestions("a")[1].mask, rows(1))


def test_the_oldest_steps_are_forgotten() -> None:
    made = session()
    for step in range(DEPTH + 20):
        made.set_mask("a", 1, rows(step % 6))
    steps = 0
    while made.undo("a"):
        steps += 1
    assert steps == DEPTH
