"""How well a segmentation reproduces a reference: overlap, surface distances and volumes.

Overlap and volumes need numpy only. The surface distances come from MONAI, an optional extra of
this package, which is imported when the first surface distance is asked for.

Where a structure is absent:

* from both label arrays, nothing was asked and nothing was drawn: every metric but the volumes is
  NaN, and the case is left out of the means;
* from one of the two, the case is *missed*: Dice and IoU are 0, and the surface distances, which
  do not exist, are NaN. They are left out of the means, so that a mean distance is always to be
  read beside the number of missed cases.

Voxels with the ignore label in either array belong to nothing: they are taken out of both masks.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import FunetError, InputError

Metric = Literal["dice", "iou", "hd95", "assd", "prediction_ml", "reference_ml"]

_MM3_PER_ML = 1000.0


@dataclass(frozen=True)
class StructureScore:
    """The agreement of one structure in one pair of label arrays.

    Attributes:
        value: label value of the structure.
        dice: 2·|P∩R| / (|P|+|R|), in [0, 1].
        iou: |P∩R| / |P∪R|, in [0, 1].
        hd95: the larger of the two 95th percentiles of the distances from one border to the
            other, in mm.
        assd: average symmetric surface distance, the mean over the voxels of both borders, in mm.
        prediction_ml, reference_ml: volumes in mL; NaN for a single slice, which has none.
        prediction_voxels, reference_voxels: sizes in voxels.
    """

    value: int
    dice: float
    iou: float
    hd95: float
    assd: float
    prediction_ml: float
    reference_ml: float
    prediction_voxels: int
    reference_voxels: int

    @property
    def missed(self) -> bool:
        """Whether only one of prediction and reference has the structure."""
        return (self.prediction_voxels == 0) != (self.reference_voxels == 0)


@dataclass(frozen=True)
class Summary:
    """One metric of one structure over cases.

    Attributes:
        mean: mean of the cases that have a number; NaN where none has.
        deviation: their standard deviation with n - 1 in the denominator; NaN below two cases.
        count: how many cases have a number.
        missed: how many cases have the structure in only one of prediction and reference.
    """

    mean: float
    deviation: float
    count: int
    missed: int


def dice(
    prediction: NDArray[Any], reference: NDArray[Any], value: int, *, ignore_label: int = 255
) -> float:
    """Dice coefficient of one label value.

    Args:
        prediction, reference: integer label arrays of one shape, (K, J, I) or (R, C).
        value: label value of the structure.
        ignore_label: voxels with this value in either array are left out.

    Returns:
        A number in [0, 1]; NaN where neither array has the structure.

    Raises:
        InputError: if the arrays cannot be compared.
    """
    _check_arrays(prediction, reference)
    masks = _masks(prediction, reference, value, ignore_label)
    return _overlap(*masks)[0]


def score_structures(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing: Sequence[float],
    values: Sequence[int],
    *,
    surface: bool = True,
    ignore_label: int = 255,
) -> tuple[StructureScore, ...]:
    """Score every structure of a pair of label arrays.

    Args:
        prediction, reference: integer label arrays of one shape, (K, J, I), or (R, C) for a
            single slice. Give slices as (R, C): in (1, R, C) every voxel is on the border.
        spacing: mm between voxels along each axis *of the arrays*, in their order; for a grid
            with an (I, J, K) spacing that is ``spacing[::-1]``.
        values: label values of the structures.
        surface: whether to measure the surface distances (needs MONAI); NaN if not.
        ignore_label: voxels with this value in either array are left out.

    Returns:
        One score per value, in the order of ``values``.

    Raises:
        InputError: if arrays or spacing cannot be used.
        FunetError: if MONAI is needed and missing.
    """
    _check_arrays(prediction, reference)
    _check_spacing(spacing, prediction.ndim)
    voxel_ml = math.prod(spacing) / _MM3_PER_ML if prediction.ndim == 3 else math.nan
    scores = []
    for value in values:
        predicted, expected = _masks(prediction, reference, value, ignore_label)
        dice_value, iou = _overlap(predicted, expected)
        sizes = int(predicted.sum()), int(expected.sum())
        hd95 = assd = math.nan
        if surface and all(sizes):
            hd95, assd = surface_distances(predicted, expected, spacing)
        volumes = sizes[0] * voxel_ml, sizes[1] * voxel_ml
        scores.append(StructureScore(value, dice_value, iou, hd95, assd, *volumes, *sizes))
    return tuple(scores)


def surface_distances(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], spacing: Sequence[float]
) -> tuple[float, float]:
    """HD95 and average symmetric surface distance of two masks that are both not empty.

    The border of a mask is its voxels with a face on the outside; the image's own edge counts as
    outside, and so does a region that was ignored.

    Args:
        prediction, reference: masks of one shape, (K, J, I) or (R, C).
        spacing: mm along each axis of the arrays, in their order.

    Returns:
        (HD95, ASSD) in mm.

    Raises:
        FunetError: if MONAI is missing.
    """
    monai_metrics = _import_monai_metrics()
    # Only the border matters and it lies within this box, so the crop changes no distance.
    box = _bounding_box(prediction | reference)
    pair = {
        "y_pred": prediction[box][None, None].astype(np.float32),
        "y": reference[box][None, None].astype(np.float32),
        "include_background": True,
        "spacing": [float(step) for step in spacing],
    }
    with warnings.catch_warnings():
        # MONAI 1.6 calls a function of its own with an argument that it deprecates itself.
        warnings.simplefilter("ignore", FutureWarning)
        hd95 = monai_metrics.compute_hausdorff_distance(percentile=95, **pair)
        assd = monai_metrics.compute_average_surface_distance(symmetric=True, **pair)
    return float(hd95), float(assd)


def summarise(scores: Iterable[StructureScore], metric: Metric = "dice") -> Summary:
    """Mean and deviation of one metric over the cases of one structure.

    Args:
        scores: the scores of one structure, one per case.
        metric: which number of the scores.

    Returns:
        The summary; cases without a number count in neither mean nor ``count``.
    """
    cases = tuple(scores)
    numbers = [getattr(case, metric) for case in cases]
    known = np.array([number for number in numbers if not math.isnan(number)], dtype=np.float64)
    return Summary(
        mean=float(known.mean()) if known.size else math.nan,
        deviation=float(known.std(ddof=1)) if known.size > 1 else math.nan,
        count=int(known.size),
        missed=sum(case.missed for case in cases),
    )


def _masks(
    prediction: NDArray[Any], reference: NDArray[Any], value: int, ignore_label: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if value == ignore_label:
        raise InputError(
            f"Label value {value} marks voxels to be ignored, so it cannot be scored; "
            "choose the values of structures."
        )
    counted = (prediction != ignore_label) & (reference != ignore_label)
    return (prediction == value) & counted, (reference == value) & counted


def _overlap(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> tuple[float, float]:
    shared = int((prediction & reference).sum())
    total = int(prediction.sum()) + int(reference.sum())
    if total == 0:
        return math.nan, math.nan
    return 2 * shared / total, shared / (total - shared)


def _bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box around the voxels of a mask that is not empty."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        occupied = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return tuple(box)


def _check_arrays(prediction: NDArray[Any], reference: NDArray[Any]) -> None:
    if prediction.shape != reference.shape:
        raise InputError(
            f"The prediction has shape {prediction.shape} and the reference {reference.shape}; "
            "only label arrays of one shape can be compared."
        )
    if prediction.ndim not in (2, 3):
        raise InputError(
            f"Label arrays of {prediction.ndim} dimensions cannot be scored; "
            "give volumes (K, J, I) or slices (R, C)."
        )
    for name, array in (("prediction", prediction), ("reference", reference)):
        if not (np.issubdtype(array.dtype, np.integer) or array.dtype == np.bool_):
            raise InputError(
                f"The {name} holds {array.dtype} values; labels must be whole numbers."
            )


def _check_spacing(spacing: Sequence[float], dimensions: int) -> None:
    if len(spacing) != dimensions or not all(math.isfinite(s) and s > 0 for s in spacing):
        raise InputError(
            f"The spacing {tuple(spacing)} does not fit; give {dimensions} positive numbers "
            "in mm, one for each axis of the label arrays."
        )


def _import_monai_metrics() -> Any:
    try:
        import monai.metrics
    except ImportError as error:
        raise FunetError(
            "Surface distances need MONAI, which is not installed; "
            'install it with: pip install "funet[research]".'
        ) from error
    return monai.metrics
