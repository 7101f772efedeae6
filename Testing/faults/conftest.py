"""What every test of a fault shows besides: nothing changed, nothing left, nobody still running.

The fixtures of the other tests (a store, a worker, a scene, a panel) are offered here, too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from case_report import CaseReport
from engine_fixtures import archive, client, folder, shared_client, shell, study
from leftovers import files_in, left_running, processes_with, snapshot
from mrml_fixtures import case, known_models, logic, own_logic, predicted, runner, scene
from panel_fixtures import desk, models, open_panel, qt, segmented

__all__ = [
    "archive",
    "case",
    "client",
    "desk",
    "folder",
    "known_models",
    "logic",
    "models",
    "open_panel",
    "own_logic",
    "predicted",
    "qt",
    "runner",
    "scene",
    "segmented",
    "shared_client",
    "shell",
    "study",
]

# One process for all tests of a file: it and its folder may outlive a test, but not the file.
_SHARED = {"runner", "shared_client"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-report", type=Path, help="JSON file of the tests of each case")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--faults-report", None)
    if path is not None:
        config.pluginmanager.register(CaseReport(path))


@pytest.fixture(scope="module", autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The temporary folder of the tests of a file; in the end it is empty and nobody uses it."""
    folder = tmp_path_factory.mktemp("t")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield folder
    assert left_running(f"TMPDIR={folder}", set()) == {}
    assert files_in(folder) == set()


@pytest.fixture(autouse=True)
def nothing_left(own_temporary_folder: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """No process and no temporary file is left by a test."""
    setting = f"TMPDIR={own_temporary_folder}"
    files, processes = files_in(own_temporary_folder), set(processes_with(setting))
    yield
    if not _SHARED.intersection(request.fixturenames):
        assert left_running(setting, processes) == {}
        assert files_in(own_temporary_folder) == files


@pytest.fixture
def untouched() -> Iterator[Callable[..., None]]:
    """``untouched(path, ...)``: at the end, these files and folders are as they are now."""
    watched: dict[Path, dict[str, str]] = {}

    def watch(*paths: Path) -> None:
        watched.update((path, snapshot(path)) for path in paths)

    yield watch
    for path, before in watched.items():
        assert snapshot(path) == before
