"""Image files that lie: refused in one sentence, in little memory, and nothing is written."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import image_files
import numpy as np
import pytest
import SimpleITK as sitk
from command_line import Shell
from image_files import bare_nifti, edited_nifti, save, save_volume
from refusals import little_memory
from sentences import assert_plain
from threshold_models import publish
from tiny_models import run_child

from funet.errors import InputError
from funet.images.volumes import read_label_map, read_volume

from phantoms import axial_grid

pytestmark = pytest.mark.case(27)

BIG, BELOW_THE_LIMIT = (2080, 2080, 2080), (1000, 1000, 1000)
_INT16, _FLOAT32, _FLOAT64 = (4, 16), (16, 32), (64, 64)  # code and bits of voxel types of NIfTI
_FEW_BYTES = bytes(25)
_QUATERNION, _SFORM, _CODES = 256, 280, 252


def nifti(counts: tuple[int, int, int], kind: tuple[int, int]) -> bytes:
    """377 bytes that claim so many voxels."""
    content = bytearray(bare_nifti("<")[:352])
    struct.pack_into("<8h", content, 40, 3, *counts, 1, 1, 1, 1)
    struct.pack_into("<2h", content, 70, *kind)
    return bytes(content) + _FEW_BYTES


def nrrd(counts: tuple[int, int, int], encoding: str, content: bytes) -> bytes:
    sizes = " ".join(map(str, counts))
    header = (
        f"NRRD0004\ntype: double\ndimension: 3\nspace: left-posterior-superior\nsizes: {sizes}\n"
        f"space directions: (1,0,0) (0,1,0) (0,0,1)\nencoding: {encoding}\nendian: little\n"
        "space origin: (0,0,0)\n\n"
    )
    return header.encode() + content


def meta_image(counts: tuple[int, int, int], content: bytes, *, compressed: bool) -> bytes:
    sizes = " ".join(map(str, counts))
    header = (
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = {compressed}\n"
        f"ElementSpacing = 1 1 1\nDimSize = {sizes}\nElementType = MET_DOUBLE\n"
        "ElementDataFile = LOCAL\n"
    )
    return header.encode() + content


LIARS = {
    "18 GB.nii": nifti(BIG, _INT16),
    "72 GB.nii": nifti(BIG, _FLOAT64),
    "72 GB.nii.gz": gzip.compress(nifti(BIG, _FLOAT64)),
    "72 GB.nrrd": nrrd(BIG, "raw", _FEW_BYTES),
    "72 GB.mha": meta_image(BIG, _FEW_BYTES, compressed=False),
    "8 GB.nii": nifti(BELOW_THE_LIMIT, _FLOAT64),
    "8 GB.nii.gz": gzip.compress(nifti(BELOW_THE_LIMIT, _FLOAT64)),
    "8 GB raw.nrrd": nrrd(BELOW_THE_LIMIT, "raw", _FEW_BYTES),
    "8 GB gzip.nrrd": nrrd(BELOW_THE_LIMIT, "gzip", gzip.compress(_FEW_BYTES)),
    "8 GB text.nrrd": nrrd(BELOW_THE_LIMIT, "ascii", b"1 2 3"),
    "8 GB hex.nrrd": nrrd(BELOW_THE_LIMIT, "hex", b"00ff"),
    "8 GB.mha": meta_image(BELOW_THE_LIMIT, _FEW_BYTES, compressed=False),
    "8 GB zipped.mha": meta_image(BELOW_THE_LIMIT, zlib.compress(_FEW_BYTES), compressed=True),
}

_READ_ALL = """
    import resource, sys
    from pathlib import Path
    from funet.errors import InputError
    from funet.images.volumes import read_label_map, read_volume

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    before = peak()
    for path in sorted(Path(sys.argv[1]).iterdir()):
        for read in (read_volume, read_label_map):
            try:
                read(path)
            except InputError as error:
                print(f"{path.name}|{error}")
    print(f"megabytes|{peak() - before}")
