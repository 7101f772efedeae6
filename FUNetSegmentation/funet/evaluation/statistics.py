"""Paired tests between two methods that were scored on the same images.

SciPy, an optional extra of this package, is imported when the first test is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FunetError, InputError

# Differences that agree to this many decimals are equal: rounding errors must make no ranks.
_DECIMALS = 12


@dataclass(frozen=True)
class PairedTest:
    """Two-sided tests of "both methods do equally well", on paired scores.

    Attributes:
        n: number of pairs that were tested.
        mean_difference: mean of second minus first; positive where the second is better. NaN
            without pairs.
        t_p: p-value of the paired t-test.
        wilcoxon_p: p-value of the Wilcoxon signed-rank test, pairs without a difference left out.
        dropped: number of pairs left out because one score or both were NaN.
    """

    n: int
    mean_difference: float
    t_p: float
    wilcoxon_p: float
    dropped: int


def paired_test(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Test whether two methods differ on the same images.

    Both tests take the pairs for independent: slices of one subject are not, subjects are.

    Where a test has no answer of its own: below two pairs both p-values are NaN; where no pair
    differs both are 1; where all differ by the same amount the t-test, whose statistic is
    infinite, has p = 0.

    Args:
        first, second: scores of the two methods, in one order; NaN where an image has no score.

    Returns:
        The differences' mean and both p-values.

    Raises:
        InputError: if the numbers of scores differ.
        FunetError: if SciPy is missing.
    """
    if len(first) != len(second):
        raise InputError(
            f"A paired test needs the same images twice, but got {len(first)} and {len(second)} "
            "scores."
        )
    pairs = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    differences = np.round(pairs[~np.isnan(pairs)], _DECIMALS)
    n = int(differences.size)
    return PairedTest(
        n=n,
        mean_difference=float(differences.mean()) if n else math.nan,
        t_p=_t_test(differences),
        wilcoxon_p=_wilcoxon(differences),
        dropped=len(first) - n,
    )


def require_scipy() -> None:
    """Check that tests can be done, before the work that they are to judge.

    Raises:
        FunetError: if SciPy is missing.
    """
    _import_scipy_stats()


def _t_test(differences: NDArray[np.float64]) -> float:
    if differences.size < 2:
        return math.nan
    if np.ptp(differences) == 0.0:
        return 0.0 if differences[0] else 1.0
    return float(_import_scipy_stats().ttest_1samp(differences, 0.0).pvalue)


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    if differences.size < 2:
        return math.nan
    if not differences.any():
        return 1.0
    return float(_import_scipy_stats().wilcoxon(differences[differences != 0.0]).pvalue)


def _import_scipy_stats() -> Any:
    try:
        import scipy.stats
    except ImportError as error:
        raise FunetError(
            "The paired tests need SciPy, which is not installed; "
            'install it with: pip install "funet[research]".'
        ) from error
    return scipy.stats
