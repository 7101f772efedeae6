"""The stand-in for ``qMRMLNodeComboBox`` and its kin that hold a scene."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import shiboken6
import vtk
from PySide6 import QtCore, QtWidgets

from .pythonqt import support_connect
from .widgets import stored


class qSlicerWidget(QtWidgets.QWidget):
    """A widget that passes the scene on to those connected to it."""

    mrmlSceneChanged = QtCore.Signal(object)
    _SIGNALS = ("mrmlSceneChanged(vtkMRMLScene*)",)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        support_connect(self)
        self._scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qMRMLWidget(qSlicerWidget):
    """The same, and it tells its scene."""

    def mrmlScene(self) -> Any:
        return self._scene


class Observers:
    """Observers of VTK objects that go together, and with the object that they tell."""

    def __init__(self) -> None:
        self._tags: list[tuple[Any, int]] = []

    def add(self, subject: Any, event: Any, call: Callable[..., None]) -> None:
        """Call a method whenever something happens, until :meth:`clear`."""
        method = weakref.WeakMethod(call)

        def tell(caller: Any, name: str) -> None:
            alive = method()
            if alive is not None and shiboken6.isValid(alive.__self__):
                alive(caller, name)

        self._tags.append((subject, subject.AddObserver(event, tell)))

    def clear(self) -> None:
        """Stop observing everything."""
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)
        self._tags.clear()


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses one node of given types out of the scene, and keeps up with the scene."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    _SIGNALS = ("currentNodeChanged(vtkMRMLNode*)", "currentNodeIDChanged(QString)")

    nodeTypes = stored("QStringList", [], "_update")
    showChildNodeTypes = stored(bool, True, "_update")
    showHidden = stored(bool, False, "_update")
    noneEnabled = stored(bool, False, "_update")
    noneDisplay = stored(str, "None", "_update")
    addEnabled = stored(bool, True)
    removeEnabled = stored(bool, True)
    renameEnabled = stored(bool, False)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        support_connect(self)
        self._scene: Any = None
        self._current: Any = None
        self._nodes: list[Any] = []
        self._scene_observers, self._name_observers = Observers(), Observers()
        self._box = QtWidgets.QComboBox(self)
        self._box.setSizePolicy(
            QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed
        )
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        self._box.currentIndexChanged.connect(self._chosen)
        self.setEnabled(False)

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        self._scene_observers.clear()
        self._scene = scene
        if scene is not None:
            for event in ("NodeAddedEvent", "NodeRemovedEvent", "EndBatchProcessEvent"):
                self._scene_observers.add(scene, getattr(scene, event), self._update)
        self.setEnabled(scene is not None)
        self._update()

    def currentNode(self) -> Any:
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node) if self._scene is not None else None
        if node is not None and node not in self._nodes:
            self._update()
        self._box.setCurrentIndex(self._index(node))

    @QtCore.Property(str)
    def currentNodeID(self) -> str:
        return self._current.GetID() if self._current is not None else ""

    @currentNodeID.setter
    def currentNodeID(self, node_id: str) -> None:
        self.setCurrentNode(node_id)

    def nodeCount(self) -> int:
        return len(self._nodes)

    def nodeFromIndex(self, index: int) -> Any:
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def _index(self, node: Any) -> int:
        if node not in self._nodes:
            return 0 if self.noneEnabled else -1
        return self._nodes.index(node) + bool(self.noneEnabled)

    def _offers(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        matches = node.IsA if self.showChildNodeTypes else node.GetClassName().__eq__
        return any(matches(kind) for kind in self.nodeTypes)

    def _update(self, *_arguments: object) -> None:
        if self._scene is None or not self._scene.IsBatchProcessing():
            self._fill()

    def _fill(self) -> None:
        nodes = self._scene.GetNodes() if self._scene is not None else None
        count = nodes.GetNumberOfItems() if nodes is not None else 0
        every = [nodes.GetItemAsObject(index) for index in range(count)]
        place = self._nodes.index(self._current) if self._current in self._nodes else None
        self._nodes = [node for node in every if self._offers(node)]
        self._name_observers.clear()
        blocked = self._box.blockSignals(True)
        self._box.clear()
        if self.noneEnabled:
            self._box.addItem(self.noneDisplay)
        for node in self._nodes:
            self._box.addItem(node.GetName() or "")
            self._name_observers.add(node, vtk.vtkCommand.ModifiedEvent, self._on_renamed)
        if place is not None and self._current not in self._nodes and self._nodes:
            chosen = self._index(self._nodes[min(place, len(self._nodes) - 1)])
        else:
            chosen = self._index(self._current)
        if chosen < 0 and self._nodes:
            chosen = 0
        self._box.setCurrentIndex(chosen)
        self._box.blockSignals(blocked)
        self._chosen(chosen)

    def _on_renamed(self, node: Any, _event: str) -> None:
        index = self._nodes.index(node) + bool(self.noneEnabled)
        self._box.setItemText(index, node.GetName() or "")

    def _chosen(self, index: int) -> None:
        node = self.nodeFromIndex(index - bool(self.noneEnabled))
        if node is not self._current:
            self._current = node
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(self.currentNodeID)
