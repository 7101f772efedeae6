"""Reading images of every format and voxel type, and writing labels onto the same voxels."""

from __future__ import annotations

import gzip
import os
import re
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from image_files import empty_folder, save, save_dicom, save_volume

from funet.errors import InputError
from funet.images.geometry import SliceOrder
from funet.images.segmentations import LabelMap
from funet.images.volumes import (
    WRITABLE_SUFFIXES,
    Volume,
    find_images,
    image_stem,
    read_label_map,
    read_volume,
    resample_label_map,
    write_label_map,
)

from phantoms import (
    SEGMENTS,
    all_storages,
    axial_grid,
    oblique_grid,
    phantom_labels,
    phantom_volume,
)

VOXEL_TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


# ---- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr"])
def test_every_format_gives_the_same_voxels_in_the_same_place(tmp_path, suffix):
    expected = phantom_volume(oblique_grid())
    found = read_volume(save_volume(tmp_path / f"phantom{suffix}", expected.geometry))
    np.testing.assert_array_equal(found.array, expected.array)
    assert found.array.dtype == np.float32
    assert found.array.flags.writeable
    assert found.geometry.matches(expected.geometry)
    assert found.name == "phantom"


@pytest.mark.parametrize("voxel_type", VOXEL_TYPES)
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_every_voxel_type_is_read(tmp_path, voxel_type, suffix):
    array = np.arange(60).reshape(3, 4, 5).astype(voxel_type)
    path = save(tmp_path / f"x{suffix}", array)
    np.testing.assert_array_equal(read_volume(path).array, array.astype(np.float32))
    np.testing.assert_array_equal(read_label_map(path).array, array.astype(np.uint8))


def test_all_48_storages_of_a_patient_give_the_same_slices_after_reading(tmp_path):
    base = axial_grid()
    expected = SliceOrder.from_geometry(base, "coronal").to_stack(phantom_volume(base).array)
    for grid in all_storages(base):
        volume = read_volume(save_volume(tmp_path / "x.nrrd", grid))
        order = SliceOrder.from_geometry(volume.geometry, "coronal")
        np.testing.assert_array_equal(order.to_stack(volume.array), expected)


def test_intensities_beyond_float32_become_infinite_and_the_largest_ones_stay(tmp_path):
    array = np.array([1e30, -1e30, 1e300, np.nan, np.inf, 1]).reshape(1, 2, 3)
    found = read_volume(save(tmp_path / "x.nrrd", array)).array.ravel()
    np.testing.assert_array_equal(found[:2], np.float32([1e30, -1e30]))
    assert np.isposinf(found[[2, 4]]).all()
    assert np.isnan(found[3])


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("name", ["x.nii.gz", "x.nii", "x.hdr"])
def test_what_is_not_finite_in_nifti_files_stays_so_though_itk_reads_zero(tmp_path, name, kind):
    array = np.array([np.nan, np.inf, -np.inf, 7, 0, 3e30], kind).reshape(1, 2, 3)
    found = read_volume(save(tmp_path / name, array)).array.ravel()
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(array.ravel()))
    assert found[3:].tolist() == [7, 0, np.float32(3e30)]


@pytest.mark.parametrize("name", ["x.nii.gz", "x.nii"])
def test_every_nan_of_a_file_that_is_searched_in_many_pieces_is_found(tmp_path, name):
    rng = np.random.default_rng(0)
    array = rng.random((40, 50, 60)).astype(np.float32)
    array[rng.random(array.shape) < 1e-4] = np.nan
    path = save(tmp_path / name, array)
    assert path.stat().st_size > 5 * 2**16
    np.testing.assert_array_equal(read_volume(path).array, array)


def test_a_single_slice_and_a_trailing_dimension_of_one_are_volumes(tmp_path):
    array = np.arange(20, dtype=np.float32).reshape(4, 5)
    for name, shaped in {
        "2.nrrd": array,
        "3.nii": array[None],
        "4.nrrd": array[None, None],
    }.items():
        volume = read_volume(save(tmp_path / name, shaped, isVector=False))
        np.testing.assert_array_equal(volume.array, array[None])
    flat = read_volume(tmp_path / "2.nrrd")
    assert flat.geometry.spacing == (1, 1, 1)


