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
    ],
)
def test_what_is_none_is_told_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        with_settings(DEFAULTS, [text])


def test_every_part_of_the_method_can_be_switched() -> None:
    parts = {"feedback", "classifier", "dense", "unlabelled", "cross_prompting", "ramp", "ema_teacher", "image_labels"}
    assert parts <= set(PATHS)
    assert parts - {"image_labels"} <= {text.split("=")[0] for text in ABLATION}
    changed = {text.split("=")[0] for text in ABLATION if with_settings(DEFAULTS, [text]) != DEFAULTS}
    assert changed == {text.split("=")[0] for text in ABLATION}
