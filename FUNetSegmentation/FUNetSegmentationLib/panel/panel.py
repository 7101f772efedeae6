"""The panel: puts the sections together and keeps them on what the parameters name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slicer
import vtk

from ..scene.segmentation_nodes import alive
from .availability import Facts, obstacles, purposes
from .batch_section import BatchSection
from .chosen_nodes import ChosenNodes
from .context import PanelContext
from .first_use import FirstUse
from .later import Later
from .live_section import LiveSection
from .model_selector import ModelSelector
from .models_section import ModelsSection
from .new_model_section import NewModelSection
from .progress_bar import ProgressDisplay
from .retrain_section import RetrainSection
from .review_section import ReviewSection
from .segment_section import SegmentSection
from .settings_section import SettingsSection
from .status import StatusLine
from .tasks import TaskFollower

if TYPE_CHECKING:
    from ..workflow.logic import SegmentationLogic


class Panel:
    """What the user sees.

    Args:
        ui: the widgets of the ``.ui`` by their names.
        logic: does the work.

    Attributes:
        choose_volume_soon: call it when a volume may have been loaded: one is chosen if none is.
        edit_soon: call it when the Segment Editor may have chosen for itself what it edits.
    """

    def __init__(self, ui: Any, logic: SegmentationLogic) -> None:
        self._ui = ui
        self._logic = logic
        self._observer = 0
        self._gui: Any = None
        self._busy_with_parameters = False
        self._purposes = purposes()
        status, progress = StatusLine(ui.statusLabel), ProgressDisplay(ui.progressBar)
        context = self._context = PanelContext(ui, logic, status)
        self._first_use = FirstUse(ui, logic, status, progress, self.refresh)
        context.tasks = TaskFollower(context, progress, self._first_use)
        self._settings = SettingsSection(context, slicer.app.userSettings())
        self._models = ModelSelector(context)
        self._segment = SegmentSection(context)
        self._review = ReviewSection(context)
        self._retrain = RetrainSection(context, self._models)
        self._new_model = NewModelSection(context, self._retrain.plot)
        self._manager = ModelsSection(context, self._models)
        self._batch = BatchSection(context)
        self._live = LiveSection(context)
        self._nodes = ChosenNodes(context)
        self.choose_volume_soon = Later(self._nodes.choose_volume)
        self.edit_soon = Later(self._edit)
        context.refresh = self.refresh
        context.reload_models = self._reload_soon = Later(self.reload_models)
        self._review_soon = Later(self._review.update)
        self._review.edited = self._live.edited
        context.tasks.ended = self._on_task_ended
        logic.undoSaver = self._review.editor.save_state
        logic.editorNode = lambda: self._review.editor.node_in_use
        self.reload_models()

    def enter(self) -> None:
        """The module is opened."""
        self._first_use.update()
        self.reload_models()
        self._review.editor.enter()
        self._review.shortcuts.enable(on=True)
        self._review.update()

    def leave(self) -> None:
        """Another module is opened; a task that runs goes on."""
        self.edit_soon.cancel()
        self._review.shortcuts.enable(on=False)
        self._review.editor.leave()
        self._review.watcher.watch(None)
        self._live.stop()
        self._disconnect()

    def follow(self, parameters: Any) -> None:
        """Show the parameters of a scene.

        Args:
            parameters: the wrapped parameter node; ``None`` to let go of the present one.
        """
        self._disconnect()
        another_scene = self._context.parameters is None
        self._context.parameters = parameters
        if parameters is None:
            self._review.watcher.watch(None)
            self._live.update()
            return
        # The first connection of a wrapper has the number 0, which Slicer 5.4 does not return.
        self._gui = parameters.connectGui(self._ui) or 0
        self._observer = parameters.AddObserver(
            vtk.vtkCommand.ModifiedEvent, self._on_parameters_changed
        )
        if another_scene:
            self._models.forget_choice()
        self._nodes.choose_volume()
        self._show_parameters(nodes_changed=self._nodes.take_over(), anew=True)

    def _disconnect(self) -> None:
        if self._observer:
            self._context.parameters.disconnectGui(self._gui)
            self._context.parameters.RemoveObserver(self._observer)
            self._observer = 0

    def forget_scene(self) -> None:
        """The scene is about to be closed."""
        self.follow(None)
        self._review.editor.let_go()
        self._retrain.clear()
        self._retrain.plot.let_go()
        self._batch.clear()
        self._context.status.clear()
        self._review.update()

    def close(self) -> None:
        """The panel is about to be destroyed."""
        self.choose_volume_soon.cancel()
        self.edit_soon.cancel()
        self._reload_soon.cancel()
        self._review_soon.cancel()
        self._live.stop()
        self.follow(None)
        self._review.shortcuts.close()
        self._retrain.plot.remove()
        self._review.editor.let_go()
        self._context.tasks.close()
        self._logic.close()

    def reload_models(self) -> None:
        """Read the models from the disk again and show them."""
        with self._context.telling_errors():
            self._models.reload()
            self._manager.update()
        self.refresh()

    def refresh(self) -> None:
        """Enable the buttons that can work, and say of the others what is missing."""
        facts = self._facts()
        for name, obstacle in obstacles(facts).items():
            button = getattr(self._ui, name)
            button.enabled = not obstacle
            button.toolTip = obstacle or self._purposes[name]
        self._settings.update(busy=bool(facts.running) or facts.background)
        self._segment.update()
        self._retrain.update(facts.taught, absent=bool(facts.absent))
        self._new_model.update()

    def _facts(self) -> Facts:
        context = self._context
        volume = context.volume
        return Facts(
            running=context.tasks.running,
            background=context.tasks.background,
            volume=alive(volume) and volume.GetImageData() is not None,
            segmentation=alive(context.segmentation),
            model=bool(context.model),
            **self._review.facts(),
            **self._retrain.facts(),
            **self._new_model.facts(),
            **self._manager.facts(),
            **self._batch.facts(),
        )

    def _on_parameters_changed(self, *_args: object) -> None:
        if self._busy_with_parameters or self._context.parameters is None:
            return
        self._busy_with_parameters = True
        try:
            volume, segmentation = self._nodes.volume, self._nodes.segmentation
            changed = self._nodes.update()
            if self._nodes.volume is not volume:
                self._models.volume_changed()
            if self._nodes.segmentation is not segmentation:
                self._models.segmentation_changed()
            self._show_parameters(nodes_changed=changed)
        finally:
            self._busy_with_parameters = False

    def _show_parameters(self, *, nodes_changed: bool, anew: bool = False) -> None:
        self._models.follow()
        self._segment.devices.follow()
        self._new_model.follow()
        self._batch.follow()
        if nodes_changed:
            self._retrain.clear()
            if not self._context.tasks.running:
                self._retrain.plot.hide()
        if nodes_changed or anew:
            self._review.watcher.watch(self._nodes.segmentation)
            self._edit()
            self._review.update()
        else:
            self._review.follow_model()
        self._live.update()
        self.refresh()

    def _edit(self) -> None:
        if self._context.parameters is not None:
            self._review.editor.edit(self._nodes.segmentation, self._nodes.volume)

    def _on_task_ended(self) -> None:
        self._retrain.plot.finish()
        self._review_soon()
