"""Training a new model from a few drawn slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..scene.segmentation_nodes import alive, existing_segments
from ..translation import tr as _
from .context import PanelContext
from .loss_plot import LossPlot

if TYPE_CHECKING:
    from ..workflow.task import Task


class NewModelSection:
    """The section "New model from drawn slices".

    Args:
        context: of the panel.
        plot: shows how the training goes.
    """

    def __init__(self, context: PanelContext, plot: LossPlot) -> None:
        self._context = context
        self._plot = plot
        box = context.ui.newModelPlaneSelector
        for name, plane in (
            (_("The plane that you drew in"), ""),
            (_("Axial slices"), "axial"),
            (_("Coronal slices"), "coronal"),
            (_("Sagittal slices"), "sagittal"),
        ):
            box.addItem(name, plane)
        box.currentTextChanged.connect(self._on_plane)
        context.ui.newModelNameEdit.textChanged.connect(self._on_name)
        context.ui.trainButton.clicked.connect(self._on_train)

    def follow(self) -> None:
        """Show what the parameters say."""
        box, parameters = self._context.ui.newModelPlaneSelector, self._context.parameters
        index = box.findData(parameters.newModelPlane) if parameters is not None else 0
        box.currentIndex = max(index, 0)
        edit = self._context.ui.newModelNameEdit
        if parameters is not None and edit.text != parameters.newModelName:
            edit.text = parameters.newModelName  # written again, it would move the cursor

    def update(self) -> None:
        """Say what a training would learn."""
        names = [segment.GetName() for segment in self._segments()]
        text = _("Draw each structure as a segment of its own, on a few slices of the volume.")
        if names:
            text = _("The model will know: {names}.").format(names=", ".join(names))
        self._context.ui.newModelStateLabel.text = text

    def facts(self) -> dict[str, Any]:
        """Return what the buttons depend on."""
        return {
            "segments": bool(self._segments()),
            "named": bool(self._context.ui.newModelNameEdit.text.strip()),
        }

    def _segments(self) -> list[Any]:
        node = self._context.segmentation
        return list(existing_segments(node).values()) if alive(node) else []

    def _on_plane(self, *_args: object) -> None:
        box, parameters = self._context.ui.newModelPlaneSelector, self._context.parameters
        if parameters is not None:
            parameters.newModelPlane = str(box.itemData(box.currentIndex) or "")

    def _on_name(self, *_args: object) -> None:
        if self._context.parameters is not None:
            self._context.parameters.newModelName = self._context.ui.newModelNameEdit.text
        self._context.refresh()

    def _on_train(self, *_args: object) -> None:
        context = self._context
        parameters = context.parameters

        def begin() -> Task:
            return self._plot.begin_with(
                context.logic.trainNewModel(
                    volumeNodes=[context.volume],
                    segmentationNodes=[context.segmentation],
                    name=context.ui.newModelNameEdit.text.strip(),
                    slicePlane=parameters.newModelPlane or None,
                    epochs=parameters.epochs or None,
                    seed=parameters.seed,
                    device=context.device,
                    waitForCompletion=False,
                    metricCallback=self._plot.add,
                )
            )

        context.start(begin, self._on_trained)

    def _on_trained(self, task: Task) -> None:
        self._context.reload_models()
        text = _("The new model “{name}” is ready and chosen above.")
        self._context.status.say(text.format(name=task.result.name), task.notes)
