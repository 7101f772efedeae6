"""The search for a piece predicts few slices, and misses nothing that is connected to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threshold_models import image, publish

from funet.images.pieces import main_piece
from funet.images.volumes import Volume
from funet.models.model import Model
from funet.models.store import ModelStore
from funet.prediction.inference import Predictor
from funet.prediction.search import SliceSearch, search_step

from phantoms import axial_grid


def searched(shown: np.ndarray, step: int, most: int, first: int | None = None) -> list[int]:
    """The slices in the order in which they are predicted."""
    search = SliceSearch(len(shown), step)
    chosen = search.next(most) if first is None else np.array([first])
    order: list[int] = []
    while chosen.size:
        assert len(chosen) <= most
        order += chosen.tolist()
        search.learn(chosen, shown[chosen])
        chosen = search.next(most)
    assert len(set(order)) == len(order) == search.known.sum()
    return order


def pieces_of(shown: np.ndarray) -> list[range]:
    """The runs of slices that show a structure."""
    borders = np.flatnonzero(np.diff(np.r_[0, shown.astype(int), 0]))
    return [range(a, b) for a, b in zip(borders[::2], borders[1::2], strict=True)]


@given(
    shown=st.lists(st.booleans(), min_size=1, max_size=60).map(np.array),
    step=st.integers(1, 9),
    most=st.integers(1, 8),
    first=st.none() | st.integers(0, 59),
)
@settings(max_examples=300, deadline=None)
def test_a_piece_that_was_met_is_known_from_end_to_end(shown, step, most, first):
    order = searched(shown, step, most, None if first is None else first % len(shown))
    for piece in pieces_of(shown):
        assert not any(one in order for one in piece) or all(one in order for one in piece)
        assert len(piece) < step or piece[0] in order
    if not shown.any() or step == 1:
        assert sorted(order) == list(range(len(shown)))


def test_few_slices_are_predicted_around_a_piece():
    shown = np.zeros(180, bool)
    shown[80:106] = True
    assert len(searched(shown, 6, 4)) <= 180 / 6 + 26 + 4
    assert searched(shown, 1, 4) == list(range(180))


@pytest.mark.parametrize(("spacing", "step"), [(0.4, 15), (1.0, 6), (4.0, 1), (10.0, 1)])
def test_the_step_is_a_distance(spacing, step):
    assert search_step(spacing) == step


@pytest.mark.parametrize("first", [None, 0, 30])
def test_a_searched_volume_has_the_labels_of_one_predicted_in_full(tmp_path, first):
    publish(tmp_path)
    model = ModelStore(tmp_path).load("boxes")
    one_piece = Model(replace(model.manifest, one_piece=True), model.network)
    grid = axial_grid((77, 14, 17), (1.1, 1.9, 0.9))
    volume = Volume(image(grid), grid, "phantom")
    predictor = Predictor(one_piece, device="cpu", precision="float32")
    fractions = []
    searched = predictor.predict(
        volume, first_slice=first, on_progress=lambda one: fractions.append(one.fraction)
    )
    full = predictor.predict(volume, every_slice=True)
    everything = Predictor(model, device="cpu", precision="float32").predict(volume)
    assert full.label_map.array.any()
    np.testing.assert_array_equal(searched.label_map.array, full.label_map.array)
    np.testing.assert_array_equal(full.label_map.array, main_piece(everything.label_map.array))
    shown = full.label_map.array.any((1, 2))
    np.testing.assert_allclose(searched.doubt[shown], full.doubt[shown], rtol=1e-4)
    assert np.isfinite(searched.doubt).all()
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
