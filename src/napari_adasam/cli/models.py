"""The commands about the models on this computer: list, fetch, install, verify."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from napari_adasam.cli.program import app, check_outputs, progress, show

MEGABYTE = 1_000_000
DIFFERS = 1
models = typer.Typer(no_args_is_help=True, help="The models on this computer: list, fetch, install, verify.")
app.add_typer(models, name="models")


@models.command("list")
def list_models(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the list here as well, with all facts.")
    ] = None,
) -> None:
    """One line a model: name, size, licence, whether it is here."""
    from napari_adasam.files.atomic import write_whole
    from napari_adasam.services.library import lines

    check_outputs((json_file,))
    found = lines()
    if json_file is not None:
        write_whole(json_file, json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2).encode())
    width = max(len(one.name) for one in found)
    for one in found:
        size = "size unknown" if one.size is None else f"{one.size / MEGABYTE:.1f} MB"
        typer.echo(f"{one.name:<{width}}  {size:>12}  {one.state:<9}  {one.licence}")


@models.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A published model; `models list` names them.")],
) -> None:
    """Fetch a published model over the network; what a broken connection left is gone on with."""
    from napari_adasam.services.library import fetch as run

    with progress("MB", "What came so far is kept, and the same command goes on from it.") as advance:
        path = run(name, lambda done, total, what: advance(done // MEGABYTE, -(-total // MEGABYTE), f"{what} {name}"))
    show({"name": name, "file": str(path)})


@models.command()
def install(
    file: Annotated[Path, typer.Argument(help="A checkpoint or adapter; a published one is known by its content.")],
    name: Annotated[str | None, typer.Option(help="The name to know it by; its file's, if not given.")] = None,
) -> None:
    """Take a model's file in, without any network."""
    from napari_adasam.services.library import install as run

    known_as, path = run(file, name)
    show({"name": known_as, "file": str(path)})


@models.command()
def verify() -> None:
    """Hash the bundled model and all that are installed; exit code 1 if one is not as it must be."""
    from napari_adasam.services.library import verify as run

    checks = list(run())
    show({"models": [{"name": one.name, "file": one.file, "sound": not one.problem} for one in checks]})
    for one in checks:
        if one.problem:
            typer.echo(one.problem, err=True)
    if any(one.problem for one in checks):
        raise typer.Exit(DIFFERS)
