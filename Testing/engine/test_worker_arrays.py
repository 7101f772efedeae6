"""Arrays cross as files, and nothing but plain numbers under plain names does."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest

from funet.errors import WorkerError
from funet.worker.arrays import put_array, take_array
from funet.worker.folders import checked_private_folder, create_private_folder, remove_folder


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">f4", "float64", "bool", "float16"])
def test_an_array_arrives_unchanged_and_its_file_is_gone(tmp_path: Path, dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)[:, ::-1]
    name = put_array(tmp_path, array)
    taken = take_array(tmp_path, name)
    assert taken.dtype == array.dtype
    np.testing.assert_array_equal(taken, array)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "", ".", "a.npy", "x" * 65, "é", "a\0"])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WorkerError, match="cannot name an array"):
        put_array(tmp_path, np.zeros(1), name)
    with pytest.raises(WorkerError, match="cannot name an array"):
        take_array(tmp_path, name)


def test_an_array_of_objects_is_refused_on_both_sides(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(WorkerError, match="only numbers can"):
        put_array(tmp_path, objects)
    np.save(tmp_path / "bomb.npy", objects, allow_pickle=True)
    with pytest.raises(WorkerError, match="missing or damaged"):
        take_array(tmp_path, "bomb")


def test_a_missing_or_cut_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="missing or damaged"):
        take_array(tmp_path, "nothing")
    whole = io.BytesIO()
    np.save(whole, np.arange(100))
    for share in range(8):
        data = whole.getvalue()[: len(whole.getvalue()) * share // 8]
        (tmp_path / "cut.npy").write_bytes(data)
        with pytest.raises(WorkerError, match="missing or damaged"):
            take_array(tmp_path, "cut")


def test_a_full_disk_is_reported_and_no_file_stays(tmp_path: Path) -> None:
    (tmp_path / "x.npy").symlink_to("/dev/full")
    with pytest.raises(WorkerError, match=r"could not be written to .*x.npy .*free some space"):
        put_array(tmp_path, np.zeros(10_000), "x")
    assert list(tmp_path.iterdir()) == []


def test_a_private_folder_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = create_private_folder(tmp_path)
    assert folder.stat().st_mode & 0o077 == 0
    assert len(folder.name) < 20
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_text("x")
    remove_folder(folder)
    assert not folder.exists()


def test_only_a_private_folder_may_be_the_worker_s_own(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "funet-file").write_text("")
    os.symlink(tmp_path / "documents", tmp_path / "funet-link")
    for name in ("documents", "funet-file", "funet-link", "funet-missing"):
        with pytest.raises(WorkerError, match="cannot be the worker's temporary folder"):
            checked_private_folder(tmp_path / name)


def test_a_temporary_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"No temporary folder could be created in .*missing"):
        create_private_folder(tmp_path / "missing")
