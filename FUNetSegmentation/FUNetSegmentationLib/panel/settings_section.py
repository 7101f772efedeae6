"""Settings that few people need."""

from __future__ import annotations

from ..translation import tr as _
from .context import PanelContext

FOLDER_KEY = "FUNetSegmentation/ModelsFolder"


class SettingsSection:
    """The section "Settings"; the folder of the models belongs to the user, not to the scene.

    Args:
        context: of the panel.
        settings: a ``QSettings``.
    """

    def __init__(self, context: PanelContext, settings: object) -> None:
        self._context = context
        self._settings = settings
        edit = context.ui.modelsFolderPathEdit
        chosen = str(settings.value(FOLDER_KEY) or "")
        if chosen:
            context.logic.modelsFolder = chosen
        self._folder = edit.currentPath = str(context.logic.modelsFolder or "")
        edit.toolTip = _("Where new versions are kept; the usual place if nothing is written here.")
        self._line = edit.comboBox().lineEdit()
        self._busy = False
        edit.currentPathChanged.connect(self._on_changed)
        # An empty text is no path: neither the change nor the end of the editing is told of it.
        edit.validInputChanged.connect(self._on_changed)
        self._line.editingFinished.connect(self._apply)

    def update(self, *, busy: bool) -> None:
        """Let the folder be chosen, unless something works with the models in it."""
        edit = self._context.ui.modelsFolderPathEdit
        if busy and not self._busy and edit.currentPath.strip() != self._folder:
            edit.currentPath = self._folder  # disabling the line would end the editing half-way
        self._busy = busy
        edit.enabled = not busy

    def _on_changed(self, *_args: object) -> None:
        # A folder that is being typed is another one with every key.
        if not self._line.modified or not self._line.text:
            self._apply()

    def _apply(self, *_args: object) -> None:
        folder = self._context.ui.modelsFolderPathEdit.currentPath.strip()
        if self._busy or folder == self._folder:
            return
        self._folder = folder
        self._settings.setValue(FOLDER_KEY, folder)
        self._context.logic.modelsFolder = folder or None
        self._context.reload_models()
