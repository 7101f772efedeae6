"""Paired tests: published and hand-computed values, and the cases without an answer."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest

from funet.errors import FunetError, InputError
from funet.evaluation.statistics import paired_test

# Extra hours of sleep of ten people with two drugs: Student, "The probable error of a mean", 1908.
FIRST_DRUG = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND_DRUG = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

pytestmark = pytest.mark.filterwarnings("error")


def wilcoxon_by_enumeration(differences: list[float]) -> float:
    """Exact two-sided p-value over all signs that the ranks could have had."""
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1.0
    sums = [
        sum(rank for rank, positive in zip(ranks, signs, strict=True) if positive)
        for signs in itertools.product((False, True), repeat=len(ranks))
    ]
    observed = float(ranks[np.array(differences) > 0].sum())
    tails = np.mean([s <= observed for s in sums]), np.mean([s >= observed for s in sums])
    return min(1.0, 2 * float(min(tails)))


def test_the_t_test_gives_the_published_p_of_the_sleep_data() -> None:
    result = paired_test(FIRST_DRUG, SECOND_DRUG)
    assert result.t_p == pytest.approx(0.00283289, rel=1e-5)
    assert result.mean_difference == pytest.approx(1.58)
    assert (result.n, result.dropped) == (10, 0)


def test_the_wilcoxon_test_drops_the_person_without_a_difference() -> None:
    """Nine people are left, all better with the second drug: 2 of 2⁹ signs are as extreme."""
    assert paired_test(FIRST_DRUG, SECOND_DRUG).wilcoxon_p == pytest.approx(2 / 2**9)


def test_five_differences_from_one_to_five_by_hand() -> None:
    """t = 3 / (√2.5 / √5) = 4.2426 with four degrees of freedom; 2 of 2⁵ signs."""
    result = paired_test([0.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0])
    assert result.t_p == pytest.approx(0.0132, abs=5e-5)
    assert result.wilcoxon_p == pytest.approx(2 / 2**5)


@pytest.mark.parametrize("seed", range(5))
def test_the_wilcoxon_test_agrees_with_counting_all_signs(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.random(9), generator.random(9) + 0.2
    result = paired_test(list(first), list(second))
    assert result.wilcoxon_p == pytest.approx(wilcoxon_by_enumeration(list(second - first)))


def test_swapping_the_methods_swaps_the_sign_and_keeps_both_p() -> None:
    there, back = paired_test(FIRST_DRUG, SECOND_DRUG), paired_test(SECOND_DRUG, FIRST_DRUG)
    assert there.mean_difference == -back.mean_difference
    assert (there.t_p, there.wilcoxon_p) == pytest.approx((back.t_p, back.wilcoxon_p))


def test_pairs_with_a_missing_score_are_dropped_and_counted() -> None:
    result = paired_test([math.nan, *FIRST_DRUG, 0.3], [0.5, *SECOND_DRUG, math.nan])
    whole = paired_test(FIRST_DRUG, SECOND_DRUG)
    assert (result.n, result.dropped) == (10, 2)
    assert (result.t_p, result.wilcoxon_p) == (whole.t_p, whole.wilcoxon_p)


def test_methods_that_agree_on_every_image_do_not_differ() -> None:
    result = paired_test([0.1, 0.5, 0.9], [0.1, 0.5, 0.9])
    assert (result.mean_difference, result.t_p, result.wilcoxon_p) == (0.0, 1.0, 1.0)


def test_a_constant_difference_has_a_t_p_of_zero() -> None:
    """0.1 + 0.2 is not 0.3 in floating point, and still the same difference."""
    result = paired_test([0.1, 0.3, 0.5, 0.7, 0.9], [0.1 + 0.2, 0.5, 0.7, 0.9, 1.1])
    assert result.mean_difference == pytest.approx(0.2)
    assert result.t_p == 0.0
    assert result.wilcoxon_p == pytest.approx(2 / 2**5)


def test_rounding_errors_are_no_differences() -> None:
    result = paired_test([0.3, 0.6, 0.7], [0.1 + 0.2, 0.1 * 6, 0.7])
    assert (result.t_p, result.wilcoxon_p) == (1.0, 1.0)


@pytest.mark.parametrize(("n", "expected"), [(0, math.nan), (1, 0.25)])
def test_fewer_than_two_pairs_have_no_p(n: int, expected: float) -> None:
    result = paired_test([0.5] * n, [0.75] * n)
    assert result.n == n
    assert result.mean_difference == pytest.approx(expected, nan_ok=True)
    assert math.isnan(result.t_p) and math.isnan(result.wilcoxon_p)


def test_a_hundred_images_are_tested_without_a_warning() -> None:
    generator = np.random.default_rng(4)
    first = generator.random(100).round(2)
    result = paired_test(list(first), list((first + generator.normal(0, 0.1, 100)).round(2)))
    assert 0.0 < result.t_p <= 1.0 and 0.0 < result.wilcoxon_p <= 1.0


def test_different_numbers_of_scores_are_refused() -> None:
    with pytest.raises(InputError, match="got 2 and 3 scores"):
        paired_test([0.1, 0.2], [0.1, 0.2, 0.3])


def test_a_missing_scipy_is_said_in_a_sentence_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(FunetError, match=r"pip install \"funet\[research\]\""):
        paired_test(FIRST_DRUG, SECOND_DRUG)
