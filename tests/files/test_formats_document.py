"""What docs/formats.md says is tested, is tested."""

from __future__ import annotations

import re
from pathlib import Path

from specimens import SPECIMENS

import napari_adasam
from napari_adasam.files.readers import OPENERS

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "docs" / "formats.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    written = {
        name for path in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    }
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT))
    assert len(named) > 20
    assert named <= written


def test_the_matrix_has_a_row_for_every_kind_and_says_what_its_test_asserts() -> None:
    rows = {
        cells[2].strip("` "): [cell.strip() for cell in cells]
        for line in DOCUMENT.splitlines()
        if len(cells := line.split("|")) == 9 and cells[2].strip().startswith("`")
    }
    assert set(rows) == set(SPECIMENS)
    for name, specimen in SPECIMENS.items():
        _, _, _, exact, lazy, scale, times, bits, _ = rows[name]
        assert exact == ("close" if specimen.tolerance else "exact")
        assert (lazy == "one picture") == (len(specimen.pictures) == 1)
        assert scale == (specimen.source or "none")
        assert times == ("yes" if specimen.times else "unknown")
        assert bits == str(specimen.bits)


def test_napari_offers_the_reader_for_every_ending_that_is_read() -> None:
    manifest = (Path(napari_adasam.__file__).parent / "napari.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r'"\*(\.[a-z0-9.]+)"', manifest)) == set(OPENERS)
