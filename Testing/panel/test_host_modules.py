"""The host's stand-ins for scripted modules and typed parameter nodes."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Annotated, Any

import host
import pytest
import slicer
from host.parameter_nodes import Choice, Default, WithinRange, parameterNodeWrapper


def volume(name: str) -> Any:
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


@parameterNodeWrapper
class Parameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    steps: Annotated[int, WithinRange(1, 9)] = 3
    name: Annotated[str, Default("none")]
    format: Annotated[str, Choice(["a", "b"])] = "a"
    live: bool


@pytest.fixture
def parameters(qt: Any) -> Any:
    return Parameters(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))


def test_parameters_are_kept_in_the_node(parameters: Any) -> None:
    assert (parameters.volume, parameters.steps, parameters.live) == (None, 3, False)
    assert (parameters.name, parameters.format) == ("none", "a")
    node = parameters.volume = volume("v")
    parameters.steps = 4
    parameters.live = True
    again = Parameters(parameters.parameterNode)
    assert again.volume is node
    assert (again.steps, again.live) == (4, True)
    assert again.parameterNode.GetParameter("steps") == "4"
    for wrong, error in ((0, ValueError), ("1", TypeError)):
        with pytest.raises(error):
            parameters.steps = wrong


def test_widgets_and_parameters_follow_each_other(qt: Any, parameters: Any) -> None:
    ui = widgets(
        volume=slicer.qMRMLNodeComboBox(),
        steps=qt.QSpinBox(),
        name=qt.QLineEdit(),
        live=qt.QCheckBox(),
        format=qt.QComboBox(),
    )
    ui.volume.noneEnabled = True
    ui.volume.setMRMLScene(slicer.mrmlScene)
    tag = parameters.connectGui(ui)
    assert (ui.steps.maximum, ui.steps.value, ui.name.text) == (9, 3, "none")
    assert [ui.format.itemText(index) for index in range(ui.format.count)] == ["a", "b"]
    ui.steps.value = 5
    ui.live.checked = True
    ui.format.currentIndex = 1
    ui.volume.setCurrentNode(volume("v"))
    assert (parameters.steps, parameters.live, parameters.format) == (5, True, "b")
    assert parameters.volume.GetName() == "v"
    parameters.name = "given"
    parameters.volume = None
    assert ui.name.text == "given"
    assert ui.volume.currentNode() is None
    parameters.disconnectGui(tag)
    ui.steps.value = 6
    parameters.name = "later"
    assert (parameters.steps, ui.name.text) == (5, "given")


def test_combo_box_without_choices_is_refused(qt: Any, parameters: Any) -> None:
    with pytest.raises(RuntimeError, match="QComboBox cannot show name"):
        parameters.connectGui(widgets(name=qt.QComboBox()))


def widgets(**by_parameter: Any) -> types.SimpleNamespace:
    """What childWidgetVariables returns for widgets that name a parameter."""
    for name, widget in by_parameter.items():
        widget.setProperty("SlicerParameterName", name)
    return types.SimpleNamespace(**by_parameter)


MODULE = """
import slicer
from slicer.ScriptedLoadableModule import *

class Sample(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = "Sample"

class SampleWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        super().setup()
        self.calls = ["setup"]
        self.logic = SampleLogic()

    def enter(self):
        self.calls.append("enter")

    def exit(self):
        self.calls.append("exit")

    def cleanup(self):
        self.calls.append("cleanup")

class SampleLogic(ScriptedLoadableModuleLogic):
    pass
"""


def test_scripted_module_is_opened_and_closed(
    qt: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "Sample.py"
    path.write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    widget = host.open_module(path)
    assert slicer.modules.sample.title == "Sample"
    assert widget.resourcePath("a.ui") == str(tmp_path / "Resources" / "a.ui")
    assert slicer.util.modulePath("Sample") == str(path)
    node = widget.logic.getParameterNode()
    assert node is widget.logic.getParameterNode()
    assert node.GetAttribute("ModuleName") == "Sample"
    slicer.mrmlScene.Clear(0)
    assert widget.logic.getParameterNode().GetAttribute("ModuleName") == "Sample"
    host.close_module(widget)
    assert widget.calls == ["setup", "enter", "exit", "cleanup"]
    del sys.modules["Sample"]
