"""Loading models by name or path, and adapters on their base. Nothing is fetched here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import torch

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import ClassifierForm, Method, ModelSettings
from napari_adasam.model import checkpoints, feedback, library
from napari_adasam.model.adaptation import adapted_names, from_fields, prepare, state, to_fields
from napari_adasam.model.adapters.upsampling import fresh_token
from napari_adasam.model.adasam import AdaSam, ModelCard
from napari_adasam.model.checkpoints import Weights
from napari_adasam.model.classifier import build
from napari_adasam.model.library import BUNDLED, PUBLISHED, find

_loading: ContextVar[tuple[Path, ...]] = ContextVar("_loading", default=())
"""The adapters that are being loaded, each waiting for its base."""
INSTALL_BASE = (
    "Install the base that it was trained on with `napari-adasam models install FILE`, or give it with --base."
)


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
        return _load_adapter(path, weights, fields, settings)
    if settings.base is not None:
        raise InputError(f"{path.name} is no adapter, so it takes no base. Nothing was changed. Leave the base out.")
    if fields.get("kind") == "full":
        return checkpoints.load_full(weights, fields, settings.input_size)
    sam = checkpoints.from_sam_weights(weights, settings.input_size)
    published = PUBLISHED.get(settings.name)
    known = settings.name if settings.name in library.known_names() else path.stem
    form = settings.classifier or "classmap"
    card = ModelCard(
        known,
        checkpoints.architecture(weights),
        sam.size,
        classifier=form,
        licence=published.licence if published else "unknown",
        lineage=(f"{known} {checkpoints.fingerprint(weights)}",),
    )
    return AdaSam(sam, build(form, 0), card).eval()


def _load_adapter(path: Path, weights: Weights, fields: Mapping[str, Any], settings: ModelSettings) -> AdaSam:
    card, origin = checkpoints.card_from_json(fields), _origin(path, fields)
    adaptations = from_fields(fields)
    if path.resolve() in _loading.get():
        raise InputError(f"{path.name} names itself as its base. The model in use is unchanged. Choose another file.")
    waiting = _loading.set((*_loading.get(), path.resolve()))
    try:
        net = _base_under(path, card, origin, settings)
    finally:
        _loading.reset(waiting)
    net.head = build(card.classifier, len(card.structures))  # type: ignore[arg-type]
    net.feedback = feedback.of_weights(weights)
    net.card = replace(card, input_size=net.sam.size)
    if net.sam.structure_tokens is not None:
        places = [None] * len(card.structures)
        net.sam.structure_tokens = net.sam.structure_tokens.reordered(places, fresh_token(net.sam))
    try:
        for one in adaptations:
            prepare(net, one)
        if set(weights) != adapted_names(net):
            raise InputError("This adapter is not whole. The model in use is unchanged. Copy the file again.")
        net.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "This adapter does not fit its base: a tensor has another shape. The model in use is unchanged. Copy the "
            "file again."
        ) from error
    return net.requires_grad_(False).eval()


def _base_under(path: Path, card: ModelCard, origin: AdapterOrigin, settings: ModelSettings) -> AdaSam:
    """The model that an adapter was trained on; raises InputError where it is not on this computer."""
    problem: InputError | None = None
    names = [settings.base] if settings.base else dict.fromkeys(_where_bases_lie(path, card.architecture, origin))
    size = settings.input_size or card.input_size
    for name in names:
        try:
            net = load(replace(settings, name=name, base=None, input_size=size, classifier=None))
        except InputError as error:
            problem = problem or _why_no_base(path, name, error)
            continue
        if checkpoints.fingerprint(net.state_dict()) == origin.base_fingerprint:
            return net
        problem = problem or InputError(
            f"{path.name} belongs to other weights than the {library.file_name(name)} on this computer. The model in "
            f"use is unchanged. {INSTALL_BASE}"
        )
    raise problem or InputError(f"{path.name} names no base. The model in use is unchanged. {INSTALL_BASE}")


def _why_no_base(path: Path, name: str, error: InputError) -> InputError:
    """The error of loading a base; where its file is not there, one that says what for it is needed."""
    if library.expected_sha256(name) is None and not Path(name).expanduser().is_file():
        return InputError(
            f"{path.name} was trained on {library.file_name(name)}, which is not on this computer. The model in use is "
            f"unchanged. {INSTALL_BASE}"
        )
    return error


def _where_bases_lie(path: Path, architecture: str, origin: AdapterOrigin) -> Iterator[str]:
    """Names and paths that may be an adapter's base: as it was called, then beside it, then what is installed.

    Of what was installed, the fingerprint is known; of published ones and the bundled one, that of the adapter's
    architecture is loaded and compared.
    """
    yield origin.base
    beside = path.parent / library.file_name(origin.base)
    if beside.is_file():
        yield str(beside)
    for name, record in library.installed().items():
        if record.fingerprint == origin.base_fingerprint:
            yield name
    for name, entry in PUBLISHED.items():
        if entry.architecture == architecture and library.whereabouts(name) is not None:
            yield name
    if architecture == library.card_of(library.bundled_path()).get("architecture"):
        yield BUNDLED


@dataclass(frozen=True, slots=True)
class AdapterOrigin:
    """What an adapter file must know of its base, the method of its last round, and what rounds did with which groups.

    ``held`` were measured on, ``learned`` were learned from: the next sitting's gate must know of them. ``found`` is
    what was found of the latest frames by structure value: it tells the next round how much there is to learn.
    ``rounds`` were there before, so that the next one gets its number.
    ``answers`` is whether what was learned answers clicks, too.
    """

    base: str
    base_fingerprint: str  # of the base with its own classifier
    method: Method
    held: frozenset[str] = frozenset()
    learned: frozenset[str] = frozenset()
    found: Mapping[int, tuple[float, ...]] = field(default_factory=dict, hash=False)
    rounds: int = 0
    answers: bool = True


def origin_of(path: Path) -> AdapterOrigin:
    """What an adapter's file says of its base; InputError if it is no adapter."""
    _, fields = checkpoints.read(path)
    if fields.get("kind") != "adapter":
        raise InputError(f"{path.name} is not an adapter of this program. The model in use is unchanged.")
    return _origin(path, fields)


