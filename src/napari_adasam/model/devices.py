"""Which device computes, and whether its figures can be trusted."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.errors import ModelError
from napari_adasam.domain.settings import DeviceChoice

Given = ParamSpec("Given")
Value = TypeVar("Value")
NO_PRIMITIVE = "could not create a primitive"
TOLERANCE = 2e-3
"""Largest difference to the CPU, relative to the largest value, that the self-check lets pass."""


def check_value(device: torch.device) -> torch.Tensor:
    """Convolution, normalisation and attention on fixed numbers, computed on a device; (1, 64, 32) on the CPU."""
    generator = torch.Generator().manual_seed(7)
    image = torch.randn(1, 3, 32, 32, generator=generator).to(device)
    kernel = torch.randn(32, 3, 4, 4, generator=generator).to(device)
    tokens = F.conv2d(image, kernel, stride=4).flatten(2).transpose(1, 2)
    tokens = F.layer_norm(tokens, (32,))
    return F.scaled_dot_product_attention(tokens, tokens, tokens).cpu()


def deviation(device: torch.device) -> float:
    """How far the device's figures are from the CPU's, relative to the largest value; infinite where it fails."""
    expected = check_value(torch.device("cpu"))
    try:
        found = check_value(device)
    except RuntimeError:  # such as a card that this build of torch has no kernels for
        return math.inf
    largest = float((found - expected).abs().max() / expected.abs().max())
    return math.inf if math.isnan(largest) else largest


def available() -> tuple[str, ...]:
    """Devices of this computer, best first."""
    found = ["cuda"] if torch.cuda.is_available() else []
    found += ["mps"] if torch.backends.mps.is_available() else []
    return (*found, "cpu")


def free_memory() -> None:
    """Give back what was computed halfway, and what torch keeps of a graphics card for later."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def leave_onednn(error: BaseException) -> bool:
    """Compute without oneDNN from now on if it is what failed; ``False`` if it is not, or was left before.

    Where memory is full oneDNN cannot prepare an operation, and it remembers that: the operation fails even after
    memory is free again. torch's own kernels are slower, and need less.
    """
    if NO_PRIMITIVE not in str(error):
        return False
    was_on, *_ = torch.backends.mkldnn.set_flags(False)  # type: ignore[no-untyped-call]
    return bool(was_on)


def again_without_onednn(work: Callable[Given, Value]) -> Callable[Given, Value]:
    """Where oneDNN gives up for want of memory, do it once more with torch's own kernels."""

    @wraps(work)
    def attempt(*given: Given.args, **named: Given.kwargs) -> Value:
        try:
            return work(*given, **named)
        except RuntimeError as error:
            if not leave_onednn(error):
                raise
        return work(*given, **named)

    return attempt


def choose(wanted: DeviceChoice) -> torch.device:
    """The device for a setting: ``auto`` takes the best one whose figures agree with the CPU's.

    Raises
    ------
    ModelError
        If a device is asked for by name and is not there, or computes wrongly.
    """
    if wanted == "auto":
        return next(torch.device(d) for d in available() if d == "cpu" or deviation(torch.device(d)) <= TOLERANCE)
    if wanted not in available():
        raise ModelError(
            f"This computer has no {wanted} device. Nothing was changed. Choose one of: {', '.join(available())}."
        )
    device = torch.device(wanted)
    if wanted != "cpu" and deviation(device) > TOLERANCE:
        raise ModelError(f"The {wanted} device computes wrongly on this computer. It is not used. Choose cpu.")
    return device
