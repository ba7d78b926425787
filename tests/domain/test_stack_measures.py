"""Figures over stacks: volumes of known bodies, which frames count, and why there is no volume."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage.measure import regionprops

from napari_adasam.domain.records import Along, Frame, Labels, Spacing, Stack
from napari_adasam.domain.stacks import (
    BEYOND_SCALE,
    BOTH,
    IN_TIME,
    NO_DISTANCE,
    NO_PIXEL_SIZE,
    NOT_TOLD,
    Counted,
    FrameFigures,
    StackMeasure,
    figures_of,
    report,
)
from napari_adasam.domain.structures import Structure

BELLY, FASCIA = Structure(1, "muscle belly"), Structure(2, "fascia")
SPACING = Spacing(0.4, 0.25, "NIfTI header")
STEP = 1.7
HALF_AXES = (13.0, 9.0, 11.0)
"""Of the ellipsoid, in mm: through the slices, down, across."""
SHAPE = (18, 60, 110)


def ellipsoid(shape: tuple[int, int, int] = SHAPE) -> Labels:
    """An ellipsoid whose middle lies a little beside the grid's: (slices, height, width) uint8."""
    sizes = (STEP, SPACING.y_mm, SPACING.x_mm)
    along = [(np.arange(count) - (count - 1) / 2 + 0.3) * size for count, size in zip(shape, sizes, strict=True)]
    z, y, x = np.meshgrid(*along, indexing="ij")
    inside = sum((axis / half) ** 2 for axis, half in zip((z, y, x), HALF_AXES, strict=True))
    return np.asarray(inside <= 1, np.uint8)


def frames(labels: Labels, stack: Stack | None = None, spacing: Spacing | None = SPACING) -> list[Frame]:
    count, height, width = labels.shape
    known = stack or Stack(count, Along.DEPTH, count, STEP, "NIfTI header")
    return [
        Frame(f"f-{at}", "/f.nii", at, height, width, f"f_{at:04d}", spacing, stack=known, time_s=0.05 * at)
        for at in range(count)
    ]


def measured(
    labels: Labels, of: list[Frame], accepted: set[int] | None = None, propagated: frozenset[int] = frozenset()
) -> list[FrameFigures]:
    wanted = set(range(len(of))) if accepted is None else accepted
    return [
        figures_of(frame, labels[frame.index], [BELLY], counted, None)
        for counted, places in ((Counted.ACCEPTED, wanted), (Counted.PROPAGATED, set(propagated)))
        for frame in of
        if frame.index in places
    ]


def only(figures: list[FrameFigures]) -> StackMeasure:
    (found,) = report(figures, [BELLY]).measures
    return found


def test_an_ellipsoid_has_its_volume_within_2_percent() -> None:
    labels = ellipsoid()
    found = only(measured(labels, frames(labels)))
    exact = 4 / 3 * np.pi * np.prod(HALF_AXES)
    assert found.volume_mm3 == pytest.approx(exact, rel=0.02)
    assert (found.frames, found.measured, found.counted, found.why) == (18, 18, "accepted", "")
    (region,) = regionprops(labels, spacing=(STEP, SPACING.y_mm, SPACING.x_mm))
    assert found.volume_mm3 == pytest.approx(float(region.area), rel=1e-9), "scikit-image counts the same"


def test_thickness_over_the_slices_of_a_body_of_known_height() -> None:
    labels = np.zeros((5, 60, 110), np.uint8)
    for at, rows in enumerate((10, 20, 30, 20, 10)):
        labels[at, 5 : 5 + rows, 10:100] = 1
    spread = only(measured(labels, frames(labels))).thickness
    assert spread is not None
    assert spread.mean == pytest.approx(18 * 0.4, rel=0.01)
    assert (spread.greatest, spread.least) == (pytest.approx(12.0, rel=0.01), pytest.approx(4.0, rel=0.01))
    assert (spread.greatest_at.index, spread.least_at.index, spread.unit) == (2, 0, "mm")


