"""The stand-in for ``slicer.parameterNodeWrapper``: numbers, texts, booleans, nodes."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets

from .node_combo_box import qMRMLNodeComboBox


@dataclass(frozen=True)
class WithinRange:
    """Annotation: the number lies in a range."""

    minimum: float
    maximum: float


@dataclass(frozen=True)
class Choice:
    """Annotation: the value is one of these."""

    choices: list[Any]


@dataclass(frozen=True)
class Default:
    """Annotation: the value at first."""

    value: Any


@dataclass(frozen=True)
class _Parameter:
    """One parameter: how it is kept in a ``vtkMRMLScriptedModuleNode``."""

    name: str
    kind: type
    notes: tuple[Any, ...]
    default: Any

    def is_node(self) -> bool:
        return issubclass(self.kind, slicer.vtkMRMLNode)

    def is_in(self, node: Any) -> bool:
        return self.is_node() or bool(node.HasParameter(self.name))

    def read(self, node: Any) -> Any:
        if self.is_node():
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        return text == "True" if self.kind is bool else self.kind(text)

    def write(self, node: Any, value: Any) -> None:
        if self.is_node():
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            return
        if not isinstance(value, self.kind) and not (self.kind is float and isinstance(value, int)):
            raise TypeError(f"{self.name} is {self.kind.__name__}, not {value!r}")
        for note in self.notes:
            if isinstance(note, WithinRange) and not note.minimum <= value <= note.maximum:
                raise ValueError(f"{self.name} = {value} is not within {note}")
            if isinstance(note, Choice) and value not in note.choices:
                raise ValueError(f"{self.name} = {value} is none of {note.choices}")
        node.SetParameter(self.name, str(value))


class _Connection:
    """A widget and a parameter that follow each other."""

    def __init__(self, widget: Any, parameter: _Parameter) -> None:
        self.widget = widget
        signal, self._read, self._write = _access(widget, parameter)
        self.signal = signal

    def read(self) -> Any:
        return self._read()

    def write(self, value: Any) -> None:
        self._write(value)


def _access(widget: Any, parameter: _Parameter) -> tuple[Any, Any, Any]:
    """Return the signal, the reader and the writer of a widget, for types that Slicer connects."""
    kind = type(widget)
    if kind is QtWidgets.QCheckBox and parameter.kind is bool:
        return widget.stateChanged, widget.isChecked, widget.setChecked
    if kind is QtWidgets.QPushButton and parameter.kind is bool:
        widget.setCheckable(True)
        return widget.toggled, widget.isChecked, widget.setChecked
    spins = {QtWidgets.QSpinBox: int, QtWidgets.QSlider: int, QtWidgets.QDoubleSpinBox: float}
    if parameter.kind is spins.get(kind):
        _limit(widget, parameter)
        return widget.valueChanged, widget.value, widget.setValue
    if kind is QtWidgets.QLineEdit and parameter.kind is str:
        return widget.textChanged, widget.text, widget.setText
    choice = next((note for note in parameter.notes if isinstance(note, Choice)), None)
    if kind is QtWidgets.QComboBox and choice is not None:
        widget.clear()
        widget.addItems([str(value) for value in choice.choices])
        return (
            widget.currentIndexChanged,
            lambda: choice.choices[widget.currentIndex()],
            lambda value: widget.setCurrentIndex(choice.choices.index(value)),
        )
    if kind is qMRMLNodeComboBox and parameter.is_node():
        widget.nodeTypes = [parameter.kind.__name__]
        return widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode
    raise RuntimeError(f"{kind.__name__} cannot show {parameter.name}: {parameter.kind.__name__}")


def _limit(widget: Any, parameter: _Parameter) -> None:
    """Give the widget the range of the parameter; without one Slicer takes every limit away."""
    limits = next((note for note in parameter.notes if isinstance(note, WithinRange)), None)
    if limits is not None:
        widget.setRange(limits.minimum, limits.maximum)
    elif isinstance(widget, QtWidgets.QSpinBox):
        widget.setRange(-(2**31), 2**31 - 1)


def parameterNodeWrapper(cls: type) -> type:
    """Make an annotated class a typed view of a parameter node, as in Slicer."""
    hints = typing.get_type_hints(cls, include_extras=True)
    cls.allParameters = {name: _parameter(cls, name, hint) for name, hint in hints.items()}
    for name in cls.allParameters:
        setattr(cls, name, _attribute(name))
    for name, value in vars(Wrapper).items():
        if isinstance(value, types.FunctionType):
            setattr(cls, name, value)
    return cls


def _parameter(cls: type, name: str, hint: Any) -> _Parameter:
    kind, *notes = typing.get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
    if kind not in (int, float, str, bool) and not issubclass(kind, slicer.vtkMRMLNode):
        raise TypeError(f"{name}: a parameter cannot be {kind}")
    default = next((note.value for note in notes if isinstance(note, Default)), None)
    if hasattr(cls, name):
        default = getattr(cls, name)
    elif default is None and not issubclass(kind, slicer.vtkMRMLNode):
        default = kind()
    return _Parameter(name, kind, tuple(notes), default)


def _attribute(name: str) -> property:
    return property(
        lambda self: self.allParameters[name].read(self.parameterNode),
        lambda self, value: self.allParameters[name].write(self.parameterNode, value),
    )


class Wrapper:
    """What the decorator adds to a class."""

    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        self._connections: dict[int, list[tuple[str, _Connection, Any]]] = {}
        self._observers: dict[int, int] = {}
        self._next_tag = 0
        self._showing = False
        for parameter in self.allParameters.values():
            if not parameter.is_in(parameterNode):
                parameter.write(parameterNode, parameter.default)

    def connectGui(self, gui: Any) -> int:
        self._next_tag += 1
        connections = self._connections[self._next_tag] = []
        for widget in vars(gui).values():
            name = widget.property("SlicerParameterName")
            if name:
                connection = _Connection(widget, self.allParameters[name])
                connection.write(getattr(self, name))
                call = self._reader(name, connection)
                connection.signal.connect(call)
                connections.append((name, connection, call))
        self._observers[self._next_tag] = self.parameterNode.AddObserver(
            vtk.vtkCommand.ModifiedEvent, lambda *_: self._show()
        )
        return self._next_tag

    def disconnectGui(self, guiTag: int) -> None:
        for _name, connection, call in self._connections.pop(guiTag, []):
            connection.signal.disconnect(call)
        if guiTag in self._observers:
            self.parameterNode.RemoveObserver(self._observers.pop(guiTag))

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def _reader(self, name: str, connection: _Connection) -> Any:
        def call(*_arguments: object) -> None:
            if not self._showing:
                setattr(self, name, connection.read())

        return call

    def _show(self) -> None:
        if self._showing:
            return
        self._showing = True
        try:
            for connections in self._connections.values():
                for name, connection, _call in connections:
                    connection.write(getattr(self, name))
        finally:
            self._showing = False
