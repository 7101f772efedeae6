"""Which Python runs the background process, and where that finds its packages."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from funet.errors import WorkerError

from ..translation import tr as _

_NAME = "PythonSlicer"


def python_executable() -> Path:
    """Return the interpreter for the background process.

    Inside 3D Slicer that is PythonSlicer, which sets up Slicer's own environment; elsewhere, and
    where a system's package of Slicer came without it, a Python of the version that runs this.

    Raises:
        WorkerError: if there is none.
    """
    found = next((path for path in _candidates() if path.is_file()), None)
    if found is None:
        raise WorkerError(
            _("{name} was not found beside the application; install 3D Slicer again.").format(
                name=_NAME
            )
        )
    return found


def _candidates() -> Iterator[Path]:
    """The interpreters to look for, the best first."""
    home = os.environ.get("SLICER_HOME")  # set by the application for itself
    if home:
        beside = shutil.which(_NAME, path=str(Path(home) / "bin")) or shutil.which(_NAME)
        if beside:
            yield Path(beside)
    own = Path(sys.executable or "")
    if own.stem.lower().startswith("python"):  # inside an application, it may be that
        yield own
    same = f"python{sys.version_info.major}.{sys.version_info.minor}"
    yield Path(sys.base_exec_prefix) / "bin" / same
    on_path = shutil.which(same)
    if on_path:
        yield Path(on_path)


def worker_paths() -> list[str]:
    """Return the folders in which this process finds packages, so that a child finds the same."""
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return list(dict.fromkeys(path for path in (*own, *sys.path) if path and Path(path).is_dir()))


def worker_variables() -> dict[str, str]:
    """Return the environment variables that the child needs on top of this process's own."""
    return {"PYTHONPATH": os.pathsep.join(worker_paths())}
