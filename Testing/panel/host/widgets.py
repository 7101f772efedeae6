"""The stand-ins for ``ctk`` widgets, and what all stand-ins share."""

from __future__ import annotations

import enum
import weakref
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .pythonqt import support_connect


def stored(kind: Any, default: Any, changed: str = "") -> QtCore.Property:
    """Return a Qt property that keeps its value.

    Args:
        kind: the type, as for ``QtCore.Property``.
        default: what it is at first.
        changed: name of the method that shows the new value.
    """
    key = object()

    def read(self: Any) -> Any:
        return self.__dict__.setdefault("_stored", {}).get(key, default)

    def write(self: Any, value: Any) -> None:
        self.__dict__.setdefault("_stored", {})[key] = value
        if changed:
            getattr(self, changed)()

    return QtCore.Property(kind, read, write)


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A section with a title that folds its contents away."""

    contentsCollapsed = QtCore.Signal(bool)
    _SIGNALS = ("contentsCollapsed(bool)",)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        support_connect(self)
        self._collapsed = False
        self._forcing = False
        self._wanted: weakref.WeakKeyDictionary[QtCore.QObject, bool] = weakref.WeakKeyDictionary()
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(
            QtWidgets.QSizePolicy.Policy.Minimum, QtWidgets.QSizePolicy.Policy.Preferred
        )
        self.setContentsMargins(0, self._header_height(), 0, 0)
        self.toggled.connect(lambda checked: self._collapse(not checked))

    @QtCore.Property(bool)
    def collapsed(self) -> bool:
        return self._collapsed

    @collapsed.setter
    def collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    def _header_height(self) -> int:
        return self.fontMetrics().height() + 8

    def _collapse(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        self.setMaximumHeight(self._header_height() if collapsed else 16777215)
        self._show_children()
        self.contentsCollapsed.emit(collapsed)

    def _show_children(self) -> None:
        flags = QtCore.Qt.FindChildOption.FindDirectChildrenOnly
        self._forcing = True
        for child in self.findChildren(QtWidgets.QWidget, options=flags):
            if child not in self._wanted:
                self._wanted[child] = not child.isHidden()
                child.installEventFilter(self)
            child.setVisible(self._wanted[child] and not self._collapsed)
            if self._wanted[child]:  # so that hiding it meanwhile is an event
                child.setAttribute(QtCore.Qt.WidgetAttribute.WA_WState_ExplicitShowHide, False)
        self._forcing = False

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        # The child itself is left alone: while it is being made, PySide6 takes it for a QWidget.
        if event.polished():
            self._show_children()
        super().childEvent(event)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        self._show_children()
        super().showEvent(event)

    def eventFilter(self, child: QtCore.QObject, event: QtCore.QEvent) -> bool:
        wanted = {QtCore.QEvent.Type.ShowToParent: True, QtCore.QEvent.Type.HideToParent: False}
        if event.type() in wanted and not self._forcing:
            self._wanted[child] = wanted[event.type()]
            if self._collapsed:
                self._show_children()
        return False

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() <= self._header_height()

    def minimumSizeHint(self) -> QtCore.QSize:
        if self._collapsed or self.layout() is None:
            return QtCore.QSize(80, self._header_height())
        return self.layout().totalMinimumSize()

    def sizeHint(self) -> QtCore.QSize:
        if self._collapsed or self.layout() is None:
            return self.minimumSizeHint()
        return self.layout().totalSizeHint()

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width(), self._header_height())
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, option)
        arrow = QtWidgets.QStyle.PrimitiveElement
        option.rect = QtCore.QRect(6, 0, 12, self._header_height())
        painter.drawPrimitive(
            arrow.PE_IndicatorArrowRight if self._collapsed else arrow.PE_IndicatorArrowDown, option
        )
        title = QtCore.QRect(24, 0, self.width() - 28, self._header_height())
        painter.drawItemText(
            title,
            int(QtCore.Qt.AlignmentFlag.AlignVCenter),
            self.palette(),
            self.isEnabled(),
            self.text(),
            QtGui.QPalette.ColorRole.ButtonText,
        )


class ctkPathLineEdit(QtWidgets.QWidget):
    """An editable path, and a button that chooses one.

    As ctk's own without name filters, it takes any text but an empty one for a path: becoming
    empty changes whether the input is valid, and is no change of the path.
    """

    class Filters(enum.IntFlag):
        """What may be chosen."""

        Dirs = 0x1
        Files = 0x2
        Drives = 0x4
        AllEntries = 0x7
        NoSymLinks = 0x8
        Readable = 0x10
        Writable = 0x20
        Executable = 0x40
        NoDot = 0x2000
        NoDotDot = 0x4000
        NoDotAndDotDot = 0x6000

    vars().update(Filters.__members__)  # PythonQt shows them in the class, too
    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    _SIGNALS = ("currentPathChanged(QString)", "validInputChanged(bool)")

    filters = stored(object, Filters.Files)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        support_connect(self)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._edit = QtWidgets.QComboBox(self, editable=True)
        self._edit.setSizePolicy(
            QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed
        )
        self._browse = QtWidgets.QToolButton(self, text="...")
        self._browse.clicked.connect(lambda: self.browse())
        row.addWidget(self._edit)
        row.addWidget(self._browse)
        self._edit.setMinimumContentsLength(10)
        self._edit.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
        self._edit.lineEdit().setValidator(
            QtGui.QRegularExpressionValidator(QtCore.QRegularExpression(".+"), self)
        )
        self._valid = False
        self._edit.lineEdit().textChanged.connect(self._tell)

    def _tell(self, path: str) -> None:
        was_valid, self._valid = self._valid, self._edit.lineEdit().hasAcceptableInput()
        if self._valid:
            self.currentPathChanged.emit(path)
        if self._valid != was_valid:
            self.validInputChanged.emit(self._valid)

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._edit

    @QtCore.Property(str)
    def currentPath(self) -> str:
        return self._edit.currentText()

    @currentPath.setter
    def currentPath(self, path: str) -> None:
        self._edit.setEditText(path)

    def browse(self) -> None:
        if self.filters & self.Filters.Dirs:
            path = QtWidgets.QFileDialog.getExistingDirectory(self, "", self.currentPath)
        else:
            path = QtWidgets.QFileDialog.getOpenFileName(self, "", self.currentPath)[0]
        if path:
            self.currentPath = path