def test_a_folder_with_one_dicom_series_is_a_volume(tmp_path):
    volume = read_volume(save_dicom(tmp_path / "série 1.5T"))
    assert volume.name == "série 1.5T"
    assert volume.geometry.shape == (5, 7, 8)
    assert volume.geometry.spacing == pytest.approx((0.5, 0.7, 2.5))
    assert volume.geometry.origin == pytest.approx((10, 20, 30))
    assert volume.array[:, 0, 0].tolist() == [0, 100, 200, 300, 400]


def test_slices_of_a_dicom_series_may_have_scales_of_their_own(tmp_path):
    slopes = (1, 900, 3)
    volume = read_volume(save_dicom(tmp_path / "PET", 3, slopes=slopes))
    expected = [(np.arange(56).reshape(7, 8) + 100 * k) * slope for k, slope in enumerate(slopes)]
    assert np.max(expected) > np.iinfo(np.int16).max
    np.testing.assert_array_equal(volume.array, expected)


@pytest.mark.skipif(os.name == "nt", reason="names on Windows are text")
def test_a_name_that_is_not_utf8_is_refused_and_does_not_end_the_process(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.nrrd"))
    save_volume(tmp_path / "a.nrrd", axial_grid()).rename(path)
    labels = phantom_labels(axial_grid())
    for use in (read_volume, read_label_map, find_images, lambda one: write_label_map(one, labels)):
        with pytest.raises(InputError, match="not in UTF-8; rename"):
            use(path)


def test_voxels_of_labels_that_are_no_numbers_are_refused_in_every_format(tmp_path):
    array = np.zeros((3, 4, 5), np.float32)
    array[1, 1, 1] = np.nan
    for name in ("labels.nii.gz", "labels.nrrd", "labels.mha"):
        with pytest.raises(InputError, match="whole numbers from 0 to"):
            read_label_map(save(tmp_path / name, array))


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "mha"])
def test_labels_lie_on_the_grid_of_an_image_whose_axes_are_rounded(tmp_path, suffix):
    cosine, sine = 0.9848, 0.1736  # of 10 degrees, as some programs write them
    grid = replace(
        axial_grid((20, 256, 256), (1, 1, 3)),
        direction=(cosine, -sine, 0, sine, cosine, 0, 0, 0, 1),
    )
    image = read_volume(save(tmp_path / "image.mha", np.zeros(grid.shape, np.int16), grid))
    target = tmp_path / f"labels.{suffix}"
    write_label_map(target, LabelMap(np.zeros(grid.shape, np.uint8), image.geometry))
    assert read_label_map(target).geometry.matches(image.geometry)


def test_a_dicom_file_is_one_slice(tmp_path):
    (path,) = save_dicom(tmp_path / "d", 1).iterdir()
    assert read_volume(path).geometry.shape == (1, 7, 8)


@pytest.mark.parametrize("name", ["mit Leerzeichen.nii.gz", "脑 é ß.nrrd", "a'b\"c;$d.mha"])
def test_any_file_name_works(tmp_path, name):
    folder = tmp_path / "Ördner 中文"
    folder.mkdir()
    path = save_volume(folder / name, axial_grid())
    assert read_volume(str(path)).name == image_stem(name)
    target = folder / f"out {name}"
    write_label_map(target, phantom_labels(axial_grid()))
    assert read_label_map(target).array.any()


@pytest.mark.parametrize("name", ["not zipped.nii.gz", "members.nii.gz"])
def test_nifti_files_zipped_in_unusual_ways_are_read(tmp_path, name):
    content = save_volume(tmp_path / "x.nii", axial_grid()).read_bytes()
    if name == "members.nii.gz":
        content = b"".join(
            gzip.compress(content[at : at + 999]) for at in range(0, len(content), 999)
        )
    path = tmp_path / name
    path.write_bytes(content)
    np.testing.assert_array_equal(read_volume(path).array, phantom_volume(axial_grid()).array)


def test_real_images_and_their_labels_lie_on_the_same_grid(shared_data):
    for part in ("midbrain", "hippocampus", "acdc"):
        for label_path in sorted((shared_data / part / "labels").iterdir())[:3]:
            volume = read_volume(shared_data / part / "images" / label_path.name)
            labels = read_label_map(label_path)
            assert volume.geometry.matches(labels.geometry)
            assert np.isfinite(volume.array).all()
            assert labels.array.max() in (2, 3)


