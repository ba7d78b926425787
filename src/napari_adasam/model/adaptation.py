"""One interface for all adaptations of a frozen model: insert, train only these, state of only these, describe.

Which parameters an adaptation trains is told by its settings (:class:`~.adapters.parts.Adaptation`): what it inserts,
and what of the base learns beside it. A model remembers its adaptations in ``AdaSam.adapted``, oldest first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, get_args

import torch

from napari_adasam.domain.errors import InputError, ModelError
from napari_adasam.domain.settings import DepthBranch, Method, TrainSettings
from napari_adasam.model.adapters.lora import LoraSettings
from napari_adasam.model.adapters.masam import MaSamSettings
from napari_adasam.model.adapters.medsa import MedSaSettings
from napari_adasam.model.adapters.parts import CLASSIFIER, HEADS, UNITS, Adaptation, added
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.checkpoints import Weights, fingerprint
from napari_adasam.model.encoders import Encoder


@dataclass(frozen=True, slots=True)
class DecoderSettings:
    """Nothing is inserted: prompt encoder, decoder and classifier learn, the encoder stays as it is."""

    kind: ClassVar[str] = "decoder"
    trains: ClassVar[tuple[str, ...]] = HEADS

    @property
    def slices(self) -> int:
        """Every slice for itself."""
        return 1

    def insert(self, net: AdaSam) -> None:
        """Nothing to insert."""


@dataclass(frozen=True, slots=True)
class ClassifierSettings(DecoderSettings):
    """Nothing is inserted, and the classifier alone learns: SAM stays as it is."""

    kind: ClassVar[str] = "classifier"
    trains: ClassVar[tuple[str, ...]] = CLASSIFIER


KNOWN: tuple[type[Adaptation], ...] = (
    LoraSettings,
    MedSaSettings,
    MaSamSettings,
    DecoderSettings,
    ClassifierSettings,
)
KINDS = {one.kind: one for one in KNOWN}
WIDEST = 256
NO_FIGURES = ("adapt_from", "depth", "tuned")
BLOCK_KINDS = frozenset({MedSaSettings.kind, MaSamSettings.kind})
"""The adaptations that take a block apart: a model has one of them at most."""


def asked(train: TrainSettings, encoder: Encoder) -> Adaptation:
    """The adaptation that the settings of a round ask for; InputError where the encoder cannot take it."""
    if train.method in ("decoder", "classifier"):
        return DecoderSettings() if train.method == "decoder" else ClassifierSettings()
    if train.method == "medsa":
        return MedSaSettings(
            slices=train.slices, depth=train.depth, hyper_maps=train.hyper_maps, adapt_from=train.adapt_from
        )
    skip = train.skip and encoder.finer is not None
    if train.method == "masam":
        tuned = encoder.last_units(train.tuned or 0)
        return MaSamSettings(slices=train.slices, adapt_from=train.adapt_from, tuned=tuned, skip=skip)
    return LoraSettings(train.rank, train.alpha, train.adapt_from, encoder.last_units(train.tuned), skip)


def prepare(net: AdaSam, adaptation: Adaptation) -> int:
    """Insert an adaptation, where its kind is missing, and let only that learn; returns the first unit that learns.

    Everything before that unit is a constant, so its activations may be kept. An adaptation of the same kind that is
    there already goes on learning, with the settings that it was inserted with, on more slices at once where asked.

    Raises
    ------
    ModelError
        If the model has the other one of Med-SA and MA-SAM, or a Med-SA for single images where stacks are asked for.
    """
    why_not = _conflict(net, adaptation)
    if why_not:
        raise ModelError(why_not)
    present = {one.kind: one for one in net.adapted}
    if adaptation.kind in present:
        adaptation = _deeper(present[adaptation.kind], adaptation)
        net.adapted = tuple(adaptation if one.kind == adaptation.kind else one for one in net.adapted)
    else:
        device = net.device
        adaptation.insert(net)
        net.to(device)  # what is inserted is made on the CPU, so that a seed gives the same numbers everywhere
        net.adapted = (*net.adapted, adaptation)
    net.requires_grad_(False)
    mine = trained_names(net, adaptation)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name in mine)
    units = net.sam.encoder.units
    learning = [i for i, unit in enumerate(units) if any(p.requires_grad for p in unit.parameters())]
    return min((*learning, *_skipped(net)), default=len(units))


def check_kept(net: AdaSam, train: TrainSettings) -> None:
    """Raise InputError where settings are asked for that the model's adaptation of that kind was not inserted with.

    What is asked for is what differs from the method's defaults: with these a model goes on as it is. Nor can it where
    :func:`prepare` would refuse it.
    """
    wanted, usual = (asked(one, net.sam.encoder) for one in (train, TrainSettings(method=train.method)))
    why_not = _conflict(net, wanted)
    if why_not:
        raise InputError(why_not)
    known = {one.kind: one for one in net.adapted}.get(wanted.kind)
    if known is None:
        return
    fields = [f.name for f in dataclasses.fields(wanted) if f.name != "slices"]  # type: ignore[arg-type]
    named = {name: (getattr(wanted, name), getattr(usual, name), getattr(known, name)) for name in fields}
    other = [f"{name} {has}, not {want}" for name, (want, default, has) in named.items() if want not in (default, has)]
    if other:
        raise InputError(
            f"This model has learned with {'; '.join(other)}. Nothing was learned. Leave that setting out, or start "
            "from other weights."
        )


def _skipped(net: AdaSam) -> tuple[int, ...]:
    """The unit whose input the decoder gets beside the embedding, if it does: activations cannot be cut behind it."""
    encoder = net.sam.encoder
    return () if encoder.skip is None or encoder.finer is None else encoder.finer[:1]


def _conflict(net: AdaSam, asked: Adaptation) -> str:
    """Why a model cannot learn with an adaptation, beside those that it has; empty where it can."""
    present = {one.kind: one for one in net.adapted}
    if {asked.kind, *present} >= BLOCK_KINDS:
        return (
            "This model has learned with the other one of Med-SA and MA-SAM, and cannot have both. It is unchanged. Go "
            "back to an earlier model, or start from another one."
        )
    known = present.get(asked.kind)
    if isinstance(known, MedSaSettings) and known.slices == 1 < asked.slices:
        return (
            "This model has learned Med-SA on single images, and has no part that looks along slices. It is unchanged. "
            "Go on with single images, go back to an earlier model, or start from another one."
        )
    return ""


def _deeper(known: Adaptation, asked: Adaptation) -> Adaptation:
    """What a model has, looking at as many slices as are asked for, if that is more."""
    if not isinstance(known, MedSaSettings | MaSamSettings) or asked.slices <= known.slices:
        return known
    return replace(known, slices=asked.slices)


def trained_names(net: AdaSam, adaptation: Adaptation) -> set[str]:
    """Names of the parameters that a round with an adaptation trains, which is inserted."""
    base = {name for name, _ in net.named_parameters() if name.startswith(adaptation.trains)}
    return base | added(net, adaptation.kind).keys()


def first_adapted(net: AdaSam) -> int:
    """The first unit of the encoder whose activations have to be known: the first that adaptations have changed.

    With a skip the one whose input that takes, if it comes before; the number of units where nothing is adapted.
    """
    units, names = net.sam.encoder.units, adapted_names(net)
    changed = {int(name.removeprefix(UNITS).partition(".")[0]) for name in names if name.startswith(UNITS)}
    return min((*changed, *_skipped(net)), default=len(units))


def slices(net: AdaSam) -> int:
    """How many neighbouring slices or frames the model wants to see together; 1 for single images."""
    return max((one.slices for one in net.adapted), default=1)


def eyes(net: AdaSam) -> str:
    """A name of all that embeddings depend on but the picture: two models of one name have the same embeddings."""
    return f"{fingerprint(net.sam.encoder.state_dict())}/{slices(net)}/{net.sam.size}"


def adapted_names(net: AdaSam) -> set[str]:
    """Names of the parameters that an adapter file holds: all that any of the model's adaptations trains."""
    return set(added(net)).union(*(trained_names(net, one) for one in net.adapted))


