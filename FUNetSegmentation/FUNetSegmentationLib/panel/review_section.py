"""Reviewing: the worklist, jumping to slices, accepting them, and the Segment Editor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from funet.errors import FunetError

from ..scene.history import ReviewHistory
from ..scene.segmentation_nodes import alive
from ..scene.views import jump_to_slice
from ..translation import tr as _
from .context import PanelContext
from .corrections import CorrectionWatcher
from .editor import EmbeddedEditor
from .shortcuts import Shortcuts
from .texts import slices
from .worklist_table import WorklistTable

_ALL = frozenset({"predicted", "corrected", "accepted"})
_TO_REVIEW = frozenset({"predicted"})


class ReviewSection:
    """The section "Review and correct".

    Args:
        context: of the panel.

    Attributes:
        worklist: the table.
        editor: the embedded Segment Editor.
        watcher: notices corrections.
        shortcuts: keys for the worklist.
        edited: called when a drawing or a state has changed.
    """

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        self._node: Any = None  # whose slices are shown
        self._model = ""  # and of which model
        self._absent: list[str] = []  # its structures that have no segment
        self._visited: int | None = None  # the slice that the list last brought into view
        self.edited: Callable[[], None] = _nothing
        ui = context.ui
        self.worklist = WorklistTable(ui.reviewTable)
        self.editor = EmbeddedEditor(ui.segmentEditorWidget)
        self.watcher = CorrectionWatcher(self._on_edited)
        self.shortcuts = Shortcuts(
            {
                "Ctrl+Shift+Up": self._on_previous,
                "Ctrl+Shift+Down": self._on_next,
                "Ctrl+Shift+Return": self._on_accept_key,
            },
            ui.reviewTable,
        )
        self._filters = {
            _("To review"): _TO_REVIEW,
            _("All slices"): _ALL,
            _("Corrected"): frozenset({"corrected"}),
            _("Accepted"): frozenset({"accepted"}),
        }
        ui.reviewFilter.addItems(list(self._filters))
        self._on_filter()
        ui.reviewFilter.currentTextChanged.connect(self._on_filter)
        ui.reviewTable.cellClicked.connect(self._on_clicked)
        # The selection changes before the current row does.
        ui.reviewTable.currentCellChanged.connect(self._on_row_changed)
        ui.previousSliceButton.clicked.connect(self._on_previous)
        ui.nextSliceButton.clicked.connect(self._on_next)
        ui.acceptSliceButton.clicked.connect(self._on_accept)
        ui.unmarkSliceButton.clicked.connect(self._on_unmark)

    @property
    def taught(self) -> int:
        """Number of slices that are corrected or accepted."""
        return sum(item.state != "predicted" for item in self.worklist.slices)

    def update(self) -> None:
        """Show the slices of the chosen segmentation as they are now."""
        node, ui = self._context.segmentation, self._context.ui
        if node is not self._node:
            self._node = node
            self.worklist.select(None)
        self._model = self._context.model
        problem = ""
        items, self._absent = [], []
        if alive(node):
            logic = self._context.logic
            try:
                items = logic.review(node, self._model or None)
                self._absent = logic.missingStructures(node, self._model) if self._model else []
            except FunetError as error:
                problem = str(error)
        self.worklist.show(items)
        ui.reviewSummaryLabel.text = problem or self._summary()
        self._context.refresh()

    def follow_model(self) -> None:
        """Another model may have been chosen, with a prediction of its own."""
        if self._context.model != self._model:
            self.update()

    def _summary(self) -> str:
        states = [item.state for item in self.worklist.slices]
        if not states:
            return _("Segment a volume, or draw in a segmentation, to see its slices here.")
        text = _("{rest} to review, {corrected} corrected, {accepted} accepted").format(
            rest=slices(states.count("predicted")),
            corrected=states.count("corrected"),
            accepted=states.count("accepted"),
        )
        if ReviewHistory(self._node).forgotten:
            text += ". " + _(
                "Of an earlier prediction only the drawing is left, so all of it counts as "
                "corrected: unmark what is not, or segment into a new segmentation."
            )
        return text

    def _jump(self) -> None:
        item, node = self.worklist.selected, self._context.segmentation
        self._visited = None if item is None else item.sliceIndex
        if item is None or not alive(node):
            return
        history = ReviewHistory(node)
        if history.volume_node is not None and history.slice_axis is not None:
            with self._context.telling_errors():
                jump_to_slice(history.volume_node, history.slice_axis, item.sliceIndex)

    def _go(self, direction: int) -> None:
        if self.worklist.step(direction):
            self.worklist.refilter()

    def _on_previous(self, *_args: object) -> None:
        self._go(-1)

    def _on_next(self, *_args: object) -> None:
        self._go(1)

    def _on_clicked(self, *_args: object) -> None:
        self._jump()

    def _on_row_changed(self, *_args: object) -> None:
        item = self.worklist.selected
        # A row that moved with its slice is no new choice: the view stays where the user put it.
        if item is None or item.sliceIndex != self._visited:
            self._jump()
        self._context.refresh()

    def _on_filter(self, *_args: object) -> None:
        self.worklist.filter(self._filters[self._context.ui.reviewFilter.currentText])
        self._context.refresh()

    def _on_accept_key(self, *_args: object) -> None:
        if self._context.ui.acceptSliceButton.enabled:
            self._on_accept()

    def _on_accept(self, *_args: object) -> None:
        if self._mark("accepted") and self.worklist.step(1, _TO_REVIEW):
            self.worklist.refilter()

    def _on_unmark(self, *_args: object) -> None:
        self._mark("predicted")

    def _mark(self, state: str) -> bool:
        item, node = self.worklist.selected, self._context.segmentation
        if item is None or not alive(node):
            return False
        try:
            self._context.logic.setSliceState(node, item.sliceIndex, state)
        except FunetError as error:
            self._context.status.fail(error)
            return False
        self._on_edited()
        return True

    def _on_edited(self) -> None:
        self.update()
        self.edited()

    def facts(self) -> dict[str, Any]:
        """Return what the buttons depend on."""
        selected = self.worklist.selected
        return {
            "listed": self.worklist.listed,
            "selected": None if selected is None else selected.state,
            "taught": self.taught,
            "absent": ", ".join(self._absent),
        }


def _nothing() -> None:
    return
