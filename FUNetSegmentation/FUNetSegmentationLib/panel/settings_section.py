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
        edit.currentPath = str(context.logic.modelsFolder or "")
        edit.toolTip = _("Where new versions are kept; the usual place if nothing is written here.")
        edit.currentPathChanged.connect(self._on_folder)

    def _on_folder(self, *_args: object) -> None:
        folder = self._context.ui.modelsFolderPathEdit.currentPath.strip()
        self._settings.setValue(FOLDER_KEY, folder)
        self._context.logic.modelsFolder = folder or None
        self._context.reload_models()