def state(net: AdaSam) -> Weights:
    """The adapter: the state of only what is adapted, as copies on the CPU."""
    names = adapted_names(net)
    return {name: p.detach().cpu().clone() for name, p in net.named_parameters() if name in names}


@torch.no_grad()
def round_to_file(net: AdaSam) -> None:
    """Round what is adapted to half precision, in place: what serves is then exactly what a file brings back."""
    names = adapted_names(net)
    for name, parameter in net.named_parameters():
        if name in names:
            parameter.copy_(parameter.half().float())


@dataclass(frozen=True, slots=True)
class Description:
    """How much of a model a round trains: parameters in all, those that learn, and of these the inserted ones."""

    total: int
    trained: int
    inserted: int

    @property
    def share(self) -> float:
        """The part of all parameters that learns, 0 to 1."""
        return self.trained / self.total


def describe(net: AdaSam, adaptation: Adaptation) -> Description:
    """Count the parameters of a model that has an adaptation."""
    trained, new = trained_names(net, adaptation), added(net)
    counts = {name: p.numel() for name, p in net.named_parameters()}
    return Description(
        total=sum(counts.values()),
        trained=sum(counts[name] for name in trained),
        inserted=sum(counts[name] for name in trained if name in new),
    )


def to_fields(adapted: Sequence[Adaptation]) -> list[dict[str, Any]]:
    """Adaptations as they stand in a file."""
    return [{"kind": one.kind, **asdict(one)} for one in adapted]  # type: ignore[call-overload]


