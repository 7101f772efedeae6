"""Metrics: agreement with second implementations, and what must hold for any pair of masks."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from funet.errors import FunetError, InputError
from funet.evaluation.metrics import (
    StructureScore,
    dice,
    score_structures,
    summarise,
    surface_distances,
)

ENGINE = Path(inspect.getfile(dice)).parents[2]
SPACINGS = [(1.0, 1.0, 1.0), (3.0, 0.868, 0.868), (0.5, 1.25, 2.0)]
PLANE_SPACINGS = [(1.0, 1.0), (0.7, 1.9)]


def a_blob(seed: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A random smooth mask that is not empty and may touch the image's edge."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(noise)))
    return np.asarray(smooth > np.quantile(smooth, 0.8))


def an_itk_image(mask: NDArray[np.bool_], spacing: tuple[float, ...]) -> sitk.Image:
    """The mask with one voxel of background around, so that the image's edge is outside too."""
    image = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
    image.SetSpacing(spacing[::-1])
    return image


def distances_by_itk(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], spacing: tuple[float, ...]
) -> tuple[float, float]:
    """HD95 and ASSD from ITK's contours and its exact (Maurer) distance maps."""
    borders = [
        sitk.LabelContour(an_itk_image(mask, spacing), fullyConnected=False)
        for mask in (prediction, reference)
    ]
    directed = []
    for start, goal in (borders, borders[::-1]):
        field = sitk.SignedMaurerDistanceMap(goal, squaredDistance=False, useImageSpacing=True)
        directed.append(abs(sitk.GetArrayFromImage(field))[sitk.GetArrayFromImage(start) > 0])
    hd95 = max(float(np.percentile(distances, 95)) for distances in directed)
    return hd95, float(np.concatenate(directed).mean())


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(4))
def test_dice_iou_and_volume_agree_with_itk_on_random_volumes(
    seed: int, spacing: tuple[float, float, float]
) -> None:
    prediction, reference = a_blob(seed, (12, 15, 17)), a_blob(seed + 100, (12, 15, 17))
    (score,) = score_structures(prediction, reference, spacing, [1], surface=False)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    images = [an_itk_image(mask, spacing) for mask in (prediction, reference)]
    overlap.Execute(*images)
    assert score.dice == pytest.approx(overlap.GetDiceCoefficient(1), rel=1e-12)
    assert score.iou == pytest.approx(overlap.GetJaccardCoefficient(1), rel=1e-12)
    shape = sitk.LabelShapeStatisticsImageFilter()
    for image, volume in zip(images, (score.prediction_ml, score.reference_ml), strict=True):
        shape.Execute(image)
        assert volume == pytest.approx(shape.GetPhysicalSize(1) / 1000, rel=1e-9)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(4))
def test_surface_distances_agree_with_itk_on_random_volumes(
    seed: int, spacing: tuple[float, float, float]
) -> None:
    prediction, reference = a_blob(seed, (12, 15, 17)), a_blob(seed + 100, (12, 15, 17))
    measured = surface_distances(prediction, reference, spacing)
    assert measured == pytest.approx(distances_by_itk(prediction, reference, spacing), rel=1e-5)


@pytest.mark.parametrize("spacing", PLANE_SPACINGS)
@pytest.mark.parametrize("seed", range(4))
def test_surface_distances_agree_with_itk_on_random_slices(
    seed: int, spacing: tuple[float, float]
) -> None:
    prediction, reference = a_blob(seed, (24, 30)), a_blob(seed + 100, (24, 30))
    measured = surface_distances(prediction, reference, spacing)
    assert measured == pytest.approx(distances_by_itk(prediction, reference, spacing), rel=1e-5)


def test_the_borders_of_balls_in_one_another_are_as_far_apart_as_their_radii_differ() -> None:
    spacing = (1.0, 0.5, 0.5)
    grid = np.indices((24, 44, 44)) * np.reshape(spacing, (3, 1, 1, 1))
    radius = np.linalg.norm(grid - np.reshape((11.0, 11.0, 11.0), (3, 1, 1, 1)), axis=0)
    hd95, assd = surface_distances(radius < 8.0, radius < 5.0, spacing)
    assert assd == pytest.approx(3.0, abs=0.25)
    assert hd95 == pytest.approx(3.0, abs=0.5)


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
@pytest.mark.parametrize("seed", range(3))
def test_cropping_to_the_structures_changes_no_distance(seed: int) -> None:
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    prediction, reference = np.zeros((2, 20, 30, 40), bool)
    prediction[2:11, 5:17, 20:40] = a_blob(seed, (9, 12, 20))
    reference[5:14, 9:21, 15:35] = a_blob(seed + 10, (9, 12, 20))
    whole = (prediction[None, None], reference[None, None])
    hd95 = compute_hausdorff_distance(
        *whole, include_background=True, percentile=95, spacing=[3.0, 0.9, 0.8]
    )
    assd = compute_average_surface_distance(
        *whole, include_background=True, symmetric=True, spacing=[3.0, 0.9, 0.8]
    )
    assert surface_distances(prediction, reference, (3.0, 0.9, 0.8)) == (float(hd95), float(assd))


