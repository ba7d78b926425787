"""provenance.json: which program, model and settings made each mask. File names, and no other data of a patient."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from napari_adasam.domain.records import Annotation, Frame
from napari_adasam.domain.settings import Settings
from napari_adasam.domain.structures import Structure

PACKAGES = ("napari-adasam", "napari", "numpy", "torch", "timm", "segment-anything", "pydicom", "tifffile", "pillow")
DISCLAIMER = "An aid, not a medical device and not a certified de-identification."


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known about the model and the program when masks are exported.

    Parameters
    ----------
    model
        Its name.
    fingerprint
        Of the exact weights that serve.
    lineage
        Fingerprints or names from the bundled model to the one that serves.
    licence
        Of the weights.
    settings
        Of the session.
    """

    model: str = ""
    fingerprint: str = ""
    lineage: tuple[str, ...] = ()
    licence: str = ""
    settings: Settings = field(default_factory=Settings)


def provenance_json(
    provenance: Provenance,
    annotations: Mapping[str, Annotation],
    frames: Sequence[Frame],
    structures: Sequence[Structure],
    names: Mapping[str, str],
) -> bytes:
    """The JSON file in UTF-8; frames in their order, under their names in the export."""
    settings = asdict(provenance.settings)
    settings["model"]["name"] = _file_name(provenance.settings.model.name)
    content = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": software_versions(),
        "model": {
            "name": _file_name(provenance.model),
            "fingerprint": provenance.fingerprint,
            "lineage": list(provenance.lineage),
            "licence": provenance.licence,
        },
        "settings": settings,
        "structures": [asdict(structure) | {"color": structure.color} for structure in structures],
        "frames": [
            _frame(frame, annotations[frame.id], names[frame.id]) for frame in frames if frame.id in annotations
        ],
        "note": DISCLAIMER,
    }
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def software_versions() -> dict[str, str]:
    """Versions of this program and of what its numbers depend on; packages that are not installed are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _file_name(model: str) -> str:
    """A model given by its path, without the folders, whose names may be those of people."""
    return re.split(r"[/\\]", model)[-1]


def _frame(frame: Frame, annotation: Annotation, name: str) -> dict[str, Any]:
    spacing = frame.spacing
    return {
        "name": name,
        "file": Path(frame.path).name,
        "index": frame.index,
        "id": frame.id,
        "size": [frame.height, frame.width],
        "spacing": None if spacing is None else asdict(spacing),
        "model": annotation.model,
        "origins": {str(value): str(origin) for value, origin in sorted(annotation.origins.items())},
        "changed_share": {str(value): round(share, 4) for value, share in sorted(annotation.changed_share.items())},
        "seconds": round(annotation.seconds, 1),
    }
