"""Puts the host in place of what the Slicer application adds to Python, and takes it away again."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtWidgets

from . import module_classes, parameter_nodes, pythonqt
from .app import application
from .loader import STAND_INS, QUiLoader

VERSIONS = ("5.2.2", "5.10")
_OURS = ("FUNetSegmentation", "FUNetSegmentationLib")
_SOURCE = Path(__file__).resolve().parents[3] / "FUNetSegmentation"
_ABSENT = object()
_undo: list[Callable[[], None]] = []


def install(slicer_version: str = "5.10") -> None:
    """Give Python the modules and names that it has inside Slicer, and an empty scene.

    The extension's own modules are imported anew while the host is there.

    Args:
        slicer_version: one of :data:`VERSIONS`.
    """
    if slicer_version not in VERSIONS:
        raise ValueError(f"{slicer_version} is none of {VERSIONS}")
    if _undo:
        uninstall()
    app = application()
    app.slicer = slicer
    pythonqt.add_names_of_pythonqt()
    pythonqt.use_attribute_style("slicer.util", *_module_names())
    _set_aside_our_modules()
    _set_module("qt", pythonqt.make_qt_module(QUiLoader))
    ctk = types.ModuleType("ctk")
    for name, stand_in in STAND_INS.items():
        if name.startswith("ctk"):
            setattr(ctk, name, stand_in)
        else:
            _set_attribute(slicer, name, stand_in)
    _set_module("ctk", ctk)
    _set_attribute(slicer, "app", app)
    _set_attribute(slicer, "mrmlScene", new_scene())
    _set_attribute(slicer, "modules", _modules(slicer.mrmlScene))
    _add_submodule("ScriptedLoadableModule", module_classes, _SCRIPTED)
    _add_submodule("parameterNodeWrapper", parameter_nodes, _PARAMETERS)
    if slicer_version == "5.2.2":
        _set_attribute(slicer, "vtkSlicerSegmentEditorLogic", _ABSENT)
    else:
        i18n = types.SimpleNamespace(getContext=_context_of, translate=_translate)
        _add_submodule("i18n", i18n, ("getContext", "translate"))
        _add_submodule("packaging", types.SimpleNamespace(pip_ensure=_no_pip), ("pip_ensure",))


def uninstall() -> None:
    """Take everything away that :func:`install` put there."""
    if hasattr(slicer, "mrmlScene"):
        # Widgets that tests left behind must not hear of a scene that is being destroyed: VTK
        # would give them an object with no life left.
        slicer.mrmlScene.RemoveAllObservers()
    while _undo:
        _undo.pop()()
    pythonqt.forget_attribute_style()


_SCRIPTED = tuple(f"ScriptedLoadableModule{part}" for part in ("", "Widget", "Logic", "Test"))
_PARAMETERS = ("parameterNodeWrapper", "WithinRange", "Choice", "Default")


@functools.cache
def _segmentations_logic() -> Any:
    return slicer.vtkSlicerSegmentationsModuleLogic()


def new_scene() -> Any:
    """Return a scene with the nodes that Slicer always has: three slice views and selections."""
    scene = slicer.vtkMRMLScene()
    _segmentations_logic().SetMRMLScene(scene)  # registers the classes of nodes and conversions
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    for name, orientation in (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal")):
        view = scene.CreateNodeByClass("vtkMRMLSliceNode")
        view.UnRegister(None)  # the scene made it with a reference of its own
        view.SetLayoutName(name)
        view.SetSingletonTag(name)
        view.SetName(name)
        scene.AddNode(view)
        view.SetOrientation(orientation)
    return scene


def _modules(scene: Any) -> types.SimpleNamespace:
    """Return the modules that ``slicer.util`` needs to write the voxels of segments."""
    colours, volumes = slicer.vtkMRMLColorLogic(), slicer.vtkSlicerVolumesLogic()
    application_logic = slicer.vtkMRMLApplicationLogic()
    application_logic.SetModuleLogic("Colors", colours)
    volumes.SetMRMLApplicationLogic(application_logic)
    colours.SetMRMLScene(scene)
    volumes.SetMRMLScene(scene)
    _undo.append(lambda: application_logic.SetModuleLogic("Colors", None))  # keeps it until then
    logics = {"volumes": volumes, "segmentations": _segmentations_logic(), "colors": colours}
    return types.SimpleNamespace(
        **{
            name: types.SimpleNamespace(logic=lambda logic=logic: logic)
            for name, logic in logics.items()
        }
    )


def _module_names() -> list[str]:
    """Return the names of the extension's modules."""
    files = [_SOURCE / "FUNetSegmentation.py", *_SOURCE.glob("FUNetSegmentationLib/**/*.py")]
    parts = [file.relative_to(_SOURCE).with_suffix("").parts for file in files]
    return [".".join(p[:-1] if p[-1] == "__init__" else p) for p in parts]


