"""Finds the scan sector in a picture: a rectangle (linear probe) or a fan (curved probe), among a scanner's interface.

Tissue is speckle: neighbouring pixels of a row differ. An interface is flat, its grey wedge changes along columns only,
and its text is thin. So: 1. mark pixels that differ from their right neighbour, or from a grey that the interface is
painted with; 2. keep places where many are marked, drop what is thin, take the largest piece; 3. fit a rectangle and a
fan to it, take the one that overlaps it more; 4. put the edges where the marks begin; 5. look for faint speckle outside
of it. Where neither fits well, or much faint speckle would be cut off, the sector is the hull of all that is speckle:
rather too large than too small.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.lazily import ndimage, spatial
from napari_adasam.domain.records import Mask
from napari_adasam.domain.sector import Fan, Sector, Vertex, rectangle, whole_picture
from napari_adasam.domain.speckle import largest_place, near_letters, shrunk, speckled

STEP, FAINT_STEP = 2, 1
"""Neighbours differ if their grey values (0 to 255) are at least so far apart; compression noise on black is less."""
SMALLEST_SHARE = 0.08
GOOD_FIT = 0.75
"""Least overlap (IoU) of the fitted shape with the marked tissue; less is no scan sector."""
FAN_GAIN = 0.02
"""A fan must overlap so much more than a rectangle does."""
SMALLEST_PICTURE = 48
CUT_OFF = 0.06
"""A shape that leaves out speckle of more than this share of its own size is not trusted."""
PAINTED = 0.1
"""Share of the picture's border pixels that one grey must have to be taken for the interface's."""
DARKEST_PAINT = 8
"""Flat places darker than this may be tissue without an echo."""
HULL_SHARE = 0.9
"""A hull that is larger than this share of the picture is the whole picture."""
EDGE_SHARE = 0.35
"""An edge lies at the outermost line that has this share of the marks of a line inside."""


def find_sector(grey: NDArray[np.uint8]) -> Sector:
    """Find the scan in a picture (height, width) uint8; the whole picture where it cannot be told.

    For a clip, give the maximum of some frames (:func:`brightest`): what is dark in one is not in all.
    """
    if grey.ndim != 2 or grey.dtype != np.uint8:
        raise ValueError(f"expected (height, width) in uint8, got {grey.shape} in {grey.dtype}")
    if min(grey.shape) < SMALLEST_PICTURE:
        return whole_picture()
    marks = speckled(grey, STEP)
    tissue = largest_place(marks)
    if tissue.mean() < SMALLEST_SHARE:
        return whole_picture()
    best = _best_fit(tissue, marks)
    beside = _beside_paint(grey)
    if beside.any() and (best is None or best.kind != "fan"):
        marks |= beside
        tissue = largest_place(marks)
        best = _best_fit(tissue, marks)
    faint = largest_place(marks | speckled(grey, FAINT_STEP))
    if best is not None:
        inside = best.mask((grey.shape[0], grey.shape[1]))
        if (shrunk(faint) & ~inside & ~near_letters(grey)).sum() <= CUT_OFF * inside.sum():
            return best if inside.mean() <= 0.99 else whole_picture()
    return _hull(shrunk(tissue | faint))


def _best_fit(tissue: Mask, marks: Mask) -> Sector | None:
    """The rectangle, or the fan if it fits clearly better; ``None`` where neither does well."""
    shape = (tissue.shape[0], tissue.shape[1])
    box, fan = _fit_rectangle(tissue, marks), _fit_fan(tissue, marks)
    scored = [(_overlap(one.mask(shape), tissue), one) for one in (box, fan) if one is not None]
    if len(scored) == 2 and scored[1][0] < scored[0][0] + FAN_GAIN:
        scored.pop()
    return scored[-1][1] if scored and scored[-1][0] >= GOOD_FIT else None


def _hull(tissue: Mask) -> Sector:
    """The convex hull of all tissue; the whole picture where it is nearly all of that."""
    corners = np.argwhere(tissue ^ ndimage.binary_erosion(tissue)).astype(np.float64)
    if not len(corners):
        return whole_picture()
    hull = corners[spatial.ConvexHull(corners).vertices]
    outline = tuple((float(y), float(x)) for y, x in hull)
    sector = Sector("polygon", outline, "found")
    share = sector.mask((tissue.shape[0], tissue.shape[1])).mean()
    return sector if SMALLEST_SHARE <= share <= HULL_SHARE else whole_picture()


def brightest(frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The maximum over frames (height, width) of a clip."""
    return np.asarray(np.max(np.stack(frames), axis=0), np.uint8)


