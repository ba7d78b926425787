"""What a training has come to at the end of a step: captured and restored, it goes on as if it had never stopped.

On a CPU with the same number of threads that is so bit for bit. What is not in it is made again: where learning began,
activations of frames, and views, whose draws depend on the frame alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch

from napari_adasam.model.adasam import AdaSam

Captured = dict[str, Any]
"""Plain values, lists and dictionaries of them, and tensors: nothing that takes code to read."""


class Carried(Protocol):
    """Something beside weights that changes while a training goes on."""

    def capture(self) -> Captured:
        """What it has come to."""

    def restore(self, captured: Mapping[str, Any]) -> None:
        """Be as it was then."""


class Training:
    """Everything that changes while a network and its average learn.

    Steps may break off anywhere: random draws and ``others`` are noted at the end of each, and weights move only within
    :meth:`moving`, so that what is captured is always of the end of a step.

    Parameters
    ----------
    net, mean
        What learns is what wants gradients in ``net``; in ``mean`` it has the same names.
    rng
        What is drawn beside torch's own draws.
    others
        By name.
    """

    def __init__(
        self,
        net: AdaSam,
        mean: AdaSam,
        optimiser: torch.optim.Optimizer,
        rng: np.random.Generator,
        others: Mapping[str, Carried] | None = None,
    ) -> None:
        names = [name for name, p in net.named_parameters() if p.requires_grad]
        nets = {"net": dict(net.named_parameters()), "mean": dict(mean.named_parameters())}
        self._weights = {f"{who}.{name}": own[name].detach() for who, own in nets.items() for name in names}
        self._optimiser, self._rng, self._others = optimiser, rng, others or {}
        self._device = net.device
        self.losses: list[float] = []
        """Of each step that is done."""
        self._end: Captured | None = self._noted()

    @property
    def step(self) -> int:
        """How many steps are done."""
        return len(self.losses)

    @contextmanager
    def moving(self, loss: float) -> Iterator[None]:
        """The end of a step with this loss, in which all weights move; broken off within, nothing can be captured."""
        self._end = None
        yield
        self.losses.append(loss)
        self._end = self._noted()

    def capture(self) -> Captured | None:
        """What it had come to at the end of the last step; ``None`` within :meth:`moving`. Weights are not copied."""
        if self._end is None:
            return None
        moments = self._optimiser.state_dict()["state"]
        return self._end | {"losses": list(self.losses), "weights": self._weights, "moments": moments}

    def restore(self, captured: Mapping[str, Any]) -> None:
        """Go on from there. Raises ValueError, LookupError or TypeError where it is of something else."""
        shapes, found = ({n: tuple(t.shape) for n, t in of.items()} for of in (self._weights, captured["weights"]))
        if shapes != found:
            raise ValueError("expected the weights that learn here, got others")
        for name, one in self._weights.items():
            one.copy_(captured["weights"][name])
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": captured["moments"], "param_groups": groups})
        for name, other in self._others.items():
            other.restore(captured["others"][name])
        self.losses[:] = captured["losses"]
        self._draw_on(captured)
        self._end = self._noted()

    def _noted(self) -> Captured:
        """What is small, and changes within a step too."""
        noted = {"numpy": self._rng.bit_generator.state, "torch": torch.get_rng_state()}
        if self._device.type != "cpu":
            noted["device"] = torch.get_device_module(self._device).get_rng_state()
        return noted | {"others": {name: one.capture() for name, one in self._others.items()}}

    def _draw_on(self, captured: Mapping[str, Any]) -> None:
        self._rng.bit_generator.state = captured["numpy"]
        torch.set_rng_state(captured["torch"])
        if self._device.type != "cpu":
            torch.get_device_module(self._device).set_rng_state(captured["device"])