def test_propagated_frames_are_told_apart() -> None:
    labels = ellipsoid()
    of = frames(labels)
    accepted = set(range(0, 18, 3))
    found = report(measured(labels, of, accepted, frozenset(range(18)) - accepted), [BELLY])
    alone, both = found.measures
    assert (alone.counted, alone.measured, alone.volume_mm3) == ("accepted", 6, None)
    assert alone.why == "10 slices, first 0002, in or beside it are not accepted."
    assert (both.counted, both.measured) == (BOTH, 18)
    assert both.volume_mm3 == pytest.approx(only(measured(labels, of)).volume_mm3)
    kinds = {point.frame.index: point.counted for point in found.curves[0].points}
    assert {at for at, kind in kinds.items() if kind is Counted.ACCEPTED} == accepted & kinds.keys()
    assert list(kinds) == sorted(kinds), "in the order of the file, whatever came first"


def test_slices_far_off_need_not_be_accepted_and_those_beside_it_must() -> None:
    labels = np.zeros((20, 60, 110), np.uint8)
    labels[8:12, 10:30, 10:90] = 1
    of, full = frames(labels), 4 * 20 * 80 * 0.4 * 0.25 * STEP
    assert only(measured(labels, of, set(range(7, 13)))).volume_mm3 == pytest.approx(full)
    lacking = only(measured(labels, of, {7, 8, 9, 11, 12}))
    assert (lacking.volume_mm3, lacking.why) == (None, "Slice 0010 in or beside it is not accepted.")
    assert only(measured(labels, of, set(range(8, 13)))).why == "Slice 0007 in or beside it is not accepted."
    absent = only(measured(labels, of, {0, 1}))
    assert (absent.volume_mm3, absent.why) == (None, "It is on no accepted slice, and 18 of 20 slices do not count.")
    assert only(measured(np.zeros_like(labels), of)).volume_mm3 == 0.0
    at_the_end = labels[9:]
    assert only(measured(at_the_end, frames(at_the_end), set(range(4)))).volume_mm3 == pytest.approx(full * 3 / 4)


@pytest.mark.parametrize(
    ("stack", "spacing", "why"),
    [
        (Stack(18, Along.TIME), SPACING, IN_TIME),
        (Stack(18), SPACING, NOT_TOLD),
        (Stack(18, Along.DEPTH, 18, STEP), None, NO_PIXEL_SIZE),
        (Stack(18, Along.DEPTH, 18), SPACING, NO_DISTANCE),
    ],
)
def test_there_is_no_volume_without_a_distance(stack: Stack, spacing: Spacing | None, why: str) -> None:
    labels = ellipsoid()
    found = only(measured(labels, frames(labels, stack, spacing)))
    assert (found.volume_mm3, found.why) == (None, why)
    assert found.thickness is not None
    assert found.thickness.unit == ("px" if spacing is None else "mm")


def test_what_reaches_out_of_the_scale_has_no_volume() -> None:
    labels = ellipsoid()
    figures = [figures_of(one, labels[one.index], [BELLY], Counted.ACCEPTED, (0, 0, 60, 50)) for one in frames(labels)]
    found = only(figures)
    assert (found.volume_mm3, found.why) == (None, BEYOND_SCALE)


def test_each_moment_has_its_own_volume() -> None:
    """Two volumes one after the other; the second is half as thick."""
    first = np.zeros((6, 60, 110), np.uint8)
    first[1:5, 10:30, 10:90] = 1
    second = np.where(np.arange(60)[:, None] < 20, first, 0).astype(np.uint8)
    labels = np.concatenate([first, second])
    of = frames(labels, Stack(12, Along.DEPTH, 6, STEP, "NIfTI header"))
    found = report(measured(labels, of), [BELLY])
    volumes = [one.volume_mm3 for one in found.measures]
    assert [one.moment for one in found.measures] == [0, 1]
    assert volumes[0] == pytest.approx(4 * 20 * 80 * 0.1 * STEP)
    assert volumes[1] == pytest.approx(volumes[0] / 2)
    assert (found.axis, [point.at for point in found.curves[0].points]) == ("frame", [1, 2, 3, 4, 7, 8, 9, 10])
    lacking = report(measured(labels, of, set(range(12)) - {9}), [BELLY]).measures
    assert lacking[0].volume_mm3 == volumes[0]
    assert (lacking[1].volume_mm3, lacking[1].why) == (None, "Slice 0009 in or beside it is not accepted.")


