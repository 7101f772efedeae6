"""Images that cannot be used are refused, above all those that ITK reads without a word."""

from __future__ import annotations

import gzip
import resource
import struct

import image_files
import numpy as np
import pytest
from image_files import save, save_volume

from funet.errors import InputError
from funet.images.volumes import IMAGE_SUFFIXES, find_images, read_label_map, read_volume

from phantoms import axial_grid


@pytest.mark.parametrize("read", [read_volume, read_label_map])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (image_files.no_file, "no file"),
        (image_files.empty_folder, "no DICOM series"),
        (image_files.folder_without_images, "no DICOM series"),
        (image_files.folder_of_two_series, "2 DICOM series"),
        (image_files.folder_of_a_colour_series, "3 values per voxel"),
        (image_files.text_file, "not an image"),
        (image_files.empty_file, "not an image"),
        (image_files.four_dimensions, "5×4×3×2 voxels in more than 3 dimensions"),
        (image_files.complex_voxels, "complex"),
        (image_files.colours, "3 values per voxel"),
        (image_files.photograph, "3 values per voxel"),
        (image_files.sheared_nifti, "not perpendicular"),
        (image_files.sheared_nrrd, "not perpendicular"),
        (image_files.huge_nrrd, "99999×99999×99999 voxels"),
        (image_files.huge_nifti, "30000×30000×30000 voxels"),
        (image_files.larger_than_its_content, "cut short"),
        (image_files.no_voxels, "not an image"),
        (image_files.negative_size, "not an image"),
        (image_files.nifti_spacing(0.0), "spacing of 0.0 mm"),
        (image_files.nifti_spacing(np.nan), "spacing of nan mm"),
        (image_files.nifti_spacing(np.inf), "spacing of inf mm"),
        (image_files.nan_direction, "not perpendicular"),
        (image_files.infinite_offset, "cut short"),
        (image_files.missing_slice, "missing, repeated or slanted slices"),
        (image_files.slanted_slices, "missing, repeated or slanted slices"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence_that_names_it(tmp_path, make, words, read):
    path = make(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        read(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert "ITK" not in text
    assert text.endswith(".")


@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_refused(path):
    for read in (read_volume, read_label_map, find_images):
        with pytest.raises(InputError, match="No image is named"):
            read(path)


def test_text_with_the_suffix_of_an_image_is_refused(tmp_path):
    for suffix in IMAGE_SUFFIXES:
        with pytest.raises(InputError, match="not an image"):
            read_volume(image_files.text_file(tmp_path, f"text{suffix}"))


def test_a_huge_image_is_refused_before_it_takes_memory(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for make in (image_files.huge_nrrd, image_files.larger_than_its_content):
        with pytest.raises(InputError):
            read_volume(make(tmp_path))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", ["x.nii.gz", "x.nii", "x.nrrd", "x.mha"])
def test_a_file_that_was_cut_short_is_refused(tmp_path, name, share):
    noise = np.random.default_rng(0).random((9, 10, 11)).astype(np.float32)
    content = save(tmp_path / name, noise).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"damaged|cut short"):
        read_volume(tmp_path / name)


def test_a_nifti_file_without_its_last_byte_is_refused(tmp_path):
    for name in ("x.nii", "x.nii.gz"):
        content = save_volume(tmp_path / name, axial_grid()).read_bytes()
        (tmp_path / name).write_bytes(content[:-1])
        with pytest.raises(InputError, match="cut short"):
            read_volume(tmp_path / name)


@pytest.mark.parametrize("name", ["x.nii.gz", "x.nrrd", "x.mha", "x.nhdr", "x.mhd"])
def test_a_compressed_file_with_a_changed_byte_is_refused(tmp_path, name):
    noise = np.random.default_rng(0).random((9, 10, 11)).astype(np.float32)
    save(tmp_path / name, noise)
    data = max(tmp_path.iterdir(), key=lambda one: one.stat().st_size)
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 0xFF
    data.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        read_volume(tmp_path / name)


def test_an_image_whose_voxel_file_is_cut_short_or_missing_is_refused(tmp_path):
    save_volume(tmp_path / "x.hdr", axial_grid())
    voxels = tmp_path / "x.img"
    voxels.write_bytes(voxels.read_bytes()[:-4])
    for name in ("x.hdr", "x.img"):
        with pytest.raises(InputError, match="cut short"):
            read_volume(tmp_path / name)
    voxels.unlink()
    with pytest.raises(InputError):
        read_volume(tmp_path / "x.hdr")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "zipped"])
def test_both_byte_orders_of_nifti_are_read_and_checked(tmp_path, order, pack):
    content = image_files.bare_nifti(order)
    path = tmp_path / ("x.nii" if pack is bytes else "x.nii.gz")
    path.write_bytes(pack(content))
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, np.arange(24).reshape(2, 3, 4))
    assert volume.geometry.spacing == pytest.approx((0.5, 1.5, 2.5))
    path.write_bytes(pack(content[:-1]))
    with pytest.raises(InputError, match="cut short"):
        read_volume(path)
    path.write_bytes(pack(content[:84] + bytes(4) + content[88:]))
    with pytest.raises(InputError, match=r"spacing of 0\.0 mm"):
        read_volume(path)


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_voxels_that_are_not_finite_are_found_where_itk_reads_them(tmp_path, offset):
    path = image_files.edited_nifti(tmp_path / "x.nii", (108, "<f", (offset,)))
    content = bytearray(path.read_bytes())
    del content[348:352]  # the voxels follow the header
    content[348 + 40 : 348 + 44] = np.float32(np.nan).tobytes()
    path.write_bytes(content)
    lost = ~np.isfinite(read_volume(path).array.ravel())
    assert lost.nonzero()[0].tolist() == [10]


@pytest.mark.parametrize(("code", "layout"), [(4, "<i2"), (16, "<f4"), (64, "<f8")])
def test_a_header_that_claims_too_few_bits_hides_no_missing_voxels(tmp_path, code, layout):
    header = bytearray(image_files.bare_nifti("<")[:352])
    struct.pack_into("<2h", header, 70, code, 8)
    path = tmp_path / "x.nii"
    path.write_bytes(header + np.ones(24, layout).tobytes())
    assert (read_volume(path).array == 1).all()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut short"):
        read_volume(path)
