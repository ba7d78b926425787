"""Places inside of a network where a click may go first: a step of training takes long, a layer does not."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

from napari_adasam.services.lane import give_way

Net = TypeVar("Net", bound=nn.Module)


def let_clicks_in(net: Net) -> Net:
    """Make a network give way to clicks after each of its layers, forwards and backwards; returns the network.

    Copies of it do the same. Figures are the same with and without: whoever goes first draws no random numbers of the
    step, and computes with other weights or without gradients.
    """
    for module in net.modules():
        module.register_forward_hook(_after_layer)
    return net


def _after_layer(_module: nn.Module, _given: object, out: object) -> None:
    give_way()
    if isinstance(out, Tensor) and out.requires_grad:
        out.register_hook(_after_gradient)  # type: ignore[no-untyped-call]


def _after_gradient(_gradient: Tensor) -> None:
    give_way()
