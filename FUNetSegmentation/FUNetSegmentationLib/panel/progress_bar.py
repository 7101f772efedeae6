"""One progress bar and one Cancel for whatever runs."""

from __future__ import annotations

from typing import Any

from funet.progress import Progress

from ..translation import tr as _
from .texts import time_left

_FULL = 1000


class ProgressDisplay:
    """Shows how far the running task has come.

    Args:
        bar: a progress bar.
    """

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._bar.maximum = _FULL
        self.rest()

    def rest(self) -> None:
        """Nothing is running."""
        self._bar.maximum = _FULL
        self._bar.value = 0
        self._write(_("Ready"))

    def show(self, title: str, progress: Progress) -> None:
        """Show the progress of a task.

        Args:
            title: of the task.
            progress: how far it has come.
        """
        self._bar.maximum = _FULL
        self._bar.value = round(min(max(progress.fraction, 0.0), 1.0) * _FULL)
        parts = [progress.message or title, time_left(progress.seconds_left)]
        self._write(" – ".join(part for part in parts if part))

    def show_endless(self, text: str) -> None:
        """Show that something is being done whose end is not known."""
        self._bar.maximum = 0
        self._write(text)

    def _write(self, text: str) -> None:
        self._bar.format = text
        self._bar.toolTip = text