def from_fields(fields: Mapping[str, Any]) -> tuple[Adaptation, ...]:
    """The adaptations of an adapter file's description; files of before there was a choice name LoRA alone.

    Raises
    ------
    InputError
        If one of them is of a kind that this version does not know.
    LookupError, TypeError, ValueError
        If the description is damaged.
    """
    method: Method = fields["method"]
    found: list[Adaptation] = []
    if "adaptations" not in fields:
        found = [DecoderSettings() if method == "decoder" else LoraSettings(**fields["lora"])]
    for one in fields.get("adaptations", ()):
        settings = dict(one)
        kind = settings.pop("kind")
        if kind not in KINDS:
            raise InputError(
                f'This adapter is of a kind that this version does not know ("{kind}"). The model in use is unchanged. '
                "Update the program, or choose another model."
            )
        found.append(KINDS[kind](**{name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}))
    for known in found:
        _check(known)
    return tuple(found)


def _check(adaptation: Adaptation) -> None:
    """Raise ValueError for settings that no adapter of ours has, as a damaged file may."""
    for one in dataclasses.fields(adaptation):  # type: ignore[arg-type]
        if not _fits(getattr(adaptation, one.name), str(one.type)):
            raise ValueError(f"expected {one.type} as {one.name}, got {getattr(adaptation, one.name)!r}")
    depth = getattr(adaptation, "depth", "attention")
    if depth not in get_args(DepthBranch):
        raise ValueError(f"expected one of {get_args(DepthBranch)} as depth, got {depth!r}")
    figures = {name: v for name, v in asdict(adaptation).items() if name not in NO_FIGURES}  # type: ignore[call-overload]
    for name, value in figures.items():
        most = WIDEST if name in ("rank", "width", "hyper", "slices") else float("inf")
        if not isinstance(value, bool) and (not 0 < value <= most or value == float("inf")):
            raise ValueError(f"expected {name} above 0 and at most {most}, got {value}")


def _fits(value: object, kind: str) -> bool:
    """Whether a value is of a settings field's type, by its annotation; truth values are no figures."""
    if kind == "tuple[int, ...]":
        return isinstance(value, tuple) and all(type(one) is int for one in value)
    types = {"int": (int,), "float": (int, float), "bool": (bool,), "int | None": (int, type(None))}
    return type(value) in types.get(kind, (type(value),))
