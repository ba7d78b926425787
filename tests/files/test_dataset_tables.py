"""index.csv as other programs write it, and names as macOS stores them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_adasam.files.dataset import Dataset

GREY = np.full((20, 24), 7, np.uint8)


def make(folder: Path, image: str, label: str, table: str) -> Dataset:
    for name, key in (("images", image), ("labels", label)):
        (folder / name).mkdir()
        Image.fromarray(GREY).save(folder / name / f"{key}.png")
    (folder / "index.csv").write_text(table, encoding="utf-8")
    return Dataset.open(folder)


@pytest.mark.parametrize(
    "table",
    [
        "id,patient,pixel_size_mm\na,7,0.25\n",
        "id;patient;pixel_size_mm\na;7;0.25\n",
        "id;patient;pixel_size_mm\r\na;7;0,25\r\n",
        "id\tpatient\tpixel_size_mm\na\t7\t0.25\n",
        '"id";"patient, or group";"patient";"pixel_size_mm"\n"a";"x, y";"7";"0.25"\n',
        "\ufeffid;patient;pixel_size_mm\na;7;0,25\n",
        "id, patient , pixel_size_mm\na , 7, 0.25\n",
        '"patient"; "id"; "pixel_size_mm"\n"7"; "a"; "0,25"\n',
    ],
    ids=["commas", "semicolons", "decimal commas", "tabs", "quoted", "as Excel writes it", "spaced", "spaced quotes"],
)
def test_columns_are_parted_as_the_first_line_is(tmp_path: Path, table: str) -> None:
    data = make(tmp_path, "a", "a", table)
    assert data.groups["a"] == "7"
    spacing = data.spacing("a")
    assert spacing is not None
    assert spacing.y_mm == 0.25


@pytest.mark.parametrize("apart", ["image", "label", "table", "none"])
def test_names_are_the_same_however_their_accents_are_stored(tmp_path: Path, apart: str) -> None:
    whole = "Müller_é"

    def name(of: str) -> str:
        return unicodedata.normalize("NFD" if of == apart else "NFC", whole)

    data = make(tmp_path, name("image"), name("label"), f"id,patient\n{name('table')},7\n")
    assert data.ids == (whole,)
    assert list(data.labelled) == [whole]
    assert data.groups == {whole: "7"}
    assert np.array_equal(data.image(whole), GREY)
    assert data.labels(whole).shape == GREY.shape
