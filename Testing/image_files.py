"""Image files as users have them: sound ones, and one for everything that can be wrong.

A function with only a folder as argument makes a file or folder that cannot be used and returns it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from funet.images.geometry import Geometry

from phantoms import axial_grid, phantom_volume

# Where these fields are in the header of a NIfTI file.
_DIM, _SPACING, _CODES, _OFFSET, _DIRECTION = 40, 80, 252, 108, 280


def save(path: Path, array: np.ndarray, grid: Geometry | None = None, **options: bool) -> Path:
    """An image in the format that the suffix names, compressed where it can be."""
    image = sitk.GetImageFromArray(array, **options)
    if grid is not None:
        image.SetSpacing(grid.spacing)
        image.SetOrigin(grid.origin)
        image.SetDirection(grid.direction)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def save_volume(path: Path, grid: Geometry) -> Path:
    """The phantom on this grid."""
    return save(path, phantom_volume(grid).array, grid)


def edited_nifti(path: Path, *edits: tuple[int, str, tuple[float, ...]]) -> Path:
    """A NIfTI file with some bytes of its header changed."""
    save_volume(path, axial_grid())
    content = bytearray(path.read_bytes())
    for offset, layout, values in edits:
        struct.pack_into(layout, content, offset, *values)
    path.write_bytes(content)
    return path


def save_dicom(
    folder: Path,
    count: int = 5,
    *,
    skip: int = -1,
    slant: float = 0,
    uid: str = "1.2.3",
    slopes: Sequence[int] = (),
    colour: bool = False,
) -> Path:
    """A DICOM series whose file names do not follow the order of its slices.

    Args:
        folder: made for it.
        count: of slices.
        skip: a slice that is missing.
        slant: mm by which each slice is shifted.
        uid: of the series.
        slopes: rescale slopes of single slices, by which stored values are multiplied.
        colour: whether each pixel has three values.
    """
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in set(range(count)) - {skip}:
        slope = slopes[k] if slopes else 1
        values = (np.arange(56).reshape(7, 8) + 100 * k) * slope
        image = sitk.GetImageFromArray(values.astype(np.int16 if slope == 1 else np.int32))
        if colour:
            image = sitk.Compose([sitk.Cast(image, sitk.sitkUInt8)] * 3)
        image.SetSpacing((0.5, 0.7))
        for tag, value in {
            "0008|0016": "1.2.840.10008.5.1.4.1.1.4",
            "0008|0018": f"{uid}.{k + 1}",
            "0008|0060": "MR",
            "0018|0050": "2.5",
            "0020|000d": "1.2",
            "0020|000e": uid,
            "0020|0013": str(k),
            "0020|0032": f"{10 + slant * k}\\20\\{30 + 2.5 * k}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0028|1052": "0",
            "0028|1053": str(slope),
        }.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{k * 7 % 5}{uid}.dcm"))
        writer.Execute(image)
    return folder


def bare_nifti(order: str) -> bytes:
    """A NIfTI file of 2×3×4 16-bit voxels, by the letter of the standard."""
    header = bytearray(352)
    struct.pack_into(f"{order}i", header, 0, 348)
    struct.pack_into(f"{order}8h", header, 40, 3, 4, 3, 2, 1, 1, 1, 1)
    struct.pack_into(f"{order}hh", header, 70, 4, 16)
    struct.pack_into(f"{order}8f", header, 76, 1, 0.5, 1.5, 2.5, 1, 1, 1, 1)
    struct.pack_into(f"{order}f", header, 108, 352)
    header[344:348] = b"n+1\0"
    return bytes(header) + np.arange(24, dtype=f"{order}i2").tobytes()


def no_file(folder: Path) -> Path:
    return folder / "missing.nii.gz"


def empty_folder(folder: Path) -> Path:
    (folder / "f").mkdir()
    return folder / "f"


def folder_without_images(folder: Path) -> Path:
    (folder / "f").mkdir()
    (folder / "f" / "notes.txt").write_text("nothing here")
    return folder / "f"


def folder_of_a_colour_series(folder: Path) -> Path:
    """Photographs, as of a microscope."""
    return save_dicom(folder, colour=True)


def folder_of_two_series(folder: Path) -> Path:
    save_dicom(folder / "f", uid="1.2.3")
    return save_dicom(folder / "f", uid="1.2.4")


def text_file(folder: Path, name: str = "text.nii.gz") -> Path:
    (folder / name).write_text("Dear colleague, " * 100)
    return folder / name


def empty_file(folder: Path) -> Path:
    (folder / "x.nii.gz").touch()
    return folder / "x.nii.gz"


def four_dimensions(folder: Path) -> Path:
    return save(folder / "x.nii.gz", np.zeros((2, 3, 4, 5), np.float32), isVector=False)


def complex_voxels(folder: Path) -> Path:
    return save(folder / "x.nii.gz", np.zeros((3, 4, 5), np.complex64))


def colours(folder: Path) -> Path:
    return save(folder / "x.nrrd", np.zeros((3, 4, 5, 3), np.uint8), isVector=True)


def photograph(folder: Path) -> Path:
    return save(folder / "x.png", np.zeros((4, 5, 3), np.uint8), isVector=True)


def sheared_nifti(folder: Path) -> Path:
    codes = (_CODES, "<hh", (0, 1))
    return edited_nifti(folder / "x.nii", codes, (_DIRECTION, "<4f", (1, 0.3, 0, 0)))


def sheared_nrrd(folder: Path) -> Path:
    header = (
        "NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 2 2\n"
        "space directions: (1,0,0) (0.5,1,0) (0,0,1)\nencoding: raw\nspace origin: (0,0,0)\n\n"
    )
    (folder / "x.nrrd").write_bytes(header.encode() + bytes(8))
    return folder / "x.nrrd"


def huge_nrrd(folder: Path) -> Path:
    path = sheared_nrrd(folder)
    content = path.read_bytes().replace(b"(0.5,1,0)", b"(0,1,0)")
    path.write_bytes(content.replace(b"sizes: 2 2 2", b"sizes: 99999 99999 99999"))
    return path


def huge_nifti(folder: Path) -> Path:
    return edited_nifti(folder / "x.nii", (_DIM, "<4h", (3, 30000, 30000, 30000)))


def larger_than_its_content(folder: Path) -> Path:
    return edited_nifti(folder / "x.nii", (_DIM, "<4h", (3, 1000, 1000, 1000)))


def no_voxels(folder: Path) -> Path:
    return edited_nifti(folder / "x.nii", (_DIM, "<4h", (3, 0, 14, 11)))


def negative_size(folder: Path) -> Path:
    return edited_nifti(folder / "x.nii", (_DIM, "<4h", (3, -17, 14, 11)))


def nifti_spacing(value: float) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        return edited_nifti(folder / "x.nii", (_SPACING, "<f", (value,)))

    return make


def nan_direction(folder: Path) -> Path:
    codes = (_CODES, "<hh", (0, 1))
    return edited_nifti(folder / "x.nii", codes, (_DIRECTION, "<4f", (np.nan,) * 4))


def infinite_offset(folder: Path) -> Path:
    return edited_nifti(folder / "x.nii", (_OFFSET, "<f", (np.inf,)))


def missing_slice(folder: Path) -> Path:
    return save_dicom(folder / "d", skip=2)


def slanted_slices(folder: Path) -> Path:
    return save_dicom(folder / "d", slant=1.0)
