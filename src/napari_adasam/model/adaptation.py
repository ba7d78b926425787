"""What a round trains: LoRA in the encoder, prompt encoder, decoder, classifier and feedback. The rest is frozen."""

from __future__ import annotations

import torch

from napari_adasam.domain.settings import Method
from napari_adasam.model.adapters import lora
from napari_adasam.model.adasam import AdaSam
from napari_adasam.model.checkpoints import Weights

HEADS = ("sam.prompt_encoder.", "sam.mask_decoder.", "head.", "feedback.")


def prepare(net: AdaSam, method: Method, settings: lora.LoraSettings) -> int:
    """Insert what the method adapts, where it is missing, and let only that learn; returns the first adapted unit.

    Everything before that unit is a constant, so its activations may be kept.
    """
    encoder = net.sam.encoder
    since = len(encoder.units) if method == "decoder" else encoder.adapt_index(settings.adapt_from)
    inserted = lora.parameters(net)
    if method != "decoder" and not inserted:
        lora.insert(encoder, settings)
    net.requires_grad_(False)
    for name, parameter in net.named_parameters():
        if name.startswith(HEADS):
            parameter.requires_grad_(True)
    if method != "decoder":
        for parameter in lora.parameters(net).values():
            parameter.requires_grad_(True)
    return since


def adapted_names(net: AdaSam) -> set[str]:
    """Names of the parameters that an adapter file holds."""
    loras = set(lora.parameters(net))
    return {name for name, _ in net.named_parameters() if name in loras or name.startswith(HEADS)}


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
