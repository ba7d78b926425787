"""Lists of structures for rehabilitation."""

from __future__ import annotations

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
