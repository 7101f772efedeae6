"""Fixtures of the tests on the real MRML: an empty scene, and a logic with a background process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer
from logic_tools import new_logic, open_runner
from review_cases import Case, new_case
from scene_nodes import new_scene, volume_of
from threshold_models import PLANES, publish

from FUNetSegmentationLib.jobs.runner import JobRunner
from FUNetSegmentationLib.workflow.logic import SegmentationLogic


@pytest.fixture
def scene() -> Iterator[Any]:
    """An empty scene that is also ``slicer.mrmlScene``, as in the application."""
    slicer.mrmlScene = new_scene()
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(1)
    del slicer.mrmlScene


@pytest.fixture(scope="module")
def runner() -> Iterator[JobRunner]:
    """One background process for all tests of a file: each shows that it outlived the others."""
    with open_runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def known_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model for each plane, whose results are known; only to be read."""
    folder = tmp_path_factory.mktemp("models")
    publish(folder)
    for plane in PLANES:
        publish(folder, plane, f"boxes-{plane}")
    return folder


@pytest.fixture
def logic(runner: JobRunner, known_models: Path) -> Iterator[SegmentationLogic]:
    """The logic on the known models."""
    yield new_logic(runner, known_models)
    assert not runner.busy


@pytest.fixture
def own_logic(runner: JobRunner, tmp_path: Path) -> Iterator[SegmentationLogic]:
    """The logic on a folder with one known model, which the test may change."""
    publish(tmp_path / "models")
    yield new_logic(runner, tmp_path / "models")
    assert not runner.busy


@pytest.fixture
def case(scene: Any) -> Case:
    """A volume with a new segmentation, empty yet."""
    return new_case(volume_of(scene))


@pytest.fixture
def predicted(case: Case) -> Case:
    """A volume that a model has just segmented."""
    case.predict()
    return case
