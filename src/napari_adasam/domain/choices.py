"""What a person chose in a session, and what is kept with it: the model, what rounds adapt, and when they start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

from napari_adasam.domain.settings import Method, Settings

METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, slots=True)
class Choices:
    """See :class:`~napari_adasam.domain.settings.Settings` for each of them."""

    model: str
    base: str | None
    method: Method
    slices: int
    every: int

    @classmethod
    def of(cls, settings: Settings) -> Choices:
        """Those of some settings."""
        model, train = settings.model, settings.train
        return cls(model.name, model.base, train.method, train.slices, settings.learn.every)

    def within(self, settings: Settings, model: bool = True) -> Settings:
        """Settings with these choices in place of their own, the ``model`` too or not."""
        own = settings.model
        if model and (self.model, self.base) != (own.name, own.base):
            own = replace(own, name=self.model, base=self.base, input_size=None, classifier=None)
        train = replace(settings.train, method=self.method, slices=self.slices)
        return replace(settings, model=own, train=train, learn=replace(settings.learn, every=self.every))
