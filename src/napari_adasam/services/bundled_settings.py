"""The figures of the bundled model's recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import LossWeights
from napari_adasam.services import bundled_data


@dataclass(frozen=True, slots=True)
class BundledSettings:
    """The recipe's figures. ``lr`` is the encoder's; the decoder learns twice, the classifier forty times as fast.

    ``blend`` is the share of what was learned in the weights at the end, the rest is where it began: on kinds of
    ultrasound that training never saw, weights in between do better than either (Wortsman et al. 2022, arXiv
    2109.01903). The classifier is blended where the base has learned one. ``settle`` is for how many steps the
    classifier then learns alone, on what the blend sees.
    Of each view some answers are corrected, up to ``corrections`` times in a row.
    ``drawn`` is the share of views with random shapes in them, which alone are asked for (:mod:`model.drawn`); with
    ``enclosures`` large closed ones, which a rim alone may set off, are among them.
    ``decoder_only`` trains the decoder and the prompt encoder alone;
    then clicks on one of several parts go on to all of them in half of the views. ``scores_only`` trains what predicts
    a mask's IoU alone, on images as they are: as long as all else learns, it is told of harder views than those at use.
    With ``skip`` the decoder gets the
    encoder's finer features (:mod:`model.adapters.skips`), which is trained with it.
    ``without`` names data sets that are left out whole, to measure what the recipe gives on a kind it never saw; a
    model that starts from a plain SAM then knows nothing of their structures.
    """

    steps: int = 900
    accumulate: int = 4
    size: int = 512
    lr: float = 1.5e-4
    warm_up: int = 50
    ema: float = 0.995
    anchor: float = 0.5
    blend: float = 1.0
    settle: int = 0
    seed: int = 0
    corrections: int = 1
    drawn: float = 0.0
    enclosures: bool = False
    without: tuple[str, ...] = ()
    learned: Path | None = None
    decoder_only: bool = False
    scores_only: bool = False
    skip: bool = False
    weights: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        known = {source.folder for source in bundled_data.SOURCES}
        if not set(self.without) < known:
            raise InputError(
                f"The kinds to train without are {', '.join(self.without)}; expected some, not all, of "
                f"{', '.join(sorted(known))}. Nothing was trained."
            )
        if self.scores_only and (self.decoder_only or self.skip or self.drawn or self.learned is not None):
            raise InputError(
                "--scores-only trains what predicts scores, and nothing else. Nothing was trained. Give it without "
                "--decoder-only, --skip, --drawn and --learned."
            )
        if self.blend >= 1 and (self.learned is not None or self.settle):
            given = "--learned" if self.learned is not None else "--settle"
            raise InputError(
                f"{given} is for a blend with the base, of which --blend {self.blend:g} takes nothing. Nothing was "
                "written. Give --blend a share below 1."
            )
