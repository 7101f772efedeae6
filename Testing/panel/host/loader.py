"""The stand-in for ``qt.QUiLoader``: knows the stand-ins and Slicer's names of signals."""

from __future__ import annotations

import functools
import operator
from typing import Any
from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import node_combo_box, plot_widget, segment_editor, widgets
from .pythonqt import connect_by_name, support_connect

STAND_INS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        widgets.ctkCollapsibleButton,
        widgets.ctkPathLineEdit,
        node_combo_box.qMRMLNodeComboBox,
        node_combo_box.qMRMLWidget,
        plot_widget.qMRMLPlotWidget,
        segment_editor.qMRMLSegmentEditorWidget,
    )
}


class QUiLoader(QtUiTools.QUiLoader):
    """Loads a ``.ui`` file; a class that the host does not know raises ``ValueError``."""

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        for kind in STAND_INS.values():
            self.registerCustomWidget(kind)

    def load(self, device: Any, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        form = ElementTree.fromstring(bytes(device.readAll().data()))  # our own file
        unknown = {e.text for e in form.iter("class")} - {form.findtext("class")}
        unknown -= STAND_INS.keys()
        if unknown:
            raise ValueError(f"The test host has no {', '.join(sorted(map(str, unknown)))}")
        connections = form.find("connections")
        if connections is not None:
            form.remove(connections)  # their signals have C++ types that PySide6 does not know
        enumerations = _take_enumerations(form)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(form))
        widget = super().load(buffer, parent)
        for each in [widget, *widget.findChildren(QtCore.QObject)]:
            support_connect(each)
        for name, key, value in enumerations:
            setattr(widget.findChild(QtCore.QObject, name), key, value)
        for connection in connections if connections is not None else ():
            _connect(widget, connection)
        return widget


def _take_enumerations(form: ElementTree.Element) -> list[tuple[str, str, Any]]:
    """Remove the properties whose values are enumerations of stand-ins; Qt does not know these.

    Returns:
        For each the name of the widget, the name of the property, the value.
    """
    taken = []
    for element in form.iter("widget"):
        for each in [*element.iterfind("property")]:
            keys = [key.split("::") for key in (each.findtext("set") or "").split("|")]
            if keys[0][0] in STAND_INS:
                values = [getattr(STAND_INS[owner], key) for owner, key in keys]
                value = functools.reduce(operator.or_, values)
                taken.append((element.get("name", ""), each.get("name", ""), value))
                element.remove(each)
    return taken


def _connect(form: QtWidgets.QWidget, connection: ElementTree.Element) -> None:
    """Make one connection of a ``.ui`` file."""
    ends = []
    for end in ("sender", "receiver"):
        name = connection.findtext(end)
        found = form if form.objectName() == name else form.findChild(QtCore.QObject, name)
        ends.append(found)
    slot = getattr(ends[1], connection.findtext("slot", "").partition("(")[0])
    connect_by_name(ends[0], connection.findtext("signal", ""), slot)
