"""Makes PySide6 objects look as PythonQt shows them: properties as attributes, ``connect`` by name.

PySide6 switches its attribute style per calling module; modules that are not named to
:func:`use_attribute_style` go on seeing PySide6's own.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from shibokensupport import feature

_PROPERTIES_AS_ATTRIBUTES = 0x02
# PySide6 hides every setter of a property; PythonQt keeps them. These take more than one value.
_SETTERS_KEPT = ((QtWidgets.QLayout, "setContentsMargins"), (QtWidgets.QWidget, "setMinimumSize"))
_TESTING = str(Path(__file__).parents[2])
_selected: set[str] = set()
_uses_pyside = feature._mod_uses_pyside


def _uses_pyside_if_it_says(module: types.ModuleType) -> bool:
    """Look through a module for PySide6, as PySide6 does with all, but survive torch's."""
    try:
        return _uses_pyside(module)
    except RuntimeError:  # torch.classes and the like raise for whatever name they are asked
        return False


feature._mod_uses_pyside = _uses_pyside_if_it_says


def use_attribute_style(*module_names: str) -> None:
    """Let the named modules see Qt properties as attributes, as PythonQt does."""
    _spare_other_modules()
    for name in module_names:
        feature.set_selection(_PROPERTIES_AS_ATTRIBUTES, name)
        _selected.add(name)


def _spare_other_modules() -> None:
    # At first PySide6 reads the source of every loaded module, to see whether it uses PySide6.
    # That takes long, and fails for modules that PyTorch makes up; only tests use PySide6 here.
    for name, module in list(sys.modules.items()):
        if not (vars(module).get("__file__") or "").startswith(_TESTING):
            feature.pyside_feature_dict.setdefault(name, -1)


def forget_attribute_style() -> None:
    """Undo every :func:`use_attribute_style`."""
    for name in _selected:
        feature.set_selection(0, name)
    _selected.clear()


def add_names_of_pythonqt() -> None:
    """Give Qt's classes the few members that only PythonQt has, for modules in that style."""
    setters = [(owner, name, getattr(owner, name)) for owner, name in _SETTERS_KEPT]
    namespace = {"__name__": f"{__name__}.names", "add": setattr}
    use_attribute_style(namespace["__name__"])
    additions: list[tuple[type, str, Any]] = [
        (QtCore.QObject, "name", property(lambda self: self.objectName())),
        (QtCore.QObject, "className", lambda self: self.metaObject().className()),
        *setters,
    ]
    for owner, name, value in additions:
        namespace |= {"owner": owner, "key": name, "value": value}
        exec("owner.__dict__; add(owner, key, value)", namespace)


def make_qt_module(loader: type) -> types.ModuleType:
    """Return the module ``qt``: every class of QtCore, QtGui and QtWidgets, and ``loader``."""
    module = types.ModuleType("qt")
    for part in (QtCore, QtGui, QtWidgets):
        for name in dir(part):  # PySide6 makes them on demand: vars() does not have them all
            if not name.startswith("_"):
                setattr(module, name, getattr(part, name))
    module.QUiLoader = loader
    return module


def support_connect(sender: Any) -> None:
    """Let the signals of an object be named with their arguments: ``connect("clicked()", f)``."""

    def connect(signature: str, receiver: Callable[..., object]) -> bool:
        connect_by_name(sender, signature, receiver)
        return True

    def disconnect(signature: str, receiver: Callable[..., object]) -> bool:
        disconnect_by_name(sender, signature, receiver)
        return True

    # PySide6 looks for these two in the instance only, before it takes its own.
    sender.__dict__.update(connect=connect, disconnect=disconnect)


# PySide6 sends as many arguments as the function names; to one with *arguments it may send none.
_TAKING: tuple[Callable[[Any], Callable[..., object]], ...] = (
    lambda receiver: lambda: receiver(),
    lambda receiver: lambda a: receiver(a),
    lambda receiver: lambda a, b: receiver(a, b),
)


def connect_by_name(sender: Any, signature: str, receiver: Callable[..., object]) -> None:
    """Call ``receiver`` with the arguments in the signature whenever the signal is sent."""
    name, _, arguments = signature.rstrip(")").partition("(")
    if signature not in signatures(type(sender)):
        raise ValueError(f"{type(sender).__name__} has no signal {signature}")
    count = len(arguments.split(",")) if arguments else 0
    call = _TAKING[count](receiver)
    connections = sender.__dict__.setdefault("_connections", {})
    connections[signature, receiver] = call
    getattr(sender, name).connect(call)


def disconnect_by_name(sender: Any, signature: str, receiver: Callable[..., object]) -> None:
    """Undo :func:`connect_by_name`."""
    call = sender.__dict__["_connections"].pop((signature, receiver))
    getattr(sender, signature.partition("(")[0]).disconnect(call)


def signatures(owner: type) -> set[str]:
    """Return the signals of a class with their arguments, as Slicer's meta objects spell them."""
    meta = owner.staticMetaObject
    methods = (meta.method(index) for index in range(meta.methodCount()))
    signals = (m for m in methods if m.methodType() == QtCore.QMetaMethod.MethodType.Signal)
    found = {bytes(m.methodSignature().data()).decode() for m in signals}
    for base in owner.__mro__:
        found.update(vars(base).get("_SIGNALS", ()))
    return found
