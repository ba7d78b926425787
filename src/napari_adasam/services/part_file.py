"""What a training has come to, on the disk beside the model that it will write: the same command goes on from there.

The file is written whole or not at all, about once a minute and where a training is broken off, and removed when the
model is there. Tensors and plain values alone are read from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from napari_adasam.domain.errors import InputError, ModelError, StorageError
from napari_adasam.files.atomic import make_folder, remove_unfinished, writing_whole
from napari_adasam.files.exports.provenance import software_versions
from napari_adasam.files.lock import FolderLock
from napari_adasam.model.checkpoints import UNREADABLE
from napari_adasam.services.resuming import Captured, Training

Tell = Callable[[str], None]
"""Takes a sentence for a person."""
EVERY_S = 60.0
"""So much is lost at most of a training whose process is ended."""
SHARE = 0.02
"""Of the time, that writing may take: on a slow disk it is done less often."""
DAMAGED = (*UNREADABLE, BadZipFile, zlib.error)
WORDS = {
    "arguments": "arguments",
    "images": "images or outlines",
    "weights": "weights to start from",
    "versions": "versions of the program or of what computes",
    "device": "device",
}
"""What a training is told from another by, and how that is called."""


def say_nothing(sentence: str) -> None:
    """Where nobody wants to know."""


def part_of(out: Path) -> Path:
    """The file beside a model that is being made."""
    return out.with_name(f"{out.name}.part")


def digest(parts: Iterable[object]) -> str:
    """A name of some values by what they are written as: strings, numbers, tuples of them, frozen settings."""
    return hashlib.sha256("\n".join(repr(one) for one in parts).encode()).hexdigest()[:16]


def about(arguments: Iterable[object], images: Iterable[object], weights: object, device: object) -> dict[str, str]:
    """All that decides what a training comes to, by :data:`WORDS`."""
    versions = (software_versions().get(name) for name in ("napari-adasam", "torch"))
    found = {"arguments": arguments, "images": images, "weights": (weights,), "device": (str(device),)}
    return {name: digest(parts) for name, parts in (found | {"versions": versions}).items()}


class PartFile:
    """Keeps one training; a block in which it is made, and in which nobody else makes the same model.

    Parameters
    ----------
    out
        The model that the block writes. Where it does, the file is removed at the end.
    of
        What training it is, see :func:`about`.
    tell
        Is told what is gone on from, and what is kept.

    Raises
    ------
    InputError
        On entering, where what is there is of another training, or the same model is being made elsewhere.
    """

    def __init__(self, out: Path, of: Mapping[str, str], tell: Tell) -> None:
        self.path, self._of, self._tell = part_of(out), dict(of), tell
        self.step = 0
        """How many steps were done before."""
        self.seconds = 0.0
        """How long they took, and how long it took then to get ready for more."""
        busy = (
            f"Another command makes {out} now, or its disk cannot tell. Nothing was done. Wait for its end, or give "
            "another --out."
        )
        self._lock = FolderLock(out.parent, busy, f".{out.name}.lock")
        self._found: Captured | None = None
        self._training: Training | None = None
        self._began = self._due = time.monotonic()
        self._kept, self._failed = 0, False  # the step that the file holds; whether it could not be written

    def __enter__(self) -> PartFile:
        make_folder(self.path.parent)
        self._lock.take()
        try:
            remove_unfinished(self.path)
            self._read()
        except BaseException:
            self._lock.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                with contextlib.suppress(OSError):
                    self.path.unlink()
            else:
                self._break_off(error)
        finally:
            self._lock.remove()

    def _break_off(self, error: BaseException) -> None:
        if not isinstance(error, ModelError):  # such as learning that went astray, from where nothing goes on
            self.keep()
        if self._kept:
            where = f"is in {self.path}: the same command goes on from there."
            self._tell(f"What was learned until step {self._kept} {where}")
        elif isinstance(error, KeyboardInterrupt):
            self._tell("Nothing was kept of it: the same command begins anew.")

    def take_up(self, training: Training) -> None:
        """Keep a training from its first step on, and restore what the file holds. InputError where that cannot be."""
        if self._found is not None:
            try:
                training.restore(self._found)
            except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
                self._kept = 0
                raise self._not_of_this(("weights",)) from error
        self._found, self._training, self._kept = None, training, training.step
        self._due = time.monotonic() + EVERY_S

    def keep_if_due(self) -> None:
        """Write the file where the last time is long enough ago."""
        if time.monotonic() >= self._due:
            self.keep()

    def keep(self) -> None:
        """Write what the training has come to, if that is more than the file holds; say so once where it cannot be."""
        training, began = self._training, time.monotonic()
        captured = None if training is None or training.step == self._kept else training.capture()
        if training is None or captured is None:
            return
        content = {"of": self._of, "seconds": self.seconds + began - self._began, "training": captured}
        try:
            with writing_whole(self.path) as file:
                torch.save(content, file)
            self._kept, self._failed = training.step, False
        except (StorageError, RuntimeError) as error:  # the latter is how torch may put it
            if not self._failed:
                self._tell(_not_kept(self.path, error))
            self._failed = True
        ended = time.monotonic()
        self._due = ended + max(EVERY_S, (ended - began) / SHARE)

    def let_go(self) -> None:
        """Write it once more, and then no more: its weights will be changed by something else."""
        self.keep()
        self._training = None

    def _read(self) -> None:
        if not os.path.exists(self.path):
            return
        try:
            with self.path.open("rb") as file:
                found = _content(file)
                of, seconds, training = dict(found["of"]), float(found["seconds"]), dict(found["training"])
                step = len(training["losses"])
        except PermissionError as error:
            raise InputError(
                f"{self.path}, which a stopped training has left, may not be read by this user. Nothing was done. Ask "
                "for access, or give another --out."
            ) from error
        except DAMAGED:
            self._tell(f"{self.path}, which a stopped training has left, is damaged. This one begins anew.")
            return
        others = tuple(name for name in WORDS if of.get(name) != self._of.get(name))
        if others:
            raise self._not_of_this(others)
        self._found, self.step, self.seconds, self._kept = training, step, seconds, step
        self._tell(f"Going on from step {step}, where the same training was stopped ({self.path}).")

    def _not_of_this(self, others: Iterable[str]) -> InputError:
        return InputError(
            f"{self.path} is what a stopped training has left, and this one has other "
            f"{' and other '.join(WORDS[name] for name in others)}. Nothing was done, and that file is as it was. Give "
            "the command that was stopped to go on with it. To begin anew, give another --out, or remove that file."
        )


def _content(file: Any) -> Any:
    """What a file holds; raises what :data:`DAMAGED` names where a byte of it has changed."""
    with ZipFile(file) as whole:
        if whole.testzip() is not None:
            raise BadZipFile
    file.seek(0)
    return torch.load(file, map_location="cpu", weights_only=True)


def _not_kept(path: Path, error: Exception) -> str:
    link: BaseException | None = error
    while link is not None and not isinstance(link, OSError):
        link = link.__cause__ or link.__context__
    why = (link and link.strerror) or type(error).__name__
    return (
        f"{path} could not be written ({why}), so what is learned from now on is kept in memory alone. Learning goes "
        "on, and this is tried again. Free some space, if that is what is missing."
    )
