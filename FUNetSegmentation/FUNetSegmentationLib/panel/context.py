"""What the sections of the panel share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from funet.errors import FunetError

from .status import StatusLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..workflow.logic import SegmentationLogic
    from ..workflow.task import Task
    from .tasks import TaskFollower


@dataclass
class PanelContext:
    """The widgets, the logic, and what is chosen.

    Attributes:
        ui: the widgets of the ``.ui`` by their names.
        logic: does the work.
        status: says what happened.
        parameters: the parameter node of the scene; ``None`` while the scene is being closed.
        refresh: brings the buttons up to date.
        reload_models: reads the models from the disk again and shows them.
    """

    ui: Any
    logic: SegmentationLogic
    status: StatusLine
    parameters: Any = None
    refresh: Callable[[], None] = field(default=lambda: None)
    reload_models: Callable[[], None] = field(default=lambda: None)
    tasks: TaskFollower = field(init=False)

    @property
    def volume(self) -> Any:
        """The chosen volume node, or ``None``."""
        return None if self.parameters is None else self.parameters.inputVolume

    @property
    def segmentation(self) -> Any:
        """The chosen segmentation node, or ``None``."""
        return None if self.parameters is None else self.parameters.segmentation

    @property
    def chosen(self) -> tuple[Any, Any]:
        """The chosen volume and segmentation."""
        return self.volume, self.segmentation

    @property
    def model(self) -> str:
        """The id of the chosen model, or an empty text."""
        selector = self.ui.modelSelector
        return str(selector.itemData(selector.currentIndex) or "")

    @property
    def device(self) -> str:
        """Where to compute."""
        return (self.parameters.device if self.parameters is not None else "") or "auto"

    @contextmanager
    def telling_errors(self) -> Iterator[None]:
        """Show an error meant for the user in the panel instead of raising it."""
        try:
            yield
        except FunetError as error:
            self.status.fail(error)

    def start(self, begin: Callable[[], Task], done: Callable[[Task], None] | None = None) -> None:
        """Begin a task once all that it needs is installed.

        Args:
            begin: calls the logic with ``waitForCompletion=False``.
            done: called with the task when it has succeeded.
        """
        self.tasks.start(begin, done)