def test_two_voxels_have_the_distance_between_them_in_millimetres() -> None:
    prediction, reference = np.zeros((2, 8, 8, 8), np.uint8)
    prediction[1, 2, 3] = 4
    reference[3, 5, 3] = 4
    (score,) = score_structures(prediction, reference, (2.0, 1.0, 0.5), [4])
    assert score.hd95 == pytest.approx(5.0)
    assert score.assd == pytest.approx(5.0)
    assert (score.dice, score.iou) == (0.0, 0.0)
    assert score.prediction_ml == pytest.approx(0.001)


masks = arrays(np.uint8, (4, 5, 6), elements=st.integers(0, 2))
steps = st.tuples(*[st.floats(0.3, 4.0)] * 3)


@settings(max_examples=40, deadline=None)
@given(masks, masks, steps)
def test_scores_are_symmetric_and_in_range(
    first: NDArray[np.uint8], second: NDArray[np.uint8], spacing: tuple[float, float, float]
) -> None:
    (there,) = score_structures(first, second, spacing, [1])
    (back,) = score_structures(second, first, spacing, [1])
    for metric in ("dice", "iou", "hd95", "assd"):
        assert getattr(there, metric) == pytest.approx(getattr(back, metric), nan_ok=True)
    assert (there.prediction_ml, there.reference_ml) == (back.reference_ml, back.prediction_ml)
    if not math.isnan(there.dice):
        assert 0.0 <= there.iou <= there.dice <= 1.0
        assert there.dice == pytest.approx(2 * there.iou / (1 + there.iou))
    if not math.isnan(there.assd):
        diagonal = math.dist((0, 0, 0), np.multiply((3, 4, 5), spacing))
        assert 0.0 <= there.assd <= diagonal * (1 + 1e-6)
        assert 0.0 <= there.hd95 <= diagonal * (1 + 1e-6)


@settings(max_examples=40, deadline=None)
@given(masks, steps)
def test_a_structure_agrees_fully_with_itself(
    labels: NDArray[np.uint8], spacing: tuple[float, float, float]
) -> None:
    assume((labels == 1).any())
    (score,) = score_structures(labels, labels, spacing, [1])
    assert (score.dice, score.iou, score.hd95, score.assd) == (1.0, 1.0, 0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(masks, masks, st.tuples(*[st.integers(0, 3)] * 3))
def test_scores_do_not_depend_on_where_the_structures_lie(
    first: NDArray[np.uint8], second: NDArray[np.uint8], shift: tuple[int, int, int]
) -> None:
    here = [np.pad(labels, 3) for labels in (first, second)]
    there = [np.roll(labels, shift, axis=(0, 1, 2)) for labels in here]
    before = score_structures(*here, (2.0, 1.0, 0.7), [1, 2])
    after = score_structures(*there, (2.0, 1.0, 0.7), [1, 2])
    assert repr(before) == repr(after)


@settings(max_examples=30, deadline=None)
@given(masks, masks, st.floats(0.5, 3.0))
def test_distances_scale_with_the_spacing_and_overlap_does_not(
    first: NDArray[np.uint8], second: NDArray[np.uint8], factor: float
) -> None:
    (small,) = score_structures(first, second, (2.0, 1.0, 0.5), [1])
    (large,) = score_structures(first, second, (2 * factor, factor, 0.5 * factor), [1])
    assert large.dice == pytest.approx(small.dice, nan_ok=True)
    assert large.hd95 == pytest.approx(small.hd95 * factor, rel=1e-5, nan_ok=True)
    assert large.assd == pytest.approx(small.assd * factor, rel=1e-5, nan_ok=True)
    assert large.reference_ml == pytest.approx(small.reference_ml * factor**3)


def test_a_structure_absent_from_both_counts_nowhere() -> None:
    (score,) = score_structures(np.ones((3, 3, 3), int), np.ones((3, 3, 3), int), (1, 1, 1), [2])
    assert math.isnan(score.dice) and math.isnan(score.iou)
    assert math.isnan(score.hd95) and math.isnan(score.assd)
    assert (score.prediction_ml, score.reference_ml, score.missed) == (0.0, 0.0, False)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_structure_absent_from_one_is_missed(swapped: bool) -> None:
    pair = [np.zeros((3, 3, 3), np.uint8), np.ones((3, 3, 3), np.uint8)]
    (score,) = score_structures(*(pair[::-1] if swapped else pair), (1, 1, 1), [1])
    assert (score.dice, score.iou, score.missed) == (0.0, 0.0, True)
    assert math.isnan(score.hd95) and math.isnan(score.assd)


@pytest.mark.parametrize("which", [0, 1])
def test_ignored_voxels_belong_to_nothing(which: int) -> None:
    pair = [np.zeros((1, 10), np.uint8), np.zeros((1, 10), np.uint8)]
    pair[0][0, :6] = 1
    pair[1][0, 2:8] = 1
    assert dice(*pair, 1) == pytest.approx(8 / 12)
    pair[which][0, :2] = 255
    pair[which][0, 6:] = 255
    assert dice(*pair, 1) == 1.0


def test_the_ignore_label_is_the_one_of_the_training() -> None:
    from funet.images.segmentations import IGNORE_LABEL

    for function in (dice, score_structures):
        assert inspect.signature(function).parameters["ignore_label"].default == IGNORE_LABEL


def test_a_single_slice_has_no_volume() -> None:
    (score,) = score_structures(np.eye(5, dtype=int), np.eye(5, dtype=int), (1.0, 1.0), [1])
    assert score.dice == 1.0
    assert math.isnan(score.prediction_ml) and math.isnan(score.reference_ml)


def test_surface_distances_are_measured_only_when_asked_for() -> None:
    cube = np.ones((3, 3, 3), int)
    (score,) = score_structures(cube, cube, (1, 1, 1), [1], surface=False)
    assert math.isnan(score.hd95) and score.dice == 1.0


@pytest.mark.parametrize(
    ("prediction", "reference", "spacing", "values", "sentence"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), (1, 1), [1], "only label arrays of one"),
        (np.zeros(4, int), np.zeros(4, int), (1,), [1], "1 dimensions cannot be scored"),
        (np.zeros((2, 2)), np.zeros((2, 2), int), (1, 1), [1], "prediction holds float64"),
        (np.zeros((2, 2), int), np.zeros((2, 2)), (1, 1), [1], "reference holds float64"),
        (np.zeros((2, 2), int), np.zeros((2, 2), int), (1, 1, 1), [1], "give 2 positive numbers"),
        (np.zeros((2, 2), int), np.zeros((2, 2), int), (1, 0), [1], "give 2 positive numbers"),
        (np.zeros((2, 2), int), np.zeros((2, 2), int), (1, math.inf), [1], "does not fit"),
        (np.zeros((2, 2), int), np.zeros((2, 2), int), (1, 1), [255], "marks voxels to be ignored"),
    ],
)
def test_arrays_that_cannot_be_compared_are_refused_in_a_sentence(
    prediction: NDArray[np.generic],
    reference: NDArray[np.generic],
    spacing: tuple[float, ...],
    values: list[int],
    sentence: str,
) -> None:
    with pytest.raises(InputError, match=sentence):
        score_structures(prediction, reference, spacing, values)


