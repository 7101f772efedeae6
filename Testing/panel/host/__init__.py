"""A small stand-in for the 3D Slicer application, for tests only.

Real MRML from slicer-core, real Qt widgets from PySide6, and between them the few classes of
``qt``, ``ctk`` and ``slicer`` that the panel uses. Whatever is offered here exists in Slicer under
the same name and with the same meaning; so the methods of the stand-ins are not described again.
"""

from .app import Application, application, screenshot, spin, use_theme
from .installation import (
    VERSIONS,
    close_module,
    install,
    new_scene,
    open_module,
    reload_module,
    uninstall,
)
from .pythonqt import use_attribute_style

__all__ = [
    "VERSIONS",
    "Application",
    "application",
    "close_module",
    "install",
    "new_scene",
    "open_module",
    "reload_module",
    "screenshot",
    "spin",
    "uninstall",
    "use_attribute_style",
    "use_theme",
]
