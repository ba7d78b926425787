"""An annotator with fakes, on files; a lane that is closed after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from annotator_fakes import Desk, make_desk, write_images
from lane_fakes import SECONDS, Heard

from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import Structure

STRUCTURES = (Structure(1, "muscle belly"), Structure(2, "aponeurosis", several_parts=True))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Make desks with so many images open; rounds start by themselves only if asked for."""
    desks = []

    def made(images: int = 4, every: int = 0, settings: Settings | None = None) -> Desk:
        desk = make_desk(settings or Settings(learn=LearnSettings(every=every)), STRUCTURES)
        desks.append(desk)
        if images:
            assert desk.annotator.open([write_images(tmp_path / f"scans{images}", images)]) == []
        return desk

    yield made
    for desk in desks:
        desk.annotator.close()


@pytest.fixture
def desk(make: Callable[..., Desk]) -> Desk:
    """Four images, the first on the screen with its suggestion, the next ones prepared."""
    made = make()
    made.settle()
    return made


@pytest.fixture
def heard() -> Iterator[Heard]:
    made = Heard()
    yield made
    made.gate.set()
    assert made.lane.close(SECONDS)
