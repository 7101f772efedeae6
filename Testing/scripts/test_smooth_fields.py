"""Fields that are enlarged axis by axis are those of all axes at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from smooth_fields import enlarged


@pytest.mark.parametrize("shape", [(9,), (12, 7), (20, 31, 4)])
def test_a_field_is_the_one_that_scipy_makes_of_all_axes_at_once(shape: tuple[int, ...]) -> None:
    coarse = np.random.default_rng(0).normal(size=(3, 4, 3)[: len(shape)])
    zooms = [side / count for side, count in zip(shape, coarse.shape, strict=True)]
    field = enlarged(coarse, shape)
    assert field.shape == shape
    np.testing.assert_allclose(field, ndimage.zoom(coarse, zooms, order=3), atol=1e-12)
