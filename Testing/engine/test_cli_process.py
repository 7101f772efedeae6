"""The funet command as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import Shell, one_sentence, train_words
from studies import (
    content,
)

from funet.models.model import load_model


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"FUNET_MODELS": str(folder / "store"), "OMP_NUM_THREADS": "1"}


def test_a_process_ends_with_the_exit_code_and_without_a_traceback(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "funet", "segment", "--model", "m", "a.nii", "--output", "out"]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no model m" in one_sentence(done.stderr)
    assert content(tmp_path) == {}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_an_interrupted_training_says_so_and_goes_on_with_the_same_command(
    study: Path, tmp_path: Path, shell: Shell
) -> None:
    words = train_words(study, tmp_path / "m", "--checkpoint-every", 0, "--epochs", 4)
    checkpoint = tmp_path / "m.checkpoint.safetensors"
    with subprocess.Popen(
        [sys.executable, "-m", "funet", *words],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert str(checkpoint) in err
    assert err.endswith("funet: Interrupted.\n")
    assert not (tmp_path / "m").exists()

    assert shell(*words) == 0
    assert "Resumed after epoch" in shell.err
    assert not checkpoint.exists()
    assert load_model(tmp_path / "m").manifest.training["epochs"] == 4


@pytest.mark.skipif(os.name == "nt", reason="Windows has no broken pipes")
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "funet", "models", "list"],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=60) == 1
    assert err == ""
