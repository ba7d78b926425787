"""What all adaptations share: how inserted modules are marked, and the bottleneck that most of them are made of.

An adaptation is a frozen settings object that can insert itself into a model (:class:`Adaptation`). What it inserts is
made of :class:`Added` modules, which wrap modules of the frozen model under the name ``base`` or stand beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from napari_adasam.model.adasam import AdaSam

CLASSIFIER = ("head.", "feedback.")
"""The classifier and the gradient feedback to it."""
HEADS = ("sam.prompt_encoder.", "sam.mask_decoder.", *CLASSIFIER)
"""Prompt encoder, mask decoder and classifier."""
UNITS = "sam.encoder.units."
"""How the names of the encoder's parameters begin, before a unit's index."""


def unit_names(indices: Sequence[int]) -> tuple[str, ...]:
    """Beginnings of the names of all parameters of these units of the encoder."""
    return tuple(f"{UNITS}{index}." for index in indices)


class Adaptation(Protocol):
    """Settings of one adaptation.

    Attributes
    ----------
    kind
        Its name in files; the :class:`Added` modules that it inserts have the same.
    """

    kind: ClassVar[str]

    @property
    def trains(self) -> tuple[str, ...]:
        """Beginnings of the names of the parameters of the base that learn beside what is inserted."""

    @property
    def slices(self) -> int:
        """How many neighbouring slices or frames are encoded together."""

    def insert(self, net: AdaSam) -> None:
        """Put the adaptation's modules into a model, untrained."""


class Added(nn.Module):
    """A module that an adaptation of this ``kind`` has inserted; what it wraps is called ``base``, and is frozen."""

    kind: ClassVar[str]


def added(net: nn.Module, kind: str | None = None) -> dict[str, nn.Parameter]:
    """The inserted parameters of a module by name, of one kind or of all; shared ones stand under their first name."""
    names = {
        f"{name}.{own}" if name else own
        for name, module in net.named_modules()
        if isinstance(module, Added) and kind in (None, module.kind)
        for own, _ in module.named_parameters()
        if not own.startswith("base.")
    }
    return {name: p for name, p in net.named_parameters() if name in names}


def silent(inner: int, outer: int) -> nn.Linear:
    """A projection that gives 0 until it has learned: what is added with it leaves an untrained model as it is."""
    made = nn.Linear(inner, outer)
    nn.init.zeros_(made.weight)
    nn.init.zeros_(made.bias)
    return made


class Bottleneck(Added):
    """Down, GELU, up; up is zero at first, so that untrained it gives 0. (…, C) to (…, C)."""

    def __init__(self, channels: int, width: int, kind: str) -> None:
        super().__init__()
        self.kind = kind  # type: ignore[misc]
        self.down, self.up = nn.Linear(channels, width), silent(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        """What is to be added to a frozen module's output."""
        out: Tensor = self.up(nn.functional.gelu(self.down(x)))
        return out


class OfStacks(Added):
    """A module that must know how many slices of a batch (B·D, …) belong together: ``slices`` is D, 1 by default."""

    def __init__(self) -> None:
        super().__init__()
        self.slices = 1


class AlongDepth(OfStacks):
    """Up(GELU(Conv3×1×1(Down(LN x)))) on (B·D, h, w, C), the convolution over the D slices; Up is zero at first."""

    def __init__(self, channels: int, width: int, kind: str) -> None:
        super().__init__()
        self.kind = kind  # type: ignore[misc]
        self.norm = nn.LayerNorm(channels)
        self.down, self.up = nn.Linear(channels, width), silent(width, channels)
        self.kernel = nn.Parameter(torch.empty(3, width).uniform_(-(3**-0.5), 3**-0.5))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """What is to be added, of the same shape."""
        here = by_stack(self.down(self.norm(x)), self.slices)
        before = torch.cat([here[:, :1], here[:, :-1]], dim=1)
        after = torch.cat([here[:, 1:], here[:, -1:]], dim=1)
        mixed = before * self.kernel[0] + here * self.kernel[1] + after * self.kernel[2] + self.bias
        out: Tensor = self.up(nn.functional.gelu(mixed.flatten(0, 1)))
        return out


@contextmanager
def passing(modules: Sequence[nn.Module], name: str, value: object) -> Iterator[None]:
    """Within, an attribute of these modules has another value; a click that comes in between may do the same."""
    before = [getattr(module, name) for module in modules]
    for module in modules:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, earlier in zip(modules, before, strict=True):
            setattr(module, name, earlier)


@contextmanager
def stacked(net: nn.Module, slices: int) -> Iterator[None]:
    """Within, every ``slices`` following images of a batch are neighbours of one stack, in order.

    Other work on the same model may come in between and go back to single images for itself.
    """
    with passing([m for m in net.modules() if isinstance(m, OfStacks)], "slices", slices):
        yield


def by_stack(x: Tensor, slices: int) -> Tensor:
    """(B·D, …) to (B, D, …). Raises ValueError where the batch holds no whole stacks."""
    if len(x) % slices:
        raise ValueError(f"expected a batch of whole stacks of {slices}, got {len(x)} images")
    return torch.unflatten(x, 0, (-1, slices))
