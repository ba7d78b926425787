"""Pages of plots are well-formed, whatever names people give to what they show."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest

from napari_adasam.files.svg import page

TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("biceps & <short>", "biceps & <short>"),
        ("biceps\x0blong\x00", "biceps\ufffdlong\ufffd"),
        ("a\ud800b", "a\ufffdb"),
    ],
)
def test_a_page_can_be_read_whatever_a_structure_is_called(name: str, shown: str) -> None:
    drawing = ElementTree.fromstring(page([f"<text>{escape(name)}</text>"]).encode())
    assert [one.text for one in drawing.iter(TEXT)] == [shown]
