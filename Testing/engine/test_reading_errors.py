"""What the file system refuses is one sentence with the path and the reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import Shell, image, labels, one_sentence
from image_files import save_dicom, save_volume
from studies import content, write_study

from funet.errors import InputError
from funet.images.volumes import find_images, read_label_map, read_volume
from funet.prediction.segmenting import expand_inputs

from phantoms import axial_grid

LONG = "x" * 300
NOBODY = 65534


@contextmanager
def without_rights() -> Iterator[None]:
    """In the block, this process may do no more than a user who owns nothing."""
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has no such users")
    if os.geteuid() != 0:  # the owner has no right either where a mode gives none
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which everybody may enter, though not the folders that it lies in."""
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return Path()


@pytest.mark.parametrize("name", [f"{LONG}.nii.gz", LONG, f"folder/{LONG}/x.nrrd"])
@pytest.mark.parametrize("read", [read_volume, read_label_map, find_images])
def test_a_name_that_is_too_long_is_told(here: Path, read: object, name: str) -> None:
    (here / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be read: File name too long"):
        read(name)


@pytest.mark.parametrize("read", [read_volume, read_label_map])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_file_that_may_not_be_read_is_not_called_damaged(
    here: Path, read: object, suffix: str
) -> None:
    path = save_volume(here / f"x{suffix}", axial_grid())
    path.chmod(0)
    with without_rights():
        with pytest.raises(InputError, match=rf"^x{suffix} cannot be read: Permission denied\.$"):
            read(path)
        assert find_images(path) == [path], "its turn in a batch is the time to say so"


@pytest.mark.parametrize("read", [read_volume, read_label_map, find_images])
@pytest.mark.parametrize("name", ["closed", "closed/x.nii", "closed/*.nii"])
def test_a_folder_that_may_not_be_entered_is_told(here: Path, read: object, name: str) -> None:
    save_dicom(here / "closed")
    save_volume(here / "closed" / "x.nii", axial_grid())
    (here / "closed").chmod(0)
    with without_rights(), pytest.raises(InputError, match="cannot be read: Permission denied"):
        read(name)


def test_images_of_a_closed_folder_wait_for_their_turn(here: Path) -> None:
    save_volume(here / "x.nii", axial_grid())
    (here / "closed").mkdir(0)
    with without_rights():
        assert expand_inputs(["closed/y.nii", "x.nii"]) == (Path("closed/y.nii"), Path("x.nii"))


def test_the_command_says_what_is_refused_and_does_the_rest(
    shell: Shell, boxes_model: Path, tmp_path: Path
) -> None:
    folder = write_study(tmp_path / "work", 1)
    long, case = tmp_path / f"{LONG}.nii.gz", (image(folder, 0), labels(folder, 0), "all")
    before = content(folder)
    for words in (
        ("review", "--model", boxes_model, long),
        ("segment", "--model", boxes_model, long, "--output", folder / "out"),
        ("evaluate", "--predictions", long, "--labels", folder / "labels"),
        ("train", "--images", long, "--labels", long, "--output", folder / "out", "--name", "n"),
        ("train", "--case", *case, "--output", long, "--name", "n"),
        ("finetune", "--model", boxes_model, "--case", long, long, "all"),
        ("models", "import", long),
        ("models", "list", "--store", long),
    ):
        assert shell(*words) == 2
        assert LONG in one_sentence(shell.err)
        assert "too long" in shell.err
    assert content(folder) == before
    words = ("segment", "--model", boxes_model, long, image(folder, 0), "--output", folder / "out")
    assert shell(*words) == 1
    assert len(list((folder / "out").iterdir())) == 1
