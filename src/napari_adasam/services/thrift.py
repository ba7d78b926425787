"""What a round does without where memory is full: one thing after the other, the cheapest for the result first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from napari_adasam.model import devices
from napari_adasam.services.sentences import is_out_of_memory

Value = TypeVar("Value")


class Thrift:
    """What one trainer still affords; what was given up stays given up, for memory will not grow.

    Parameters
    ----------
    most_prompts
        So many prompts a labelled view is asked with at once, at most.
    slices
        So many neighbouring slices or frames are looked at together.
    """

    def __init__(self, most_prompts: int, slices: int = 1) -> None:
        self.most_prompts, self.slices = most_prompts, slices
        self.unlabelled = True
        """Whether frames without a mask are learned from."""
        self.encoder = True
        """Whether the encoder's adapters learn; else what comes after it alone."""
        self._all = most_prompts, slices

    @property
    def given_up(self) -> str:
        """In words; empty for nothing."""
        if not self.encoder:
            return "from accepted images only, with the encoder as it is"
        if not self.unlabelled:
            return "from accepted images only"
        if self.slices < self._all[1]:
            return "from single images" if self.slices == 1 else f"from {self.slices} slices at once"
        return "with fewer prompts at once" if self.most_prompts < self._all[0] else ""

    def capture(self) -> dict[str, Any]:
        """What is still afforded, for :class:`services.resuming.Training`."""
        names = ("most_prompts", "slices", "unlabelled", "encoder")
        return {name: getattr(self, name) for name in names}

    def restore(self, captured: Mapping[str, Any]) -> None:
        """Afford no more than that again."""
        self.most_prompts, self.slices = captured["most_prompts"], captured["slices"]
        self.unlabelled, self.encoder = captured["unlabelled"], captured["encoder"]

    def afford(self, work: Callable[[], Value], forget: Callable[[], None]) -> Value:
        """Do it, again with less each time that memory is full; raises what it raises when there is no less.

        ``forget`` drops what broken work has left half done: the gradients of the step so far.
        """
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not devices.leave_onednn(error) and (not is_out_of_memory(error) or not self._give_up()):
                    raise
            forget()
            devices.free_memory()

    def _give_up(self) -> bool:
        if self.most_prompts > 1:
            self.most_prompts //= 2
        elif self.slices > 1:
            self.slices = max(1, self.slices - 2)
        elif self.unlabelled:
            self.unlabelled = False
        elif self.encoder:
            self.encoder = False
        else:
            return False
        return True
