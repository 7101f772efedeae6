"""Choosing where to compute, and saying what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..translation import tr as _
from .context import PanelContext

if TYPE_CHECKING:
    from ..workflow.task import Task

_AUTO = "auto"


class DeviceSelector:
    """The box with the processors and the label beside it.

    What there is, only the background process knows; it is asked after the first task, when it
    runs anyway.

    Args:
        context: of the panel; its parameter ``device`` is kept equal to what the box shows.
    """

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        self._known = False
        self._box = context.ui.deviceSelector
        self._fill([{"id": "cpu", "name": _("Processor (CPU)")}])
        self._box.textActivated.connect(self._on_activated)
        context.ui.deviceStateLabel.text = _("Shown after the first job")

    def follow(self) -> None:
        """Show the device that the parameter names."""
        wanted = self._context.device
        if self._box.findData(wanted) < 0:  # a scene from another computer
            self._box.addItem(wanted, wanted)
        self._box.currentIndex = self._box.findData(wanted)

    def ask(self) -> None:
        """Ask the background process what it runs on, once."""
        if not self._known:
            self._known = True
            task = self._context.logic.computer(waitForCompletion=False)
            self._context.tasks.when_done(task, self._on_known)

    def _on_known(self, task: Task) -> None:
        computer = task.result or {}
        if not computer.get("torch"):
            self._known = False
            return
        devices = computer["devices"]
        self._fill([{"id": "cpu", "name": _("Processor (CPU)")}, *devices[1:]])
        self.follow()
        best = devices[1]["name"] if len(devices) > 1 else _("CPU")
        self._context.ui.deviceStateLabel.text = _("{device}, PyTorch {version}").format(
            device=best, version=str(computer["torch"]).split("+")[0]
        )
        self._context.ui.deviceStateLabel.toolTip = _(
            "The jobs run in a process of their own, {threads} threads, Python {python}."
        ).format(threads=computer.get("threads", 1), python=computer.get("python", ""))

    def _fill(self, devices: list[dict[str, Any]]) -> None:
        self._box.blockSignals(True)  # noqa: FBT003 (Qt takes it by position)
        self._box.clear()
        self._box.addItem(_("Automatic"), _AUTO)
        for device in devices:
            self._box.addItem(device["name"], device["id"])
        self._box.blockSignals(False)  # noqa: FBT003

    def _on_activated(self, *_args: object) -> None:
        if self._context.parameters is not None:
            self._context.parameters.device = str(self._box.itemData(self._box.currentIndex))
