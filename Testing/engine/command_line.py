"""Running the ``funet`` command in tests, and what it is run on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from funet.cli import main

NAMES = "1=Large,2=Small"


class Shell:
    """Runs the command in this process and keeps what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str], store: Path) -> None:
        self._capsys = capsys
        self.store = store
        self.out = self.err = ""

    def __call__(self, *words: object) -> int:
        self._capsys.readouterr()
        code = main([str(word) for word in words])
        self.out, self.err = self._capsys.readouterr()
        return code

    def objects(self, kind: str | None = None) -> list[dict]:
        found = [json.loads(line) for line in self.out.splitlines()]
        return [one for one in found if kind in (None, one["type"])]


def train_words(study: Path, output: Path, *more: object) -> list[str]:
    words = ["train", "--images", study / "images", "--labels", study / "labels"]
    words += ["--output", output, "--name", "Two boxes", "--structures", NAMES]
    words += ["--annotated", "all", "--device", "cpu", "--epochs", "12", *more]
    return [str(word) for word in words]


def image(study: Path, number: int) -> Path:
    return study / "images" / f"sub-{number:02}.nii.gz"


def labels(study: Path, number: int) -> Path:
    return study / "labels" / f"sub-{number:02}.nii.gz"


def one_sentence(err: str) -> str:
    """The only line, which is an error for the user."""
    (line,) = err.splitlines()
    assert line.startswith("funet: ")
    assert line.endswith(".")
    assert "Traceback" not in line
    return line
