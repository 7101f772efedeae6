"""The stand-in for ``qMRMLSegmentEditorWidget``."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from .node_combo_box import Observers, qMRMLNodeComboBox, qMRMLWidget
from .widgets import stored

_EFFECTS = (
    "Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds",
    "Fill between slices", "Margin", "Hollow", "Smoothing", "Scissors", "Islands",
    "Logical operators", "Mask volume",
)  # fmt: skip


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """Shows the segments of a node and keeps the states that Undo goes back to."""

    segmentationNodeChanged = QtCore.Signal(object)
    sourceVolumeNodeChanged = QtCore.Signal(object)
    currentSegmentIDChanged = QtCore.Signal(str)
    _SIGNALS = (
        "segmentationNodeChanged(vtkMRMLSegmentationNode*)",
        "sourceVolumeNodeChanged(vtkMRMLVolumeNode*)",
        "currentSegmentIDChanged(QString)",
    )

    segmentationNodeSelectorVisible = stored(bool, True, "_show_selectors")
    sourceVolumeNodeSelectorVisible = stored(bool, True, "_show_selectors")
    switchToSegmentationsButtonVisible = stored(bool, True, "_show_selectors")
    maximumNumberOfUndoStates = stored(int, 10, "_limit_history")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._editor_node: Any = None
        self._shown: tuple[Any, Any, str] = (None, None, "")
        self._history = slicer.vtkSegmentationHistory()
        self._observers, self._segment_observers = Observers(), Observers()
        self._scene_observers = Observers()
        self._build()
        self._show_undo()

    # The parameter node and what it refers to.

    def mrmlSegmentEditorNode(self) -> Any:
        return self._editor_node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        self._observers.clear()
        self._editor_node = node
        if node is not None:
            self._observers.add(node, vtk.vtkCommand.ModifiedEvent, self.updateWidgetFromMRML)
        self.updateWidgetFromMRML()

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._segmentation_box.setMRMLScene(scene)
        self._volume_box.setMRMLScene(scene)
        self._scene_observers.clear()
        if scene is not None:
            self._scene_observers.add(scene, scene.EndBatchProcessEvent, self._take_from_boxes)

    def segmentationNode(self) -> Any:
        return self._editor_node.GetSegmentationNode() if self._editor_node is not None else None

    def setSegmentationNode(self, node: Any) -> None:
        if self._editor_node is None or node is self.segmentationNode():
            return
        self._editor_node.SetAndObserveSegmentationNode(node)
        role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
        volume = node.GetNodeReference(role) if node is not None else None
        if volume is not None and self.sourceVolumeNode() is None:
            self.setSourceVolumeNode(volume)

    def sourceVolumeNode(self) -> Any:
        return self._editor_node.GetSourceVolumeNode() if self._editor_node is not None else None

    def setSourceVolumeNode(self, node: Any) -> None:
        if self._editor_node is not None:
            self._editor_node.SetAndObserveSourceVolumeNode(node)

    def _take_from_boxes(self, *_arguments: object) -> None:
        if self._editor_node is not None:
            self.setSegmentationNode(self._segmentation_box.currentNode())
            self.setSourceVolumeNode(self._volume_box.currentNode())
        self.updateWidgetFromMRML()

    def currentSegmentID(self) -> str:
        return (self._editor_node.GetSelectedSegmentID() or "") if self._editor_node else ""

    def setCurrentSegmentID(self, segment_id: str) -> None:
        if self._editor_node is not None:
            self._editor_node.SetSelectedSegmentID(segment_id)

    # Undo.

    def saveStateForUndo(self) -> None:
        if self.segmentationNode() is not None:
            self._history.SaveState()

    def undo(self) -> None:
        if self.segmentationNode() is not None:
            self._history.RestorePreviousState()
            self._show_undo()

    def redo(self) -> None:
        if self.segmentationNode() is not None:
            self._history.RestoreNextState()
            self._show_undo()

    # Effects and shortcuts: only the names.

    def setActiveEffect(self, effect: None) -> None:
        if self._editor_node is not None:
            self._editor_node.SetActiveEffectName("")

    def installKeyboardShortcuts(self, parent: QtWidgets.QWidget | None = None) -> None:
        """Do nothing: the stand-in has no shortcuts."""

    def uninstallKeyboardShortcuts(self) -> None:
        """Do nothing: the stand-in has no shortcuts."""

    def setupViewObservations(self) -> None:
        """Do nothing: there are no views."""

    def removeViewObservations(self) -> None:
        """Do nothing: there are no views."""

    # What is shown.

    def updateWidgetFromMRML(self, *_arguments: object) -> None:
        segmentation, volume, segment_id = self._shown
        now = (self.segmentationNode(), self.sourceVolumeNode(), self.currentSegmentID())
        self._shown = now
        if now[0] is not segmentation:
            self._show_segmentation(now[0])
            self.segmentationNodeChanged.emit(now[0])
        if now[1] is not volume:
            self._volume_box.setCurrentNode(now[1])
            self.sourceVolumeNodeChanged.emit(now[1])
        if now[2] != segment_id:
            self.currentSegmentIDChanged.emit(now[2])
        self._show_segments()

    def _show_segmentation(self, node: Any) -> None:
        self._segment_observers.clear()
        self._history.SetSegmentation(node.GetSegmentation() if node is not None else None)
        self._history.RemoveAllStates()
        self._segmentation_box.setCurrentNode(node)
        if node is None:
            return
        for event in (
            "SegmentAdded",
            "SegmentRemoved",
            "SegmentModified",
            "SourceRepresentationModified",
        ):
            self._segment_observers.add(
                node.GetSegmentation(), getattr(slicer.vtkSegmentation, event), self._show_segments
            )

    def _show_segments(self, *_arguments: object) -> None:
        self._show_undo()
        node = self.segmentationNode()
        segmentation = node.GetSegmentation() if node is not None else None
        count = segmentation.GetNumberOfSegments() if segmentation is not None else 0
        ids = [segmentation.GetNthSegmentID(row) for row in range(count)]
        self._table.setRowCount(count)
        for row, segment_id in enumerate(ids):
            segment = segmentation.GetSegment(segment_id)
            square = QtGui.QPixmap(16, 16)
            square.fill(QtGui.QColor.fromRgbF(*segment.GetColor()))
            colour = QtWidgets.QTableWidgetItem(QtGui.QIcon(square), "")
            texts = ("◉", None, "1.00", segment.GetName(), "")
            for column, text in enumerate(texts):
                item = colour if text is None else QtWidgets.QTableWidgetItem(text)
                self._table.setItem(row, column, item)
        if ids and self.currentSegmentID() not in ids:
            self.setCurrentSegmentID(ids[0])
        elif ids:
            self._table.selectRow(ids.index(self.currentSegmentID()))
        for button in self._effect_buttons:
            button.setEnabled(bool(ids) and self.sourceVolumeNode() is not None)

    def _show_undo(self) -> None:
        self._undo_button.setEnabled(bool(self._history.IsRestorePreviousStateAvailable()))
        self._redo_button.setEnabled(bool(self._history.IsRestoreNextStateAvailable()))

    def _show_selectors(self) -> None:
        self._segmentation_box.setVisible(self.segmentationNodeSelectorVisible)
        self._volume_box.setVisible(self.sourceVolumeNodeSelectorVisible)

    def _limit_history(self) -> None:
        self._history.SetMaximumNumberOfStates(self.maximumNumberOfUndoStates)

    def _build(self) -> None:
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._segmentation_box = qMRMLNodeComboBox(self)
        self._segmentation_box.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._volume_box = qMRMLNodeComboBox(self)
        self._volume_box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        self._volume_box.noneEnabled = True
        self._segmentation_box.currentNodeChanged.connect(self.setSegmentationNode)
        self._volume_box.currentNodeChanged.connect(self.setSourceVolumeNode)
        column.addWidget(self._segmentation_box)
        column.addWidget(self._volume_box)
        column.addLayout(
            _row([QtWidgets.QPushButton(text) for text in ("+ Add", "− Remove", "Show 3D")])
        )
        self._table = QtWidgets.QTableWidget(0, 5)
        self._table.setHorizontalHeaderLabels(["", "", "Opacity", "Name", ""])
        self._table.verticalHeader().hide()
        self._table.setSelectionBehavior(QtWidgets.QTableWidget.SelectionBehavior.SelectRows)
        self._table.setFixedHeight(120)
        for position, width in enumerate((28, 28, 60, 150, 28)):
            self._table.setColumnWidth(position, width)
        self._table.horizontalHeader().setSectionResizeMode(
            3, QtWidgets.QHeaderView.ResizeMode.Stretch
        )
        column.addWidget(self._table)
        column.addWidget(self._effects())
        self._undo_button, self._redo_button = (QtWidgets.QPushButton(t) for t in ("Undo", "Redo"))
        self._undo_button.clicked.connect(lambda: self.undo())
        self._redo_button.clicked.connect(lambda: self.redo())
        column.addLayout(_row([self._undo_button, self._redo_button]))

    def _effects(self) -> QtWidgets.QGroupBox:
        box = QtWidgets.QGroupBox("Effects")
        grid = QtWidgets.QGridLayout(box)
        grid.setSpacing(2)
        self._effect_buttons = [QtWidgets.QToolButton(text=name) for name in _EFFECTS]
        for position, button in enumerate(self._effect_buttons):
            button.setSizePolicy(
                QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed
            )
            grid.addWidget(button, position // 4, position % 4)
        return box


def _row(widgets: list[QtWidgets.QPushButton]) -> QtWidgets.QHBoxLayout:
    row = QtWidgets.QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row
