"""What a running 3D Slicer 5.2.2 says of its own classes, and what Qt 6 still has of it."""

from __future__ import annotations

import enum
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from host.pythonqt import signatures

FACTS_PATH = Path(__file__).resolve().parents[3] / "shared" / "slicer_api_facts.json"

# What 5.2.2 has not got, and why our code may name it all the same.
NEWER_NAMES = {
    "slicer.i18n": "translation.py goes without where it does not import",
    "slicer.packaging": "requirements.py takes slicer.util.pip_install where it does not import",
    "slicer.parameterNodeWrapper": "since 5.4, and part of every application we support",
    "slicer.vtkSlicerSegmentEditorLogic": "looked for with hasattr",
}
# What PythonQt shows otherwise than PySide6 and newer versions of Slicer.
DIFFERS = {
    "QComboBox.currentData": "a property here, a method there; use itemData(currentIndex)",
    "QLayout.contentsMargins": "a method with Qt 5, a property with Qt 6",
    "QFileDialog.getOpenFileName": "returns a text here, two values there; use ctkPathLineEdit",
    "QFileDialog.getSaveFileName": "returns a text here, two values there; use ctkPathLineEdit",
    "QInputDialog.getText": "returns a text here, two values there; use a QLineEdit",
}
# Setters of properties that take more than one value, so that an assignment cannot replace them.
SETTERS = {"setContentsMargins", "setMinimumSize", "setMaximumSize", "setFixedSize", "setGeometry"}


class Facts:
    """Questions to the facts.

    Args:
        data: the content of the file.
        qt6: the module ``qt`` of the test host, for what Qt 6 still has; ``None`` asks nobody.
    """

    def __init__(self, data: Mapping[str, Any], qt6: Any = None) -> None:
        self._classes: Mapping[str, Any] = data["classes"]
        self._namespaces: Mapping[str, list[str]] = data["namespaces"]
        self.util: Mapping[str, str] = data["slicer.util"]
        self._qt6 = qt6

    @classmethod
    def read(cls, qt6: Any = None) -> Facts:
        """Read them from the folder beside the repository."""
        return cls(json.loads(FACTS_PATH.read_text(encoding="utf-8")), qt6)

    def names(self, namespace: str) -> list[str]:
        """Return what a module such as ``"qt"`` holds."""
        return self._namespaces[namespace]

    def knows(self, owner: str) -> bool:
        """Return whether the members of a class such as ``"qt.QLabel"`` are known."""
        return owner in self._classes

    def kind(self, owner: str, member: str) -> str | None:
        """Return ``"property"``, ``"read-only"``, ``"signal"``, ``"other"``, or ``None``."""
        facts = self._classes[owner]
        declared = facts.get("properties", {}).get(member)
        if declared is not None:
            return "read-only" if declared.endswith(" ro") else "property"
        if any(text.startswith(f"{member}(") for text in facts.get("signals", ())):
            return "signal"
        functions = (*facts.get("slots", ()), *facts.get("invokables", ()))
        listed = any(member in names for names in facts["members"].values())
        return "other" if listed or any(t.startswith(f"{member}(") for t in functions) else None

    def signals(self, owner: str) -> list[str]:
        """Return the signals of a class with their arguments."""
        return self._classes[owner].get("signals", [])

    def slots(self, owner: str) -> list[str]:
        """Return the slots of a class with their arguments."""
        return self._classes[owner].get("slots", [])

    def inherits(self, owner: str) -> list[str]:
        """Return a class and what it derives from, without the module."""
        return [owner.rpartition(".")[2], *self._classes.get(owner, {}).get("inherits", ())]

    @functools.cached_property
    def every_member(self) -> set[str]:
        """The name of every member of every class."""
        found: set[str] = set()
        for facts in self._classes.values():
            found |= facts.get("properties", {}).keys()
            for names in facts["members"].values():
                found.update(names)
        return found

    @functools.cached_property
    def members_of_values(self) -> set[str]:
        """The members of the Qt classes that are no ``QObject``: the facts do not have them.

        They have no properties, and Qt 6 has what Qt 5 has but for a few that nobody uses.
        """
        kinds = ("QTableWidgetItem", "QColor", "QBrush", "QFont", "QIcon", "QPixmap", "QPoint")
        return {name for kind in kinds for name in dir(getattr(self._qt6, kind, None))}

    @functools.cached_property
    def every_writable(self) -> set[str]:
        """The name of every property that some class lets one write."""
        return {
            name
            for facts in self._classes.values()
            for name, kind in facts.get("properties", {}).items()
            if not kind.endswith(" ro")
        }

    def qt6_lacks(self, owner: str, member: str = "") -> bool:
        """Return whether Qt 6 has no such class or member."""
        if member == "connect" or self._qt6 is None or not owner.startswith("qt."):
            return False
        found = getattr(self._qt6, owner.partition(".")[2], None)
        return found is None or bool(member and not hasattr(found, member))

    def qt6_lacks_signal(self, owner: str, signature: str) -> bool:
        """Return whether Qt 6 has no such signal of a class."""
        if self._qt6 is None or not owner.startswith("qt."):
            return False
        return signature not in signatures(getattr(self._qt6, owner.partition(".")[2]))

    def is_enumeration(self, owner: str, member: str) -> bool:
        """Return whether a member of a Qt class is a type of enumeration."""
        found = getattr(getattr(self._qt6, owner.partition(".")[2], None), member, None)
        return isinstance(found, enum.EnumMeta)
