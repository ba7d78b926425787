"""The scale from two points and a length."""

from __future__ import annotations

from dataclasses import replace
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_adasam.domain.calibration import BY_HAND, NOT_SQUARE, Ruler, alike, check_square, objection
from napari_adasam.domain.errors import InputError
from napari_adasam.domain.records import Frame, Spacing

FRAME = Frame("a", "/scans/a.png", 0, 60, 80, "a")


def test_a_line_of_100_pixels_and_25_mm() -> None:
    assert Ruler((10.0, 5.0), (70.0, 85.0), 25.0).spacing() == Spacing(0.25, 0.25, BY_HAND)


@given(
    ends=st.tuples(*[st.floats(0, 400)] * 4),
    length=st.floats(5, 100),
    ratio=st.floats(0.3, 3),
)
def test_the_line_has_the_length_that_was_said(
    ends: tuple[float, float, float, float], length: float, ratio: float
) -> None:
    down, across = ends[2] - ends[0], ends[3] - ends[1]
    if hypot(down, across) < 50:
        return
    spacing = Ruler(ends[:2], ends[2:], length).spacing(Spacing(ratio, 1.0, "DICOM region"))
    assert hypot(down * spacing.y_mm, across * spacing.x_mm) == pytest.approx(length)
    assert spacing.y_mm / spacing.x_mm == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("end", "length", "sentence"),
    [((0.0, 9.0), 5.0, "too short"), ((0.0, 90.0), 5000.0, "cannot be right"), ((0.0, 90.0), 0.0, "cannot be right")],
)
def test_a_line_that_gives_no_scale_is_refused(end: tuple[float, float], length: float, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Ruler((0.0, 0.0), end, length).spacing()


def test_a_scale_of_its_own_must_be_confirmed() -> None:
    assert objection(None) == ""
    assert "DICOM region" in objection(Spacing(0.2, 0.1, "DICOM region"))


def test_only_images_like_it_get_the_scale_of_the_folder() -> None:
    others = [
        replace(FRAME, id="same"),
        replace(FRAME, id="size", height=61),
        replace(FRAME, id="folder", path="/other/a.png"),
        replace(FRAME, id="not square", note=f"A word. {NOT_SQUARE}"),
        replace(FRAME, id="own", spacing=Spacing(0.2, 0.2, "DICOM region")),
        replace(FRAME, id="by hand", spacing=Spacing(0.3, 0.3, BY_HAND)),
    ]
    assert alike(FRAME, [FRAME, *others]) == ("same",)
    assert alike(replace(FRAME, spacing=Spacing(0.3, 0.3, BY_HAND)), others) == ("same", "by hand")


def test_pixels_that_are_not_square_get_no_scale_from_a_line() -> None:
    """The width that a vertical line would give is wrong; where the file gives their size, it is right."""
    with pytest.raises(InputError, match="not square, as its file says"):
        check_square(replace(FRAME, note=f"A word. {NOT_SQUARE}"))
    check_square(replace(FRAME, note=NOT_SQUARE, spacing=Spacing(0.2, 0.1, "x")))
    check_square(FRAME)
