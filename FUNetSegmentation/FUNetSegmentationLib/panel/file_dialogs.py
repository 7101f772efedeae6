"""Asking for a file name, alike in all versions of Qt."""

from __future__ import annotations

from typing import Any

import qt


def file_to_open(parent: Any, title: str, name_filter: str) -> str:
    """Return the path of a file that exists, empty if the user chose none."""
    dialog = qt.QFileDialog(parent, title, "", name_filter)
    dialog.fileMode = qt.QFileDialog.ExistingFile
    return _answer(dialog)


def file_to_save(parent: Any, title: str, name: str, name_filter: str, suffix: str) -> str:
    """Return the path of a file to be written, empty if the user chose none.

    Args:
        parent, title: of the dialog.
        name: proposed to the user.
        name_filter: the files that are shown.
        suffix: added to a name that is typed without any.
    """
    dialog = qt.QFileDialog(parent, title, name, name_filter)
    dialog.acceptMode = qt.QFileDialog.AcceptSave
    dialog.defaultSuffix = suffix
    dialog.selectFile(name)
    return _answer(dialog)


def _answer(dialog: Any) -> str:
    accepted = dialog.exec()
    paths = list(dialog.selectedFiles()) if accepted else []
    dialog.deleteLater()
    return str(paths[0]) if paths else ""
