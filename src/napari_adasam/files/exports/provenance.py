"""provenance.json: which program, model and settings made each mask. File names, and no other data of a patient."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from napari_adasam.domain.records import Annotation, Frame
from napari_adasam.domain.settings import Settings
from napari_adasam.domain.structures import Structure
from napari_adasam.domain.versions import Remark
from napari_adasam.files.exports.naming import as_path

FILE = "provenance.json"
PACKAGES = (
    "napari-adasam", "napari", "numpy", "torch", "timm", "segment-anything", "pydicom", "tifffile", "pillow",
    "nibabel", "highdicom",
)  # fmt: skip
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
        Of the session; ``None`` where they are not known.
    remarks
        What :func:`remark_facts` gives of each frame that somebody remarked something about, exported or not.
    """

    model: str = ""
    fingerprint: str = ""
    lineage: tuple[str, ...] = ()
    licence: str = ""
    settings: Settings | None = None
    remarks: tuple[Mapping[str, Any], ...] = ()


def provenance_json(
    provenance: Provenance,
    structures: Sequence[Structure],
    frames: Sequence[Mapping[str, Any]],
    files: Mapping[str, str],
    deidentified: bool = False,
) -> bytes:
    """The JSON file in UTF-8.

    Parameters
    ----------
    frames
        What :func:`frame_facts` gives, in the order of the export.
    files
        Names of the files written beside this one, and their SHA-256: what is not listed does not belong to it.
    deidentified
        Whether the frames were given pseudonyms.
    """
    content = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": software_versions(),
        "model": {
            "name": _file_name(provenance.model),
            "fingerprint": provenance.fingerprint,
            "lineage": list(provenance.lineage),
            "licence": provenance.licence,
        },
        "settings": None if provenance.settings is None else _settings(provenance.settings),
        "structures": [asdict(structure) | {"color": structure.color} for structure in structures],
        "deidentified": deidentified,
        "frames": list(frames),
        "unusable": sum(bool(one["unusable"]) for one in provenance.remarks),
        "remarks": [] if deidentified else list(provenance.remarks),
        "files": dict(files),
        "note": DISCLAIMER,
    }
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def remark_facts(frame: Frame, remark: Remark) -> dict[str, Any]:
    """What somebody noted on a frame, and whether it was left out as unusable."""
    return {"file": as_path(frame.path).name, "index": frame.index, "unusable": remark.unusable, "note": remark.note}


def software_versions() -> dict[str, str]:
    """Versions of this program and of what its numbers depend on; packages that are not installed are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _settings(settings: Settings) -> dict[str, Any]:
    fields = asdict(settings)
    fields["model"]["name"] = _file_name(settings.model.name)
    return fields


def _file_name(model: str) -> str:
    """A model given by its path, without the folders, whose names may be those of people."""
    return re.split(r"[/\\]", model)[-1]


def frame_facts(frame: Frame, annotation: Annotation, name: str) -> dict[str, Any]:
    """What is told of one frame under its name in the export, as it goes out; nothing of its file if it has no path."""
    spacing = frame.spacing
    source = {"file": frame.path, "index": frame.index, "id": frame.id} if frame.path else {}
    return {
        "name": name,
        **source,
        "size": [frame.height, frame.width],
        "spacing": None if spacing is None else asdict(spacing),
        "model": annotation.model,
        "origins": {str(value): str(origin) for value, origin in sorted(annotation.origins.items())},
        "changed_share": {str(value): round(share, 4) for value, share in sorted(annotation.changed_share.items())},
        "seconds": round(annotation.seconds, 1),
    }
