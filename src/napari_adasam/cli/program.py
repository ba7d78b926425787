"""The program that the commands register with, and what they share: options, progress, results."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from napari_adasam.domain.errors import AdasamError, InputError, StorageError
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.domain.structures import MAX_STRUCTURES

MOST_DIGITS = 9
"""Of a label value in a text: numbers that no label value can be are not even read."""
OPEN = "open"
MAY_BE_EMPTY = "--structures"
HOME = ("~/", "~\\")
BUNDLED = ModelSettings().name


class PathsOrCommand(TyperGroup):
    """A group in which what is not the name of a command is a path to open: ``napari-adasam FOLDER``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the hidden command before paths, and before nothing at all."""
        args = [_at_home(one) for one in args]
        if any(not one and before != MAY_BE_EMPTY for before, one in pairwise(["", *args])) or any(
            one.startswith("--") and one.endswith("=") and one != f"{MAY_BE_EMPTY}=" for one in args
        ):
            raise InputError("A name or place is empty. Nothing was done. Write it out; . is the folder you are in.")
        if not args or not (args[0].startswith("-") or args[0] in self.commands):
            args = [OPEN, *args]
        return super().parse_args(ctx, args)


def _at_home(argument: str) -> str:
    """A path with the user's folder for ``~``, as most shells write it: not all do, nor behind ``--out=``."""
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    return f"{option}{equals}{os.path.expanduser(value)}" if value.startswith(HOME) else argument


app = typer.Typer(
    cls=PathsOrCommand,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Annotate ultrasound with a model that learns while you work. "
    "`napari-adasam [PATH…]` opens the window on files, folders or a session; the commands below work without it.",
)

ModelName = Annotated[str, typer.Option("--model", help="A model's name, or the path of a checkpoint or adapter.")]
AdapterBase = Annotated[
    str | None, typer.Option("--base", help="The model under an adapter, where it is not found by itself.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of everything that is drawn at random.")]
StructureNames = Annotated[
    str, typer.Option("--structures", help='Names of the label values: "1=muscle belly,2=aponeurosis".')
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a setting of the training; repeatable: feedback=train, unlabelled=no, dense=no, rank=4, "
        "adapt_from=2, loss.map=0.5. A wrong name is answered with all names.",
    ),
]
OnCount = Callable[[int, int, str], None]


def show(result: dict[str, Any]) -> None:
    """Print a result to stdout, as JSON."""
    typer.echo(json.dumps(result, ensure_ascii=False, indent=2))


def said(ctx: typer.Context, name: str) -> bool:
    """Whether an option was given, though it be with its usual value."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def files_of(*datasets: Path) -> list[Path]:
    """The files of data sets, for :func:`check_outputs`."""
    parts = [part for folder in datasets for part in (folder / "images", folder / "labels")]
    return [*(folder / "index.csv" for folder in datasets), *(path for part in parts for path in part.glob("*"))]


def tell_groups(dataset: Path) -> None:
    """Say on stderr that a data set's table names no groups: figures and trainings then go by single images."""
    from napari_adasam.files.dataset import names_groups

    if dataset.is_dir() and not names_groups(dataset):
        typer.echo(
            f"{dataset / 'index.csv'} names no groups: images whose names begin with the same number count as one, "
            "and each other image as its own.",
            err=True,
        )


def in_session(path: Path) -> bool:
    """Whether a path is the folder or the database of a session, or lies in a session's folder."""
    from napari_adasam.files.store import DATABASE, is_session

    places = (Path(os.path.abspath(path)), Path(os.path.realpath(path)))
    return any(one.name.casefold() == DATABASE or any(map(is_session, (one, *one.parents))) for one in places)


def check_folder(folder: Path) -> None:
    """Raise InputError where a folder cannot be made, because it or one above it is a file."""
    there = next((place for place in (folder, *folder.parents) if os.path.exists(place)), folder)
    if os.path.exists(there) and not os.path.isdir(there):
        raise InputError(f"{there} is a file, and no folder to write into. Nothing was done. Give another place.")


def check_outputs(written: Sequence[Path | None], read: Sequence[Path] = ()) -> None:
    """Make the folders of files that a command will write at its end, and see that they can be: work may take hours.

    Raises
    ------
    InputError
        If one is a folder, or lies below a file, or is another one of ``written``, or would be written over one that is
        ``read``, or into a session.
    StorageError
        If its folder cannot be made or written to.
    """
    from napari_adasam.files.atomic import make_folder, not_written
    from napari_adasam.files.exports.target import written_over

    files = [path for path in written if path is not None]
    for place, path in enumerate(files):
        if os.path.isdir(path):
            raise InputError(f"{path} is a folder. Nothing was done. Give the name of a file.")
        if written_over([path], [*(one for one in read if one.exists()), *files[:place]]) is not None:
            raise InputError(f"{path} is asked for twice, or is read here. Nothing was done. Give another name.")
        if in_session(path):
            raise InputError(f"{path} is of a session. Nothing was done. Give a place outside the session's folder.")
        check_folder(path.parent)
        make_folder(path.parent)
        try:
            if not os.access(path.parent, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            with suppress(FileNotFoundError):
                path.lstat()
        except OSError as error:
            raise StorageError(not_written(path, error)) from error


@contextmanager
def progress(unit: str, when_stopped: str) -> Iterator[OnCount]:
    """A progress bar on stderr; yields what takes (done, total, what).

    Raises
    ------
    AdasamError
        With ``when_stopped``, which says what is safe, at Ctrl-C.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console, transient=console.is_terminal) as bar:
            task = bar.add_task("Starting", total=None)

            def advance(done: int, total: int, what: str) -> None:
                bar.update(task, completed=done, total=total, description=what)

            yield advance
    except KeyboardInterrupt:
        raise AdasamError(f"Stopped. {when_stopped}") from None


def names_of(text: str) -> tuple[tuple[int, str], ...]:
    """Structure names from "1=muscle belly,2=aponeurosis"; InputError where that cannot be read."""
    pairs = [part.split("=", 1) for part in text.split(",") if part.strip()]
    if any(len(pair) != 2 or not pair[0].strip().isdecimal() or not pair[1].strip() for pair in pairs):
        raise InputError(f'The names "{text}" cannot be read. Nothing was done. Write "1=muscle belly,2=aponeurosis".')
    if any(len(value.strip()) > MOST_DIGITS or not 1 <= int(value) <= MAX_STRUCTURES for value, _ in pairs):
        raise InputError(
            f'The names "{text:.80}" are not all of label values, which are 1 to {MAX_STRUCTURES}. Nothing was done. '
            'Write "1=muscle belly,2=aponeurosis".'
        )
    found = tuple((int(value), name.strip()) for value, name in pairs)
    for own in ({value for value, _ in found}, {name.casefold() for _, name in found}):
        if len(own) < len(found):
            raise InputError(
                f'The names "{text}" give a value or a name twice. Nothing was done. Give each value one of its own.'
            )
    return found