"""


def test_files_of_some_hundred_bytes_that_claim_gigabytes_take_no_memory(
    tmp_path: Path, untouched: Callable[..., None]
) -> None:
    for name, content in LIARS.items():
        assert len(content) <= 377
        (tmp_path / name).write_bytes(content)
    untouched(tmp_path)
    lines = [line.partition("|")[::2] for line in run_child(_READ_ALL, tmp_path).splitlines()]
    said, (_, megabytes) = lines[:-1], lines[-1]
    assert sorted(name for name, _ in said) == sorted([*LIARS, *LIARS])
    for name, text in said:
        assert_plain(text)
        assert ("claims" if "2 GB" in name or "18" in name else "cut short") in text
    assert int(megabytes) < 100


def test_a_flood_of_nan_in_a_file_that_is_cut_short_takes_no_memory(tmp_path: Path) -> None:
    content = nifti(BELOW_THE_LIMIT, _FLOAT32)[:352] + np.full(2**22, np.nan, "<f4").tobytes()
    for name, pack in (("x.nii", bytes), ("x.nii.gz", lambda plain: gzip.compress(plain, 0))):
        (tmp_path / name).write_bytes(pack(content))
        with little_memory(2**21), pytest.raises(InputError, match="cut short"):
            read_volume(tmp_path / name)


@pytest.mark.parametrize("sixteenth", range(16))
def test_an_image_cut_at_each_sixteenth_is_refused(tmp_path: Path, sixteenth: int) -> None:
    noise = np.random.default_rng(0).random((9, 10, 11)).astype(np.float32)
    for name in ("x.nii.gz", "x.nii", "x.nrrd", "x.mha"):
        path = save(tmp_path / name, noise)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * sixteenth // 16])
        with pytest.raises(InputError, match=r"damaged|cut short") as caught:
            read_volume(path)
        assert_plain(str(caught.value))
        path.write_bytes(content)
        np.testing.assert_array_equal(read_volume(path).array, noise)


@pytest.mark.parametrize(
    ("name", "place"), [("x.nii.gz", 0), ("x.nii", 0), ("x.nii", 344), ("x.nrrd", 0)]
)
@pytest.mark.parametrize("read", [read_volume, read_label_map])
def test_a_wrong_beginning_or_magic_is_refused(
    tmp_path: Path, name: str, place: int, read: Callable[[Path], object]
) -> None:
    content = bytearray(save_volume(tmp_path / name, axial_grid()).read_bytes())
    content[place : place + 4] = b"\xde\xad\xbe\xef"
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"not an image|damaged") as caught:
        read(tmp_path / name)
    assert_plain(str(caught.value))


def test_a_header_with_a_field_that_is_no_text_is_read(tmp_path: Path) -> None:
    path = save_volume(tmp_path / "x.mha", axial_grid())
    path.write_bytes(b"\xde\xad\xbe\xef = \xff\n" + path.read_bytes())
    assert read_volume(path).geometry.matches(axial_grid())


def two_places(path: Path, apart: float, *, codes: tuple[int, int] = (1, 2)) -> Path:
    """A NIfTI file whose qform puts the image elsewhere than its sform, by so many mm."""
    save_volume(path, axial_grid())
    (x,) = struct.unpack_from("<f", path.read_bytes(), _SFORM + 12)
    return edited_nifti(path, (_CODES, "<2h", codes), (_SFORM + 12, "<f", (x + apart,)))


@pytest.mark.parametrize("read", [read_volume, read_label_map])
def test_two_geometries_that_differ_are_refused_and_roundings_are_not(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    for apart in (0.6, 25.0, np.nan):
        with pytest.raises(InputError, match=r"two places that are .* mm apart") as caught:
            read(two_places(tmp_path / "x.nii", apart))
        assert_plain(str(caught.value))
    mirrored = two_places(tmp_path / "x.nii", 0.0)
    content = bytearray(mirrored.read_bytes())
    struct.pack_into("<f", content, 76, -1.0)  # the handedness of the qform
    mirrored.write_bytes(content)
    with pytest.raises(InputError, match="two places"):
        read(mirrored)
    if read is read_volume:
        read(two_places(tmp_path / "x.nii", 0.1))


def moved(origin: tuple[float, ...]) -> float:
    """How far an image of :func:`two_places` lies from where its qform puts it, in mm."""
    return abs(origin[0] - axial_grid().origin[0])


@pytest.mark.parametrize(
    ("codes", "shown", "apart"),
    [((1, 2), "qform", 0), ((2, 4), "qform", 0), ((1, 1), "sform", 25), ((2, 1), "sform", 25)],
)
def test_the_refusal_of_two_geometries_says_which_one_is_shown_and_saving_stores_it(
    tmp_path: Path, codes: tuple[int, int], shown: str, apart: float
) -> None:
    """SPM moves the sform alone, and gives it the code 2."""
    path = two_places(tmp_path / "x.nii", 25.0, codes=codes)
    with pytest.raises(InputError, match=rf"3D Slicer shows the {shown}: .*2{shown}\.$") as caught:
        read_volume(path)
    assert_plain(str(caught.value))
    image = sitk.ReadImage(str(path))
    assert moved(image.GetOrigin()) == pytest.approx(apart, abs=1e-3)
    sitk.WriteImage(image, str(path))
    assert moved(read_volume(path).geometry.origin) == pytest.approx(apart, abs=1e-3)


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_the_only_valid_geometry_is_taken_whatever_the_other_says(
    tmp_path: Path, code: int
) -> None:
    for codes, apart in (((code, 0), 0.0), ((0, code), 25.0)):
        volume = read_volume(two_places(tmp_path / "x.nii", 25.0, codes=codes))
        assert moved(volume.geometry.origin) == pytest.approx(apart, abs=1e-3)


def test_the_command_refuses_each_writes_nothing_and_does_the_rest(
    tmp_path: Path, shell: Shell, untouched: Callable[..., None]
) -> None:
    publish(shell.store)
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("18 GB.nii", "8 GB zipped.mha"):
        (folder / name).write_bytes(LIARS[name])
    image_files.text_file(folder, "text.nii.gz")
    two_places(folder / "two places.nii", 25.0)
    untouched(shell.store, folder)
    bad = len(list(folder.iterdir()))
    rest = ["--model", "boxes", "--output", tmp_path / "out", "--device", "cpu"]
    assert shell("segment", folder, *rest) == 2
    assert not (tmp_path / "out").exists()
    assert shell.err.count("\n") >= bad

    save_volume(tmp_path / "good.nii.gz", axial_grid())
    assert shell("segment", folder, tmp_path / "good.nii.gz", *rest) == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good_boxes.nii.gz"]
