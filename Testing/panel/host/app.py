"""The application: the event loop, its looks, and what ``slicer.app`` tells."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .pythonqt import support_connect

_LIGHT = {
    "Window": "#efefef", "WindowText": "#000000", "Base": "#ffffff", "AlternateBase": "#f5f5f5",
    "Text": "#000000", "Button": "#efefef", "ButtonText": "#000000", "Highlight": "#308cc6",
    "HighlightedText": "#ffffff", "ToolTipBase": "#ffffdc", "ToolTipText": "#000000",
    "Link": "#0000ff", "PlaceholderText": "#808080",
}  # fmt: skip
_DARK = {
    "Window": "#535353", "WindowText": "#ffffff", "Base": "#3c3c3c", "AlternateBase": "#464646",
    "Text": "#ffffff", "Button": "#535353", "ButtonText": "#ffffff", "Highlight": "#285577",
    "HighlightedText": "#ffffff", "ToolTipBase": "#2a2a2a", "ToolTipText": "#ffffff",
    "Link": "#7fb2e5", "PlaceholderText": "#a0a0a0",
}  # fmt: skip
_DISABLED = {"light": "#a0a0a0", "dark": "#828282"}


class _ModuleManager(QtCore.QObject):
    """Tells when a module is about to be unloaded."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)
    _SIGNALS = ("moduleAboutToBeUnloaded(QString)",)


class Application(QtWidgets.QApplication):
    """``slicer.app`` without main window and views."""

    startupCompleted = QtCore.Signal()

    def __init__(self) -> None:
        super().__init__([sys.argv[0] if sys.argv else "tests"])
        self._module_manager = _ModuleManager()
        support_connect(self._module_manager)
        self.slicer: Any = None  # set while the host is installed
        self.setApplicationName("FUNetSegmentationTests")
        self.setOrganizationName("FUNetSegmentation")
        self.setStyle("Fusion")
        self.setFont(QtGui.QFont("DejaVu Sans", 9))
        self.folder = QtCore.QTemporaryDir()
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        QtCore.QSettings.setPath(
            QtCore.QSettings.Format.IniFormat,
            QtCore.QSettings.Scope.UserScope,
            self.folder.filePath("settings"),
        )

    def mrmlScene(self) -> Any:
        return self.slicer.mrmlScene

    def moduleManager(self) -> _ModuleManager:
        return self._module_manager

    def layoutManager(self) -> None:
        """Return nothing, as Slicer does without its main window."""

    def testingEnabled(self) -> bool:
        return True

    def userSettings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    @QtCore.Property(str)
    def slicerHome(self) -> str:
        return sys.prefix

    @QtCore.Property(str)
    def temporaryPath(self) -> str:
        Path(self.folder.filePath("temporary")).mkdir(exist_ok=True)
        return self.folder.filePath("temporary")


def application() -> Application:
    """Return the application, made on the first call: there can be only one in a process."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    present = QtWidgets.QApplication.instance()
    if present is None:
        _keep_none()
        present = Application()
        use_theme("light")
    assert isinstance(present, Application), "another QApplication was made before"
    return present


def _keep_none() -> None:
    """Keep Python 3.11 alive: PySide6 takes one reference to ``None`` away with every call.

    From Python 3.12 on these references are not counted.
    """
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


def use_theme(name: str) -> None:
    """Set the colours of Slicer's ``"light"`` or ``"dark"`` style."""
    palette = QtGui.QPalette()
    for role, colour in {"light": _LIGHT, "dark": _DARK}[name].items():
        palette.setColor(getattr(QtGui.QPalette.ColorRole, role), QtGui.QColor(colour))
    for role in ("WindowText", "Text", "ButtonText"):
        palette.setColor(
            QtGui.QPalette.ColorGroup.Disabled,
            getattr(QtGui.QPalette.ColorRole, role),
            QtGui.QColor(_DISABLED[name]),
        )
    QtWidgets.QApplication.setPalette(palette)


def spin(seconds: float = 0.0, *, until: Callable[[], object] | None = None) -> bool:
    """Run the event loop.

    Args:
        seconds: for how long; with ``until``, at most.
        until: stop when this becomes true.

    Returns:
        Whether ``until`` became true; without it always true.
    """
    app = application()
    end = time.monotonic() + seconds
    while True:
        app.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
        app.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
        if until is not None and until():
            return True
        if time.monotonic() >= end:
            return until is None
        time.sleep(0.002)


def screenshot(widget: QtWidgets.QWidget, path: str | Path) -> QtGui.QImage:
    """Save a picture of a widget and return it."""
    spin()
    image = widget.grab().toImage()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if not image.save(str(path)):
        raise OSError(f"{path} cannot be written")
    return image
