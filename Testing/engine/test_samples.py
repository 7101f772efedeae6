"""Samples hold the annotated slices and nothing else, and refuse what cannot be learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from funet.annotations.samples import (
    SliceSample,
    class_counts,
    require_every_class,
    require_known_labels,
    samples_from_volume,
    split_subjects,
)
from funet.errors import InputError
from funet.images.preprocessing_settings import Preprocessing

from phantoms import axial_grid, phantom_labels, phantom_volume, stored_otherwise

GRID = axial_grid()


def gather(**options):
    return samples_from_volume(
        phantom_volume(GRID), phantom_labels(GRID), Preprocessing(), **options
    )


def test_slices_that_nobody_annotated_are_left_out():
    labels = phantom_labels(GRID).array
    shown = [k for k in range(len(labels)) if labels[k].any()]
    assert 0 < len(shown) < len(labels)
    assert [sample.slice_index for sample in gather()] == shown


def test_chosen_slices_are_taken_even_when_they_are_empty():
    empty = int(np.flatnonzero(~phantom_labels(GRID).array.any((1, 2)))[0])
    samples = gather(annotated=[5, empty])
    assert [sample.slice_index for sample in samples] == [5, empty]
    assert not samples[1].labels.any()


def test_complete_label_maps_give_every_slice():
    assert len(gather(annotated="all")) == GRID.shape[0]


def test_slice_indices_are_those_of_the_volume_however_it_is_stored():
    flipped = stored_otherwise(GRID, (0, 1, 2), (False, False, True))
    samples = samples_from_volume(
        phantom_volume(flipped), phantom_labels(flipped), Preprocessing(), annotated=[2]
    )
    twin = gather(annotated=[GRID.shape[0] - 1 - 2])
    assert samples[0].slice_index == 2
    np.testing.assert_array_equal(samples[0].labels, twin[0].labels)
    np.testing.assert_allclose(samples[0].image, twin[0].image, atol=1e-5)


def test_image_and_labels_of_different_grids_are_refused():
    other = axial_grid(spacing=(1.0, 1.9, 2.1))
    with pytest.raises(InputError, match="different grids"):
        samples_from_volume(phantom_volume(GRID), phantom_labels(other), Preprocessing())


def test_a_slice_outside_the_volume_is_refused_by_number():
    with pytest.raises(InputError, match=r"Slice 11 is outside phantom, whose slices are 0 to 10"):
        gather(annotated=[3, 11])


def test_a_volume_without_annotation_is_refused():
    empty = replace(phantom_labels(GRID), array=np.zeros(GRID.shape, np.uint8))
    with pytest.raises(InputError, match="draw at least one"):
        samples_from_volume(phantom_volume(GRID), empty, Preprocessing())


def test_a_structure_that_is_never_drawn_is_named():
    with pytest.raises(InputError, match="shows Red nucleus"):
        require_every_class(gather(), ["Midbrain", "Substantia nigra", "Third", "Red nucleus"])


def test_a_label_without_a_name_is_refused():
    with pytest.raises(InputError, match="value 3"):
        require_known_labels(gather(), ["Midbrain", "Substantia nigra"])


def test_ignored_pixels_are_not_counted():
    labels = np.array([[0, 1, 255]], np.uint8)
    sample = SliceSample(np.zeros((1, 3), np.float32), labels, "s", 0)
    assert class_counts([sample]) == {0: 1, 1: 1}


def test_image_and_labels_of_different_shape_are_refused():
    with pytest.raises(InputError, match="same and two-dimensional"):
        SliceSample(np.zeros((2, 3), np.float32), np.zeros((3, 2), np.uint8), "s", 0)


def test_a_split_keeps_subjects_together_and_does_not_depend_on_their_order():
    names = [f"subject {n}" for n in range(20)]
    first, second = split_subjects(names, 0.25, seed=3)
    assert len(second) == 5
    assert not set(first) & set(second)
    assert split_subjects(list(reversed(names)), 0.25, seed=3) == (first, second)
    assert split_subjects(names, 0.25, seed=4) != (first, second)


def test_both_groups_of_a_split_get_a_subject_where_there_are_two():
    first, second = split_subjects(["a", "b"], 0.01, seed=0)
    assert len(first) == len(second) == 1
