"""Figures of a class activation map."""

from __future__ import annotations

import numpy as np
import pytest

from napari_adasam.domain.prompts import Point, Prompt
from napari_adasam.evaluation.cam_figures import CamFigures, iou_of_boxes, summary

TRUTH = np.zeros((10, 10), bool)
TRUTH[2:6, 2:6] = True
SCAN = np.ones((10, 10), bool)
SCAN[8:] = False


def test_energy_box_and_points() -> None:
    cam = np.zeros((10, 10), np.float32)
    cam[2:6, 2:4], cam[8, :] = 0.5, 0.1
    prompts = (Prompt(points=(Point(3, 3), Point(0, 0)), box=(2, 2, 5, 9)),)
    found = CamFigures.of(cam, prompts, TRUTH, SCAN)
    assert found.energy_inside == pytest.approx(4 / 5)
    assert found.energy_outside_scan == pytest.approx(1 / 5)
    assert found.box_iou == pytest.approx(0.5)
    assert found.point_hits == 0.5


def test_boxes_of_several_prompts_count_together() -> None:
    prompts = (Prompt(box=(2, 2, 3, 5)), Prompt(box=(4, 2, 5, 5)))
    assert CamFigures.of(TRUTH.astype(np.float32), prompts, TRUTH, None) == CamFigures(1.0, 1.0, None, None)


def test_nothing_prompted_is_a_miss_and_nothing_there_is_no_figure() -> None:
    dark = np.zeros((10, 10), np.float32)
    assert CamFigures.of(dark, (), TRUTH, SCAN) == CamFigures(0.0, 0.0, 0.0, None)
    assert CamFigures.of(dark + 1, (), np.zeros_like(TRUTH), SCAN) == CamFigures(None, None, None, pytest.approx(0.2))


def test_boxes_apart_have_no_overlap() -> None:
    assert iou_of_boxes((0, 0, 1, 1), (5, 5, 6, 6)) == 0
    assert iou_of_boxes((0, 0, 9, 9), (0, 0, 9, 9)) == 1


def test_means_leave_out_what_is_not_there() -> None:
    figures = [CamFigures(0.2, None, 1.0, None), CamFigures(0.4, None, 0.0, None)]
    assert summary(figures, "_x") == {
        "cam_energy_inside_x": pytest.approx(0.3),
        "cam_box_iou_x": None,
        "cam_point_hits_x": 0.5,
        "cam_energy_outside_scan_x": None,
    }
