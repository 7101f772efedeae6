"""Fixtures of the tests on the panel."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import host
import pytest
from panel_scene import CORRECTED, add_boxes, correct
from panel_tools import Desk, opened
from threshold_models import publish


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with one model, which labels boxes exactly."""
    publish(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def open_panel(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Desk]]:
    """Opens the panel: ``open_panel("5.2.2")``."""
    with ExitStack() as stack:
        yield lambda version="5.10": stack.enter_context(opened(version, models, monkeypatch))


@pytest.fixture
def desk(open_panel: Callable[..., Desk]) -> Desk:
    """The opened panel in an empty scene."""
    return open_panel()


@pytest.fixture
def segmented(desk: Desk) -> Desk:
    """The panel after a first segmentation, with one slice corrected."""
    volume = add_boxes()
    host.spin(0.05)
    desk.choose(volume)
    desk.press_and_wait("segmentButton")
    correct(desk.segmentation, volume, CORRECTED)
    return desk


@pytest.fixture
def qt(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The module ``qt`` of the test host, and the test's file in PythonQt's style."""
    host.install("5.2.2")
    host.use_attribute_style(request.module.__name__)
    yield importlib.import_module("qt")
    host.use_theme("light")
    host.uninstall()
