"""Lists of structures for rehabilitation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from napari_adasam.domain.structures import PRESETS, Structure, with_free_values


@pytest.mark.parametrize("name", PRESETS)
def test_every_list_counts_from_one_and_names_each_structure_once(name: str) -> None:
    found = PRESETS[name]
    assert [one.value for one in found] == list(range(1, len(found) + 1))
    assert len({one.name for one in found}) == len(found)
    known = [one.learned_as for one in found if one.learned_as]
    assert len(known) <= 1, "two structures that start from the same map would get the same outline"


def test_structures_of_the_same_name_keep_their_value_and_others_get_a_free_one() -> None:
    known = (Structure(4, "aponeurosis", several_parts=True), Structure(1, "muscle belly"))
    found = with_free_values(PRESETS["Tibialis anterior"], known, (6, 7))
    assert [(one.value, one.name) for one in found] == [(6, "tibialis anterior"), (4, "aponeurosis")]


# Machado, Oliveira and Fernandes 2009, full severity, on linear RGB: deuteranopia, protanopia, tritanopia.
SIGHTS = {
    "all colours": np.eye(3),
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_CONES = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
TO_OKLAB = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip


def seen(colours: Sequence[str], sight: str) -> np.ndarray:
    """Oklab (N, 3) of hex colours, by Ottosson 2020."""
    rgb = np.array([[int(one[at : at + 2], 16) for at in (1, 3, 5)] for one in colours]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = np.clip(linear @ np.transpose(SIGHTS[sight]), 0, 1) @ np.transpose(TO_CONES)
    return np.asarray(np.cbrt(cones) @ np.transpose(TO_OKLAB))


@pytest.mark.parametrize("sight", SIGHTS)
def test_sixteen_structures_are_told_apart_by_their_colours(sight: str) -> None:
    colours = [Structure(value, "one").color for value in range(1, 17)]
    places = seen(colours, sight)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert apart[~np.eye(16, dtype=bool)].min() > 0.075, "as far as the first seven, of Okabe and Ito, from each other"
    assert places[:, 0].min() > 0.4, "none is dark on a dark image"
