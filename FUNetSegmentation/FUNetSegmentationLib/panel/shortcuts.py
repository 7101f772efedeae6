"""Keys for the worklist, while the module is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer


class Shortcuts:
    """Key sequences that work in the whole main window, so that drawing need not be left.

    Args:
        actions: what to do by key sequence.
        fallback: the widget that they work in where there is no main window.
    """

    def __init__(self, actions: Mapping[str, Callable[..., None]], fallback: Any) -> None:
        owner = slicer.util.mainWindow() or fallback
        self._shortcuts = []
        for keys, action in actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(keys), owner)
            shortcut.activated.connect(action)
            self._shortcuts.append(shortcut)
        self.enable(on=False)

    def enable(self, *, on: bool) -> None:
        """Switch all of them on or off."""
        for shortcut in self._shortcuts:
            shortcut.enabled = on

    def close(self) -> None:
        """Remove them from the window."""
        for shortcut in self._shortcuts:
            shortcut.deleteLater()
        self._shortcuts = []
