"""What went wrong, as one sentence for the clinician."""

from __future__ import annotations

from napari_adasam.domain.errors import AdasamError

FULL = ("out of memory", "can't allocate memory", "not enough memory")
"""What torch says when memory is full: on a graphics card, and on Linux and Windows for the computer's own."""


def sentence(error: BaseException, doing: str) -> str:
    """One sentence for an error; ``doing`` is what was under way, such as ``"Learning"``.

    Errors of this program are shown as they are. Others are described without their own text, which is for developers
    and goes to the log.
    """
    if isinstance(error, AdasamError):
        return str(error)
    if is_out_of_memory(error):
        return f"{doing} needs more memory than is free. Your annotations are safe; close other programs and try again."
    return f"{doing} failed unexpectedly ({type(error).__name__}). Your annotations are safe; the log has the details."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory (the computer's or the graphics card's) is full; torch is not imported."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).casefold()
    return isinstance(error, RuntimeError) and any(words in text for words in FULL)
