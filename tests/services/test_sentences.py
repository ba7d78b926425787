"""Errors as sentences."""

from __future__ import annotations

import errno

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
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
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


@pytest.mark.parametrize(
    ("error", "of_torch"),
    [
        (ModuleNotFoundError("No module named 'torch'", name="torch"), True),
        (ImportError("DLL load failed while importing _C", name="_C", path="C:\\lib\\torch\\_C.pyd"), True),
        (OSError('[WinError 126] Error loading "C:\\lib\\torch\\lib\\c10.dll" or one of its dependencies.'), True),
        (ModuleNotFoundError("No module named 'highdicom'", name="highdicom"), False),
    ],
)
def test_a_torch_that_does_not_load_is_named_with_what_to_install(error: BaseException, of_torch: bool) -> None:
    assert sentence(error, "Loading the model").startswith("PyTorch, which computes the model,") is of_torch
