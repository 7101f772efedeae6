"""Volumes and segmentations that are moved: together that is no correction, else it is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from review_cases import Case
from scene_nodes import (
    ijk_to_ras,
    turned,
    under,
    under_bent_space,
    vtk_matrix,
)

from funet.errors import InputError


@pytest.mark.parametrize("move", [under_bent_space, lambda *nodes: under(turned(), *nodes)])
def test_moving_both_nodes_is_no_correction(predicted: Case, move: Any) -> None:
    predicted.paint(6)
    move(predicted.volume, predicted.node)
    assert predicted.history.states() == {6: "corrected"}


def _by_voxels(case: Case, *steps: int) -> NDArray[Any]:
    """A shift in the world by whole voxels along i, j and k."""
    shift = np.eye(4)
    shift[:3, 3] = ijk_to_ras(case.volume)[:3, :3] @ steps
    return shift


@pytest.mark.parametrize("whole_voxels", [False, True])
def test_hardening_a_transform_of_both_nodes_is_no_correction(
    predicted: Case, whole_voxels: bool
) -> None:
    predicted.paint(6)
    predicted.node.GetSegmentation().RemoveSegment(predicted.history.segment_ids[3])
    how = _by_voxels(predicted, 0, -1, 2) if whole_voxels else turned()
    under(how, predicted.volume, predicted.node)
    assert predicted.volume.HardenTransform() and predicted.node.HardenTransform()
    assert predicted.history.states() == {6: "corrected"}


@pytest.mark.parametrize("moved", ["volume", "node"])
@pytest.mark.parametrize("how", [turned(), turned(0, (0.4, 0, 0))])
def test_moving_one_node_is_said_instead_of_correcting_every_slice(
    predicted: Case, moved: str, how: NDArray[Any]
) -> None:
    transform = under(how, getattr(predicted, moved))
    with pytest.raises(InputError, match=r"brain was moved.*s;.*same transform"):
        predicted.history.states()
    transform.SetMatrixTransformToParent(vtk_matrix(np.eye(4)))
    assert predicted.history.states() == {}


@pytest.mark.parametrize("moved", ["volume", "node"])
@pytest.mark.parametrize("steps", [(2, 0, 0), (0, 0, -1)])
def test_moving_one_node_by_whole_voxels_is_said_as_well(
    predicted: Case, moved: str, steps: tuple[int, int, int]
) -> None:
    predicted.paint(6)
    transform = under(_by_voxels(predicted, *steps), getattr(predicted, moved))
    with pytest.raises(InputError, match=r"brain was moved.*s; move it back"):
        predicted.history.states()
    transform.SetMatrixTransformToParent(vtk_matrix(np.eye(4)))
    assert predicted.history.states() == {6: "corrected"}


def test_another_origin_by_whole_voxels_is_said_and_taken_back(predicted: Case) -> None:
    predicted.paint(6)
    there = ijk_to_ras(predicted.volume)
    predicted.volume.SetIJKToRASMatrix(vtk_matrix(_by_voxels(predicted, 0, 0, 3) @ there))
    with pytest.raises(InputError, match=r"brain was moved.*s; move it back"):
        predicted.history.states()
    predicted.volume.SetIJKToRASMatrix(vtk_matrix(there))
    assert predicted.history.states() == {6: "corrected"}
