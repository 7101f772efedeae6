"""Live learning: the tick box, and the clock that drives it."""

from __future__ import annotations

import time
from typing import Any

import qt
import slicer

from ..scene.segmentation_nodes import alive
from ..translation import tr as _
from ..workflow.live import LiveLearning
from .context import PanelContext

_TICK_MS = 250
_TEXTS = {
    "off": "",
    "watching": _("Watching: a slice is learned when you have left it or accepted it."),
    "learning": _("Learning in the background…"),
    "predicting": _("Predicting with the new version…"),
    "ready": _("A newer prediction is ready; it comes when you pause."),
}


class LiveSection:
    """Retrains in the background while the box is ticked.

    Args:
        context: of the panel.

    Attributes:
        learning: what decides when to learn and when to write.
    """

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        self._node: Any = None
        self._reported = ""
        self.learning = LiveLearning(context.logic, may_write=_no_mouse_button_is_pressed)
        self.learning.observers.append(self._on_changed)
        self._timer = qt.QTimer()
        self._timer.interval = _TICK_MS
        self._timer.timeout.connect(self._on_tick)
        self._on_changed()

    def update(self) -> None:
        """Begin or stop, as the parameters say."""
        parameters = self._context.parameters
        wanted = parameters is not None and parameters.liveLearning
        node = self._context.segmentation if wanted else None
        if not alive(node) or not self._context.model:
            node = None
        if node is not None:
            self.learning.device = self._context.device
            self.learning.steps = parameters.steps or None
            self.learning.model = self._context.model
        if node is self._node:
            return
        self._node = node
        if node is None:
            self._timer.stop()
            self.learning.stop()
            return
        self.learning.start(node, time.monotonic())
        self._timer.start()

    def edited(self) -> None:
        """Take note of a change of the drawing or of a state."""
        self.learning.edited(time.monotonic())

    def stop(self) -> None:
        """Stop for good."""
        self._node = None
        self._timer.stop()
        self.learning.stop()

    def _on_tick(self, *_args: object) -> None:
        self.learning.tick(time.monotonic())

    def _on_changed(self) -> None:
        learning, label = self.learning, self._context.ui.liveStateLabel
        parts = [_TEXTS[learning.state]]
        if learning.state == "watching" and learning.message:
            parts.append(learning.message)
        label.text = "\n".join(part for part in parts if part)
        label.visible = learning.state != "off"
        if learning.message != self._reported:
            self._reported = learning.message
            self._context.reload_models()


def _no_mouse_button_is_pressed() -> bool:
    return not slicer.app.mouseButtons()