def _origin(path: Path, fields: Mapping[str, Any]) -> AdapterOrigin:
    try:
        base, fingerprint, method = (str(fields[key]) for key in ("base", "base_fingerprint", "method"))
        if method not in get_args(Method):
            raise ValueError(f"expected one of {get_args(Method)}, got {method}")
        from_fields(fields)
        held, learned = (frozenset(map(str, fields.get(key, ()))) for key in ("held_groups", "learned_groups"))
        found = {int(value): tuple(map(float, each)) for value, each in fields.get("found", {}).items()}
        rest = int(fields.get("rounds", 0)), bool(fields.get("answers", True))
        return AdapterOrigin(base, fingerprint, method, held, learned, found, *rest)  # type: ignore[arg-type]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"What {path.name} says of its base is damaged. The model in use is unchanged. Copy the file again."
        ) from error


def save_adapter(path: Path, net: AdaSam, origin: AdapterOrigin) -> None:
    """Write the adapted part of a model, half precision, whole or not at all."""
    extra = {
        "kind": "adapter",
        "base": origin.base,
        "base_fingerprint": origin.base_fingerprint,
        "method": origin.method,
        "adaptations": to_fields(net.adapted),
    }
    past: dict[str, Any] = {
        "held_groups": sorted(origin.held),
        "learned_groups": sorted(origin.learned),
        "found": {str(value): each for value, each in origin.found.items()},
        "rounds": origin.rounds,
    }
    extra |= {name: kept for name, kept in past.items() if kept} | {"answers": origin.answers}
    checkpoints.write(path, state(net), checkpoints.card_to_json(net.card, **extra))
