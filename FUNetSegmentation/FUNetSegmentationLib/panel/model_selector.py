"""Choosing a model version: the one that fits the volume, unless the user chose another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import qt

from funet.errors import FunetError

from ..scene.history import ReviewHistory
from ..scene.segmentation_nodes import alive
from ..translation import tr as _
from .context import PanelContext

if TYPE_CHECKING:
    from ..workflow.results import ModelInfo


class ModelSelector:
    """The box with the versions, those in use first.

    Args:
        context: of the panel; its parameter ``model`` is kept equal to what the box shows.

    Attributes:
        models: what there is, damaged ones too.
    """

    def __init__(self, context: PanelContext) -> None:
        self.models: Sequence[ModelInfo] = ()
        self._context = context
        self._chosen_by_user = False
        self._sought = ""  # what was not in the list, and made us read it again
        self._box = context.ui.modelSelector
        self._box.textActivated.connect(self._on_activated)

    @property
    def current(self) -> ModelInfo | None:
        """The chosen version."""
        return self.find(self._context.model)

    def find(self, model_id: str) -> ModelInfo | None:
        """Return a version by its id."""
        return next((model for model in self.models if model.id == model_id), None)

    def reload(self) -> None:
        """Read the versions from the disk again."""
        self.models = self._context.logic.models()
        usable = [model for model in self.models if not model.damaged]
        self._box.blockSignals(True)  # noqa: FBT003 (Qt takes it by position)
        self._box.clear()
        for model in sorted(usable, key=lambda model: not model.active):
            self._box.addItem(title(model), model.id)
            index = self._box.count - 1
            self._box.setItemData(index, description(model), qt.Qt.ToolTipRole)
        self._box.blockSignals(False)  # noqa: FBT003
        self.follow()

    def follow(self) -> None:
        """Show the version that the parameter names, else the one that fits the volume."""
        parameters = self._context.parameters
        wanted = parameters.model if parameters is not None else ""
        index = self._box.findData(wanted) if wanted else -1
        if index < 0 and wanted and wanted != self._sought:  # a task has just made it
            self._sought = wanted
            self._context.reload_models()
            return
        if index < 0:
            index = self._box.findData(self._fitting())
        self._box.currentIndex = max(index, 0) if self._box.count else -1
        model = self.current
        self._box.toolTip = description(model) if model is not None else _("There is no model.")
        if parameters is not None and not wanted:
            parameters.model = self._context.model

    def volume_changed(self) -> None:
        """Choose the version that fits another volume, unless the user chose one."""
        fitting = self._fitting()
        if fitting and not self._chosen_by_user and self._context.parameters is not None:
            self._context.parameters.model = fitting
        self.follow()

    def segmentation_changed(self) -> None:
        """Choose the version in use of the family that made the chosen segmentation.

        One that the user has just segmented with stays, in use or not.
        """
        node = self._context.segmentation
        maker = self.find(ReviewHistory(node).model or "") if alive(node) else None
        if maker is None or maker.id == self._context.model:
            return
        in_use = [one for one in self.models if one.active and one.family == maker.family]
        if in_use and self._context.parameters is not None:
            self._context.parameters.model = in_use[0].id

    def forget_choice(self) -> None:
        """In another scene, the user has not chosen yet."""
        self._chosen_by_user = False

    def choose(self, model_id: str) -> None:
        """Choose a version for the user."""
        self._chosen_by_user = True
        if self._context.parameters is not None:
            self._context.parameters.model = model_id
        self.follow()
        self._context.refresh()

    def _fitting(self) -> str:
        volume = self._context.volume
        if volume is None or volume.GetImageData() is None:
            return ""
        try:
            return self._context.logic.fittingModel(volume)
        except FunetError:  # said when Segment is pressed
            return ""

    def _on_activated(self, *_args: object) -> None:
        self.choose(self._context.model)


def title(model: ModelInfo) -> str:
    """Return how a version is called in a list."""
    if model.version <= 1 and model.parent is None:
        return model.name
    version = _("{name}, version {version}").format(name=model.name, version=model.version)
    return version if model.active else _("{version} (not in use)").format(version=version)


def description(model: ModelInfo) -> str:
    """Return what is known of a version, in a few lines."""
    lines: list[Any] = [
        model.damaged or model.description,
        _("Structures: {names}").format(names=", ".join(model.structures)),
        _("Slices: {plane}").format(plane=model.slicePlane),
    ]
    if model.licence:
        lines.append(_("Licence: {licence}").format(licence=model.licence))
    return "\n".join(line for line in lines if line)
