"""How the host's stand-ins for widgets behave: as Slicer's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import host
import numpy as np
import pytest
import slicer
import vtk
from vtk.util import numpy_support


def add(kind: str, name: str) -> Any:
    return slicer.mrmlScene.AddNewNodeByClass(kind, name)


def volume(name: str) -> Any:
    return add("vtkMRMLScalarVolumeNode", name)


@pytest.fixture
def combo(qt: Any) -> Any:
    made = slicer.qMRMLNodeComboBox()
    made.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    made.setMRMLScene(slicer.mrmlScene)
    return made


def test_combo_box_keeps_up_with_the_scene(combo: Any) -> None:
    heard: list[Any] = []
    combo.connect("currentNodeChanged(vtkMRMLNode*)", heard.append)
    assert combo.currentNode() is None
    first = volume("first")
    assert combo.currentNode() is first  # without "None" there is always one
    second = volume("second")
    add("vtkMRMLLabelMapVolumeNode", "derived")
    add("vtkMRMLModelNode", "of another type")
    assert combo.nodeCount() == 3
    combo.setCurrentNode(second)
    assert combo.currentNodeID == second.GetID()
    second.SetName("renamed")
    assert combo.findChildren(type(combo).__mro__[1])[0].currentText == "renamed"
    slicer.mrmlScene.RemoveNode(second)
    assert combo.currentNode().GetName() == "derived"
    combo.showChildNodeTypes = False
    assert combo.currentNode() is first
    slicer.mrmlScene.Clear(0)
    assert combo.currentNode() is None
    assert [node and node.GetName() for node in heard] == [
        "first",
        "renamed",
        "derived",
        "first",
        None,
    ]


def test_combo_box_with_none(combo: Any) -> None:
    combo.noneEnabled = True
    node = volume("one")
    assert combo.currentNode() is None
    combo.setCurrentNode(node)
    assert combo.currentNode() is node
    combo.setCurrentNode(None)
    assert combo.currentNode() is None
    hidden = volume("hidden")
    hidden.SetHideFromEditors(True)
    combo.setMRMLScene(None)
    combo.setMRMLScene(slicer.mrmlScene)
    assert combo.nodeCount() == 1


@pytest.fixture
def segmentation(qt: Any) -> Any:
    node = add("vtkMRMLSegmentationNode", "segmentation")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(image("brain"))
    node.GetSegmentation().AddEmptySegment("a", "first", [1.0, 0.0, 0.0])
    return node


def image(name: str) -> Any:
    node = volume(name)
    data = vtk.vtkImageData()
    data.SetDimensions(4, 3, 2)
    data.GetPointData().SetScalars(numpy_support.numpy_to_vtk(np.zeros(24, np.int16), deep=True))
    node.SetAndObserveImageData(data)
    return node


def draw(node: Any, voxels: int) -> None:
    array = np.zeros((2, 3, 4), np.uint8)
    array.ravel()[:voxels] = 1
    source = slicer.util.getNode("brain")
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, "a", source)


def drawn(node: Any) -> int:
    source = slicer.util.getNode("brain")
    return int(slicer.util.arrayFromSegmentBinaryLabelmap(node, "a", source).sum())


@pytest.fixture
def editor(qt: Any, segmentation: Any) -> Any:
    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLScene(slicer.mrmlScene)
    widget.setSegmentationNode(segmentation)
    assert widget.segmentationNode() is None  # there is no parameter node to keep it in
    widget.setMRMLSegmentEditorNode(add("vtkMRMLSegmentEditorNode", "editor"))
    widget.setSegmentationNode(segmentation)
    return widget


def test_segment_editor_undoes_and_redoes(editor: Any, segmentation: Any) -> None:
    undo = next(b for b in slicer.util.findChildren(editor, text="Undo"))
    draw(segmentation, 3)
    assert not undo.enabled
    editor.saveStateForUndo()
    draw(segmentation, 7)
    assert undo.enabled
    undo.click()
    assert drawn(segmentation) == 3
    assert not undo.enabled
    editor.redo()
    assert drawn(segmentation) == 7
    editor.setSegmentationNode(None)
    editor.undo()
    assert drawn(segmentation) == 7


def test_segment_editor_follows_its_nodes(editor: Any, segmentation: Any) -> None:
    assert editor.segmentationNode() is segmentation
    assert editor.sourceVolumeNode().GetName() == "brain"
    assert editor.currentSegmentID() == "a"
    heard: list[Any] = []
    editor.connect("segmentationNodeChanged(vtkMRMLSegmentationNode*)", heard.append)
    editor.connect("currentSegmentIDChanged(QString)", heard.append)
    segmentation.GetSegmentation().AddEmptySegment("b", "second")
    editor.setCurrentSegmentID("b")
    other = add("vtkMRMLSegmentationNode", "other")
    editor.mrmlSegmentEditorNode().SetAndObserveSegmentationNode(other)
    assert heard[0] == "b"
    assert heard[1] is other


def test_plot_widget_paints_the_series(qt: Any, tmp_path: Path) -> None:
    table = add("vtkMRMLTableNode", "table")
    slicer.util.updateTableFromArray(table, np.array([[0.0, 1.0], [1.0, 3.0]]), ["x", "y"])
    series = add("vtkMRMLPlotSeriesNode", "loss")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("x")
    series.SetYColumnName("y")
    series.SetColor(1.0, 0.0, 0.0)
    series.SetLineWidth(3)
    chart = add("vtkMRMLPlotChartNode", "chart")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetLegendVisibility(False)
    view = add("vtkMRMLPlotViewNode", "view")
    widget = slicer.qMRMLPlotWidget()
    widget.setMRMLPlotViewNode(view)
    widget.resize(300, 200)
    path = tmp_path / "plot.png"
    red = qt.QColor(255, 0, 0)

    def red_pixels() -> int:
        picture = host.screenshot(widget, path)
        points = ((x, y) for x in range(picture.width()) for y in range(0, picture.height(), 4))
        return sum(picture.pixelColor(x, y) == red for x, y in points)

    assert red_pixels() == 0
    view.SetPlotChartNodeID(chart.GetID())
    assert red_pixels() > 20
    table.RemoveAllColumns()
    assert red_pixels() == 0


def test_collapsible_button_hides_its_contents(qt: Any) -> None:
    import ctk

    section = ctk.ctkCollapsibleButton()
    column = qt.QVBoxLayout(section)
    shown, hidden = qt.QLabel("a"), qt.QLabel("b")
    column.addWidget(shown)
    column.addWidget(hidden)
    hidden.visible = False
    heard: list[bool] = []
    section.contentsCollapsed.connect(heard.append)
    section.show()
    assert (shown.visible, hidden.visible) == (True, False)
    full = section.grab().height()
    assert full > 40
    section.collapsed = True
    assert not shown.visible and not section.checked
    assert section.maximumHeight < 40
    shown.visible = False  # what is asked for meanwhile counts afterwards
    hidden.visible = True
    assert not hidden.visible
    section.click()
    assert (shown.visible, hidden.visible) == (False, True)
    assert heard == [True, False]
    section.hide()


def test_path_edit_tells_every_path_and_whether_there_is_one(qt: Any) -> None:
    import ctk

    edit = ctk.ctkPathLineEdit()
    heard: list[str | bool] = []
    edit.currentPathChanged.connect(heard.append)
    edit.validInputChanged.connect(heard.append)
    edit.currentPath = "/some/folder"
    assert edit.currentPath == "/some/folder"
    assert heard == ["/some/folder", True]
    edit.currentPath = "/some"
    edit.currentPath = ""
    assert edit.currentPath == ""
    assert heard[2:] == ["/some", False]
