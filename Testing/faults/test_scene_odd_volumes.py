"""Volume nodes of unusual kind and content: the right labels, or a sentence that says why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scene_content import scene_content
from scene_nodes import volume_of, with_components, without_image, without_voxels
from sentences import assert_plain
from threshold_models import boxes, image, labels_of

from funet.errors import InputError
from FUNetSegmentationLib.workflow.logic import SegmentationLogic

from phantoms import axial_grid


def all_nan(scene: Any) -> Any:
    return volume_of(scene, array=np.full((3, 4, 5), np.nan, np.float32), name="thing")


@pytest.mark.case(24)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (without_image, "no voxels"),
        (without_voxels, "no voxels"),
        (with_components(3), "3 values per voxel"),
        (with_components(7), "7 values per voxel"),
        (all_nan, "no voxel with a finite value"),
    ],
    ids=["no image", "no voxels", "colours", "seven times", "only NaN"],
)
def test_what_is_no_scalar_volume_is_refused_and_nothing_changes(
    logic: SegmentationLogic, scene: Any, make: Any, words: str
) -> None:
    node = make(scene)
    before = scene_content(scene)
    with pytest.raises(InputError, match=words) as caught:
        logic.segment(node, "boxes", device="cpu")
    assert "thing" in str(caught.value)
    assert_plain(str(caught.value))
    assert scene_content(scene) == before


@pytest.mark.case(25)
@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "i8", "f8"])
def test_every_scalar_type_gives_the_labels_of_its_float_twin(
    logic: SegmentationLogic, scene: Any, kind: str
) -> None:
    whole = np.rint(image() + 20)
    for dtype in ("f4", kind):
        volume_node = volume_of(scene, array=whole.astype(dtype))
        node = logic.segment(volume_node, "boxes", device="cpu")
        np.testing.assert_array_equal(labels_of(node, volume_node), boxes())


def spoiled(value: float) -> NDArray[np.float32]:
    array = image()
    places = np.random.default_rng(0).choice(array.size, 20, replace=False)
    array.ravel()[places] = value
    return array


@pytest.mark.case(26)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_numbers_are_counted_and_the_boxes_still_found(
    logic: SegmentationLogic, scene: Any, value: float
) -> None:
    array = spoiled(value)
    volume_node = volume_of(scene, axial_grid(), array)
    task = logic.segment(volume_node, "boxes", device="cpu", waitForCompletion=False)
    node = task.wait()
    (said,) = task.notes
    assert said.startswith("20 voxels of brain were not numbers")
    good = np.isfinite(array)
    np.testing.assert_array_equal(labels_of(node, volume_node)[good], boxes()[good])
    assert all(np.isfinite(item.doubt) for item in logic.review(node))
