"""Opening the panel, pressing its buttons, and looking at what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import host
import slicer
from threshold_models import OTHER_SEGMENTS, publish

BUTTONS = (
    "cancelButton", "segmentButton", "previousSliceButton", "nextSliceButton",
    "acceptSliceButton", "unmarkSliceButton", "retrainButton", "keepButton", "rollBackButton",
    "trainButton", "activateModelButton", "renameModelButton", "deleteModelButton",
    "importModelButton", "exportModelButton", "batchButton",
)  # fmt: skip
_PATIENCE = 60.0


class Desk:
    """The opened panel, as somebody who works with it sees it."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.ui = widget.ui
        self.logic = widget.logic

    @property
    def parameters(self) -> Any:
        """What the panel keeps in the scene."""
        from FUNetSegmentation import FUNetSegmentationParameterNode

        return FUNetSegmentationParameterNode(self.logic.getParameterNode())

    @property
    def segmentation(self) -> Any:
        return self.ui.segmentationSelector.currentNode()

    def choose(self, volume_node: Any = None, segmentation_node: Any = None) -> None:
        """Choose nodes in the selectors."""
        if volume_node is not None:
            self.ui.inputVolumeSelector.setCurrentNode(volume_node)
        if segmentation_node is not None:
            self.ui.segmentationSelector.setCurrentNode(segmentation_node)
        host.spin()

    def choose_model(self, model: str) -> None:
        """Choose a model in the box, by its id."""
        selector = self.ui.modelSelector
        selector.currentIndex = selector.findData(model)
        assert selector.currentIndex >= 0
        selector.textActivated.emit(selector.currentText)
        host.spin()
        self.check_buttons()

    def add_cores(self) -> None:
        """Add the model "cores", of other structures, and open the module again."""
        publish(self.logic.modelsFolder, "axial", "cores", OTHER_SEGMENTS)
        self.logic.renameModel("cores", "Cores")
        self.widget.parent.exit()
        self.widget.parent.enter()
        host.spin(0.05)

    def press(self, name: str) -> None:
        """Click a button that must be enabled, and let the click arrive."""
        button = getattr(self.ui, name)
        assert button.enabled, f"{name}: {button.toolTip}"
        button.click()
        host.spin()
        self.check_buttons()

    def press_and_wait(self, name: str) -> str:
        """Click a button and wait for what it starts; what the panel says then."""
        self.press(name)
        assert host.spin(_PATIENCE, until=lambda: not self.logic.busy), f"{name} never ended"
        host.spin(0.05)
        self.check_buttons()
        return self.status

    def wait_until(self, condition: Any) -> None:
        assert host.spin(_PATIENCE, until=condition)
        host.spin(0.05)

    @property
    def status(self) -> str:
        label = self.ui.statusLabel
        return "" if label.isHidden() else label.text

    def rows(self, table: str = "reviewTable") -> list[list[str]]:
        """The texts of the rows of a table that are not hidden."""
        widget = getattr(self.ui, table)
        return [
            [widget.item(row, column).text() for column in range(widget.columnCount)]
            for row in range(widget.rowCount)
            if not widget.isRowHidden(row)
        ]

    def choose_slice(self, index: int) -> None:
        """Click the row of a slice."""
        table = self.ui.reviewTable
        for row in range(table.rowCount):
            if table.item(row, 0).text().split()[0] == str(index + 1):
                table.setCurrentCell(row, 0)
                table.cellClicked.emit(row, 0)
                host.spin()
                return
        raise AssertionError(f"slice {index} is not in the list")

    def check_buttons(self) -> None:
        """Every button says what it does if it is enabled, else what is missing."""
        from FUNetSegmentationLib.panel.availability import purposes

        for name in BUTTONS:
            button = getattr(self.ui, name)
            says_purpose = button.toolTip == purposes()[name]
            assert says_purpose == button.enabled, (name, button.toolTip)


@contextmanager
def opened(version: str, models: Path, monkeypatch: Any) -> Iterator[Desk]:
    """The panel in a host that behaves like a version of 3D Slicer."""
    monkeypatch.setenv("FUNET_MODELS", str(models))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    host.install(version)
    host.use_attribute_style("panel_tools", "panel_scene")
    widget = host.open_module()
    try:
        yield Desk(widget)
    finally:
        host.close_module(widget)
        slicer.mrmlScene.Clear(1)
        host.uninstall()
