"""Weights on disk: which architecture a file holds, loading it, saving ours. Never unpickles code.

A file of ours is a safetensors file with a JSON card in its metadata. ``kind`` is ``"full"`` (everything, in half
precision) or ``"adapter"`` (what a round trains, and the fingerprint of the base it belongs to).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
import struct
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from segment_anything import sam_model_registry
from torch import Tensor

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.renaming import replaced
from napari_adasam.domain.settings import ClassifierForm
from napari_adasam.domain.structures import Structure
from napari_adasam.model import feedback
from napari_adasam.model.adapters import skips
from napari_adasam.model.adasam import AdaSam, ModelCard
from napari_adasam.model.classifier import build
from napari_adasam.model.encoders import TinyVit, Vit, from_mobile
from napari_adasam.model.sam import SamNet

Weights = dict[str, Tensor]
FORMAT = 1
DEPTHS = {12: "vit_b", 24: "vit_l", 32: "vit_h"}
UNREADABLE = (
    SafetensorError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    UnpicklingError,
    struct.error,
)
"""What safetensors and torch raise for files that are damaged, or of another kind."""
DEFAULT_SIZE = {"tiny_vit": 1024, "vit_b": 1024, "vit_l": 1024, "vit_h": 1024}


def read(path: Path) -> tuple[Weights, dict[str, Any]]:
    """Tensors and card of a weights file; the card is empty for a foreign checkpoint.

    Raises
    ------
    InputError
        If the file is missing, cut short, or holds no tensors.
    """
    if not path.is_file():
        raise InputError(f"There is no weights file at {path}. Nothing was changed. Give the path of a SAM checkpoint.")
    try:
        weights, card = _read_safetensors(path) if _is_safetensors(path) else (_read_torch(path), {})
        if not all(_is_finite(one) for one in weights.values()):
            raise ValueError("expected finite numbers")
        return weights, card
    except UNREADABLE as error:
        raise InputError(
            f"{path.name} is not a whole weights file (damaged, cut short, or of another kind). "
            "The model in use is unchanged. Fetch or copy the file again."
        ) from error


def _is_finite(tensor: Tensor) -> bool:
    """Whether all its numbers are: then their sum is, which takes a fortieth of the time of a look at each."""
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor.sum(dtype=torch.float32)))


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do, whatever it is called: eight bytes of length, then JSON."""
    with path.open("rb") as file:
        return path.suffix == ".safetensors" or file.read(9)[8:] == b"{"


def _read_safetensors(path: Path) -> tuple[Weights, dict[str, Any]]:
    with safe_open(path, framework="pt") as file:
        card = json.loads((file.metadata() or {}).get("napari_adasam", "{}"))
        if not isinstance(card, dict):
            raise ValueError("expected a JSON object")
        return {name: file.get_tensor(name) for name in file.keys()}, card  # noqa: SIM118


def _read_torch(path: Path) -> Weights:
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    loaded = loaded.get("model", loaded) if isinstance(loaded, Mapping) else loaded
    if not isinstance(loaded, Mapping):
        raise ValueError("expected a state dict")
    return {str(k): v for k, v in loaded.items() if isinstance(v, Tensor)}


def architecture(weights: Weights) -> str:
    """``tiny_vit``, ``vit_b``, ``vit_l`` or ``vit_h``; raises InputError for anything else."""
    if "image_encoder.patch_embed.seq.0.c.weight" in weights and "mask_decoder.iou_token.weight" in weights:
        return "tiny_vit"
    depth = len({n.split(".")[2] for n in weights if n.startswith("image_encoder.blocks.")})
    if depth in DEPTHS and "mask_decoder.iou_token.weight" in weights:
        return DEPTHS[depth]
    raise InputError(
        "These weights are not a Segment Anything model of a known shape (ViT-B, ViT-L, ViT-H, MobileSAM). "
        "The model in use is unchanged. Choose a SAM checkpoint."
    )


def empty_sam(architecture_name: str, size: int) -> SamNet:
    """A SAM of random weights; ViT shapes come from segment-anything's registry."""
    if size % 32 or not 64 <= size <= 2048:
        raise InputError(
            f"An input size of {size} does not fit. Nothing was changed. Choose a multiple of 32 from 64 to 2048."
        )
    if architecture_name == "tiny_vit":
        return SamNet(TinyVit(), size)
    if architecture_name not in DEPTHS.values():
        raise InputError(f"There is no architecture {architecture_name}. Choose tiny_vit, vit_b, vit_l or vit_h.")
    return SamNet(Vit(sam_model_registry[architecture_name]().image_encoder), size)


def from_sam_weights(weights: Weights, size: int | None = None) -> SamNet:
    """A SAM of any known shape from the weights of segment-anything or MobileSAM, at any input size that fits."""
    name = architecture(weights)
    net = empty_sam(name, size or DEFAULT_SIZE[name])
    encoder = {k.removeprefix("image_encoder."): v for k, v in weights.items() if k.startswith("image_encoder.")}
    if name == "tiny_vit":
        own = from_mobile(encoder)
    else:
        depth = len(net.encoder.units) - 2
        own = {_vit_key(k, depth): v.float() for k, v in encoder.items()}
    own = {f"encoder.{k}": v for k, v in own.items()}
    own |= {k: v.float() for k, v in weights.items() if k.startswith(("prompt_encoder.", "mask_decoder."))}
    load_exactly(net, own)
    return net.eval()


