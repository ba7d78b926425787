"""Which models there are, where their files lie, and what is known of each. No torch, no network.

Three kinds: the bundled one, published checkpoints under the names of :data:`PUBLISHED`, and files that somebody
installed under names of their own, each with a :class:`Record` beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from safetensors import SafetensorError, safe_open

from napari_adasam.domain.errors import InputError

BUNDLED = "adasam-us"
SAM_LICENCE = "Apache-2.0"
SAM_HOST = "https://dl.fbaipublicfiles.com/segment_anything"
MOBILE_SAM = "https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/master/weights"
SA_1B = "SA-1B: 11 million photographs, 1.1 billion masks"
RECORD = ".json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A published checkpoint.

    Parameters
    ----------
    size
        In bytes; ``None`` where we do not know it. What counts is the sha256.
    address
        Where its makers offer the file.
    architecture
        As :func:`checkpoints.architecture` says.
    """

    file: str
    sha256: str
    size: int | None
    address: str
    architecture: str
    trained_on: str = SA_1B
    licence: str = SAM_LICENCE


PUBLISHED = {
    "mobile_sam": Entry(
        "mobile_sam.pt",
        "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        40_728_226,
        f"{MOBILE_SAM}/mobile_sam.pt",
        "tiny_vit",
        "encoder distilled from vit_h on 1 % of SA-1B (photographs); decoder of SAM",
    ),
    "vit_b": Entry(
        "sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        375_042_383,
        f"{SAM_HOST}/sam_vit_b_01ec64.pth",
        "vit_b",
    ),
    "vit_l": Entry(
        "sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        None,
        f"{SAM_HOST}/sam_vit_l_0b3195.pth",
        "vit_l",
    ),
    "vit_h": Entry(
        "sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        2_564_550_879,
        f"{SAM_HOST}/sam_vit_h_4b8939.pth",
        "vit_h",
    ),
}


@dataclass(frozen=True, slots=True)
class Record:
    """What was noted when a file was installed under a name of its own.

    Parameters
    ----------
    kind
        ``"full"`` or ``"adapter"`` for files of this program, ``"sam"`` for a checkpoint of others.
    fingerprint
        Of the model with its own classifier: what adapters on it call their base.
    """

    name: str
    file: str
    sha256: str
    size: int
    licence: str
    kind: str
    architecture: str
    fingerprint: str

    def __post_init__(self) -> None:
        wrong = [key for key, value in asdict(self).items() if not isinstance(value, int if key == "size" else str)]
        if wrong or Path(self.file).name != self.file:
            raise ValueError(f"expected a record of a file in the models folder, got {wrong or self.file}")


def models_folder() -> Path:
    """Where checkpoints are kept on this computer."""
    return user_data_path("napari-adasam") / "models"


def bundled_path() -> Path:
    """The bundled model's file inside the package."""
    return Path(str(files("napari_adasam") / "weights" / f"{BUNDLED}.safetensors"))


def bundled_sha256() -> str:
    """What the bundled file's sha256 has to be; it is noted beside the file, as ``sha256sum`` writes it."""
    return (Path(str(files("napari_adasam"))) / "weights" / f"{BUNDLED}.sha256").read_text("utf-8").split()[0]


def known_names() -> tuple[str, ...]:
    """Every name that :func:`find` knows: the bundled one, the published ones, then what was installed."""
    return (BUNDLED, *PUBLISHED, *installed())


def installed() -> dict[str, Record]:
    """What was installed under names of its own, in alphabetical order; damaged records are left out."""
    found = {}
    for path in record_files():
        try:
            record = read_record(path)
        except InputError:
            continue
        found[record.name] = record
    return found


def record_files() -> Iterator[Path]:
    """The records in the models folder, whole or damaged."""
    folder = models_folder()
    return iter(sorted(folder.glob(f"*{RECORD}")) if folder.is_dir() else [])


def record_file(name: str) -> Path:
    """Where the record of a name lies."""
    return models_folder() / f"{name}{RECORD}"


def read_record(path: Path) -> Record:
    """One record; raises InputError where it is damaged or belongs to another name."""
    try:
        record = Record(**json.loads(path.read_text(encoding="utf-8")))
        if record_file(record.name).name != path.name:
            raise ValueError(f"expected the record of {path.stem}, got that of {record.name}")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} is damaged, so the model {path.stem} is not used. Nothing was changed. Delete it, and install the "
            "model's file again."
        ) from error
    return record


def whereabouts(name: str) -> Path | None:
    """Where a known name's file lies; ``None`` if it is not on this computer. Not looked into."""
    if name == BUNDLED:
        path = bundled_path()
    elif name in PUBLISHED:
        path = models_folder() / PUBLISHED[name].file
    else:
        record = installed().get(name)
        if record is None:
            return None
        path = models_folder() / record.file
    return path if path.is_file() else None


def expected_sha256(name: str) -> str | None:
    """The sha256 that the file of a name must have; ``None`` for a path."""
    if name == BUNDLED:
        return bundled_sha256()
    if name in PUBLISHED:
        return PUBLISHED[name].sha256
    record = installed().get(name)
    return record.sha256 if record else None


def find(name: str) -> Path:
    """The file behind a name or a path; raises InputError where there is none, or its sha256 differs."""
    expected = expected_sha256(name)
    if expected is None:
        return Path(name).expanduser()
    path = whereabouts(name)
    if path is None:
        wanted = PUBLISHED[name].file if name in PUBLISHED else "its file"
        way = f"Run `napari-adasam models fetch {name}`, or copy" if name in PUBLISHED else "Copy"
        raise InputError(
            f"The model {name} is not on this computer. Nothing was changed. {way} {wanted} here and run "
            "`napari-adasam models install FILE`."
        )
    if sha256(path) != expected:
        raise InputError(differs(name, path))
    return path


def differs(name: str, path: Path) -> str:
    """The sentence for a file with another sha256 than it must have."""
    way = (
        "Install the program again."
        if name == BUNDLED
        else f"Run `napari-adasam models fetch {name}`, or `models install` with a whole file."
        if name in PUBLISHED
        else "Delete it and its record, and install a whole file again."
    )
    return f"{path} is not the model {name} (its sha256 differs). It is not used. {way}"


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def card_of(path: Path) -> dict[str, Any]:
    """The card in a file of ours; empty for files of others, and for what cannot be read."""
    try:
        with safe_open(path, framework="numpy") as file:
            card = json.loads((file.metadata() or {}).get("napari_adasam", "{}"))
    except (SafetensorError, OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def file_name(path: str) -> str:
    """The last part of a path that may come from another system."""
    return re.split(r"[\\/]", path)[-1]
