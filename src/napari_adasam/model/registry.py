"""Which models there are, where their files lie, and loading one by name or path. Nothing is fetched here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from platformdirs import user_data_path

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import ClassifierForm, Method, ModelSettings
from napari_adasam.model import checkpoints
from napari_adasam.model.adaptation import adapted_names, from_fields, prepare, state, to_fields
from napari_adasam.model.adapters.upsampling import fresh_token
from napari_adasam.model.adasam import AdaSam, ModelCard
from napari_adasam.model.checkpoints import Weights
from napari_adasam.model.classifier import build

BUNDLED = "adasam-us"
SAM_LICENCE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class Entry:
    """A published checkpoint: file name and sha256; it is looked for in :func:`models_folder`."""

    file: str
    sha256: str


PUBLISHED = {
    "mobile_sam": Entry("mobile_sam.pt", "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f"),
    "vit_b": Entry("sam_vit_b_01ec64.pth", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),
    "vit_l": Entry("sam_vit_l_0b3195.pth", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"),
    "vit_h": Entry("sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"),
}


def models_folder() -> Path:
    """Where published checkpoints are kept on this computer."""
    return user_data_path("napari-adasam") / "models"


def bundled_path() -> Path:
    """The bundled model's file inside the package."""
    return Path(str(files("napari_adasam") / "weights" / f"{BUNDLED}.safetensors"))


def find(name: str) -> Path:
    """The file behind a registry name or a path; raises InputError where there is none, or its hash differs."""
    if name == BUNDLED:
        return bundled_path()
    if name not in PUBLISHED:
        return Path(name).expanduser()
    entry = PUBLISHED[name]
    path = models_folder() / entry.file
    if not path.is_file():
        raise InputError(
            f"The model {name} is not on this computer. Nothing was changed. Put {entry.file} into {models_folder()}, "
            "or give the path of a checkpoint."
        )
    if sha256(path) != entry.sha256:
        raise InputError(
            f"{path} is not the published {name} (its sha256 differs). It is not used. Copy the file again."
        )
    return path


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(settings: ModelSettings) -> AdaSam:
    """A model by name or path, on the CPU, in eval mode; raises InputError with a sentence where that cannot be."""
    net = _load_as_it_is(settings)
    return net if settings.classifier in (None, net.card.classifier) else _with_form(net, settings.classifier)


def fingerprint_of_base(settings: ModelSettings, loaded: str) -> str:
    """What an adapter's file calls its base: the weights with their own classifier.

    ``loaded`` is the fingerprint of what :func:`load` gave for the same settings.
    """
    if settings.classifier is None:
        return loaded
    return checkpoints.fingerprint(load(replace(settings, classifier=None)).state_dict())


def _with_form(net: AdaSam, form: ClassifierForm) -> AdaSam:
    """The model with an untrained classifier of another form for the same structures; always the same one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net.head = build(form, len(net.card.structures))
    line = f"classifier: untrained {form} in place of {net.card.classifier}"
    net.card = replace(net.card, classifier=form, lineage=(*net.card.lineage, line))
    return net.eval()


def _load_as_it_is(settings: ModelSettings) -> AdaSam:
    path = find(settings.name)
    weights, fields = checkpoints.read(path)
    if fields.get("kind") == "adapter":
        return _load_adapter(weights, fields, settings)
    if fields.get("kind") == "full":
        return checkpoints.load_full(weights, fields, settings.input_size)
    sam = checkpoints.from_sam_weights(weights, settings.input_size)
    name = settings.name if settings.name in PUBLISHED else path.stem
    form = settings.classifier or "classmap"
    card = ModelCard(
        name,
        checkpoints.architecture(weights),
        sam.size,
        classifier=form,
        licence=SAM_LICENCE if settings.name in PUBLISHED else "unknown",
        lineage=(f"{name} {checkpoints.fingerprint(weights)}",),
    )
    return AdaSam(sam, build(form, 0), card).eval()


def _load_adapter(weights: Weights, fields: dict[str, Any], settings: ModelSettings) -> AdaSam:
    card = checkpoints.card_from_json(fields)
    size = settings.input_size or fields["input_size"]
    base_settings = replace(settings, name=fields["base"], input_size=size, classifier=None)
    net = load(base_settings)
    if checkpoints.fingerprint(net.state_dict()) != fields["base_fingerprint"]:
        raise InputError(
            f"This adapter belongs to other weights than the {fields['base']} on this computer. The model in use is "
            "unchanged. Install the base model that it was trained on."
        )
    net.head = build(card.classifier, len(card.structures))  # type: ignore[arg-type]
    net.card = replace(card, input_size=net.sam.size)
    if net.sam.structure_tokens is not None:
        net.sam.structure_tokens = net.sam.structure_tokens.reordered(
            [None] * len(card.structures), fresh_token(net.sam)
        )
    for one in from_fields(fields):
        prepare(net, one)
    if set(weights) != adapted_names(net):
        raise InputError("This adapter is not whole. The model in use is unchanged. Copy the file again.")
    net.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
    return net.requires_grad_(False).eval()


@dataclass(frozen=True, slots=True)
class AdapterOrigin:
    """What an adapter file must know of its base, and the method of its last round."""

    base: str
    base_fingerprint: str  # of the base with its own classifier
    method: Method


def origin_of(path: Path) -> AdapterOrigin:
    """What an adapter's file says of its base; InputError if it is no adapter."""
    _, fields = checkpoints.read(path)
    if fields.get("kind") != "adapter":
        raise InputError(f"{path.name} is not an adapter of this program. The model in use is unchanged.")
    return AdapterOrigin(fields["base"], fields["base_fingerprint"], fields["method"])


def save_adapter(path: Path, net: AdaSam, origin: AdapterOrigin) -> None:
    """Write the adapted part of a model, half precision, whole or not at all."""
    extra = {
        "kind": "adapter",
        "base": origin.base,
        "base_fingerprint": origin.base_fingerprint,
        "method": origin.method,
        "adaptations": to_fields(net.adapted),
    }
    checkpoints.write(path, state(net), checkpoints.card_to_json(net.card, **extra))


def known_names() -> tuple[str, ...]:
    """Every name that :func:`find` knows, the bundled one first."""
    return (BUNDLED, *PUBLISHED)