def test_curves_run_along_what_is_known() -> None:
    labels = np.zeros((4, 60, 110), np.uint8)
    labels[:, 10:40, 10:100] = 1
    timed = report(measured(labels, frames(labels, Stack(4, Along.TIME))), [BELLY])
    assert timed.axis == "time, s"
    assert [point.at for point in timed.curves[0].points] == pytest.approx([0, 0.05, 0.1, 0.15])
    deep = report(measured(labels, frames(labels)), [BELLY])
    assert (deep.axis, [point.at for point in deep.curves[0].points]) == ("depth, mm", [0, STEP, 2 * STEP, 3 * STEP])
    unknown = [replace(one, time_s=None) for one in frames(labels, Stack(4))]
    assert report(measured(labels, unknown), [BELLY]).axis == "frame"


def test_a_frame_without_the_structure_does_not_take_the_others_thickness() -> None:
    """The structure reaches out of the part that the scale holds for wherever it is: its thickness is in px."""
    labels = np.zeros((3, 40, 60), np.uint8)
    labels[:2, 10:20, 5:55] = 1
    of = frames(labels, Stack(3, Along.TIME))
    found = report(
        [figures_of(one, labels[one.index], [BELLY], Counted.ACCEPTED, (0, 0, 40, 30)) for one in of], [BELLY]
    )
    (measure,) = found.measures
    assert measure.thickness is not None
    assert measure.thickness.unit == "px"
    assert [point.frame.index for point in found.curves[0].points] == [0, 1]


def test_thicknesses_in_pixels_are_not_mixed_with_those_in_mm() -> None:
    """On the last frame the structure reaches out of the part that the scale holds for."""
    labels = np.zeros((3, 60, 110), np.uint8)
    for at, rows in enumerate((10, 20, 30)):
        labels[at, 5 : 5 + rows, 10 : 60 + 20 * at] = 1
    of = frames(labels, Stack(3, Along.TIME))
    found = report(
        [figures_of(one, labels[one.index], [BELLY], Counted.ACCEPTED, (0, 0, 60, 90)) for one in of], [BELLY]
    )
    spread, (curve,) = found.measures[0].thickness, found.curves
    assert spread is not None
    assert (spread.mean, spread.greatest, spread.least) == pytest.approx((6.0, 8.0, 4.0), rel=0.01)
    assert (spread.unit, spread.greatest_at.index) == ("mm", 1)
    assert (curve.unit, [point.frame.index for point in curve.points]) == ("mm", [0, 1])


def test_frames_that_say_nothing_of_a_structure_do_not_count_for_it() -> None:
    """They were accepted before it was in the list: beside the slices that show it, it may go on."""
    labels = np.zeros((4, 40, 60), np.uint8)
    labels[1:3, 10:20, 5:55] = 2
    of = frames(labels, Stack(4, Along.DEPTH, 4, 2.0))
    asked = [[BELLY], [BELLY, FASCIA], [BELLY, FASCIA], [BELLY]]
    figures = [figures_of(one, labels[one.index], asked[one.index], Counted.ACCEPTED, None) for one in of]
    belly, fascia = report(figures, [BELLY, FASCIA]).measures
    assert (belly.measured, belly.volume_mm3) == (4, 0.0)
    assert (fascia.measured, fascia.present, fascia.volume_mm3) == (2, 2, None)
    assert fascia.why == "2 slices, first 0000, in or beside it are not accepted."
