"""Settings by name."""

from __future__ import annotations

import pytest

from napari_adasam.domain.errors import InputError
from napari_adasam.domain.settings import Settings
from napari_adasam.domain.switches import ABLATION, PATHS, with_settings

DEFAULTS = Settings()


def test_each_setting_is_found_where_it_belongs() -> None:
    texts = ["rank=4", "lr=0.01", "adapt_from=-2", "feedback=train+infer", "ramp=off", "loss.map=0.5", "dense=no"]
    made = with_settings(DEFAULTS, [*texts, "classifier=gradcam", "prompt.threshold=0.3"])
    assert (made.train.rank, made.train.lr, made.train.adapt_from) == (4, 0.01, -2)
    assert (made.train.recipe.feedback, made.train.recipe.ramp) == ("train+infer", False)
    assert made.train.weights.map == 0.5
    assert (made.prompts.use_dense, made.prompts.threshold) == (False, 0.3)
    assert made.model.classifier == "gradcam"
    assert with_settings(made, ["classifier=none", "adapt_from=none"]).model.classifier is None
    assert with_settings(DEFAULTS, []) == DEFAULTS


@pytest.mark.parametrize("text", ["yes", "ON", "1", "true"])
def test_yes_in_many_words(text: str) -> None:
    assert with_settings(DEFAULTS, [f"unlabelled = {text}"]).train.recipe.unlabelled
    assert not with_settings(DEFAULTS, ["unlabelled=0"]).train.recipe.unlabelled


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rank", "no setting"),
        ("colour=red", "the names are rank"),
        ("rank=many", "a whole number"),
        ("lr=fast", "a number"),
        ("ramp=maybe", "yes or no"),
        ("feedback=yes", r"off, train, train\+infer"),
        ("lr=none", "a number"),
        ("weights=3", "no setting"),
        ("steps=0", "1 or more"),
        ("steps=-3", "1 or more"),
        ("rank=0", "1 to 256"),
        ("views=0", "1 or more"),
        ("batch=0", "1 or more"),
        ("slices=-1", "1 to 256"),
        ("feedback_heads=9", "1 to 4"),
        ("warm_up=1.5", "0 to 1"),
        ("max_unlabelled=-1", "0 or more"),
        ("seed=-1", "0 or more"),
        ("alpha=0", "more than 0"),
        ("lr=nan", "0 or more"),
        ("loss.map=-1", "0 or more"),
        ("prompt.threshold=1.2", "0 to 1"),
        ("prompt.presence=1.1", "0 to 1"),
    ],
)
def test_what_is_none_is_told_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        with_settings(DEFAULTS, [text])


def test_numbers_at_the_ends_of_their_ranges_are_taken() -> None:
    texts = ["steps=1", "rank=256", "max_unlabelled=0", "feedback_heads=4", "adapt_from=-9", "ema=1", "lr=0"]
    made = with_settings(DEFAULTS, [*texts, "loss.map=0", "prompt.presence=1"]).train
    assert (made.steps, made.rank, made.max_unlabelled, made.adapt_from) == (1, 256, 0, -9)


def test_every_part_of_the_method_can_be_switched() -> None:
    parts = {"feedback", "classifier", "dense", "unlabelled", "cross_prompting", "ramp", "ema_teacher", "image_labels"}
    assert parts <= set(PATHS)
    assert parts - {"image_labels"} <= {text.split("=")[0] for text in ABLATION}
    changed = {text.split("=")[0] for text in ABLATION if with_settings(DEFAULTS, [text]) != DEFAULTS}
    assert changed == {text.split("=")[0] for text in ABLATION}
