"""What went wrong, as one sentence for the clinician."""

from __future__ import annotations

from napari_adasam.domain.errors import AdasamError


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
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
