"""Colours for light and for dark panels: half transparent, or of middle lightness."""

from __future__ import annotations

from typing import Any

import qt

# Red, green, blue. Text takes the panel's own colour; these only tint what is behind or beside it.
ROLES = {
    "quiet": (128, 128, 128),
    "busy": (60, 130, 220),
    "good": (40, 160, 80),
    "warn": (225, 140, 20),
    "bad": (215, 60, 60),
}
STATE_ROLES = {"predicted": "quiet", "corrected": "warn", "accepted": "good"}
# Of bars made of text, on light and on dark bases: with as much contrast as texts need.
_INKS = ((24, 84, 160), (150, 200, 255))
_TINT, _BOX = 45, 70
_MARGIN = 6


def paint_box(label: Any, role: str) -> None:
    """Tint what is behind a label; its text keeps the colour of the theme, whichever that is."""
    palette = qt.QPalette()  # not a style sheet: that would freeze the colour of the text
    palette.setColor(qt.QPalette.Window, qt.QColor(*ROLES[role], _BOX))
    label.palette = palette
    label.setBackgroundRole(qt.QPalette.Window)  # in a collapsible button it is that of a button
    label.autoFillBackground = True
    label.margin = _MARGIN


def ink(widget: Any) -> Any:
    """Return a brush for bars in a widget, as the lightness of its base asks for."""
    is_dark = widget.palette.color(qt.QPalette.Base).lightness() < 128
    return qt.QBrush(qt.QColor(*_INKS[is_dark]))


def tint(role: str) -> Any:
    """Return a brush for the background of a cell."""
    return qt.QBrush(qt.QColor(*ROLES[role], _TINT))
