"""What went wrong, as one sentence for the clinician."""

from __future__ import annotations

import errno
from collections.abc import Collection, Sequence

from napari_adasam.domain.errors import AdasamError
from napari_adasam.domain.structures import Structure

FULL = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "could not create a primitive",
    "could not execute a primitive",
    "can't start new thread",
    "resource temporarily unavailable",
    "failed to map segment",
)
"""What torch says when memory is full: a graphics card's, the computer's own (Linux, Windows), oneDNN, threads, and
where there is none left to load torch itself."""
PAGING_FILE_TOO_SMALL = 1455
"""Windows' number for that, whose words are in the user's language."""
LOST = ("cuda error", "cuda driver error", "cudnn_status", "cublas_status", "hip error", "mtlcommandbuffer")
"""What torch says when a card is gone; after that nothing can be computed on it in this process."""
DEVICE_LOST = (
    "The graphics card has stopped answering, so the processor computes from now on, more slowly. "
    "Your annotations are safe."
)


TORCH_BROKEN = (
    "PyTorch, which computes the model, cannot be loaded on this computer. Your annotations are safe. Install it again "
    "(pip install --force-reinstall torch); on Windows, Microsoft's Visual C++ Redistributable, too."
)


class ForNow(str):
    """A sentence about the image on the screen or what has just happened: it goes when another image comes."""

    __slots__ = ()


def sentence(error: BaseException, doing: str) -> str:
    """One sentence for an error; ``doing`` is what was under way, such as ``"Learning"``.

    Errors of this program are shown as they are. Others are described without their own text, which is for developers
    and goes to the log.
    """
    if isinstance(error, AdasamError):
        return str(error)
    if is_out_of_memory(error):
        return f"{doing} needs more memory than is free. Your annotations are safe; close other programs and try again."
    if is_device_lost(error):
        return DEVICE_LOST
    if is_torch_broken(error):
        return TORCH_BROKEN
    return f"{doing} failed unexpectedly ({type(error).__name__}). Your annotations are safe; the log has the details."


def stays(structures: Sequence[Structure], kept: Collection[int]) -> ForNow:
    """What is told where a person painted over, or pointed at, what she has outlined as another structure."""
    names = " and ".join(f"“{one.name}”" for one in structures if one.value in kept)
    return ForNow(
        f"What is outlined by hand or accepted as {names} stays. To give its pixels to another structure, choose "
        f"{names} (T), erase them there (E), and draw again."
    )


def suggested_here(structures: Sequence[Structure], owner: int) -> ForNow:
    """What is told where a click for one structure leaves what is only suggested as another one."""
    name = next((f"“{one.name}”" for one in structures if one.value == owner), "another structure")
    return ForNow(f"{name} is suggested here, and stays. To give its pixels to another structure, draw over them (D).")


def is_device_lost(error: BaseException) -> bool:
    """Whether an error means that the graphics card has stopped answering: unplugged, reset, or its driver gone."""
    text = str(error).casefold()
    return isinstance(error, RuntimeError) and not is_out_of_memory(error) and any(words in text for words in LOST)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory (the computer's or the graphics card's) is full; torch is not imported."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM or getattr(error, "winerror", None) == PAGING_FILE_TOO_SMALL
    text = str(error).casefold()
    return isinstance(error, RuntimeError | ImportError) and any(words in text for words in FULL)


def is_torch_broken(error: BaseException) -> bool:
    """Whether an error means that torch is not there, or lacks a library of the system's."""
    where = f"{error} {getattr(error, 'name', '')} {getattr(error, 'path', '')}"
    return isinstance(error, ImportError | OSError) and "torch" in where
