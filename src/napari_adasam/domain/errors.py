"""Errors that people read: what happened, what is safe, what to do."""

from __future__ import annotations


class AdasamError(Exception):
    """Base of every error whose message is shown to a person as it stands."""


class InputError(AdasamError):
    """A file, folder, checkpoint or argument that cannot be used. Exit code 2 on the command line."""


class OnlyReadableError(InputError):
    """A session that can be read but not written now: another window has it, or its folder may not be written to."""


class StorageError(AdasamError):
    """A write that did not reach the disk. What was on disk before is unchanged."""


class ModelError(AdasamError):
    """A model that cannot be loaded, run or trained as asked."""
