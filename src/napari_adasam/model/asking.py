"""The prompts that training asks with, each with the mask that it should bring.

Drawn from the CAM, as at use, and as people give them: boxes jittered by hand-like error, points inside the structure,
and corrections on the largest error of the answer before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.domain.settings import PromptSettings
from napari_adasam.domain.simulated import innermost, next_click, parts
from napari_adasam.domain.structures import Structure
from napari_adasam.model import cam
from napari_adasam.model.canvas import Canvas
from napari_adasam.model.prompting import prompts_from_cam

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A prompt in input pixels with the mask (S, S) that it should bring.

    ``whole`` is all parts of the structure where a person points at one of several: what clicks may go on to.
    """

    prompt: Prompt
    target: Mask
    whole: Mask | None = None


def jittered_box(mask: Mask, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A box around a mask as a hand draws it: each edge off by a normal error of 5 % of the side, at least 2 px."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    y0, y1, x0, x1 = rows[0], rows[-1], columns[0], columns[-1]
    dy, dx = max(2.0, 0.05 * (y1 - y0)), max(2.0, 0.05 * (x1 - x0))
    limit = mask.shape[0] - 1
    ys = np.sort(np.clip([y0 + rng.normal(0, dy), y1 + rng.normal(0, dy)], 0, limit))
    xs = np.sort(np.clip([x0 + rng.normal(0, dx), x1 + rng.normal(0, dx)], 0, limit))
    return float(ys[0]), float(xs[0]), float(ys[1]), float(xs[1])


def inner_point(mask: Mask, rng: np.random.Generator) -> Point:
    """A point inside a mask: half the time its innermost pixel, else any of its pixels."""
    if rng.random() < 0.5:
        y, x = innermost(mask)
    else:
        ys, xs = np.nonzero(mask)
        pick = rng.integers(len(ys))
        y, x = ys[pick], xs[pick]
    return Point(float(y), float(x))


def by_hand(mask: Mask, structure: Structure, rng: np.random.Generator) -> Asked | None:
    """A person's first prompt for one part of a structure: a box, a point, or both."""
    found = parts(mask, structure)
    if not found:
        return None
    part = found[int(rng.integers(len(found)))]
    kind = rng.random()
    points = (inner_point(part, rng),) if kind > 0.4 else ()
    box = jittered_box(part, rng) if kind < 0.6 else None
    whole = mask if box is None and len(found) > 1 else None
    return Asked(Prompt(points=points, box=box), part, whole)


def by_cam(
    maps: NDArray[np.float32],
    mask: Mask,
    structure: Structure,
    rng: np.random.Generator,
    settings: PromptSettings = PromptSettings(),
) -> list[Asked]:
    """The CAM's own prompts with the parts that each of them means; now and then without its box or point."""
    size = mask.shape[0]
    canvas = Canvas(size, size, size)
    box, point = bool(rng.random() < 0.8), bool(rng.random() < 0.8)
    if not settings.use_dense and not ((settings.use_box and box) or (settings.use_point and point)):
        box = point = True  # one part of the prompt at least
    drawn = replace(settings, use_box=settings.use_box and box, use_point=settings.use_point and point, use_dense=True)
    asked = []
    separate = parts(mask, structure)
    prompts = prompts_from_cam(maps, canvas, drawn, structure.several_parts)[:3]
    for prompt in prompts:
        assert prompt.dense is not None
        lit = np.kron(prompt.dense > 0, np.ones((size // maps.shape[0],) * 2, dtype=bool))
        meant = [p for p in separate if (p & lit).any()] if len(prompts) > 1 else separate
        if meant:
            given = prompt if settings.use_dense else replace(prompt, dense=None)
            asked.append(Asked(given, np.any(meant, axis=0)))
    return asked


def correct(asked: Asked, low: Tensor) -> Asked | None:
    """The next round of an interactive correction: one click on the largest error, the last answer as dense map."""
    size = asked.target.shape[0]
    shown = F.interpolate(low[None, None], (size, size), mode="bilinear", align_corners=False)[0, 0] > 0
    point = next_click(shown.cpu().numpy(), asked.target)
    if point is None:
        return None
    dense = np.asarray(low.clamp(-cam.LOGIT_LIMIT, cam.LOGIT_LIMIT).cpu().numpy(), dtype=np.float32)
    prompt = Prompt(points=(*asked.prompt.points, point), box=asked.prompt.box, dense=dense)
    return Asked(prompt, asked.target)


def go_on_to_whole(asked: Asked) -> Asked:
    """The same prompt, from which clicks go on to all parts of the structure; as it is where there is but one."""
    return asked if asked.whole is None else Asked(asked.prompt, asked.whole)