def _set_aside_our_modules() -> None:
    def ours() -> dict[str, types.ModuleType]:
        return {n: m for n, m in sys.modules.items() if n.partition(".")[0] in _OURS}

    before = ours()
    for name in before:
        del sys.modules[name]

    def restore() -> None:
        for name in ours():
            del sys.modules[name]
        sys.modules.update(before)

    _undo.append(restore)


def _set_module(name: str, module: types.ModuleType) -> None:
    before = sys.modules.get(name, _ABSENT)
    sys.modules[name] = module

    def restore() -> None:
        if before is _ABSENT:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before

    _undo.append(restore)


def _set_attribute(owner: Any, name: str, value: Any) -> None:
    before = vars(owner).get(name, _ABSENT)

    def put(what: Any) -> None:
        if what is not _ABSENT:
            setattr(owner, name, what)
        elif name in vars(owner):
            delattr(owner, name)

    put(value)
    _undo.append(lambda: put(before))


def _add_submodule(name: str, source: Any, names: tuple[str, ...]) -> None:
    module = types.ModuleType(f"slicer.{name}")
    module.__all__ = list(names)
    for each in names:
        setattr(module, each, getattr(source, each))
    _set_module(f"slicer.{name}", module)
    _set_attribute(slicer, name, module)


def _context_of(source_file: str) -> str:
    return Path(source_file).stem


def _translate(_context: str, text: str) -> str:
    return text


def _no_pip(*_arguments: object, **_options: object) -> None:
    raise RuntimeError("The tests install nothing")


def open_module(path: Path = _SOURCE / "FUNetSegmentation.py") -> Any:
    """Load a scripted module, open its panel, and return the panel's Python object."""
    name = path.stem
    source = importlib.import_module(name)
    module = module_classes.qSlicerScriptedLoadableModule(str(path))
    setattr(slicer.modules, name.lower(), module)
    setattr(slicer.modules, f"{name}Instance", getattr(source, name)(module))
    parent = module_classes.qSlicerScriptedLoadableModuleWidget()
    parent.setMRMLScene(slicer.mrmlScene)
    widget = _make_panel(name, parent)
    parent.enter()
    parent.show()
    return widget


def reload_module(widget: Any) -> Any:
    """Make a panel anew in the place of one, as Slicer's button Reload does; return it."""
    parent = widget.parent
    for child in parent.findChildren(QtWidgets.QWidget):
        child.hide()
    widget.cleanup()
    while parent.layout().count():
        parent.layout().takeAt(0)
    return _make_panel(widget.moduleName, parent)


def _make_panel(name: str, parent: Any) -> Any:
    widget = parent._panel = getattr(sys.modules[name], f"{name}Widget")(parent)
    setattr(slicer.modules, f"{name}Widget", widget)
    widget.setup()
    return widget


def close_module(widget: Any) -> None:
    """Leave a panel and destroy it."""
    widget.parent.exit()
    widget.cleanup()
    widget.parent._panel = None
    widget.parent.deleteLater()
    application().sendPostedEvents(None, 0)
