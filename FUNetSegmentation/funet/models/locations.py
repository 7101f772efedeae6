"""Where models lie: those that came with the program, and the user's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

USER_FOLDER_VARIABLE = "FUNET_MODELS"


def default_user_folder() -> Path:
    """Return the folder of the user's models: ``FUNET_MODELS``, or the system's usual place."""
    chosen = os.environ.get(USER_FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "funet" / "models"


def default_shipped_folder() -> Path:
    """Return the folder of the shipped models: inside the package (wheel) or beside it."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "Resources" / "Models"
    return inside if inside.is_dir() else package.parent / "Resources" / "Models"
