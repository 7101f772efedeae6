"""Many files: one is bad, the process is killed, and the second run does just the rest."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import Shell, one_sentence
from studies import subject_volume, write_image
from threshold_models import publish

from funet.files import atomic_file
from funet.images.volumes import read_label_map, read_volume
from funet.models.store import ModelStore

COUNT, BAD = 50, 23


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty images, of which one is cut short in the middle of its voxels."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(COUNT):
        path = write_image(folder / f"sub-{number:02}.nii.gz", subject_volume(number))
        if number == BAD:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    publish(folder)
    return folder


def killed_after(count: int, images: Path, models: Path, out: Path) -> None:
    """Segment in a process of its own that is killed when it has written so many label maps."""
    words = ["segment", "--model", "boxes", "--store", models, images, "--output", out]
    with subprocess.Popen(
        [sys.executable, "-m", "funet", *map(str, words), "--device", "cpu"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        give_up = time.monotonic() + 60
        while len(list(out.glob("sub*"))) < count and time.monotonic() < give_up:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"


@pytest.mark.case(34)
def test_a_killed_batch_is_finished_by_the_second_run(
    shell: Shell, images: Path, models: Path, tmp_path: Path, untouched: Callable[..., None]
) -> None:
    out = tmp_path / "out"
    untouched(images, models / "boxes")
    killed_after(COUNT // 3, images, models, out)
    first = {path.name: path.stat().st_mtime_ns for path in out.glob("sub*")}
    assert COUNT // 3 <= len(first) < COUNT - 1
    for path in out.glob("sub*"):  # none is half-written
        assert read_label_map(path).array.any()
    # As if it had been killed in the middle of writing, which is a matter of luck.
    half = f".tmp-{HOST}-{dead_process():x}-0a1b2c3d-sub-{COUNT - 1:02}_boxes.nii.gz"
    (out / half).write_bytes(b"half")

    words = ("segment", "--model", "boxes", "--store", models, images, "--output", out, "--resume")
    assert shell(*words, "--json", "--device", "cpu") == 1
    outcomes = {Path(one["input"]).name: one["status"] for one in shell.objects("file")}
    assert len(outcomes) == COUNT
    assert [name for name, status in outcomes.items() if status == "failed"] == ["sub-23.nii.gz"]
    skipped = {f"{name[:6]}_boxes.nii.gz" for name, one in outcomes.items() if one == "skipped"}
    assert skipped == first.keys()
    assert {name: (out / name).stat().st_mtime_ns for name in first} == first  # not done twice
    assert len(os.listdir(out)) == COUNT - 1  # nothing else lies there
    for path in sorted(out.iterdir()):
        image = read_volume(images / f"{path.name[:6]}.nii.gz")
        assert read_label_map(path).geometry.matches(image.geometry)


@pytest.mark.case(34)
def test_the_bad_file_is_one_sentence_and_the_others_are_those_of_a_batch_without_it(
    shell: Shell, images: Path, models: Path, tmp_path: Path
) -> None:
    some = [images / f"sub-{number:02}.nii.gz" for number in (BAD - 1, BAD, BAD + 1)]
    words = ("segment", "--model", "boxes", "--store", models, "--device", "cpu")
    assert shell(*words, *some, "--output", tmp_path / "all") == 1
    (complaint,) = [line for line in shell.err.splitlines() if some[1].name in line]
    assert complaint.startswith("funet: ") and complaint.endswith(".")
    assert shell(*words, some[0], some[2], "--output", tmp_path / "good") == 0
    names = sorted(os.listdir(tmp_path / "all"))
    assert names == sorted(os.listdir(tmp_path / "good"))
    for name in names:
        maps = [read_label_map(tmp_path / place / name).array for place in ("all", "good")]
        np.testing.assert_array_equal(*maps)
    assert shell(*words, some[1], "--output", tmp_path / "none") == 2
    assert some[1].name in one_sentence(shell.err)
    assert not (tmp_path / "none").exists()


HOST = f"{zlib.crc32(platform.node().encode()):08x}"


def dead_process() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


@pytest.mark.case(34)
def test_only_what_dead_processes_left_of_the_same_file_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "a[1].nii.gz"
    dead = dead_process()
    names = {
        f".tmp-{HOST}-{dead:x}-0a1b2c3d-{target.name}": False,
        f".tmp-{HOST}-{os.getppid():x}-0a1b2c3d-{target.name}": True,  # somebody is still writing
        f".tmp-{HOST}-{dead:x}-0a1b2c3d-another.nii.gz": True,
        f".tmp-00000000-{dead:x}-0a1b2c3d-{target.name}": True,  # of another computer
        f".tmp-mine-{target.name}": True,
        target.name: True,
    }
    for name in names:
        (tmp_path / name).write_text("x", encoding="utf-8")
    with atomic_file(target) as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {
        name for name, stays in names.items() if stays
    }
    assert target.read_text(encoding="utf-8") == "new"


@pytest.mark.case(5)
def test_a_folder_of_the_current_directory_does_not_pass_for_a_model_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "models")
    publish(tmp_path, family="other")
    (tmp_path / "other").rename(tmp_path / "boxes")
    monkeypatch.chdir(tmp_path)
    store = ModelStore(tmp_path / "models")
    assert store.find("boxes") == tmp_path / "models" / "boxes"
    assert store.find("./boxes") == Path("boxes")
    assert store.load("./boxes").manifest.id == "other"
    assert store.find(tmp_path / "boxes") == tmp_path / "boxes"
