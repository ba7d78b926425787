"""How precisely a device computes: with bfloat16 on the graphics cards that have it, as numbers are elsewhere.

The encoder and the mask decoder run so; weights, prompts, class maps and losses keep 32 bits, and so does all that
leaves the two. bfloat16 has the range of 32 bits, so gradients need no scaling.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch


def mixed(device: torch.device) -> AbstractContextManager[object]:
    """A context in which matrix products and convolutions on a device take bfloat16, where it computes that itself."""
    return torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" and _has_bfloat16() else nullcontext()


@cache
def _has_bfloat16() -> bool:
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))
