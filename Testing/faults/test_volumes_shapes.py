"""Volumes of unusual size, kind and content: the right labels, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import image_files
import numpy as np
import pytest
from command_line import Shell
from image_files import save
from numpy.typing import NDArray
from sentences import assert_plain
from threshold_models import PLANES, boxes, image, publish

from funet.images.geometry import Geometry, SliceAxis
from funet.images.preprocessing import MAX_SIDE
from funet.images.volumes import Volume, read_label_map, read_volume
from funet.models.model import Model
from funet.models.store import ModelStore
from funet.prediction.inference import Predictor
from funet.runtime import Precision

from phantoms import axial_grid

NARROW = [(1, 14, 17), (11, 14, 1), (11, 1, 17), (1, 1, 9), (1, 9, 1), (9, 1, 1), (1, 1, 2)]
ODD = [(3, 3, 3), (2, 15, 17), (5, 31, 33), (3, 47, 49)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[SliceAxis, Model]:
    """A model for each plane, which labels boxes exactly."""
    folder = tmp_path_factory.mktemp("models")
    for plane in PLANES:
        publish(folder, plane, f"boxes-{plane}")
    return {plane: ModelStore(folder).load(f"boxes-{plane}") for plane in PLANES}


def predicted(
    model: Model, array: NDArray[Any], grid: Geometry | None = None, precision: Precision = "auto"
) -> NDArray[np.uint8]:
    """The labels, once it is certain that the doubt is finite."""
    grid = grid or replace(axial_grid(), shape=array.shape)
    volume = Volume(array.astype(np.float32), grid, "x")
    prediction = Predictor(model, device="cpu", precision=precision).predict(volume)
    assert np.isfinite(prediction.doubt).all()
    return prediction.label_map.array


def checkerboard(*shape: int) -> NDArray[np.float32]:
    """Fields of 0 and 100 that are halves along every side which has more than one voxel."""
    far = np.indices(shape) * 2 >= np.reshape(shape, (3, 1, 1, 1))
    return np.where(np.logical_xor.reduce(far), 100, 0).astype(np.float32)


@pytest.mark.case(23)
@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("shape", [*NARROW, *ODD])
def test_few_slices_narrow_slices_and_odd_sides_work(
    models: dict[SliceAxis, Model], plane: SliceAxis, shape: tuple[int, int, int]
) -> None:
    bright = checkerboard(*shape)
    labels = predicted(models[plane], bright)
    assert labels.shape == shape
    np.testing.assert_array_equal(labels > 0, bright > 50)


@pytest.mark.case(23)
def test_a_slice_of_4097_pixels_works_and_the_limit_of_resampled_ones_is_named(
    models: dict[SliceAxis, Model], tmp_path: Path, shell: Shell
) -> None:
    bright = checkerboard(1, MAX_SIDE + 1, MAX_SIDE + 1)
    np.testing.assert_array_equal(
        predicted(models["axial"], bright, None, "float32") > 0, bright > 50
    )

    path = save(tmp_path / "wide.nii.gz", bright[:, ::64].astype(np.uint8))
    model = models["axial"]
    finer = replace(model.manifest.preprocessing, spacing=(0.5, 0.5))
    manifest = replace(model.manifest, id="finer", family="finer", preprocessing=finer)
    ModelStore(shell.store).publish(manifest, model.network)
    out = tmp_path / "out"
    assert shell("segment", path, "--model", "finer", "--output", out, "--device", "cpu") == 2
    assert "would become 130×8194 at the model's spacing" in shell.err
    assert not out.exists()


@pytest.mark.case(24)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (image_files.four_dimensions, "more than 3 dimensions"),
        (image_files.colours, "3 values per voxel"),
        (image_files.photograph, "3 values per voxel"),
        (image_files.complex_voxels, "complex numbers"),
        (image_files.no_voxels, "not an image"),
        (image_files.empty_file, "not an image"),
    ],
)
def test_what_is_no_scalar_volume_is_refused_and_nothing_is_written(
    make: Callable[[Path], Path], words: str, tmp_path: Path, shell: Shell, untouched: Any
) -> None:
    publish(shell.store)
    path = make(tmp_path)
    untouched(path, shell.store)
    out = tmp_path / "out"
    assert shell("segment", path, "--model", "boxes", "--output", out, "--device", "cpu") == 2
    (said,) = [line for line in shell.err.splitlines() if words in line]
    assert_plain(said[said.index(str(path)) :])
    assert not out.exists()


TYPES = ["|u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<f8", ">f8", ">f4"]


def stored(path: Path, array: NDArray[Any]) -> Path:
    """Write an array byte by byte as its type says, big-endian ones too."""
    kind = {"u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int", "f4": "float"}
    grid, dtype = axial_grid(), array.dtype
    sizes = " ".join(map(str, array.shape[::-1]))
    axes = " ".join(
        "(" + ",".join(str(mm if row == column else 0) for column in range(3)) + ")"
        for row, mm in enumerate(grid.spacing)
    )
    header = (
        f"NRRD0004\ntype: {kind.get(dtype.str[1:], 'double')}\ndimension: 3\n"
        f"space: left-posterior-superior\nsizes: {sizes}\nspace directions: {axes}\n"
        f"endian: {'big' if dtype.str[0] == '>' else 'little'}\nencoding: raw\n"
        f"space origin: ({','.join(map(str, grid.origin))})\n\n"
    )
    path.write_bytes(header.encode() + array.tobytes())
    return path


@pytest.mark.case(25)
@pytest.mark.parametrize("kind", TYPES)
def test_every_voxel_type_gives_the_labels_of_its_float_twin(
    models: dict[SliceAxis, Model], tmp_path: Path, kind: str
) -> None:
    whole = np.rint(image() + 20).astype(np.float32)
    assert whole.min() >= 0
    twin = predicted(models["axial"], whole)
    np.testing.assert_array_equal(twin, boxes())
    volume = read_volume(stored(tmp_path / "x.nrrd", whole.astype(kind)))
    np.testing.assert_array_equal(volume.array, whole)
    assert volume.geometry.matches(axial_grid())
    np.testing.assert_array_equal(predicted(models["axial"], volume.array, volume.geometry), twin)


def _with(value: float, count: int) -> NDArray[np.float32]:
    """The boxes with so many of their voxels, in and around them, overwritten."""
    array = image()
    places = np.random.default_rng(0).choice(array.size, count, replace=False)
    array.ravel()[places] = value
    return array


@pytest.mark.case(26)
@pytest.mark.parametrize("suffix", ["nii.gz", "nii", "nrrd", "mha"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_numbers_are_counted_and_the_boxes_still_found(
    value: float, suffix: str, tmp_path: Path, shell: Shell, untouched: Any
) -> None:
    publish(shell.store)
    array = _with(value, 20)
    path = save(tmp_path / f"x.{suffix}", array, axial_grid())
    untouched(path, shell.store)
    rest = ["--model", "boxes", "--output", tmp_path / "out", "--device", "cpu"]
    assert shell("segment", path, *rest) == 0, shell.err
    assert "20 voxels of x were not numbers" in shell.out + shell.err
    made = read_label_map(tmp_path / "out" / "x_boxes.nii.gz").array
    good = np.isfinite(array)
    np.testing.assert_array_equal(made[good], boxes()[good])
    assert not made[~good].any()


@pytest.mark.case(26)
@pytest.mark.parametrize("value", [1e30, -1e30, 3.4e38])
def test_one_absurd_voxel_changes_no_other(models: dict[SliceAxis, Model], value: float) -> None:
    array = _with(value, 1)
    usual = np.abs(array) < 1e20
    np.testing.assert_array_equal(predicted(models["axial"], array)[usual], boxes()[usual])


@pytest.mark.case(26)
@pytest.mark.parametrize("value", [0.0, -3.7, 1e30])
def test_a_constant_image_is_segmented_without_a_fault(
    models: dict[SliceAxis, Model], value: float
) -> None:
    labels = predicted(models["axial"], np.full((5, 6, 7), value))
    assert np.unique(labels).size == 1
