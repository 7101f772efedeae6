"""The background process as the logic gets it: interpreter, packages, what must be installed."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
import types
from pathlib import Path
from subprocess import CalledProcessError

import pytest
import slicer.util

from funet.errors import Cancelled, WorkerError
from FUNetSegmentationLib.jobs import requirements
from FUNetSegmentationLib.jobs.requirements import TORCH, Requirement, install, listed, missing
from FUNetSegmentationLib.jobs.runner import JobRunner

ROOT = Path(__file__).resolve().parents[2]


# The runner.


def test_a_runner_works_with_nothing_given_and_again_after_it_was_closed():
    runner = JobRunner()
    assert not runner.busy
    for _ in range(2):
        assert runner.wait(runner.submit("describe", {}))["torch"]
        runner.close()
    assert runner.worker_pid is None


# Requirements.


@pytest.fixture
def nothing_installed(monkeypatch):
    """As in a fresh Slicer: the test says what is there by changing the set."""
    there: set[str] = set()
    monkeypatch.setattr(Requirement, "installed", property(lambda self: self.name in there))
    monkeypatch.setattr(Requirement, "satisfied", property(lambda self: self.name in there))
    return there


@pytest.fixture
def pytorch_extension(monkeypatch, nothing_installed):
    """Stands in for the extension PyTorch, which exists inside Slicer only."""
    calls: list[dict[str, object]] = []

    class PyTorchUtilsLogic:
        answer = True

        def installTorch(self, **options):  # noqa: N802
            calls.append(options)
            if self.answer:
                nothing_installed.add("torch")
            return types.ModuleType("torch") if self.answer else None

    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    module.calls = calls
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    return module


def names(packages):
    return [re.split("[>=]", package)[0] for package in packages]


@pytest.fixture(params=["slicer.packaging", "slicer.util"])
def pip(request, monkeypatch, nothing_installed):
    """Stands in for Slicer's installers, the new one and the old one; collects what they got."""
    calls: list[list[str]] = []

    def pip_install(packages):
        calls.append(packages)
        nothing_installed.update(names(packages))

    def pip_ensure(requirements, *, prompt_install, requester):
        assert (prompt_install, requester) == (False, "FUNetSegmentation")
        # Slicer reads their names and versions: texts would not do.
        pip_install([f"{one.name}{one.specifier}" for one in requirements])

    monkeypatch.setattr(slicer.util, "pip_install", pip_install)
    packaging = types.SimpleNamespace(pip_ensure=pip_ensure)
    new = request.param == "slicer.packaging"
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging if new else None)
    return calls


def test_here_everything_is_installed_and_torch_was_not_imported_to_know():
    assert missing() == []


def test_the_file_and_the_code_ask_for_what_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {str(one) for one in (TORCH, *listed())} == set(project["dependencies"])


def test_a_half_installed_torch_is_missing(monkeypatch, tmp_path):
    (tmp_path / "torch").mkdir()  # what an interrupted pip leaves
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert not TORCH.installed
    assert TORCH in missing()


@pytest.mark.parametrize(
    ("version", "enough"), [("2.3.1", False), ("2.4", True), ("2.10+cu", True)]
)
def test_an_old_torch_is_missing(monkeypatch, version, enough):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    assert TORCH.satisfied is enough


@pytest.mark.parametrize("content", ["numpy == 1.0", "-r other.txt"])
def test_a_damaged_requirements_file_is_a_sentence(tmp_path, content):
    path = tmp_path / "requirements.txt"
    path.write_text(f"# comment\n\nfilelock>=3  # why\n{content}\n")
    with pytest.raises(WorkerError, match="is damaged at"):
        listed(path)
    with pytest.raises(WorkerError, match="is missing"):
        listed(tmp_path / "none.txt")


def test_torch_comes_from_the_extension_and_the_rest_from_slicers_installer(pytorch_extension, pip):
    told = []
    install(told.append)
    assert pytorch_extension.calls == [
        {"askConfirmation": True, "torchVersionRequirement": ">=2.4"}
    ]
    assert [sorted(names(call)) for call in pip] == [
        ["SimpleITK", "filelock", "numpy", "safetensors"]
    ]
    assert told[0].message == "Installing PyTorch"
    assert told[-1].fraction == 1
    assert missing() == []


def test_only_what_is_missing_is_installed(pytorch_extension, pip, nothing_installed):
    nothing_installed |= {"torch", "numpy", "SimpleITK", "filelock"}
    install()
    assert pytorch_extension.calls == []
    assert [names(call) for call in pip] == [["safetensors"]]


def test_without_the_extension_a_sentence_says_what_to_install(monkeypatch, nothing_installed):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(WorkerError, match="install the extension “PyTorch”"):
        install()


def test_a_no_to_the_question_is_no_error(pytorch_extension):
    pytorch_extension.PyTorchUtilsLogic.answer = False
    with pytest.raises(Cancelled):
        install()


def test_a_failing_installer_is_a_sentence(pytorch_extension, monkeypatch):
    def fail(packages):
        raise CalledProcessError(1, "pip")

    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setattr(slicer.util, "pip_install", fail)
    with pytest.raises(WorkerError, match=r"could not be installed .*; try again when online"):
        install()


def test_an_installer_that_does_nothing_is_noticed(pytorch_extension, monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setattr(slicer.util, "pip_install", lambda packages: None)
    with pytest.raises(WorkerError, match="look into Slicer's log"):
        install()


def test_the_logic_refuses_to_begin_without_torch(logic, scene, nothing_installed):
    with pytest.raises(WorkerError, match=r"torch, .* must be installed first"):
        logic.segment(None)
    assert logic.missingRequirements()[0] == requirements.TORCH
    assert logic.models()


def test_after_an_installation_the_next_job_runs_in_a_new_process(
    logic, runner, pytorch_extension, pip
):
    logic.computer()
    before = runner.worker_pid
    logic.installRequirements()
    logic.computer()
    assert before != runner.worker_pid is not None
