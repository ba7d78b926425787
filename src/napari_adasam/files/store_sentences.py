"""What is said where a session cannot be opened or written to."""

from __future__ import annotations

from pathlib import Path


def not_saved(folder: Path, error: Exception) -> str:
    """The sentence for a write to the session that failed."""
    text = str(error).lower()
    if "full" in text or "no space" in text:
        why = "there is no space left. Free some space and repeat"
    elif "readonly" in text or "read-only" in text or "permission" in text:
        why = "it may not be written to. Choose another folder"
    elif isinstance(error, UnicodeEncodeError):
        why = "a name or a note in it has characters that are no text. Change these and repeat"
    elif "locked" in text:
        why = "another program is writing to it. Close that one and repeat"
    else:
        why = f"{error}. Check the disk, or choose another folder"
    return f"The last change was not saved in {folder}; all that was saved before is safe: {why}."


def not_opened(folder: Path, error: Exception) -> str:
    """The sentence for a session that cannot be opened."""
    if may_not_be_written(error):
        return f"The session in {folder} cannot be written to, and was not opened; copy it to a folder of your own."
    if "uri authority" in str(error).lower():
        return (
            f"The session in {folder} cannot be opened at this place ({error}); nothing was changed. Copy the whole "
            "folder to a disk of this computer and open that."
        )
    return f"The session in {folder} is damaged and was not changed; restore it from a copy."


def made_by_newer(folder: Path) -> str:
    """The sentence for a session of a later version."""
    return f"The session in {folder} was made by a newer version of this program; update the program to open it."


def may_not_be_written(error: Exception) -> bool:
    """Whether an error says that a database cannot be written, not that it is damaged."""
    return "readonly" in str(error).lower() or "unable to open" in str(error).lower()
