"""Colours, font size and words of the dock, taken from napari's own so that the two fit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from napari.settings import get_settings
from napari.utils.theme import get_theme
from napari.viewer import Viewer
from qtpy.QtWidgets import QWidget

from napari_adasam.domain.records import FrameStatus

# Okabe and Ito's colours, each with black or white text that reads on it; the word stands beside the colour, always.
STATUS_COLORS: dict[FrameStatus, tuple[str, str]] = {
    FrameStatus.NEW: ("#9aa0a6", "#000000"),
    FrameStatus.SUGGESTED: ("#56b4e9", "#000000"),
    FrameStatus.CORRECTED: ("#e69f00", "#000000"),
    FrameStatus.ACCEPTED: ("#009e73", "#000000"),
    FrameStatus.SKIPPED: ("#cc79a7", "#000000"),
}
AMBER = ("#f0e442", "#000000")
EVEN = 0.179
"""Of this relative luminance black and white are seen equally well."""
USUAL_PX, WIDER = 12.0, 20.0
"""The height of napari's letters as it comes, and how many pixels each pixel more makes the dock wider: measured."""


@dataclass(frozen=True, slots=True)
class Colors:
    """The theme's colours as CSS words, and the font size that is set in napari, in points."""

    background: str
    foreground: str
    primary: str
    text: str
    icon: str
    current: str
    on_current: str
    font_pt: int


def colors_of(theme_name: str) -> Colors:
    """The colours of napari's theme of that name."""
    rgb = get_theme(theme_name).to_rgb_dict()
    return Colors(
        background=rgb["background"],
        foreground=rgb["foreground"],
        primary=rgb["primary"],
        text=rgb["text"],
        icon=rgb["icon"],
        current=rgb["current"],
        on_current=text_on(rgb["current"]),
        font_pt=int(get_settings().appearance.font_size),
    )


def text_on(background: str) -> str:
    """Black or white, whichever reads better on a colour ``"rgb(r, g, b)"``, by WCAG 2's relative luminance."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", background)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > EVEN else "white"


def chip(background: str, text: str) -> str:
    """Style sheet of a small coloured label."""
    return f"background-color: {background}; color: {text}; border-radius: 3px; padding: 1px 6px; font-weight: bold;"


def dock_style(colors: Colors) -> str:
    """Style sheet of the whole dock, on top of napari's own."""
    size = colors.font_pt
    return f"""
    QLabel, QCheckBox, QRadioButton {{ font-size: {size}pt; background: transparent; }}
    QLineEdit, QListView {{ font-size: {size}pt; }}
    QPushButton {{ font-size: {size}pt; padding: 4px 4px; min-height: 16px; }}
    QPushButton:checked {{ background-color: {colors.current}; color: {colors.on_current}; }}
    QPushButton#primary:enabled {{ background-color: {colors.current}; color: {colors.on_current};
        font-weight: bold; }}
    QPushButton:disabled, QCheckBox:disabled, QLabel:disabled {{ color: rgba(150, 150, 150, 160); }}
    QCheckBox, QRadioButton, QSlider {{ border: 1px solid transparent; border-radius: 3px; }}
    QCheckBox::indicator, QRadioButton::indicator:unchecked {{ border: 1px solid {colors.icon}; }}
    QCheckBox::indicator {{ width: 14px; height: 14px; }}
    QRadioButton::indicator:unchecked {{ width: 14px; height: 14px; }}
    QCheckBox::indicator:disabled, QRadioButton::indicator:disabled {{ border-color: {colors.primary}; }}
    QCheckBox:focus, QRadioButton:focus, QSlider:focus {{ border-color: {colors.text}; }}
    QPushButton:focus {{ border: 2px solid {colors.text}; padding: 2px 2px; }}
    QToolButton:focus, QToolButton#sectionTitle:focus {{ border: 2px solid {colors.text}; padding: 1px; }}
    QComboBox:focus {{ border: 2px solid {colors.text}; padding: 1px 8px 1px 6px; }}
    QLineEdit:focus, QAbstractSpinBox:focus {{ border: 2px solid {colors.text}; }}
    QSlider::handle:disabled {{ background-color: {colors.primary}; }}
    QToolButton#sectionTitle {{ font-size: {size + 1}pt; font-weight: bold; text-align: left; border: 0px;
        background-color: {colors.foreground}; padding: 3px; border-radius: 2px; }}
    QLabel#reason {{ color: {colors.icon}; font-style: italic; }}
    QLabel#hint {{ background-color: {colors.foreground}; border-left: 3px solid {colors.current}; padding: 5px; }}
    QLabel#notice {{ background-color: {AMBER[0]}; color: {AMBER[1]}; padding: 4px; border-radius: 2px; }}
    QProgressBar {{ border: 0px; border-radius: 2px; background-color: {colors.primary};
        min-height: 5px; max-height: 5px; }}
    QProgressBar::chunk {{ background-color: {colors.current}; }}
    """


class Look:
    """Gives a widget napari's colours and font size, and follows them until it is closed. GUI thread.

    Parameters
    ----------
    width
        How wide the widget must be with letters as small as napari's are at first, in pixels.
    """

    def __init__(self, viewer: Viewer, widget: QWidget, width: int) -> None:
        self._viewer, self._widget, self._width = viewer, widget, width
        self._told_by = (viewer.events.theme, get_settings().appearance.events.font_size)
        for emitter in self._told_by:
            emitter.connect(self._show)
        self._show()

    def close(self) -> None:
        """Follow them no more."""
        for emitter in self._told_by:
            emitter.disconnect(self._show)

    def _show(self, event: object = None) -> None:
        colors = colors_of(self._viewer.theme)
        self._widget.setStyleSheet(dock_style(colors))
        letters = colors.font_pt * self._widget.logicalDpiY() / 72
        self._widget.setMinimumWidth(self._width + round(WIDER * max(0.0, letters - USUAL_PX)))
