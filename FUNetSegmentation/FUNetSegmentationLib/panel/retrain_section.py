"""Retraining: the button, the live plot, before and after, Keep and Roll back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qt

from ..scene.segmentation_nodes import alive
from ..translation import tr as _
from . import colors
from .context import PanelContext
from .loss_plot import LossPlot
from .texts import dice_change, dice_number, slices

if TYPE_CHECKING:
    from ..workflow.results import RetrainingResult
    from ..workflow.task import Task
    from .model_selector import ModelSelector


class RetrainSection:
    """The section "Retrain".

    Args:
        context: of the panel.
        selector: what the chosen model is.

    Attributes:
        plot: of loss and Dice.
        undecided: whether a new version waits for Keep or Roll back.
    """

    def __init__(self, context: PanelContext, selector: ModelSelector) -> None:
        self.undecided = False
        self._family = ""  # whose result is shown
        self._context = context
        self._selector = selector
        ui = context.ui
        self.plot = LossPlot(ui.plotFrame)
        header = ui.diceTable.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        ui.retrainButton.clicked.connect(self._on_retrain)
        ui.keepButton.clicked.connect(self._on_keep)
        ui.rollBackButton.clicked.connect(self._on_roll_back)
        self.clear()

    def clear(self) -> None:
        """Show no result."""
        self.undecided = False
        self._family = ""
        ui = self._context.ui
        ui.retrainResultLabel.visible = False
        ui.diceTable.visible = False

    def update(self, taught: int, *, absent: bool) -> None:
        """Say what a retraining would learn, and what the slices are good for without one.

        Args:
            taught: number of corrected and accepted slices.
            absent: whether the model knows structures that have no segment.
        """
        model = self._selector.current
        if self._family and not self._still_chosen(self._family):
            self.clear()  # Keep and Roll back would be of another model
        text = _("Correct or accept slices above; they teach the model.")
        if taught and model is not None and absent:
            text = _("{model} cannot learn from this segmentation yet.").format(
                model=f"“{model.name}”"
            )
        elif taught and model is not None:
            text = _("{slices} will teach {model}.").format(
                slices=slices(taught), model=f"“{model.name}”"
            )
            if model.successive:
                text += " " + _(
                    "They also show where one structure gives way to the next: press Segment, and "
                    "all other slices follow."
                )
        self._context.ui.retrainStateLabel.text = text

    def facts(self) -> dict[str, Any]:
        """Return what the buttons depend on."""
        model = self._selector.current
        parent = None if model is None else self._selector.find(model.parent or "")
        return {
            "undecided": self.undecided,
            "in_use": model is not None and model.active,
            "can_roll_back": parent is not None,
        }

    def show(self, result: RetrainingResult, family: str) -> None:
        """Show what came of a retraining, for as long as its model is the chosen one.

        Args:
            result: what came of it.
            family: of the model.
        """
        ui = self._context.ui
        self.undecided, self._family = result.kept, family
        learned = _("It learned from {slices}.").format(slices=slices(result.learned))
        ui.retrainResultLabel.text = f"{result.reason} {learned}"
        colors.paint_box(ui.retrainResultLabel, "good" if result.kept else "warn")
        ui.retrainResultLabel.visible = True
        self._show_dice(result)

    def _still_chosen(self, family: str) -> bool:
        """Whether no model of another family is chosen; a new version may not be listed yet."""
        model = self._selector.current
        return model is None or model.family == family

    def _show_dice(self, result: RetrainingResult) -> None:
        table = self._context.ui.diceTable
        before, after = result.diceBefore or {}, result.diceAfter or {}
        table.visible = bool(before)
        table.rowCount = len(before)
        for row, name in enumerate(before):
            old, new = before[name], after.get(name)
            texts = (name, dice_number(old), dice_number(new), dice_change(old, new))
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setFlags(qt.Qt.ItemIsEnabled)
                if column:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                table.setItem(row, column, item)
            if old is not None and new is not None and old != new:
                table.item(row, 3).setBackground(colors.tint("good" if new > old else "bad"))
        height = table.horizontalHeader().sizeHint.height() + 2 * table.frameWidth
        height += len(before) * table.verticalHeader().defaultSectionSize
        table.minimumHeight = table.maximumHeight = height

    def _on_retrain(self, *_args: object) -> None:
        context = self._context
        parameters, chosen = context.parameters, context.chosen
        model = self._selector.current
        family = "" if model is None else model.family
        self.clear()

        def begin() -> Task:
            return self.plot.begin_with(
                context.logic.retrain(
                    segmentationNodes=[context.segmentation],
                    model=context.model or None,
                    volumeNodes=[context.volume],
                    device=context.device,
                    steps=parameters.steps or None,
                    seed=parameters.seed,
                    waitForCompletion=False,
                    metricCallback=self.plot.add,
                )
            )

        context.start(begin, lambda task: self._on_retrained(task, chosen, family))

    def _on_retrained(self, task: Task, chosen: tuple[Any, Any], family: str) -> None:
        self._context.reload_models()
        # Else Keep and Roll back would be of something else.
        if self._context.chosen != chosen or not self._still_chosen(family):
            done = _("Retrained: {reason}").format(reason=task.result.reason)
            self._context.status.say(done, task.notes)
            return
        self.show(task.result, family)
        if task.result.kept:
            self._context.status.say(_("Retrained: see below what it changed."), task.notes)
        else:
            done = _("Retrained, but the version before stays in use: see below.")
            self._context.status.say(done, task.notes, role="warn")

    def _on_keep(self, *_args: object) -> None:
        self.clear()
        self.plot.hide()
        self._context.status.say(_("The new version stays in use."))
        self._context.refresh()

    def _on_roll_back(self, *_args: object) -> None:
        context = self._context
        context.start(
            lambda: context.logic.rollBack(
                segmentationNodes=[context.segmentation] if alive(context.segmentation) else [],
                model=context.model,
                device=context.device,
                waitForCompletion=False,
            ),
            self._on_rolled_back,
        )

    def _on_rolled_back(self, task: Task) -> None:
        self.clear()
        self.plot.hide()
        self._context.reload_models()
        text = _("Back to “{name}”, version {version}.")
        model = task.result
        self._context.status.say(text.format(name=model.name, version=model.version), task.notes)
