"""The test host: what it puts into Python and takes away again, PythonQt's style, forms, looks."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import host
import pytest
import slicer

# Installing.


@pytest.mark.parametrize("version", host.VERSIONS)
def test_uninstall_restores_everything(version: str) -> None:
    import FUNetSegmentationLib.translation as before

    host.uninstall()
    modules, names = dict(sys.modules), dict(vars(slicer))
    host.install(version)
    again = importlib.import_module("FUNetSegmentationLib.translation")
    assert again is not before
    assert again.tr("a {b}") == "a {b}"
    assert ("slicer.i18n" in sys.modules) == (version != "5.2.2")
    host.uninstall()
    assert vars(slicer) == names
    now = {name: module for name, module in sys.modules.items() if "FUNet" in name or "qt" in name}
    assert now == {name: modules[name] for name in now}
    assert sys.modules["FUNetSegmentationLib.translation"] is before


def test_installing_again_begins_anew(qt: Any) -> None:
    first = slicer.mrmlScene
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "left over")
    host.install("5.10")
    assert slicer.mrmlScene is not first
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert slicer.app.mrmlScene() is slicer.mrmlScene


def test_scene_has_the_three_slice_views(qt: Any) -> None:
    views = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    assert {(v.GetLayoutName(), v.GetOrientation()) for v in views} == {
        ("Red", "Axial"),
        ("Yellow", "Sagittal"),
        ("Green", "Coronal"),
    }


def test_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"4\.11"):
        host.install("4.11")


def test_attribute_style_ends_with_the_host(qt: Any) -> None:
    label = qt.QLabel("a")
    assert label.text == "a"
    host.uninstall()
    assert label.text() == "a"


def test_settings_are_not_the_users(qt: Any) -> None:
    qt.QSettings().setValue("key", "value")
    assert slicer.util.settingsValue("key", "") == "value"
    assert str(Path.home()) not in qt.QSettings().fileName()


# PythonQt's style.


def test_properties_are_attributes(qt: Any) -> None:
    box = qt.QComboBox()
    box.addItem("a", 1)
    box.addItem("b", 2)
    box.currentIndex = 1
    box.toolTip = "c"
    assert (box.currentText, box.count, box.itemData(1), box.toolTip) == ("b", 2, 2, "c")
    layout = qt.QVBoxLayout()
    layout.setContentsMargins(1, 2, 3, 4)
    layout.spacing = 7
    assert layout.spacing == 7
    assert (box.className(), layout.className()) == ("QComboBox", "QVBoxLayout")


def test_signals_can_be_named(qt: Any, tmp_path: Path) -> None:
    ui = slicer.util.childWidgetVariables(load(tmp_path, "QPushButton"))
    heard: list[tuple[object, ...]] = []

    def slot(*values: object) -> None:
        heard.append(values)

    ui.it.connect("clicked()", slot)
    ui.it.connect("clicked(bool)", slot)
    ui.it.click()
    assert sorted(heard) == [(), (False,)]
    ui.it.disconnect("clicked()", slot)
    ui.it.click()
    assert heard[2:] == [(False,)]
    with pytest.raises(ValueError, match="clicked\\(int\\)"):
        ui.it.connect("clicked(int)", slot)


# Forms.

FORM = """<ui version="4.0"><class>Form</class><widget class="qMRMLWidget" name="Form">
<layout class="QVBoxLayout" name="column"><item>
<widget class="{kind}" name="it">{properties}</widget></item></layout></widget>{custom}</ui>"""
CUSTOM = """<customwidgets><customwidget><class>{kind}</class><extends>QWidget</extends>
</customwidget></customwidgets>"""
SCENE = """<connections><connection>
<sender>Form</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>it</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections>"""


def load(tmp_path: Path, kind: str, properties: str = "", connections: str = "") -> Any:
    custom = "" if kind.startswith("Q") else CUSTOM.format(kind=kind)
    path = tmp_path / "form.ui"
    path.write_text(FORM.format(kind=kind, properties=properties, custom=custom + connections))
    return slicer.util.loadUI(str(path))


def test_form_connects_the_scene(qt: Any, tmp_path: Path) -> None:
    types = "<stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist>"
    form = load(
        tmp_path,
        "qMRMLNodeComboBox",
        f'<property name="nodeTypes">{types}</property>'
        '<property name="noneEnabled"><bool>true</bool></property>'
        '<property name="SlicerParameterName" stdset="0"><string>input</string></property>',
        SCENE,
    )
    combo = slicer.util.childWidgetVariables(form).it
    assert not combo.enabled
    form.setMRMLScene(slicer.mrmlScene)
    assert combo.enabled
    assert (combo.nodeTypes, combo.noneEnabled) == (["vtkMRMLScalarVolumeNode"], True)
    assert combo.property("SlicerParameterName") == "input"


def test_form_sets_enumerations_of_stand_ins(qt: Any, tmp_path: Path) -> None:
    filters = "<set>ctkPathLineEdit::Dirs|ctkPathLineEdit::Readable</set>"
    form = load(tmp_path, "ctkPathLineEdit", f'<property name="filters">{filters}</property>')
    edit = slicer.util.childWidgetVariables(form).it
    kinds = type(edit)
    assert edit.filters == kinds.Dirs | kinds.Readable


def test_form_with_an_unknown_class_is_refused(qt: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ctkUnheardOf"):
        load(tmp_path, "ctkUnheardOf")


# Looks and the event loop.


def test_themes_differ_and_text_is_painted(qt: Any, tmp_path: Path) -> None:
    label = qt.QLabel("Text")
    label.resize(80, 30)
    contrast = {}
    for theme in ("light", "dark"):
        host.use_theme(theme)
        picture = host.screenshot(label, tmp_path / theme / "label.png")
        levels = {picture.pixelColor(x, y).lightness() for x in range(80) for y in range(30)}
        contrast[theme] = (min(levels), max(levels))
        assert max(levels) - min(levels) > 120
    assert contrast["light"] != contrast["dark"]
    empty = qt.QLabel("")
    empty.resize(80, 30)
    picture = host.screenshot(empty, tmp_path / "empty.png")
    assert len({picture.pixel(x, y) for x in range(80) for y in range(30)}) == 1


def test_spin_runs_the_event_loop(qt: Any) -> None:
    done: list[int] = []
    qt.QTimer.singleShot(20, lambda: done.append(1))
    assert not host.spin(0.0, until=lambda: done)
    assert host.spin(5.0, until=lambda: done)
