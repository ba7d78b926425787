"""What is longer than its room says so, what has no words has a name to be read out, and old figures have new names."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QSlider

from napari_adasam.domain.rounds import RoundProgress, RoundReport
from napari_adasam.ui.dock import AdasamDock

from window_fakes import wait_idle  # isort: skip

PRESSED = (QAbstractButton, QComboBox, QLineEdit, QAbstractSpinBox, QSlider)


def report(number: int, before: dict[int, float], after: dict[int, float]) -> RoundReport:
    return RoundReport(
        number=number, labelled=5, unlabelled=0, held_out=1, before=before, after=after, accepted=True,
        verdict="Better.", seconds=1.0, model="v1", losses=(1.0, 0.5),
    )  # fmt: skip


def test_losses_of_earlier_rounds_lie_behind_those_of_the_last(
    opened: AdasamDock, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = opened.learn_panel
    first, second = report(1, {}, {1: 0.5}), replace(report(2, {}, {1: 0.6}), losses=(0.4, float("nan"), 0.2))
    both, alone = (first, second), (first,)
    monkeypatch.setattr(type(opened.annotator), "reports", property(lambda _: alone))
    learn.show_reports()
    assert "earlier" not in learn.loss_plot.title
    monkeypatch.setattr(type(opened.annotator), "reports", property(lambda _: both))
    learn.show_reports()
    assert learn.loss_plot.title.endswith("in grey, earlier rounds")
    assert learn.loss_plot.values() == ((0.4, 0.2), (1.0, 0.5))
    learn.show_progress(RoundProgress(1, 3, 0.9, "learning", None))
    assert learn.loss_plot.values() == ((0.9,), (1.0, 0.5), (0.4, 0.2))


def test_everything_that_is_pressed_or_typed_in_has_a_name_to_be_read_out(opened: AdasamDock) -> None:
    found = [one for kind in PRESSED for one in opened.findChildren(kind) if not one.objectName().startswith("qt_")]
    found.remove(opened.scale_panel.folder)  # has its words when it is shown
    assert len(found) > 60
    nameless = []
    for one in found:
        words = one.accessibleName() or (one.text() if isinstance(one, QAbstractButton) else "")
        if not re.search("[a-zA-Z]", words):
            nameless.append((type(one).__name__, one.toolTip()))
    assert nameless == []
    assert [one.accessibleName() or one.text() for one in found if not one.toolTip()] == [], "and says what it does"


def test_words_that_do_not_fit_are_left_out_with_a_sign(opened: AdasamDock, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, header = opened.annotate_panel.frame_card.chosen, opened.sections["structures"].header
    chosen.setCurrentIndex(-1)
    chosen.setPlaceholderText("○ 1.2.840.113619.2.5.1762583153.215519.978957063.78 · suggested")
    header.setText("2  Structures · gastrocnemius lateralis, soleus")
    structure = opened.annotate_panel.structures.choices[1]
    structure.setText("rectus && vastus lateralis, both without their fascia")
    for one in (chosen, header, structure):
        one.setFixedWidth(260)
        assert one.fontMetrics().horizontalAdvance(one.words()) < 260
    assert chosen.words().startswith("○ 1.2")
    assert "…" in chosen.words()
    assert chosen.words().endswith("63.78 · suggested"), "how it stands is seen"
    chosen.setPlaceholderText("○ cine · 2 accepted, 22 to do (22 propagated)")
    assert chosen.words().startswith("○ cine · 2 accepted")
    assert chosen.words().endswith("…")
    assert header.words().startswith("2  Structures")
    assert header.words().endswith("…")
    assert structure.words().startswith("rectus && vastus")
    assert structure.words().endswith("…")
    for one in (chosen, header, structure):
        drawn = one.grab().toImage()
        monkeypatch.setattr(type(one), "words", lambda _: "other words")
        assert one.grab().toImage() != drawn, "that is what is drawn"


def test_the_list_of_methods_has_room_for_the_longest_name(shown: AdasamDock, qtbot: Any) -> None:
    shown.sections["learn"].set_open(True)
    qtbot.wait(50)
    method = shown.learn_panel.method
    for place in range(method.count()):
        method.setCurrentIndex(place)
        assert method.words() == method.currentText()


def test_the_yellow_of_an_unknown_scale_is_no_wider_than_its_words(shown: AdasamDock, qtbot: Any) -> None:
    shown.sections["open"].set_open(True)
    qtbot.wait(50)
    for card in (shown.scale_panel, shown.annotate_panel.frame_card):
        assert card.scale.text() == "pixels only"
        assert card.scale.width() <= card.scale.sizeHint().width() + 10


def test_the_figures_of_a_round_have_the_names_that_structures_have_now(opened: AdasamDock, qtbot: Any) -> None:
    opened.commander.run("accept")
    wait_idle(opened, qtbot)
    opened.learn_panel.start.click()
    wait_idle(opened, qtbot)
    first, *others = opened.annotator.session.structures
    assert first.name in opened.learn_panel.table.text()
    opened.annotator.set_structures((first.renamed("rectus femoris"), *others))
    assert "rectus femoris" in opened.learn_panel.table.text()


def test_a_structure_that_came_later_begins_later_in_the_line_over_all_rounds(opened: AdasamDock) -> None:
    panel = opened.learn_panel
    first, second = (one.value for one in opened.annotator.session.structures)
    panel._show_dice(
        [report(1, {first: 0.5}, {first: 0.6}), report(2, {first: 0.6, second: 0.3}, {first: 0.7, second: 0.4})]
    )
    assert panel.dice_plot.values() == ((0.5, 0.6, 0.7), (None, None, 0.4))
    assert panel.dice_plot.grab().toImage().width() > 100
