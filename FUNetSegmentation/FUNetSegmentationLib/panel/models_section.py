"""The model manager: use, rename, export, import, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qt

from ..translation import tr as _
from . import file_dialogs
from .colors import tint
from .context import PanelContext
from .model_selector import ModelSelector, description

if TYPE_CHECKING:
    from ..workflow.results import ModelInfo
    from ..workflow.task import Task

_NAME = 0
_SURE_MS = 4000  # how long a second click deletes


class ModelsSection:
    """The section "Models".

    Args:
        context: of the panel.
        selector: holds the models, and which of them is chosen.
    """

    def __init__(self, context: PanelContext, selector: ModelSelector) -> None:
        self._context = context
        self._selector = selector
        self._renaming = ""
        self._delete_next = ""
        self._timer = qt.QTimer()
        self._timer.interval = _SURE_MS
        self._timer.timeout.connect(self._on_unsure)
        ui = context.ui
        header = ui.modelsTable.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(_NAME, qt.QHeaderView.Stretch)
        # The selection changes before the current row does.
        ui.modelsTable.currentCellChanged.connect(self._on_row_changed)
        ui.modelsTable.cellChanged.connect(self._on_cell_changed)
        ui.activateModelButton.clicked.connect(self._on_activate)
        ui.renameModelButton.clicked.connect(self._on_rename)
        ui.deleteModelButton.clicked.connect(self._on_delete)
        ui.exportModelButton.clicked.connect(self._on_export)
        ui.importModelButton.clicked.connect(self._on_import)

    @property
    def selected(self) -> ModelInfo | None:
        """The model chosen in the list."""
        table = self._context.ui.modelsTable
        item = table.item(table.currentRow(), _NAME)
        # The rows may still be those of a list that has changed since.
        return None if item is None else self._selector.find(item.data(qt.Qt.UserRole))

    def update(self) -> None:
        """Show the models as they are now."""
        table = self._context.ui.modelsTable
        chosen = self.selected  # before its row shows another
        table.blockSignals(True)  # noqa: FBT003 (Qt takes it by position)
        table.rowCount = len(self._selector.models)
        for row, model in enumerate(self._selector.models):
            self._show_row(row, model)
        ids = [model.id for model in self._selector.models]
        table.setCurrentCell(ids.index(chosen.id) if chosen and chosen.id in ids else -1, _NAME)
        table.blockSignals(False)  # noqa: FBT003
        self._on_row_changed()

    def facts(self) -> dict[str, Any]:
        """Return what the buttons depend on."""
        model = self.selected
        if model is None:
            return {"row": "", "row_in_use": False}
        kind = "damaged" if model.damaged else "shipped" if model.shipped else "own"
        return {
            "row": kind,
            "row_in_use": model.active and model.id == self._context.model,
        }

    def _show_row(self, row: int, model: ModelInfo) -> None:
        table = self._context.ui.modelsTable
        version = _("damaged") if model.damaged else str(model.version)
        if model.active:
            version = _("{version}, in use").format(version=version)
        texts = (model.name, version, _taught(model), _quality(model))
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setData(qt.Qt.UserRole, model.id)
            item.setFlags(qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled)
            item.setToolTip(description(model))
            if column:
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            if model.active:
                item.setBackground(tint("good"))
            elif model.damaged:
                item.setBackground(tint("bad"))
            table.setItem(row, column, item)

    def _on_row_changed(self, *_args: object) -> None:
        model, label = self.selected, self._context.ui.modelDescriptionLabel
        label.text = description(model) if model is not None else ""
        label.visible = model is not None
        self._on_unsure()
        self._context.refresh()

    def _on_activate(self, *_args: object) -> None:
        model = self.selected
        with self._context.telling_errors():
            self._context.logic.activateModel(model.id)
            self._context.reload_models()
            self._selector.choose(model.id)
            self._context.status.say(_("“{name}” is in use.").format(name=model.name))

    def _on_rename(self, *_args: object) -> None:
        table = self._context.ui.modelsTable
        self._renaming = self.selected.id
        item = table.item(table.currentRow(), _NAME)
        table.blockSignals(True)  # noqa: FBT003
        item.setFlags(qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled | qt.Qt.ItemIsEditable)
        table.blockSignals(False)  # noqa: FBT003
        table.editItem(item)

    def _on_cell_changed(self, row: int, column: int) -> None:
        model_id, self._renaming = self._renaming, ""
        if not model_id or column != _NAME:
            return
        name = self._context.ui.modelsTable.item(row, column).text()
        with self._context.telling_errors():
            self._context.logic.renameModel(model_id, name)
        self._context.reload_models()

    def _on_delete(self, *_args: object) -> None:
        model = self.selected
        if self._delete_next != model.id:
            self._delete_next = model.id
            self._context.ui.deleteModelButton.text = _("Really delete?")
            self._timer.start()
            return
        self._on_unsure()
        with self._context.telling_errors():
            self._context.logic.deleteModel(model.id)
            self._context.status.say(_("“{name}” is deleted.").format(name=model.name))
        self._context.reload_models()

    def _on_unsure(self, *_args: object) -> None:
        self._timer.stop()
        self._delete_next = ""
        self._context.ui.deleteModelButton.text = _("Delete")

    def _on_export(self, *_args: object) -> None:
        model, ui = self.selected, self._context.ui
        path = file_dialogs.file_to_save(
            ui.FUNetSegmentation, _("Export model"), f"{model.id}.zip", _("Models (*.zip)"), "zip"
        )
        if path:
            self._context.start(
                lambda: self._context.logic.exportModel(
                    model.id,
                    path,
                    withSlices=ui.exportSlicesCheckBox.checked,
                    waitForCompletion=False,
                ),
                self._on_exported,
            )

    def _on_exported(self, task: Task) -> None:
        self._context.status.say(_("Exported to {path}.").format(path=task.result), task.notes)

    def _on_import(self, *_args: object) -> None:
        path = file_dialogs.file_to_open(
            self._context.ui.FUNetSegmentation, _("Import model"), _("Models (*.zip)")
        )
        if path:
            self._context.start(
                lambda: self._context.logic.importModel(path, waitForCompletion=False),
                self._on_imported,
            )

    def _on_imported(self, task: Task) -> None:
        self._context.reload_models()
        name = task.result.name
        self._context.status.say(_("“{name}” is imported.").format(name=name), task.notes)


def _taught(model: ModelInfo) -> str:
    return "–" if model.slices is None else str(model.slices)


def _quality(model: ModelInfo) -> str:
    """Return the mean Dice over the structures of the data that was measured last."""
    scores = [metric for metric in model.metrics if metric.get("name") == "Dice"]
    last = [metric["mean"] for metric in scores if metric.get("data") == scores[-1].get("data")]
    return f"{sum(last) / len(last):.2f}" if last else "–"