def _beside_paint(grey: NDArray[np.uint8]) -> Mask:
    """Pixels of other greys than the ones that an interface is painted with; none where that is black, or not there.

    What lies within a painted frame is the scan, however dark it is; but for a fan, which has black corners there.
    """
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    share = np.bincount(border, minlength=256) / border.size
    near = np.zeros(256, np.bool_)
    for level in np.flatnonzero(share >= PAINTED):
        near[max(0, level - STEP) : level + STEP + 1] = level >= DARKEST_PAINT
    painted: Mask = near[grey]
    return ~painted if near[border].mean() > 0.5 else np.zeros_like(painted)


def _overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def _fit_rectangle(tissue: Mask, marks: Mask) -> Sector | None:
    rows, columns = _span(tissue.mean(axis=1)), _span(tissue.mean(axis=0))
    reach = max(3, min(tissue.shape) // 20)
    rows = _edges(marks[:, columns[0] : columns[1] + 1].mean(axis=1), rows, reach)
    columns = _edges(marks[rows[0] : rows[1] + 1].mean(axis=0), columns, reach)
    if rows[1] - rows[0] < SMALLEST_PICTURE / 2 or columns[1] - columns[0] < SMALLEST_PICTURE / 2:
        return None
    # The last column's pixels have no right neighbour inside.
    right = columns[1] if columns[1] < tissue.shape[1] - 2 else tissue.shape[1] - 1
    return rectangle(rows[0], columns[0], rows[1], right)


def _span(profile: NDArray[np.floating]) -> tuple[int, int]:
    """First and last place where a profile is at least half of its upper quartile."""
    inside = np.flatnonzero(profile >= 0.5 * np.quantile(profile[profile > 0], 0.75))
    return int(inside[0]), int(inside[-1])


def _edges(profile: NDArray[np.floating], span: tuple[int, int], reach: int) -> tuple[int, int]:
    """Where marks begin and end, at most ``reach`` from a rough span; a ruler's line beyond a gap is not reached."""
    first, last = span
    upper = EDGE_SHARE * float(np.median(profile[first : first + 3 * reach]))
    lower = EDGE_SHARE * float(np.median(profile[max(0, last - 3 * reach) : last + 1]))
    start = first + reach - _run(profile[max(0, first - reach) : first + reach][::-1] >= upper)
    stop = last - reach + _run(profile[max(0, last - reach + 1) : last + reach + 1] >= lower)
    return max(0, start), min(len(profile) - 1, stop)


def _run(marked: Mask) -> int:
    """Length of the run from the first marked place on, with what is before it; two unmarked places end it."""
    begin = int(np.argmax(marked)) if marked.any() else 0
    gaps = np.flatnonzero(~marked[begin:-1] & ~marked[begin + 1 :])
    end = begin + int(gaps[0]) if gaps.size else len(marked)
    while end > begin + 1 and not marked[end - 1]:
        end -= 1
    return end


def _fit_fan(tissue: Mask, marks: Mask) -> Sector | None:
    rows = np.flatnonzero(tissue.any(axis=1))
    left = _side_line(tissue, rows)
    right = _side_line(tissue[:, ::-1], rows)
    if left is None or right is None:
        return None
    width = tissue.shape[1] - 1
    slopes = (left[0], -right[0])  # columns a row, both in the picture's own columns
    offsets = (left[1], width - right[1])
    if slopes[1] - slopes[0] < 0.15:
        return None
    apex_y = (offsets[0] - offsets[1]) / (slopes[1] - slopes[0])
    apex = (float(apex_y), float(slopes[0] * apex_y + offsets[0]))
    if apex_y > rows[0] + 0.25 * len(rows):
        return None
    fan = _refined(Fan(apex, 0.0, 1.0, float(np.arctan(slopes[0])), float(np.arctan(slopes[1]))), tissue, marks)
    if fan is None:
        return None
    outline = _cut(fan.outline(), _span_of_columns(tissue))
    return Sector("fan", outline, "found", fan) if len(outline) > 2 else None


def _side_line(tissue: Mask, rows: NDArray[np.intp]) -> tuple[float, float] | None:
    """Slope (columns a row, negative outwards) and offset of the left edge, between its upper end and its corner."""
    firsts = np.argmax(tissue[rows], axis=1).astype(np.float64)
    corner = int(np.argmin(firsts))
    upper = int(0.08 * len(rows))
    inside = np.arange(upper, corner)
    inside = inside[firsts[inside] > firsts[corner] + 2]
    if inside.size < 0.12 * len(rows):
        return None
    # The curved face's own edge runs inwards as well, but flatter: the steep part is the side edge.
    y, x = rows[inside].astype(np.float64), firsts[inside]
    for _ in range(4):
        slope, offset = np.polyfit(y, x, 1)
        miss = np.abs(x - slope * y - offset)
        keep = miss <= max(1.5, 1.5 * float(np.median(miss)))
        if keep.all() or keep.sum() < 8:
            break
        y, x = y[keep], x[keep]
    return (float(slope), float(offset)) if slope < -0.05 else None


def _refined(fan: Fan, tissue: Mask, marks: Mask) -> Fan | None:
    """Radii from the tissue, then radii and angles to where the marks begin and end."""
    y, x = np.indices(tissue.shape)
    radius, angle = np.hypot(y - fan.apex[0], x - fan.apex[1]), np.arctan2(x - fan.apex[1], y - fan.apex[0])
    wide = fan.right - fan.left
    middle = (angle > fan.left + 0.2 * wide) & (angle < fan.right - 0.2 * wide)
    steps = radius.astype(np.intp)
    depths = _profile(steps[middle], tissue[middle])
    if not (depths > 0.5).any():
        return None
    reach = max(3, min(tissue.shape) // 20)
    near, far = _edges(_profile(steps[middle], marks[middle]), _span(depths), reach)
    ring = (radius > near + 0.2 * (far - near)) & (radius < far - 0.1 * (far - near))
    pixel = 1.0 / far
    turns = np.clip((angle - fan.left) / pixel + 2 * reach, 0, wide / pixel + 4 * reach).astype(np.intp)
    size = int(wide / pixel)
    left, right = _edges(_profile(turns[ring], marks[ring]), (2 * reach, size + 2 * reach), 2 * reach)
    shift = 2.0 * reach
    return Fan(
        fan.apex,
        float(near),
        float(far + 1),
        float(fan.left + (left - shift) * pixel),
        float(fan.left + (right + 1 - shift) * pixel),
    )


def _profile(places: NDArray[np.intp], marks: Mask) -> NDArray[np.float64]:
    """Share of marked pixels at each place, 0 where there are none."""
    count = np.bincount(places)
    return np.bincount(places, marks.astype(np.float64)) / np.maximum(count, 1)


def _span_of_columns(tissue: Mask) -> tuple[float, float]:
    columns = np.flatnonzero(tissue.any(axis=0))
    return float(columns[0]) - 0.5, float(columns[-1]) + 0.5


def _cut(outline: Sequence[Vertex], columns: tuple[float, float]) -> tuple[Vertex, ...]:
    """A polygon cut to a span of columns, for a fan whose sides the screen cuts off."""
    kept = list(outline)
    for limit, sign in ((columns[0], 1.0), (columns[1], -1.0)):
        before, kept = kept, []
        for (y0, x0), (y1, x1) in zip(before, before[1:] + before[:1], strict=True):
            inside = sign * (x0 - limit) >= 0
            if inside:
                kept.append((y0, x0))
            if inside != (sign * (x1 - limit) >= 0):
                kept.append((y0 + (y1 - y0) * (limit - x0) / (x1 - x0), limit))
    return tuple(kept)