def _vit_key(name: str, depth: int) -> str:
    """segment-anything's encoder key (behind ``image_encoder.``) to ours."""
    if name.startswith("blocks."):
        index, tail = name.removeprefix("blocks.").split(".", 1)
        return f"units.{int(index) + 1}.{tail}"
    return f"units.{depth + 1}.{name}" if name.startswith("neck.") else f"units.0.{name}"


def load_exactly(net: torch.nn.Module, weights: Weights) -> None:
    """Load a state dict whose names and shapes must all fit; raises InputError otherwise."""
    try:
        missing, unexpected = net.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise InputError(
            "The weights do not fit the model: a tensor has another shape. The model in use is unchanged."
        ) from error
    missing = [m for m in missing if "attention_bias_idxs" not in m]
    if missing or unexpected:
        raise InputError(
            f"The weights do not fit the model: {len(missing)} tensors are missing and {len(unexpected)} are unknown. "
            "The model in use is unchanged. Fetch or copy the file again."
        )


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """First 16 hex digits of the sha256 over all names and values: the same weights have the same fingerprint."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def card_to_json(card: ModelCard, **extra: Any) -> str:
    """A card as the JSON in a file's metadata."""
    fields = asdict(card) | {"trained_on": sorted(card.trained_on), "format": FORMAT} | extra
    return json.dumps(fields)


def card_from_json(fields: Mapping[str, Any]) -> ModelCard:
    """The card of a file of ours; raises InputError where it comes from a newer version or is damaged."""
    if fields.get("format") != FORMAT:
        raise InputError(
            "This model file was written by another version of the program. The model in use is unchanged. "
            "Update the program, or choose another model."
        )
    try:
        known = {k: fields[k] for k in ModelCard.__slots__ if k in fields}
        known["structures"] = tuple(Structure(**s) for s in fields["structures"])
        known["lineage"], known["trained_on"] = tuple(fields["lineage"]), frozenset(fields["trained_on"])
        card = ModelCard(**known)
        _check(card)
        return card
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            "The description inside this model file is damaged. The model in use is unchanged. Copy the file again."
        ) from error


def _check(card: ModelCard) -> None:
    """Raise ValueError for a card whose fields are of other types than ours, as those of a damaged file may be."""
    structures = card.structures
    words = (card.name, card.architecture, card.licence, *card.lineage, *card.trained_on)
    words += tuple(word for one in structures for word in (one.name, one.learned_as))
    numbers = (card.input_size, *(one.value for one in structures))
    switches = (card.ambiguous_points, *(one.several_parts for one in structures))
    kinds = {str: words, int: numbers, bool: switches}
    wrong = [one for kind, values in kinds.items() for one in values if type(one) is not kind]
    if wrong or card.classifier not in get_args(ClassifierForm) or card.feedback not in feedback.MODES:
        raise ValueError(f"expected a card of ours, got {wrong or (card.classifier, card.feedback)}")


def load_full(weights: Weights, fields: Mapping[str, Any], size: int | None = None) -> AdaSam:
    """A whole model of ours, with a skip where it has learned one."""
    card = card_from_json(fields)
    sam = empty_sam(card.architecture, size or card.input_size)
    if any(name.startswith(skips.NAME) for name in weights) and sam.encoder.finer is not None:
        skips.insert(sam.encoder)
    head = build(card.classifier, len(card.structures))  # type: ignore[arg-type]
    net = AdaSam(sam, head, replace(card, input_size=sam.size), feedback.of_weights(weights))
    load_exactly(net, {k: v.float() for k, v in weights.items()})
    return net.eval()


def _check_written(part: Path, weights: Mapping[str, Tensor]) -> None:
    """Raise OSError where a file does not hold what was written to it: a disk or a share that lies is found out now."""
    with safe_open(part, framework="pt") as file:
        same = set(file.keys()) == weights.keys()
        if not same or not all(torch.equal(file.get_tensor(name), one) for name, one in weights.items()):
            raise OSError("what was written reads back otherwise")


def write(path: Path, weights: Mapping[str, Tensor], card_json: str) -> None:
    """Write a file of ours whole or not at all: temporary file of its own, fsync, rename. Half precision."""
    part = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.part")
    half = {k: v.detach().cpu().half().contiguous() if v.is_floating_point() else v.cpu() for k, v in weights.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)  # as the umask has it
        save_file(half, part, metadata={"napari_adasam": card_json})
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        _check_written(part, half)
        part.chmod(mode)  # safetensors may have put a file in its place that only its owner may read
        replaced(part, path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise StorageError(
            f"The model could not be saved to {path} ({error}). What was there before is unchanged. "
            "Free some space, or choose another folder."
        ) from error
