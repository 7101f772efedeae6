"""Segmenting many files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt

from ..translation import tr as _
from .colors import tint
from .context import PanelContext

if TYPE_CHECKING:
    from ..workflow.results import FileResult
    from ..workflow.task import Task

FORMATS = ("nii.gz", "nrrd", "seg.nrrd")
_ROLES = {"done": "good", "skipped": "quiet", "failed": "bad"}


class BatchSection:
    """The section "Many files".

    Args:
        context: of the panel.
    """

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        self._results: list[FileResult] = []
        ui = context.ui
        ui.batchFormatSelector.addItems(list(FORMATS))
        ui.batchFormatSelector.currentTextChanged.connect(self._on_edited)
        for edit in (ui.batchInputPathEdit, ui.batchOutputPathEdit):
            edit.currentPathChanged.connect(self._on_edited)
            edit.validInputChanged.connect(self._on_edited)  # an emptied path is no other path
        ui.batchButton.clicked.connect(self._on_batch)
        header = ui.batchTable.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(1, qt.QHeaderView.Stretch)
        ui.batchTable.visible = False

    def follow(self) -> None:
        """Show what the parameters say."""
        ui, parameters = self._context.ui, self._context.parameters
        if parameters is None:
            return
        for edit, path in (
            (ui.batchInputPathEdit, parameters.batchInput),
            (ui.batchOutputPathEdit, parameters.batchOutput),
        ):
            if edit.currentPath != path:  # setting it again would move the cursor of who types
                edit.currentPath = path
        known = parameters.batchFormat in FORMATS
        ui.batchFormatSelector.currentText = parameters.batchFormat if known else FORMATS[0]

    def facts(self) -> dict[str, Any]:
        """Return what the buttons depend on."""
        ui = self._context.ui
        return {
            "batch_input": bool(ui.batchInputPathEdit.currentPath.strip()),
            "batch_output": bool(ui.batchOutputPathEdit.currentPath.strip()),
        }

    def add(self, result: FileResult) -> None:
        """Show what became of one more file."""
        table = self._context.ui.batchTable
        table.visible = True  # again, if the scene was closed meanwhile
        row = table.rowCount
        table.rowCount = row + 1
        name = Path(result.input).name
        said = result.message.replace(result.input, name) or _state_name(result.status)
        for column, text in enumerate((name, said, f"{result.seconds:.1f}")):
            item = qt.QTableWidgetItem(text)
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
            item.setToolTip("\n".join(filter(None, (result.input, result.output, result.message))))
            item.setBackground(tint(_ROLES.get(result.status, "quiet")))
            table.setItem(row, column, item)
        table.resizeRowToContents(row)
        table.scrollToBottom()
        self._results.append(result)

    def clear(self) -> None:
        """Show no results."""
        self._results = []
        self._context.ui.batchTable.rowCount = 0
        self._context.ui.batchTable.visible = False

    def _on_edited(self, *_args: object) -> None:
        ui, parameters = self._context.ui, self._context.parameters
        if parameters is not None:
            parameters.batchInput = ui.batchInputPathEdit.currentPath
            parameters.batchOutput = ui.batchOutputPathEdit.currentPath
            parameters.batchFormat = ui.batchFormatSelector.currentText
        self._context.refresh()

    def _on_batch(self, *_args: object) -> None:
        self._context.start(self._begin, self._on_done)

    def _begin(self) -> Task:
        context, ui = self._context, self._context.ui
        self.clear()
        ui.batchTable.visible = True
        return context.logic.segmentFiles(
            split_paths(ui.batchInputPathEdit.currentPath),
            ui.batchOutputPathEdit.currentPath.strip(),
            model=context.model,
            resume=ui.batchResumeCheckBox.checked,
            format=ui.batchFormatSelector.currentText,
            device=context.device,
            waitForCompletion=False,
            fileCallback=self.add,
        )

    def _on_done(self, task: Task) -> None:
        known = {result.input for result in self._results}
        for result in task.result:  # those that are not shown, or not any more
            if result.input not in known:
                self.add(result)
        states = [result.status for result in task.result]
        failed = states.count("failed")
        text = _("{done} segmented, {skipped} skipped, {failed} failed.").format(
            done=states.count("done"), skipped=states.count("skipped"), failed=failed
        )
        self._context.status.say(text, task.notes, role="warn" if failed else "good")


def _state_name(status: str) -> str:
    return {"done": _("Done"), "skipped": _("Skipped")}.get(status, _("Failed"))


def split_paths(text: str) -> list[str]:
    """Return the paths in a text where semicolons stand between them."""
    return [path.strip() for path in text.split(";") if path.strip()]
