"""The Python of the background process is found in any installation of Slicer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from funet.errors import WorkerError
from FUNetSegmentationLib.jobs.interpreter import python_executable, worker_paths


def a_program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def inside_slicer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application that embeds Python: ``sys.executable`` is the application."""
    monkeypatch.setenv("SLICER_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "executable", str(a_program(tmp_path / "bin" / "SlicerApp-real")))
    monkeypatch.setattr(sys, "base_exec_prefix", str(tmp_path / "prefix"))
    return tmp_path


def same_version() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def test_python_slicer_beside_the_application_is_taken(inside_slicer: Path) -> None:
    a_program(inside_slicer / "prefix" / "bin" / same_version())
    expected = a_program(inside_slicer / "bin" / "PythonSlicer")
    assert python_executable() == expected


def test_the_application_itself_is_never_taken(inside_slicer: Path) -> None:
    with pytest.raises(WorkerError, match="PythonSlicer was not found"):
        python_executable()


def test_without_it_the_python_that_the_application_was_built_with_is_taken(
    inside_slicer: Path,
) -> None:
    expected = a_program(inside_slicer / "prefix" / "bin" / same_version())
    assert python_executable() == expected


def test_without_that_the_same_version_on_the_path_is_taken(inside_slicer: Path) -> None:
    a_program(inside_slicer / "path" / "python2.7")
    expected = a_program(inside_slicer / "path" / same_version())
    assert python_executable() == expected


def test_outside_slicer_it_is_the_python_that_runs_this(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLICER_HOME", raising=False)
    assert python_executable() == Path(sys.executable)


def test_the_child_finds_the_packages_of_this_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "only_here.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    paths = worker_paths()
    assert str(tmp_path) in paths
    assert "" not in paths
    assert len(paths) == len(set(paths))
