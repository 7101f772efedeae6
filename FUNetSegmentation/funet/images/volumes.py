"""Reading and writing images: the only place that knows SimpleITK.

Everything that ITK reads is read, geometry included; what cannot be used is refused with a plain
sentence before its voxels take memory.
"""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..files import atomic_file
from .decimal_points import decimal_points
from .geometry import MAX_VOXELS, Geometry, SliceOrder, are_stacked_evenly
from .headers import grid_of
from .integrity import require_whole
from .reading_errors import plain_errors, require_reachable, require_utf8
from .segmentations import (
    MAX_LABEL,
    Code,
    LabelMap,
    Segment,
    flatten_layers,
    segmentation_header,
    stored_segments,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Code",
    "Geometry",
    "LabelMap",
    "Segment",
    "SliceOrder",
    "Volume",
    "find_images",
    "image_stem",
    "read_label_map",
    "read_volume",
    "resample_label_map",
    "write_label_map",
]

# Longest first, so that "x.seg.nrrd" is not taken for "x.seg" with the suffix ".nrrd".
IMAGE_SUFFIXES: tuple[str, ...] = (
    ".seg.nrrd",
    ".nii.gz",
    ".nrrd",
    ".nhdr",
    ".nii",
    ".hdr",
    ".mha",
    ".mhd",
    ".mnc",
)
WRITABLE_SUFFIXES: tuple[str, ...] = (".seg.nrrd", ".nii.gz", ".nrrd", ".nii", ".mha")

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar image.

    Attributes:
        array: float32 (K, J, I); may hold NaN and infinities.
        geometry: the grid.
        name: the file name without its suffixes, for messages and results.

    Raises:
        InputError: if the array does not fit the grid.
    """

    array: NDArray[np.float32]
    geometry: Geometry
    name: str

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape or self.array.dtype != np.float32:
            raise InputError(
                f"The volume {self.name} must be float32 of shape {self.geometry.shape}, not "
                f"{self.array.dtype} of shape {self.array.shape}."
            )


def image_stem(path: PathLike) -> str:
    """The name of an image without folder and suffixes: "a.b.nii.gz" gives "a.b"."""
    name = os.path.basename(os.path.abspath(path))  # "." has a name, too
    for suffix in IMAGE_SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name if Path(path).is_dir() else Path(name).stem


def find_images(source: PathLike) -> list[Path]:
    """Find the images that a user means by a file, a folder or a pattern.

    Args:
        source: an image file; a folder with images or with one DICOM series, which counts as one
            image; or a pattern like "data/*.nii.gz" ("**" enters folders).

    Returns:
        The images, sorted by path; hidden files are left out.

    Raises:
        InputError: if there is none, or a folder may not be entered.
    """
    path = _checked_path(source)
    with plain_errors(path):
        require_reachable(path)
        if path.is_file():
            return [path]
        if path.is_dir():
            found = [one for one in path.iterdir() if _has_image_suffix(one)]
            found = found or ([path] if _series_ids(path) else [])
        else:
            matches = [Path(one) for one in glob.glob(os.fspath(source), recursive=True)]
            found = [one for one in matches if _has_image_suffix(one) or _is_series(one)]
    if not found:
        raise InputError(f"There is no image at {source}; check the path.")
    return sorted(found)


def _has_image_suffix(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(IMAGE_SUFFIXES) and not name.startswith(".") and path.is_file()


def _is_series(path: Path) -> bool:
    return path.is_dir() and bool(_series_ids(path))


def read_volume(path: PathLike) -> Volume:
    """Read a scalar image: any format that ITK knows, or a folder with one DICOM series.

    A two-dimensional image becomes a single slice of 1 mm. Further dimensions must have size 1.
    NaN and infinities of NIfTI files, which ITK reads as 0, are NaN.

    Raises:
        InputError: if there is no such image, it is damaged, too large, or not a scalar image
            in three dimensions with perpendicular axes and a positive spacing.
    """
    image, _, lost = _read_image(_checked_path(path))
    _require_scalar(path, image.GetNumberOfComponentsPerPixel())
    geometry = _geometry(image, path)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which preprocessing replaces
        array = sitk.GetArrayViewFromImage(image).astype(np.float32)
    if lost is not None:
        array[lost.reshape(array.shape)] = np.nan
    return Volume(array=array, geometry=geometry, name=image_stem(path))


def read_label_map(path: PathLike) -> LabelMap:
    """Read a label map: any format that ITK knows, with names and colours from ``.seg.nrrd``.

    3D Slicer may cut a segmentation to the part that is not empty; :func:`resample_label_map`
    brings it onto the grid of its volume.

    Raises:
        InputError: as in :func:`read_volume`, or if a value is not a whole number from 0 to 254.
    """
    image, header, lost = _read_image(_checked_path(path))
    geometry = _geometry(image, path)
    values = sitk.GetArrayViewFromImage(image)
    values = values.reshape(*geometry.shape, -1)
    try:
        if lost is not None and lost.any():
            raise InputError(
                "It holds voxels that are no numbers; label values must be whole numbers from 0 to "
                f"{MAX_LABEL}."
            )
        stored = stored_segments(header)
        if stored:
            array, segments, overlapping = flatten_layers(_whole_numbers(values), stored)
            return LabelMap(array, geometry, segments, overlapping)
        if values.shape[-1] != 1:
            raise InputError(
                f"It has {values.shape[-1]} values per voxel; labels need one whole number."
            )
        return LabelMap(_as_labels(_whole_numbers(values[..., 0])), geometry)
    except InputError as error:
        raise InputError(f"{path} cannot be used as labels: {error}") from error


def _whole_numbers(values: NDArray[Any]) -> NDArray[Any]:
    if np.issubdtype(values.dtype, np.integer):
        return values
    wrong = ~np.isfinite(values)
    np.logical_or(wrong, values != np.rint(values), out=wrong)
    if wrong.any():
        raise InputError(
            f"It holds the value {values[wrong][0]}; label values must be whole numbers from 0 to "
            f"{MAX_LABEL}."
        )
    return values


def _as_labels(values: NDArray[Any]) -> NDArray[np.uint8]:
    for extreme in (values.min(), values.max()):
        if not 0 <= extreme <= MAX_LABEL:
            raise InputError(
                f"It holds the value {extreme}; label values must be whole numbers from 0 to "
                f"{MAX_LABEL}."
            )
    return values.astype(np.uint8)


def write_label_map(path: PathLike, label_map: LabelMap) -> None:
    """Write a label map, compressed, in the format that the suffix names.

    Names, colours and terminology are kept in ``.seg.nrrd``, which 3D Slicer opens as a
    segmentation; the other formats hold the label values only. The file appears whole or not at
    all, and an older one of that name is replaced.

    Raises:
        InputError: if the format is not one of :data:`WRITABLE_SUFFIXES`, or the file cannot be
            written.
    """
    target = _checked_path(path)
    name = target.name.lower()
    if not name.endswith(WRITABLE_SUFFIXES):
        raise InputError(
            f"Label maps cannot be written as {target.name}; use one of "
            f"{', '.join(WRITABLE_SUFFIXES)}."
        )
    image = _to_itk(label_map)
    if name.endswith(".seg.nrrd"):
        for key, value in segmentation_header(label_map).items():
            image.SetMetaData(key, value)
    with atomic_file(target) as temporary:
        try:
            with decimal_points():
                sitk.WriteImage(image, os.fspath(temporary), useCompression=True)
            require_whole(temporary)  # some of ITK's writers do not notice a full disk
        except (RuntimeError, InputError) as error:
            raise InputError(
                f"{target} could not be written; check that the disk has space left."
            ) from error


def resample_label_map(label_map: LabelMap, geometry: Geometry) -> LabelMap:
    """Bring labels onto another grid by taking the nearest voxel.

    On grids that differ by whole voxels only, as those of segmentations that 3D Slicer cut to
    their content do, this is an exact copy. What lies outside the new grid is lost; outside the
    old one is background.

    Args:
        label_map: the labels.
        geometry: the new grid, in the same patient space.
    """
    if label_map.geometry == geometry:
        return label_map
    grid = sitk.Image(list(reversed(geometry.shape)), sitk.sitkUInt8)
    _set_geometry(grid, geometry)
    image = sitk.Resample(_to_itk(label_map), grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return LabelMap(
        array=sitk.GetArrayFromImage(image),
        geometry=geometry,
        segments=label_map.segments,
        overlapping_voxels=label_map.overlapping_voxels,
    )


def _to_itk(label_map: LabelMap) -> sitk.Image:
    image = sitk.GetImageFromArray(label_map.array)
    _set_geometry(image, label_map.geometry)
    return image


def _set_geometry(image: sitk.Image, geometry: Geometry) -> None:
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)


def _geometry(image: sitk.Image, path: PathLike) -> Geometry:
    try:
        return grid_of(image)
    except InputError as error:
        raise InputError(f"{path} cannot be used: {error}") from error


def _checked_path(path: PathLike) -> Path:
    if not os.fspath(path).strip():
        raise InputError("No image is named; give the path of a file or a DICOM folder.")
    require_utf8(os.fspath(path))
    return Path(path)


def _read_image(path: Path) -> tuple[sitk.Image, Mapping[str, str], NDArray[np.bool_] | None]:
    """Read a 3-D image, the text fields of its header, and which voxels lost NaN or infinity.

    Raises:
        InputError: if it cannot be read or is not 3-D.
    """
    with plain_errors(path):
        require_reachable(path)
    if path.is_dir():
        return _read_series(path), {}, None
    if not path.is_file():
        raise InputError(f"There is no file {path}; check the name.")
    reader = sitk.ImageFileReader()
    reader.SetFileName(os.fspath(path))
    with plain_errors(path):
        path.open("rb").close()  # ITK would call a file damaged that may not be read
        reader.ReadImageInformation()
    _check_size(path, reader)
    values = math.prod(reader.GetSize()) * reader.GetNumberOfComponents()
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    lost = require_whole(path, values=values, kind=kind)
    with plain_errors(path):
        image = reader.Execute()
    keys = filter(str.isprintable, reader.GetMetaDataKeys())  # the reader knows no others again
    return _in_three_dimensions(image), {key: reader.GetMetaData(key) for key in keys}, lost


def _check_size(path: Path, reader: sitk.ImageFileReader, slices: int = 1) -> None:
    """Judge an image by its header, or by that of one of its slices, before it takes memory."""
    size = reader.GetSize()
    text = "×".join(str(count) for count in size)
    if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise InputError(f"{path} has complex numbers as voxels; save their magnitude instead.")
    if any(count > 1 for count in size[3:]):
        raise InputError(f"{path} has {text} voxels in more than 3 dimensions; save one volume.")
    if min(size) == 0:
        raise InputError(f"{path} has no voxels ({text}); use another image.")
    if math.prod(size) * slices * reader.GetNumberOfComponents() > MAX_VOXELS:
        raise InputError(
            f"{path} claims {text} voxels, but at most {MAX_VOXELS} can be used; crop it."
        )


def _require_scalar(path: PathLike, values: int) -> None:
    if values != 1:
        raise InputError(
            f"{path} has {values} values per voxel (colour or vectors); extract one channel first."
        )


def _in_three_dimensions(image: sitk.Image) -> sitk.Image:
    while image.GetDimension() > 3:
        size = list(image.GetSize())
        image = sitk.Extract(image, [*size[:-1], 0], [0] * len(size))
    return sitk.JoinSeries([image]) if image.GetDimension() == 2 else image


def _series_ids(folder: Path) -> tuple[str, ...]:
    with plain_errors(folder):
        return tuple(sitk.ImageSeriesReader.GetGDCMSeriesIDs(os.fspath(folder)))


def _read_series(folder: Path) -> sitk.Image:
    series = _series_ids(folder)
    if len(series) != 1:
        found = f"{len(series)} DICOM series" if series else "no DICOM series"
        raise InputError(f"The folder {folder} holds {found}; name a folder with one, or a file.")
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(os.fspath(folder), series[0])
    _check_series(folder, names)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    # The type of the first slice may not hold the others, where each has a scale of its own.
    reader.SetOutputPixelType(sitk.sitkFloat32)
    with plain_errors(folder):
        return _in_three_dimensions(reader.Execute())


def _check_series(folder: Path, names: Sequence[str]) -> None:
    origins, directions = [], []
    for name in names:
        require_utf8(name)
        reader = sitk.ImageFileReader()
        reader.SetFileName(name)
        with plain_errors(folder):
            reader.ReadImageInformation()
        _check_size(folder, reader, len(names))
        _require_scalar(folder, reader.GetNumberOfComponents())
        origins.append(reader.GetOrigin())
        directions.append(reader.GetDirection())
    if not are_stacked_evenly(origins, directions):  # of which ITK only warns
        raise InputError(
            f"The DICOM series in {folder} has missing, repeated or slanted slices; resample it "
            "onto a rectangular grid, for instance in 3D Slicer."
        )
