"""Every choice that a person or a script can make, as frozen values; replaced whole, never changed in place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

ClassifierForm = Literal["classmap", "gradcam"]
DeviceChoice = Literal["auto", "cuda", "mps", "cpu"]
FeedbackMode = Literal["off", "train", "train+infer"]
Method = Literal["adasam", "lora", "medsa", "masam", "decoder", "classifier"]
DepthBranch = Literal["attention", "convolution"]
NEVER = 2.0
"""As ``mild_from``: no model does so well, and every round is a full one."""
MILD_SPREAD = 0.15
"""A model that does well on most frames and misses one in three has much to learn yet."""
SEMI_SUPERVISED: tuple[Method, ...] = ("adasam", "medsa", "masam", "classifier")
"""The methods that learn from unlabelled frames too."""
OF_STACKS: tuple[Method, ...] = ("medsa", "masam")
"""The methods that may look at neighbouring slices or frames together."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which weights serve, at which size, where.

    Parameters
    ----------
    name
        A registry name, or the path of a checkpoint or adapter.
    input_size
        Side of the square input in pixels, a multiple of 32; ``None`` takes the model's own.
    use_sector
        Whether the model sees the scan sector only: one grey outside, no map and no mask there (docs/scale.md).
    device
        ``"auto"`` is cuda, then mps after its self-check, then cpu.
    classifier
        Form of the classifier; ``None`` takes the model's own, and ``"classmap"`` for weights that have none. A model
        whose own is another form starts with an untrained one.
    base
        Name or path of the model under an adapter; ``None`` looks for the one that it was trained on.
    """

    name: str = "adasam-us"
    input_size: int | None = None
    device: DeviceChoice = "auto"
    classifier: ClassifierForm | None = None
    use_sector: bool = True
    base: str | None = None


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How a CAM becomes prompts (method.md: box at 0.4 of the min-max map).

    Parameters
    ----------
    threshold
        Share of the min-max scaled map above which a cell belongs to a component.
    peak_share
        For a structure with several parts: a component counts if its peak reaches this share of the maximum.
    presence
        Below this probability a structure is absent, and there is no prompt.
    use_box, use_point, use_dense
        Which parts of the prompt the decoder gets.
    use_token
        Whether a model with a token a structure (MA-SAM) learns these, and is prompted with them and not from its CAM.
    use_neighbours
        Whether the slices beside one in a volume have a say in its suggestion (:mod:`model.depth`).
    """

    threshold: float = 0.4
    peak_share: float = 0.75
    presence: float = 0.5
    use_box: bool = True
    use_point: bool = True
    use_dense: bool = True
    use_token: bool = False
    use_neighbours: bool = True


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of L = L_cls + segmentation·(Dice + CE) + map·L_map + iou·L_iou + unlabelled·w(t)·L_u + anchor·L2.

    ``feedback`` is the share of what follows the gradient feedback beside what goes before it.
    """

    presence: float = 0.2
    segmentation: float = 1.0
    map: float = 1.0
    iou: float = 0.1
    unlabelled: float = 0.1
    anchor: float = 1e-3
    feedback: float = 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """The parts of ADA-SAM that can be switched, beside the classifier's form and the parts of a prompt.

    Parameters
    ----------
    feedback, feedback_heads
        Gradient feedback: ``off``; ``train``: in training only; ``train+infer``: also at use, where the first mask is
        its own target. And the heads of its attention.
    unlabelled
        Whether unlabelled frames are learned from at all.
    cross_prompting
        Whether a pseudo-label counts only where two differently prompted masks agree.
    ramp
        Whether unlabelled frames gain weight slowly, by w(t) = exp(-5·(1 - t)²), or weigh fully at once.
    ema_teacher
        Whether teacher and result are the student's moving average, or the student as it is.
    cutmix
        Whether strong views of two unlabelled frames are cut together.
    image_labels
        Whether the ticks "present" and "absent" of unlabelled frames join the presence loss.
    """

    feedback: FeedbackMode = "off"
    feedback_heads: int = 1
    unlabelled: bool = True
    cross_prompting: bool = True
    ramp: bool = True
    ema_teacher: bool = True
    cutmix: bool = False
    image_labels: bool = True


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """One fine-tuning round.

    Parameters
    ----------
    method
        ``adasam``: LoRA, decoder and heads, with unlabelled frames; ``lora``: the same without unlabelled frames;
        ``medsa``, ``masam``: other adaptations (docs/adaptations.md), with unlabelled frames; ``decoder``: decoder and
        heads only; ``classifier``: the classifier only, so that clicks are answered as before, bit for bit.
    rank, alpha
        Of LoRA.
    slices
        Of ``medsa`` and ``masam``: how many neighbouring slices or frames are encoded together; 1 for single images.
    depth, hyper_maps
        Of ``medsa``: its depth branch, and whether its decoder's adapters are told the prompt (docs/adaptations.md).
    adapt_from
        The first encoder stage that is adapted; everything before it is frozen and its activations are cached.
        Negative counts from the end; ``None`` takes the encoder's own default for LoRA, and every block for the others.
    tuned
        Of ``adasam`` and ``lora``: how many of the encoder's last units learn with all their weights beside LoRA;
        ``None`` takes the encoder's own default, which is TinyViT's last two stages and neck, and nothing of a ViT.
        Of ``masam`` the same beside what it inserts, where ``None`` is none.
    skip
        Of ``adasam``, ``lora`` and ``masam``: whether the decoder gets the encoder's finer features too, if that has
        any; TinyViT has.
    steps
        Optimiser steps of the round.
    batch
        Labelled views a step.
    views
        Cached augmented views a frame.
    most_prompts
        So many prompts a labelled view is asked with at most.
    unlabelled_every
        After the warm-up an unlabelled view is beside the labelled ones in every so many-th step.
    warm_up
        Share of the steps that sees labelled frames alone.
    ema, ema_end
        The teacher's decay at the start and at the end.
    confidence
        A pseudo-label's pixel counts where the teacher is at least this sure.
    mild_from
        A serving model whose prompt-free answers on the frames that it has not learned from have at least this Dice
        (median over frames, mean over structures; the poor ones no more than :data:`MILD_SPREAD` below) is adjusted by
        a mild round, :meth:`mild`: a full one takes seven times as long there, and unlearns (docs/speed.md).
    """

    method: Method = "adasam"
    rank: int = 8
    alpha: float = 8.0
    slices: int = 1
    depth: DepthBranch = "attention"
    hyper_maps: bool = True
    adapt_from: int | None = None
    tuned: int | None = None
    skip: bool = True
    steps: int = 40
    batch: int = 2
    views: int = 3
    most_prompts: int = 4
    unlabelled_every: int = 1
    lr: float = 5e-4
    warm_up: float = 0.3
    ema: float = 0.99
    ema_end: float = 0.996
    confidence: float = 0.95
    max_unlabelled: int = 20
    mild_from: float = 0.85
    seed: int = 0
    weights: LossWeights = field(default_factory=LossWeights)
    recipe: Recipe = field(default_factory=Recipe)

    def mild(self) -> TrainSettings:
        """The classifier alone: half the steps of one view, every second beside an unlabelled one, at 0.4 of the rate.

        What answers clicks stays as it is, for there a model that does well has little to gain (docs/speed.md).
        """
        return replace(
            self,
            method="classifier",
            steps=math.ceil(self.steps / 2),
            batch=1,
            unlabelled_every=2 * self.unlabelled_every,
            lr=0.4 * self.lr,
        )

    def fit_for(self, median: float, low: float) -> TrainSettings:
        """Mild where the serving model's Dice is high enough, ``low`` being a low quantile of it; NaN is not known."""
        return self.mild() if median >= self.mild_from and low >= self.mild_from - MILD_SPREAD else self

    @property
    def learns_unlabelled(self) -> bool:
        """Whether a round looks at unlabelled frames."""
        return self.method in SEMI_SUPERVISED and self.recipe.unlabelled

    @property
    def teaches_masks(self) -> bool:
        """Whether what learns has a say in the mask that a prompt gets; where it has none, none need be asked for."""
        return self.method != "classifier" or self.recipe.feedback != "off"

    @property
    def looks_at(self) -> int:
        """How many neighbouring slices or frames a step looks at."""
        return self.slices if self.method in OF_STACKS else 1

    def unlabelled_is_due(self, step: int) -> bool:
        """Whether a step, counted from 0, looks at an unlabelled frame."""
        first = math.ceil(self.warm_up * self.steps - 1e-9)
        return step >= first and (step - first) % self.unlabelled_every == 0


@dataclass(frozen=True, slots=True)
class LearnSettings:
    """When rounds start by themselves, and what the gate allows.

    Parameters
    ----------
    every
        A round starts by itself after this many new accepts; 0 for never.
    max_fall, max_fall_structure
        How far held-out Dice may fall, in the mean and for any one structure, before a round is refused.
    """

    every: int = 5
    max_fall: float = 0.01
    max_fall_structure: float = 0.03


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one session."""

    model: ModelSettings = field(default_factory=ModelSettings)
    prompts: PromptSettings = field(default_factory=PromptSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    learn: LearnSettings = field(default_factory=LearnSettings)
