"""Fixtures of the tests of the engine: a small study, a model trained on it, and a shell."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Shell, train_words
from studies import write_study

from funet.cli import main


@pytest.fixture
def shell(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """The funet command with a store of models of its own."""
    monkeypatch.setenv("FUNET_MODELS", str(tmp_path / "store"))
    return Shell(capsys, tmp_path / "store")


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images and labels of four subjects."""
    return write_study(tmp_path_factory.mktemp("study"), 4)


@pytest.fixture(scope="session")
def boxes_model(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that the command trained on the study."""
    folder = tmp_path_factory.mktemp("models") / "boxes"
    assert main(train_words(study, folder)) == 0
    return folder
