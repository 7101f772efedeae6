"""Doing things once the event loop is free, so that no single event keeps the window waiting."""

from __future__ import annotations

from collections.abc import Callable

import qt


class Later:
    """Calls a function once, soon, however often it was asked for in between.

    Args:
        call: what to do.
    """

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._timer = qt.QTimer()
        self._timer.interval = 0
        self._timer.timeout.connect(self._on_timeout)

    def __call__(self) -> None:
        """Ask for it."""
        self._timer.start()

    def cancel(self) -> None:
        """Do not call any more, unless asked again."""
        self._timer.stop()

    def _on_timeout(self, *_args: object) -> None:
        self._timer.stop()
        self._call()
