"""Which folders an export may go to: none with names beside pseudonyms, and none that holds the pictures."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from export_samples import KEY, plain_frame, write

from napari_adasam.domain.errors import InputError
from napari_adasam.files.exports import check_target

FRAMES = [plain_frame(key) for key in "abc"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pseudonyms_are_not_put_beside_names(tmp_path: Path) -> None:
    write(tmp_path / "out", FRAMES, ("png", "csv"))
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"may have names in them.*Nothing was written\. Choose an empty folder"):
        write(tmp_path / "out", FRAMES, ("png", "csv"), key=KEY)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("provenance", [None, "{}", "[]", "{", "[" * 100_000, '{"deidentified": "yes"}'])
def test_nor_beside_what_nobody_knows(tmp_path: Path, provenance: str | None) -> None:
    (tmp_path / "Mary Miller.png").touch()
    if provenance is not None:
        (tmp_path / "provenance.json").write_text(provenance)
    with pytest.raises(InputError, match="Choose an empty folder"):
        check_target(tmp_path, True)
    check_target(tmp_path, False)


def test_an_export_without_names_may_be_updated_until_names_come(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").touch()
    write(tmp_path, FRAMES[:1], ("png",), key=KEY)
    report, _ = write(tmp_path, FRAMES, ("png",), key=KEY)
    assert len(report.files) == 4
    assert json.loads((tmp_path / "provenance.json").read_text("utf-8"))["deidentified"] is True
    write(tmp_path, FRAMES, ("png",))
    with pytest.raises(InputError, match="Choose an empty folder"):
        write(tmp_path, FRAMES, ("png",), key=KEY)


def test_a_picture_under_another_spelling_is_not_written_over(tmp_path: Path) -> None:
    """As on disks where ``A.PNG`` is ``a.png``: another name, and the same file."""
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.png").write_bytes(b"the picture")
    os.link(tmp_path / "masks" / "a.png", tmp_path / "A.PNG")
    frame = replace(FRAMES[0], path=str(tmp_path / "A.PNG"))
    before = contents(tmp_path)
    with pytest.raises(InputError, match="would write over the picture"):
        write(tmp_path, [frame], ("png",))
    assert contents(tmp_path) == before
