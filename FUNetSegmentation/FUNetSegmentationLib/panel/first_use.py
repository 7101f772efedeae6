"""The first use: what must be installed, one button that does it, then what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import slicer

from funet.errors import Cancelled, FunetError
from funet.progress import Progress

from ..translation import tr as _
from .progress_bar import ProgressDisplay
from .status import StatusLine

if TYPE_CHECKING:
    from ..workflow.logic import SegmentationLogic


class FirstUse:
    """Shows a frame with one sentence and one button while packages are missing.

    Args:
        ui: the widgets.
        logic: knows what is missing, and installs it.
        status: says how the installation went.
        progress: shows that it runs.
        installed: called when the frame has gone.
    """

    def __init__(
        self,
        ui: Any,
        logic: SegmentationLogic,
        status: StatusLine,
        progress: ProgressDisplay,
        installed: Callable[[], None],
    ) -> None:
        self._ui = ui
        self._logic = logic
        self._status = status
        self._progress = progress
        self._installed = installed
        self._afterwards: Callable[[], None] | None = None
        ui.installButton.clicked.connect(self._on_install)

    def update(self) -> None:
        """Show the frame if something is missing."""
        self._show(self._missing())

    def asks_for_packages(self, afterwards: Callable[[], None]) -> bool:
        """Ask for an installation if something is missing.

        Args:
            afterwards: called when it is there.

        Returns:
            Whether the user was asked; then ``afterwards`` comes later, or never.
        """
        names = self._missing()
        self._show(names)
        self._afterwards = afterwards if names else None
        if names:
            self._ui.installButton.text = _("Install and go on")
            self._ui.installButton.setFocus()
        return bool(names)

    def _missing(self) -> list[str]:
        try:
            return [requirement.name for requirement in self._logic.missingRequirements()]
        except FunetError as error:
            self._status.fail(error)
            return []

    def _show(self, names: list[str]) -> None:
        readable = ["PyTorch" if name == "torch" else name for name in names]
        self._ui.requirementsLabel.text = _(
            "{names} must be installed once before the first job. It may take several minutes "
            "and, for PyTorch, gigabytes of disk."
        ).format(names=", ".join(readable))
        self._ui.installButton.text = _("Install")
        self._ui.requirementsFrame.visible = bool(names)

    def _on_install(self, *_args: object) -> None:
        self._ui.installButton.enabled = False
        try:
            self._install()
        finally:
            self._ui.installButton.enabled = True
            self._progress.rest()
            self.update()

    def _install(self) -> None:
        afterwards, self._afterwards = self._afterwards, None
        try:
            self._logic.installRequirements(self._report)
        except Cancelled:
            self._afterwards = afterwards
            self._status.say(_("Nothing was installed."), role="warn")
        except FunetError as error:
            self._afterwards = afterwards
            self._status.fail(error)
        else:
            self._status.say(_("All that is needed is installed."))
            self._show([])
            self._installed()
            if afterwards is not None:
                afterwards()

    def _report(self, progress: Progress) -> None:
        self._progress.show_endless(progress.message)
        self._status.say(
            _("{step}. The window may stand still until that is done.").format(
                step=progress.message
            ),
            role="busy",
        )
        slicer.app.processEvents()
