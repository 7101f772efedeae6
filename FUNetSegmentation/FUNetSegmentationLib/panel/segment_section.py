"""Segmenting: volume, model, device, and the button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..scene.history import ReviewHistory
from ..scene.segmentation_nodes import alive
from ..translation import tr as _
from .context import PanelContext
from .device_selector import DeviceSelector

if TYPE_CHECKING:
    from ..workflow.task import Task


class SegmentSection:
    """The section "Segment".

    Args:
        context: of the panel.

    Attributes:
        devices: the box with the processors.
    """

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        self.devices = DeviceSelector(context)
        context.ui.segmentButton.clicked.connect(self._on_segment)

    def update(self) -> None:
        """Say whether there is a prediction already."""
        node = self._context.segmentation
        predicted = alive(node) and ReviewHistory(node).model is not None
        self._context.ui.segmentButton.text = _("Segment again") if predicted else _("Segment")

    def _on_segment(self, *_args: object) -> None:
        context = self._context
        chosen = context.chosen
        context.start(
            lambda: context.logic.segment(
                volumeNode=context.volume,
                model=context.model or None,
                segmentationNode=context.segmentation,
                device=context.device,
                waitForCompletion=False,
            ),
            lambda task: self._on_done(task, chosen),
        )

    def _on_done(self, task: Task, chosen: tuple[Any, Any]) -> None:
        node = task.result
        if not alive(node) or self._context.parameters is None:
            return
        if self._context.chosen == chosen:  # who has gone on to something else is not called back
            self._context.parameters.segmentation = node
        ready = _("{name} is ready: look at the most doubtful slices below.")
        text, role = (_("{name} is ready."), "warn") if task.notes else (ready, "good")
        self._context.status.say(text.format(name=node.GetName()), task.notes, role=role)
        self.devices.ask()
