"""What ``doctor`` finds out without a window: versions, devices, weights."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_adasam.domain.errors import InputError
from napari_adasam.files.exports import software_versions


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; ``sound`` is false where something must be put right."""

    topic: str
    what: str
    found: str
    sound: bool = True


def versions() -> Iterator[Finding]:
    """Python, system, cores, and the packages that figures depend on."""
    yield Finding("versions", "Python", platform.python_version())
    yield Finding("versions", "system", f"{platform.platform()}, {os.cpu_count()} cores")
    for package, version in software_versions().items():
        yield Finding("versions", package, version)


def devices() -> Iterator[Finding]:
    """Each device that torch sees, with its self-check: how far it is from the CPU, relative to the largest value."""
    import torch

    from napari_adasam.model.devices import TOLERANCE, available, deviation

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
    """Each model of the registry: where its file lies, its sha256, its licence. Only the bundled one must be there."""
    from napari_adasam.model.registry import BUNDLED, known_names, models_folder

    for name in known_names():
        try:
            yield Finding("weights", name, _weights_file(name))
        except InputError as error:
            missing = name != BUNDLED and not _lies_in(models_folder(), name)
            yield Finding("weights", name, f"not in {models_folder()}" if missing else str(error), sound=missing)


def findings() -> Iterator[Finding]:
    """Everything, one after the other."""
    yield from versions()
    yield from devices()
    yield from weights()


def _weights_file(name: str) -> str:
    """Where a model lies, with its hash and licence; InputError where the file is missing or not as published."""
    from napari_adasam.model import checkpoints, registry

    path = registry.find(name)
    _, card = checkpoints.read(path)
    licence = card.get("licence", registry.SAM_LICENCE)
    return f"{path}\nsha256 {registry.sha256(path)}\n{licence}"


def _lies_in(folder: Path, name: str) -> bool:
    from napari_adasam.model.registry import PUBLISHED

    return (folder / PUBLISHED[name].file).is_file()