def a_score(dice_value: float, prediction: int, reference: int) -> StructureScore:
    nothing = math.nan
    return StructureScore(
        1, dice_value, nothing, nothing, nothing, nothing, nothing, prediction, reference
    )


def test_a_summary_leaves_out_what_has_no_number_and_counts_what_was_missed() -> None:
    scores = [a_score(0.5, 3, 3), a_score(0.7, 4, 4), a_score(0.0, 0, 5), a_score(math.nan, 0, 0)]
    summary = summarise(scores)
    assert summary.mean == pytest.approx(0.4)
    assert summary.deviation == pytest.approx(math.sqrt(0.13))
    assert (summary.count, summary.missed) == (3, 1)
    distances = summarise(scores, "hd95")
    assert math.isnan(distances.mean) and math.isnan(distances.deviation)
    assert (distances.count, distances.missed) == (0, 1)


def test_one_case_has_a_mean_and_no_deviation() -> None:
    summary = summarise([a_score(0.5, 3, 3)])
    assert summary.mean == 0.5 and math.isnan(summary.deviation) and summary.count == 1


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ENGINE, capture_output=True, text=True, check=False
    )


def test_overlap_and_volume_need_numpy_only() -> None:
    """Inside Slicer the module is used where torch, SciPy and MONAI may be missing."""
    result = run_python(
        "import sys\n"
        "for name in ('torch', 'scipy', 'monai', 'SimpleITK'):\n"
        "    sys.modules[name] = None\n"
        "import numpy as np\n"
        "from funet.evaluation.metrics import dice, score_structures\n"
        "cube = np.ones((3, 3, 3), int)\n"
        "assert dice(cube, cube, 1) == 1.0\n"
        "score, = score_structures(cube, cube, (1, 1, 1), [1], surface=False)\n"
        "assert score.iou == 1.0 and score.prediction_ml == 0.027\n"
    )
    assert result.returncode == 0, result.stderr


def test_a_missing_monai_is_said_in_a_sentence_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "monai", None)
    monkeypatch.setitem(sys.modules, "monai.metrics", None)
    cube = np.ones((3, 3, 3), int)
    with pytest.raises(FunetError, match=r"pip install \"funet\[research\]\""):
        score_structures(cube, cube, (1, 1, 1), [1])
