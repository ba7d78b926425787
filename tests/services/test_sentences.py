"""Errors as sentences."""

from __future__ import annotations

import pytest

from napari_adasam.domain.errors import InputError
from napari_adasam.services.sentences import sentence


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


def test_our_own_sentences_are_shown_as_they_are() -> None:
    assert sentence(InputError("scan.png is empty; copy it again."), "Opening") == "scan.png is empty; copy it again."


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried"),
    ],
)
def test_full_memory_has_its_own_sentence(error: BaseException) -> None:
    said = sentence(error, "Learning")
    assert said.startswith("Learning needs more memory than is free.")
    assert "annotations are safe" in said


def test_other_errors_are_named_without_their_text() -> None:
    said = sentence(ValueError("/home/patient name/scan"), "Learning")
    assert "ValueError" in said
    assert "patient" not in said
