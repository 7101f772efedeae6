"""The line under the progress bar that says what happened and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .colors import paint_box


class StatusLine:
    """Shows one message at a time in place of message boxes.

    Args:
        label: where; hidden while there is nothing to say.
    """

    def __init__(self, label: Any) -> None:
        self._label = label
        self.clear()

    def clear(self) -> None:
        """Say nothing."""
        self._label.text = ""
        self._label.visible = False

    def say(self, text: str, notes: Iterable[str] = (), *, role: str = "good") -> None:
        """Show a message.

        Args:
            text: one or two plain sentences.
            notes: further sentences, each on a line of its own.
            role: ``"good"``, ``"busy"``, ``"warn"`` or ``"bad"``.
        """
        paint_box(self._label, role)
        self._label.text = "\n".join([text, *notes])
        self._label.visible = True

    def fail(self, error: object) -> None:
        """Show why something did not work."""
        self.say(str(error), role="bad")
