"""The command line. Progress goes to stderr, results to stdout as JSON; exit code 0 done, 2 bad input, 1 failure.

Everything heavy (torch, Qt, napari) is imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import typer

from napari_adasam.cli import agreement, export, learning, measure, models, speed, studies, window
from napari_adasam.cli.program import app
from napari_adasam.domain.errors import AdasamError, InputError
from napari_adasam.services.sentences import is_out_of_memory, is_torch_broken, sentence

__all__ = ["agreement", "app", "export", "learning", "main", "measure", "models", "speed", "studies", "window"]

BAD_INPUT, FAILURE = 2, 1
STDERR = 2


def take_every_letter(*streams: object) -> None:
    """Let what is written into files and pipes be UTF-8, unless ``PYTHONIOENCODING`` says otherwise.

    Windows has an encoding of its own for them, which lacks most letters: a name with one would end a command whose
    work is done. Where an encoding was asked for, a letter that it lacks is written as its number.
    """
    for stream in streams:
        if isinstance(stream, TextIOWrapper) and not stream.isatty():
            encoding = None if "PYTHONIOENCODING" in os.environ else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def have_streams() -> None:
    """Let what was closed before the program began (``>&-``) lead nowhere.

    The first files opened would else stand in its place, a session among them, and get what libraries complain of.
    """
    while (handle := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(handle, True)
    os.close(handle)


def main() -> None:
    """Run the command line; errors that people can do something about are one sentence on stderr.

    Others are bugs, and keep their traceback.
    """
    have_streams()
    take_every_letter(sys.stdout, sys.stderr)
    try:
        app()
    except InputError as error:
        typer.echo(str(error), err=True)
        sys.exit(BAD_INPUT)
    except (AdasamError, OSError, MemoryError, RuntimeError, ImportError) as error:
        has_sentence = isinstance(error, AdasamError) or is_out_of_memory(error) or is_torch_broken(error)
        if not has_sentence and not isinstance(error, OSError):
            raise
        typer.echo(sentence(error, "This command") if has_sentence else str(error), err=True)
        sys.exit(FAILURE)