# ---- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-1, 255, 256, 70000, 0.5, 1e30, np.nan, np.inf])
def test_values_that_are_no_labels_are_refused_by_name(tmp_path, value):
    array = np.zeros((3, 4, 5), np.float64)
    array[1, 2, 3] = value
    path = save(tmp_path / "x.nrrd", array)
    with pytest.raises(InputError, match=re.escape(f"holds the value {value}")) as caught:
        read_label_map(path)
    assert str(path) in str(caught.value)


def test_large_integers_are_judged_exactly(tmp_path):
    array = np.zeros((2, 2, 2), np.int64)
    array[0, 0, 0] = 2**53 + 1
    with pytest.raises(InputError, match=str(2**53 + 1)):
        read_label_map(save(tmp_path / "x.nrrd", array))


def test_whole_numbers_stored_as_decimals_are_labels(tmp_path):
    array = np.array([0.0, 1.0, 254.0]).reshape(1, 1, 3)
    found = read_label_map(save(tmp_path / "x.nii.gz", array))
    assert found.array.dtype == np.uint8
    assert found.array.ravel().tolist() == [0, 1, 254]
    assert found.segments == ()


@pytest.mark.parametrize("suffix", WRITABLE_SUFFIXES)
@pytest.mark.parametrize(
    "grid", [axial_grid(), oblique_grid(), *list(all_storages(axial_grid()))[::9]]
)
def test_written_labels_are_read_back_in_the_same_place(tmp_path, suffix, grid):
    label_map = phantom_labels(grid)
    path = tmp_path / f"labels{suffix}"
    write_label_map(path, label_map)
    found = read_label_map(path)
    np.testing.assert_array_equal(found.array, label_map.array)
    assert found.geometry.matches(grid)
    assert found.segments == (SEGMENTS if suffix == ".seg.nrrd" else ())
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [s for s in WRITABLE_SUFFIXES if s != ".nii"])
def test_written_labels_are_compressed(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write_label_map(path, LabelMap(np.zeros((50, 50, 50), np.uint8), axial_grid((50, 50, 50))))
    assert path.stat().st_size < 5000


def test_a_view_of_a_stack_is_written_like_a_copy(tmp_path):
    label_map = phantom_labels(axial_grid())
    for view in (np.asfortranarray(label_map.array), label_map.array[::-1, :, ::-1]):
        write_label_map(tmp_path / "x.nii.gz", replace(label_map, array=view))
        np.testing.assert_array_equal(read_label_map(tmp_path / "x.nii.gz").array, view)


@pytest.mark.parametrize("name", ["x.png", "x.txt", "x", "x.gz", "x.dcm"])
def test_other_formats_are_not_written(tmp_path, name):
    with pytest.raises(InputError, match=r"use one of \.seg\.nrrd"):
        write_label_map(tmp_path / name, phantom_labels(axial_grid()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", WRITABLE_SUFFIXES)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write_label_map(path, phantom_labels(axial_grid()))
    before = path.read_bytes()
    noise = np.random.default_rng(0).integers(0, 254, (40, 40, 40)).astype(np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(InputError, match="could not be written"):
            write_label_map(path, LabelMap(noise, axial_grid((40, 40, 40))))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_target_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "x.nii.gz").mkdir()
    with pytest.raises(InputError, match=r"x\.nii\.gz"):
        write_label_map(tmp_path / "x.nii.gz", phantom_labels(axial_grid()))


# ---- other grids ---------------------------------------------------------------------------------


def test_a_cropped_label_map_comes_back_exactly_onto_its_volume():
    for grid in (axial_grid(), oblique_grid()):
        whole = phantom_labels(grid)
        start = grid.affine @ [2, 3, 1, 1]
        part = replace(grid, shape=(10, 10, 14), origin=tuple(start[:3]))
        cropped = LabelMap(whole.array[1:11, 3:13, 2:16], part, SEGMENTS, overlapping_voxels=5)
        found = resample_label_map(cropped, grid)
        expected = np.zeros_like(whole.array)
        expected[1:11, 3:13, 2:16] = cropped.array
        np.testing.assert_array_equal(found.array, expected)
        assert (found.segments, found.overlapping_voxels) == (SEGMENTS, 5)
        np.testing.assert_array_equal(resample_label_map(whole, part).array, cropped.array)


def test_labels_move_exactly_between_all_storages():
    grid = axial_grid()
    label_map = phantom_labels(grid)
    for other in all_storages(grid):
        found = resample_label_map(label_map, other)
        np.testing.assert_array_equal(found.array, phantom_labels(other).array)
        assert found.geometry == other


def test_labels_on_a_finer_grid_are_those_of_the_nearest_voxel():
    grid = axial_grid((2, 2, 2), (3, 3, 3))
    label_map = LabelMap(np.arange(8, dtype=np.uint8).reshape(2, 2, 2), grid)
    found = resample_label_map(label_map, axial_grid((6, 6, 6), (1, 1, 1)))
    expected = label_map.array.repeat(3, 0).repeat(3, 1).repeat(3, 2)
    np.testing.assert_array_equal(found.array, expected)


def test_labels_on_the_same_grid_are_returned_as_they_are():
    label_map = phantom_labels(axial_grid())
    assert resample_label_map(label_map, axial_grid()) is label_map


# ---- names and folders ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("brain.nii.gz", "brain"),
        ("a.b.nii.gz", "a.b"),
        ("x.seg.nrrd", "x"),
        ("x.nrrd", "x"),
        ("X.NII.GZ", "X"),
        ("folder.d/x.mha", "x"),
        ("slice.dcm", "slice"),
        ("noSuffix", "noSuffix"),
        ("sub-01_T1w.v2.nii", "sub-01_T1w.v2"),
    ],
)
def test_the_stem_of_a_name(name, stem):
    assert image_stem(name) == stem
    assert image_stem(Path("/data") / name) == stem


@pytest.mark.parametrize("name", [".", "../patient", "inside/.."])
def test_the_stem_of_a_folder_is_its_own_name_wherever_it_is_named_from(
    tmp_path, monkeypatch, name
):
    save_dicom(tmp_path / "patient")
    (tmp_path / "patient" / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "patient")
    assert image_stem(name) == read_volume(name).name == "patient"


def test_the_images_of_a_folder_are_sorted_and_hidden_or_other_files_left_out(tmp_path):
    for name in ["b.nii.gz", "a.nrrd", "C.NII", "._b.nii.gz", "notes.txt", "d.json"]:
        (tmp_path / name).touch()
    (tmp_path / "folder.nii.gz").mkdir()
    assert [one.name for one in find_images(tmp_path)] == ["C.NII", "a.nrrd", "b.nii.gz"]
    assert find_images(f"{tmp_path}/*.nii.gz") == [tmp_path / "b.nii.gz"]
    assert find_images(tmp_path / "a.nrrd") == [tmp_path / "a.nrrd"]
    (tmp_path / "folder.nii.gz" / "e.mha").touch()
    assert [one.name for one in find_images(str(tmp_path / "**" / "[be]*"))] == [
        "b.nii.gz",
        "e.mha",
    ]


def test_a_file_name_with_brackets_is_not_a_pattern(tmp_path):
    path = tmp_path / "x[1].nii.gz"
    path.touch()
    assert find_images(path) == [path]


def test_dicom_folders_count_as_images(tmp_path):
    for name in ("p2", "p1"):
        save_dicom(tmp_path / name)
    empty_folder(tmp_path)
    assert find_images(tmp_path / "p1") == [tmp_path / "p1"]
    assert find_images(tmp_path / "*") == [tmp_path / "p1", tmp_path / "p2"]
    shutil.rmtree(tmp_path / "p1")


@pytest.mark.parametrize("source", ["", "nothing.nii.gz", "nothing/*.nrrd", "text"])
def test_finding_no_image_is_an_error(tmp_path, source):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "readme.txt").touch()
    with pytest.raises(InputError, match="no image"):
        find_images(tmp_path / source)


def test_a_volume_that_does_not_fit_its_grid_is_refused():
    with pytest.raises(InputError, match="float32"):
        Volume(np.zeros((2, 2, 2)), axial_grid((2, 2, 2)), "x")
    with pytest.raises(InputError, match="shape"):
        Volume(np.zeros((2, 2, 3), np.float32), axial_grid((2, 2, 2)), "x")
