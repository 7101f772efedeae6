"""The panel's use of Qt, ctk and qMRML, its form and the test host, held against Slicer itself."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

import host
import numpy as np
import pytest
import slicer
import vtk
from api_usage import Usage, own_names
from host import app, loader, module_classes, parameter_nodes
from PySide6 import QtCore
from slicer_facts import FACTS_PATH, NEWER_NAMES, Facts
from ui_file import violations as ui_violations
from ui_file import widgets_of

SOURCE = Path(__file__).resolve().parents[2] / "FUNetSegmentation"
UI = SOURCE / "Resources" / "UI" / "FUNetSegmentation.ui"
LIB = SOURCE / "FUNetSegmentationLib"
APPLICATION_FILES = [
    *SOURCE.glob("*.py"),
    *sorted(LIB.glob("panel/*.py")),
    *sorted(LIB.glob("jobs/qt_*.py")),
]
STAND_INS = {
    **{
        ("ctk." if name.startswith("ctk") else "slicer.") + name: kind
        for name, kind in loader.STAND_INS.items()
    },
    "slicer.app": app.Application,
    "slicer.app.moduleManager()": app._ModuleManager,
    "slicer.qSlicerScriptedLoadableModule": module_classes.qSlicerScriptedLoadableModule,
    "slicer.qSlicerScriptedLoadableModuleWidget": (
        module_classes.qSlicerScriptedLoadableModuleWidget
    ),
}
# Methods that 5.2.2 has not got, and why our code may name them all the same.
NEWER_METHODS: dict[str, str] = {}


@pytest.fixture(scope="module")
def facts() -> Iterator[Facts]:
    if not FACTS_PATH.is_file():
        pytest.skip(f"the facts of Slicer are not at {FACTS_PATH}")
    host.install("5.2.2")
    host.use_attribute_style("slicer_facts")
    import qt

    yield Facts.read(qt)
    host.uninstall()


def python_names() -> frozenset[str]:
    """The attributes of Python's and numpy's own objects, and of Slicer's Python classes."""
    kinds = [each for each in vars(builtins).values() if isinstance(each, type)]
    kinds += [parameter_nodes.Wrapper, *vars(module_classes).values()]
    kinds += [PurePath, Path, np.ndarray, re.Match, type(python_names)]
    return frozenset(name for kind in kinds for name in dir(kind))


def names_of_mrml(sources: list[Path]) -> frozenset[str]:
    """The members of the MRML and VTK classes that source files name."""
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    classes = {getattr(slicer, name, None) for name in re.findall(r"\bvtk[A-Z]\w+", text)}
    classes.add(vtk.vtkTable)  # what a table node holds
    return frozenset(name for each in classes if each is not None for name in dir(each))


def usage(facts: Facts, widgets: dict[str, str] | None = None) -> Usage:
    """The check of our own code, or with given widgets that of a snippet."""
    known = python_names() | facts.members_of_values
    if widgets is not None:
        return Usage(facts, widgets, known=known)
    modules = [path.stem.lower() for path in SOURCE.glob("*.py")]
    return Usage(
        facts,
        widgets_of(UI),
        own=own_names(list(SOURCE.glob("**/*.py"))),
        known=known | names_of_mrml(APPLICATION_FILES),
        modules=frozenset(modules),
    )


