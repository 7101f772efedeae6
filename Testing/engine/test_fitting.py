"""The model that fits a volume is the one that is made for volumes of its size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_manifest

from funet.images.geometry import Geometry
from funet.images.volumes import read_volume
from funet.models.fitting import best_fit, extent_of, extent_record
from funet.models.locations import default_shipped_folder
from funet.models.manifest import Manifest, read_manifest

SHIPPED = ("hippocampus-t1", "midbrain-t1")


def grid(*sides: int, mm: float = 1.0) -> Geometry:
    """A grid of these sides in mm, along I, J and K."""
    counts = [round(side / mm) for side in sides]
    return Geometry(
        shape=(counts[2], counts[1], counts[0]),
        spacing=(mm, mm, mm),
        origin=(0, 0, 0),
        direction=(1, 0, 0, 0, 1, 0, 0, 0, 1),
    )


def model(name: str, **training: Any) -> Manifest:
    return tiny_manifest(name, training=training)


@pytest.fixture(scope="module")
def shipped() -> tuple[Manifest, ...]:
    return tuple(read_manifest(default_shipped_folder() / name) for name in SHIPPED)


def fit(manifests: tuple[Manifest, ...], geometry: Geometry) -> str | None:
    found = best_fit(manifests, geometry)
    return None if found is None else found.id


@pytest.mark.parametrize("side", [160, 180, 220, 256, 300])
def test_whole_heads_and_brains_fit_the_midbrain(shipped: tuple[Manifest, ...], side: int) -> None:
    assert fit(shipped, grid(side, 150, 140, mm=2.0)) == "midbrain-t1"
    low, high = extent_of(shipped[1])
    assert low <= side <= high


@pytest.mark.parametrize("sides", [(35, 50, 36), (40, 40, 40), (64, 64, 64)])
@pytest.mark.parametrize("mm", [0.5, 1.0])
def test_crops_fit_the_hippocampus_whatever_their_voxels_are(
    shipped: tuple[Manifest, ...], sides: tuple[int, int, int], mm: float
) -> None:
    assert fit(shipped, grid(*sides, mm=mm)) == "hippocampus-t1"


def test_thick_slices_do_not_hide_that_a_head_is_large(shipped: tuple[Manifest, ...]) -> None:
    slab = Geometry((5, 240, 240), (1, 1, 5), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert fit(shipped, slab) == "midbrain-t1"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("hippocampus/images/hippocampus_274.nii.gz", "hippocampus-t1"),
        ("hippocampus/images/hippocampus_277.nii.gz", "hippocampus-t1"),
        ("midbrain/images/ds002748_sub-42.nii.gz", "midbrain-t1"),
        ("midbrain/images/ds011_sub-05.nii.gz", "midbrain-t1"),
        ("atlases/MNI152_T1_2mm.nii.gz", "midbrain-t1"),
    ],
)
def test_real_volumes_that_no_model_learned_from_find_theirs(
    shipped: tuple[Manifest, ...], image: str, expected: str, shared_data: Path
) -> None:
    geometry = read_volume(shared_data / image).geometry
    assert fit(shipped, geometry) == fit(shipped[::-1], geometry) == expected


def test_the_nearest_is_judged_by_the_ratio_of_the_sizes() -> None:
    small, large = model("small", extent_mm=[40, 50]), model("large", extent_mm=[150, 300])
    assert fit((small, large), grid(100, 10, 10)) == "large"  # 1.5 times too small, 2 too large
    assert fit((small, large), grid(80, 10, 10)) == "small"
    assert fit((small, large), grid(900, 10, 10)) == "large"


def test_the_first_of_several_that_fit_is_taken() -> None:
    models = (model("one", extent_mm=[100, 200]), model("other", extent_mm=[140, 160]))
    assert fit(models, grid(150, 10, 10)) == "one"
    assert fit(models[::-1], grid(150, 10, 10)) == "other"


def test_there_may_be_no_model() -> None:
    assert fit((), grid(10, 10, 10)) is None


def test_a_model_that_says_nothing_is_the_last_resort() -> None:
    silent, far = model("silent"), model("far", extent_mm=[5000, 6000])
    assert fit((silent, far), grid(50, 50, 50)) == "far"
    assert fit((silent,), grid(50, 50, 50)) == "silent"


@pytest.mark.parametrize(
    "value",
    ["large", [1], [1, 2, 3], [2, 1], [0, 5], [-1, 5], [True, 5], ["1", "2"], [None, 1], {"a": 1}],
)
def test_a_record_that_makes_no_sense_is_as_good_as_none(value: object) -> None:
    assert extent_of(model("strange", extent_mm=value)) is None


def test_a_record_includes_every_volume_and_what_was_known() -> None:
    assert extent_record([41.2, 55.9, 50.0]) == {"extent_mm": [41, 56]}
    assert extent_record([255.5], (150.0, 180.0)) == {"extent_mm": [150, 256]}
    assert extent_record([], (150.0, 180.0)) == {"extent_mm": [150, 180]}
    assert extent_record([]) == {}
    record = extent_record([41.2])
    assert extent_of(model("tiny", **record)) == (41.0, 42.0)
