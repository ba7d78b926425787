"""What ``doctor`` finds out without a window: versions, devices, weights, and what is kept on this computer."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass

from napari_adasam.domain.errors import InputError
from napari_adasam.files.activations import activations_home
from napari_adasam.files.exports import software_versions
from napari_adasam.files.home import sessions_home
from napari_adasam.files.own_folders import bytes_in
from napari_adasam.services.sentences import sentence

MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: not ``sound`` where something must be mended, not ``looked`` where nothing was tried."""

    topic: str
    what: str
    found: str
    sound: bool = True
    looked: bool = True


def versions() -> Iterator[Finding]:
    """Python, system, cores, and the packages that figures depend on."""
    yield Finding("versions", "Python", platform.python_version())
    yield Finding("versions", "system", f"{platform.platform()}, {os.cpu_count()} cores")
    for package, version in software_versions().items():
        yield Finding("versions", package, version)


def devices() -> Iterator[Finding]:
    """Each device that torch sees, with its self-check: how far it is from the CPU, relative to the largest value."""
    try:
        import torch

        from napari_adasam.model.devices import TOLERANCE, available, deviation
    except (ImportError, OSError) as error:
        yield Finding("devices", "torch", f"{sentence(error, 'PyTorch')}\n{error}", sound=False)
        return

    for name in available():
        if name == "cpu":
            yield Finding("devices", name, f"{torch.get_num_threads()} threads; what the others are checked against")
            continue
        kind = torch.cuda.get_device_name() if name == "cuda" else "Apple GPU"
        try:
            off = deviation(torch.device(name))
        except RuntimeError as error:
            yield Finding("devices", name, f"{kind}; the self-check failed: {str(error).splitlines()[0]}", sound=False)
        else:
            verdict = f"{kind}; self-check {off:.1e} from the CPU, at most {TOLERANCE:.0e} allowed"
            yield Finding("devices", name, verdict, sound=off <= TOLERANCE)


def weights() -> Iterator[Finding]:
    """Each known model: where its file lies, its sha256, its licence. Only the bundled one must be there."""
    from napari_adasam.model import library
    from napari_adasam.services.library import lines

    for line in lines():
        if line.state == "not here" and line.name in library.PUBLISHED:
            yield Finding("weights", line.name, f"not in {library.models_folder()}")
            continue
        try:
            path = library.find(line.name)
        except InputError as error:
            yield Finding("weights", line.name, str(error), sound=False)
        else:
            yield Finding("weights", line.name, f"{path}\nsha256 {line.sha256}\n{line.licence}")


def folders() -> Iterator[Finding]:
    """Where sessions that nobody chose a folder for and the cache of activations lie, and how large they are."""
    for what, folder in (("sessions", sessions_home()), ("cache of activations", activations_home())):
        size = f"{bytes_in(folder) / MEGABYTE:.1f} MB" if folder.is_dir() else "nothing there yet"
        yield Finding("folders", what, f"{folder}\n{size}")


def findings() -> Iterator[Finding]:
    """Everything, one after the other."""
    yield from versions()
    yield from devices()
    yield from weights()
    yield from folders()
