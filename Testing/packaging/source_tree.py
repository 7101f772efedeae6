"""What belongs to the repository, and the lists of files in the module's CMakeLists.txt."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE = "FUNetSegmentation"
MODULE_CMAKE = ROOT / MODULE / "CMakeLists.txt"
SCRIPTS = "MODULE_PYTHON_SCRIPTS"
RESOURCES = "MODULE_PYTHON_RESOURCES"


def repository_files(folder: str = "") -> list[str]:
    """Files that git knows or would add, as sorted paths from the root with forward slashes."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
    listing = subprocess.run(
        [*command, folder or "."], cwd=ROOT, capture_output=True, check=True, encoding="utf-8"
    )
    names = {name for name in listing.stdout.split("\0") if name}
    return sorted(name for name in names if (ROOT / name).is_file())


def module_files() -> tuple[list[str], list[str]]:
    """Scripts and resources that Slicer installs, relative to the module's folder."""
    names = [name.removeprefix(f"{MODULE}/") for name in repository_files(MODULE)]
    installed = [name for name in names if Path(name).name not in ("CMakeLists.txt", ".gitignore")]
    scripts = [name for name in installed if name.endswith(".py")]
    return scripts, [name for name in installed if not name.endswith(".py")]


def cmake_list(text: str, variable: str) -> list[str]:
    """The entries of ``set(VARIABLE ...)`` in a CMake file."""
    match = re.search(rf"set\({variable}\s+([^)]*)\)", text)
    if match is None:
        raise ValueError(f"there is no set({variable} ...)")
    return match[1].split()


def with_cmake_list(text: str, variable: str, entries: list[str]) -> str:
    """The text of a CMake file with the entries of one list replaced."""
    lines = "".join(f"  {entry}\n" for entry in entries)
    return re.sub(
        rf"set\({variable}\s+[^)]*\)", lambda _: f"set({variable}\n{lines}  )", text, count=1
    )