def test_panel_uses_only_what_slicer_has(facts: Facts) -> None:
    checked = usage(facts)
    checked.learn_calls(path.read_text(encoding="utf-8") for path in APPLICATION_FILES)
    found = [
        f"{path.relative_to(SOURCE)}:{each}"
        for path in APPLICATION_FILES
        for each in checked.violations(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_form_uses_only_what_slicer_has(facts: Facts) -> None:
    assert not ui_violations(UI.read_text(encoding="utf-8"), facts)


@pytest.mark.parametrize("name", STAND_INS)
def test_stand_ins_offer_only_what_slicer_has(facts: Facts, name: str) -> None:
    assert not stand_in_violations(facts, name, STAND_INS[name])


def stand_in_violations(facts: Facts, name: str, stand_in: type) -> list[str]:
    own = [base for base in stand_in.__mro__ if base.__module__.startswith(("host", __name__))]
    found = []
    for member, value in ((m, v) for base in own for m, v in vars(base).items()):
        kind = None if member.startswith("_") else facts.kind(name, member)
        if member.startswith("_") or member == "staticMetaObject":
            continue
        if kind is None:
            found.append(f"{member} is not there")
        elif isinstance(value, QtCore.Property) and kind not in ("property", "read-only"):
            found.append(f"{member} is no property")
        elif isinstance(value, QtCore.Signal) and kind != "signal":
            found.append(f"{member} is no signal")
    for base in own:
        missing = set(vars(base).get("_SIGNALS", ())) - set(facts.signals(name))
        found += [f"{signal} is no signal" for signal in sorted(missing)]
    return found


@pytest.mark.parametrize("version", host.VERSIONS)
def test_host_adds_only_names_that_slicer_has(facts: Facts, version: str) -> None:
    host.uninstall()
    before = set(vars(slicer))
    host.install(version)
    host.use_attribute_style("slicer_facts")
    added = {f"slicer.{name}" for name in set(vars(slicer)) - before}
    newer = added - {f"slicer.{name}" for name in facts.names("slicer")}
    if version == "5.2.2":
        assert newer == {"slicer.parameterNodeWrapper"}
        assert not hasattr(slicer, "vtkSlicerSegmentEditorLogic")
    else:
        assert newer == NEWER_NAMES.keys() - {"slicer.vtkSlicerSegmentEditorLogic"}
        assert hasattr(slicer, "vtkSlicerSegmentEditorLogic")


def test_mrml_code_uses_only_methods_that_5_2_2_has(facts: Facts) -> None:
    files = [*SOURCE.glob("*.py"), *LIB.glob("**/*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    assert newer_methods(text, facts) <= NEWER_METHODS.keys()


def newer_methods(text: str, facts: Facts) -> set[str]:
    """Methods in a text that only later versions of the classes in the facts have."""
    known = [n for n in dir(slicer) if n.startswith("vtk") and facts.knows(f"slicer.{n}")]
    today = {method for name in known for method in dir(getattr(slicer, name))}
    elsewhere = {
        method for name in ("vtkTable", "vtkMatrix4x4") for method in dir(getattr(vtk, name))
    }
    named = set(re.findall(r"\.([A-Z]\w+)\(", text))
    return (named & today) - facts.every_member - elsewhere


# Every rule catches what it forbids.

WIDGETS = {
    "button": "qt.QPushButton",
    "box": "qt.QComboBox",
    "table": "qt.QTableWidget",
    "combo": "slicer.qMRMLNodeComboBox",
    "pathEdit": "ctk.ctkPathLineEdit",
    "editor": "slicer.qMRMLSegmentEditorWidget",
}
RIGHT = """
from __future__ import annotations
import json
import ctk, qt, slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import *
from slicer.i18n import tr as _

class Section:
    header: qt.QHeaderView

    def __init__(self, ui, label: qt.QLabel, own: "qt.QSpinBox | None" = None):
        self.ui = ui
        self._timer = qt.QTimer()
        self._timer.interval = 50
        self._timer.timeout.connect(self.show)
        label.text = label.text.strip()
        own.value = own.value + 1
        qt.QTimer.singleShot(0, self.show)

    def show(self, *_arguments):
        self.ui.button.enabled = not self.ui.button.enabled
        self.ui.button.clicked.connect(self.show)
        self.ui.button.connect("clicked()", self.show)
        self.ui.combo.connect("currentNodeChanged(vtkMRMLNode*)", self.show)
        self.ui.box.addItem("a", 1)
        self.ui.box.currentIndex = self.ui.box.findText("a")
        self.ui.table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        self.ui.table.setItem(0, 0, qt.QTableWidgetItem("a"))
        self.ui.pathEdit.currentPath = json.dumps("")
        self.ui.editor.saveStateForUndo()
        if self.ui.table.currentRow() < 0 and self.ui.combo.currentNode() is None:
            slicer.util.errorDisplay("a", windowTitle="b", detailedText="c")
        for widget in (self.ui.button, self.ui.button):
            widget.visible = True
        flags = qt.Qt.AlignRight | qt.Qt.AlignVCenter
        return slicer.app.palette(), slicer.mrmlScene, slicer.modules.segmenteditor, flags
"""
WRONG = {
    "ui.gone.text": "the .ui has no gone",
    "ui.button.setTxt('a')": "setTxt is not there",
    "ui.button.colour = 1": "colour is not there",
    "ui.button.text()": "is a property, not a method",
    "ui.button.setText('a')": "sets a property: assign it",
    "ui.box.count = 1": "cannot be written",
    "ui.table.currentRow = 1": "is no property",
    "ui.table.setRows(3)": "setRows is not there",
    "if ui.combo.currentNode: pass": "is a method, and always true",
    "ui.combo.connect('currentNodeChanged(QString)', print)": "has no signal",
    "ui.button.connect('clicked(int)', print)": "has no signal",
    "ui.box.connect('activated(QString)', print)": "of Qt 6 has no signal",
    "ui.box.currentData": "use itemData",
    "ui.pathEdit.path": "path is not there",
    "ui.editor.SaveStateForUndo()": "SaveStateForUndo is not there",
    "table = ui.table\ntable.rows": "rows is not there",
    "x: qt.QLabel = make()\nx.caption": "caption is not there",
    "def f(x: 'qt.QLabel | None'): x.caption": "caption is not there",
    "def f(x: qt.QLabel):\n def g(): x.caption": "caption is not there",
    "class A:\n def __init__(self): self.t = qt.QMenu()\n def f(self): self.t.a": "a is not there",
    "class A:\n t: qt.QTimer\n def f(self): self.t.begin()": "begin is not there",
    "for x in (ui.box, ui.box): x.caption": "caption is not there",
    "ui.table.horizontalHeader().setResizeMode(0, 1)": "setResizeMode is not there",
    "qt.QRegExp('a')": "Qt 6 has no qt.QRegExp",
    "qt.QLabl('a')": "Slicer 5.2.2 has no qt.QLabl",
    "qt.Signal()": "crashes",
    "qt.QProcess.Stopped": "qt.QProcess has no Stopped",
    "qt.Qt.AlignmentFlag.AlignRight": "Qt 5 has the values in the class itself",
    "qt.Qt.AlignRigt": "of Qt 6 has no AlignRigt",
    "qt.QTableWidgetItem('a').setColour(1)": "of Qt 6 has no setColour",
    "ctk.ctkSomething()": "Slicer 5.2.2 has no ctk.ctkSomething",
    "slicer.vtkSomething()": "Slicer 5.2.2 has no slicer.vtkSomething",
    "from slicer import something": "Slicer 5.2.2 has no slicer.something",
    "from slicer.something import f": "Slicer 5.2.2 has no slicer.something",
    "slicer.app.something()": "slicer.app.something is not there",
    "slicer.modules.something": "Slicer 5.2.2 has no slicer.modules.something",
    "slicer.util.something()": "Slicer 5.2.2 has no slicer.util.something",
    "slicer.util.loadUI(file='a')": "slicer.util.loadUI has no argument file",
    "thing.setSomethingOrOther()": "nothing has an attribute setSomethingOrOther",
    "thing.count = 1": "nothing has an attribute count",
}


def test_right_code_passes(facts: Facts) -> None:
    assert usage(facts, WIDGETS).violations(RIGHT) == []


@pytest.mark.parametrize("source", WRONG)
def test_rule_catches(facts: Facts, source: str) -> None:
    found = usage(facts, WIDGETS).violations(f"import qt, ctk, slicer\n{source}")
    assert len(found) == 1 and WRONG[source] in found[0]


def test_classes_are_known_from_calls(facts: Facts) -> None:
    checked = usage(facts, WIDGETS)
    source = """
class Section:
    def __init__(self, first: Any, second: Any):
        self.first = first
        first.caption, second.caption

    def show(self):
        self.first.subtitle

def helper(*, label):
    label.title

first, second = ui.table, ui.box
Section(first, second=second)
helper(label=ui.button)
"""
    checked.learn_calls([source])
    assert checked.violations(source) == [
        "5: qt.QComboBox.caption is not there",
        "5: qt.QTableWidget.caption is not there",
        "8: qt.QTableWidget.subtitle is not there",
        "11: qt.QPushButton.title is not there",
    ]


FORM = """<ui version="4.0"><class>A</class><widget class="qMRMLWidget" name="A">
<layout class="QVBoxLayout" name="b"><property name="leftMargin"><number>0</number></property>
<item><widget class="{kind}" name="c"><property name="{name}">{value}</property></widget></item>
</layout></widget><customwidgets><customwidget><class>qMRMLWidget</class></customwidget>
<customwidget><class>qMRMLNodeComboBox</class></customwidget></customwidgets>
<connections><connection><sender>A</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>c</receiver><slot>{slot}</slot></connection></connections></ui>"""
GOOD_FORM = {"kind": "QLabel", "name": "text", "value": "<string>a</string>", "slot": "hide()"}


def test_right_form_passes(facts: Facts) -> None:
    assert not ui_violations(FORM.format(**GOOD_FORM), facts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "QLabl"}, "qt.QLabl is not known"),
        ({"kind": "ctkSearchBox"}, "ctkSearchBox is not among the custom widgets"),
        ({"name": "caption"}, "qt.QLabel.caption is not there"),
        ({"name": "width"}, "qt.QLabel.width is read-only"),
        ({"slot": "setMRMLScene(vtkMRMLScene*)"}, "qt.QLabel has no slot"),
        (
            {"name": "alignment", "value": "<set>Qt::AlignmentFlag::AlignLeft</set>"},
            "is not in the form of Qt 5",
        ),
        (
            {"name": "frameShape", "value": "<enum>QFrame::Elephant</enum>"},
            "is not in the form of Qt 5",
        ),
    ],
)
def test_rule_catches_in_forms(facts: Facts, change: dict[str, str], message: str) -> None:
    found = ui_violations(FORM.format(**GOOD_FORM | change), facts)
    assert any(message in each for each in found)


def test_rule_catches_in_stand_ins(facts: Facts) -> None:
    class StandIn(QtCore.QObject):
        invented = QtCore.Signal()
        currentNode = QtCore.Property(int, lambda _self: 1)  # noqa: N815
        _SIGNALS = ("currentNodeChanged(int)",)

        def choose_node(self) -> None: ...

    found = stand_in_violations(facts, "slicer.qMRMLNodeComboBox", StandIn)
    assert sorted(found) == [
        "choose_node is not there",
        "currentNode is no property",
        "currentNodeChanged(int) is no signal",
        "invented is not there",
    ]


def test_rule_catches_newer_methods(facts: Facts) -> None:
    assert newer_methods("segment.GetTerminology(); segment.GetName()", facts) == {"GetTerminology"}
