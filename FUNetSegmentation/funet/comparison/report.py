"""The comparison as tables: mean Dice as in Table 1 of the paper, and paired tests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..evaluation.statistics import PairedTest, paired_test
from ..evaluation.tables import Cell, Table, format_mean, format_p
from .runs import Run


@dataclass(frozen=True)
class SystemScore:
    """How one system did with one number of training images, over all seeds.

    Attributes:
        system: name of the system.
        size: number of training images.
        subjects: of each test image.
        dice: Dice (seeds, structures, images); NaN where an image has none.
        seconds: time of all trainings.
    """

    system: str
    size: int
    subjects: tuple[str, ...]
    dice: NDArray[np.float64]
    seconds: float

    @property
    def per_image(self) -> NDArray[np.float64]:
        """Dice (structures, images), each the mean over the seeds."""
        return mean_of_known(self.dice, 0)

    @property
    def per_subject(self) -> NDArray[np.float64]:
        """Dice (structures, subjects), each the mean over the subject's images."""
        subjects = np.array(self.subjects)
        groups = [self.per_image[:, subjects == name] for name in dict.fromkeys(self.subjects)]
        return np.stack([mean_of_known(group, 1) for group in groups], 1)

    @property
    def per_seed(self) -> NDArray[np.float64]:
        """Dice (seeds, structures), each the mean over the images."""
        return mean_of_known(self.dice, 2)


@dataclass(frozen=True)
class SystemTest:
    """The paired tests of one structure between two systems with one number of images.

    Attributes:
        size: number of training images.
        first, second: names of the systems; differences are second minus first.
        structure: name of the structure.
        images: the tests over test images, as in the paper.
        subjects: the tests over test subjects, each with the mean of its images; the images of
            one subject are not independent of each other, so these are the ones to trust.
    """

    size: int
    first: str
    second: str
    structure: str
    images: PairedTest
    subjects: PairedTest


def collect_scores(runs: Sequence[Run]) -> tuple[SystemScore, ...]:
    """Put the runs of one system and size together, in the order of their first runs."""
    groups: dict[tuple[int, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.size, run.system), []).append(run)
    return tuple(
        SystemScore(
            system=system,
            size=size,
            subjects=tuple(image.subject for image in group[0].images),
            dice=np.stack([run.dice for run in group]),
            seconds=sum(run.seconds for run in group),
        )
        for (size, system), group in groups.items()
    )


def compare_systems(
    scores: Sequence[SystemScore], structures: Sequence[str], reference: str | None = None
) -> tuple[SystemTest, ...]:
    """Test systems that learned equally many images in pairs, structure by structure.

    Args:
        scores: of every system and size.
        structures: names of the structures.
        reference: the system that every other one is tested against; ``None`` tests every two.

    Raises:
        InputError: if the reference is none of the systems.
        FunetError: if SciPy is missing.
    """
    require_reference(reference, [score.system for score in scores])
    return tuple(
        SystemTest(
            size=first.size,
            first=first.system,
            second=second.system,
            structure=structure,
            images=_paired(first.per_image[index], second.per_image[index]),
            subjects=_paired(first.per_subject[index], second.per_subject[index]),
        )
        for first, second in _pairs(scores, reference)
        for index, structure in enumerate(structures)
    )


def dice_table(scores: Sequence[SystemScore], structures: Sequence[str]) -> Table:
    """Mean ± standard deviation of Dice over test images, as in Table 1 of the paper."""
    rows: list[tuple[Cell, ...]] = []
    for score in scores:
        cells = [format_mean(*_mean_and_deviation(values)) for values in score.per_image]
        images = f"{score.size}/{len(score.subjects)}"
        rows.append((images, score.system, *cells, len(score.dice), round(score.seconds / 60, 1)))
    columns = ("train/test", "system", *structures, "seeds", "minutes")
    return Table(columns, tuple(rows), decimals=1)


def dice_numbers(scores: Sequence[SystemScore], structures: Sequence[str]) -> Table:
    """The same for programs: one row for each structure, and how much the seeds differ."""
    rows: list[tuple[Cell, ...]] = []
    for score in scores:
        place = (score.size, len(score.subjects), len(set(score.subjects)), score.system)
        for index, structure in enumerate(structures):
            over_images = _mean_and_deviation(score.per_image[index])
            _, over_seeds = _mean_and_deviation(score.per_seed[:, index])
            seeds = len(score.dice)
            rows.append((*place, structure, *over_images, over_seeds, seeds, score.seconds))
    columns = (
        *("training images", "test images", "test subjects", "system", "structure", "mean Dice"),
        *("deviation over images", "deviation over seeds", "seeds", "seconds"),
    )
    return Table(columns, tuple(rows))


def p_value_table(tests: Sequence[SystemTest]) -> Table:
    """The paired tests for people, one row for each two systems and structure."""
    rows: list[tuple[Cell, ...]] = []
    for test in tests:
        cells: list[Cell] = [test.size, f"{test.first} → {test.second}", test.structure]
        cells.append(_signed(test.images.mean_difference))
        for result in (test.images, test.subjects):
            cells += [result.n, format_p(result.t_p), format_p(result.wilcoxon_p)]
        rows.append(tuple(cells))
    columns = (
        *("train", "systems", "structure", "difference"),
        *("images", "t-test", "Wilcoxon", "subjects", "t-test", "Wilcoxon"),
    )
    return Table(columns, tuple(rows))


def p_value_numbers(tests: Sequence[SystemTest]) -> Table:
    """The same for programs, with every digit."""
    rows: list[tuple[Cell, ...]] = []
    for test in tests:
        for unit, result in (("images", test.images), ("subjects", test.subjects)):
            place = (test.size, test.first, test.second, test.structure, unit)
            numbers = (result.n, result.mean_difference, result.t_p, result.wilcoxon_p)
            rows.append((*place, *numbers))
    columns = (
        *("training images", "first", "second", "structure", "over", "pairs"),
        *("mean difference", "t-test p", "Wilcoxon p"),
    )
    return Table(columns, tuple(rows))


def mean_of_known(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean along an axis without the NaNs; NaN where there is nothing else."""
    known = ~np.isnan(values)
    count = known.sum(axis)
    total: NDArray[np.float64] = np.where(known, values, 0.0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), math.nan)


def require_reference(reference: str | None, systems: Sequence[str]) -> None:
    """Check, before hours of work end with it, that a reference is one of the systems.

    Raises:
        InputError: if it is not.
    """
    if reference is not None and reference not in systems:
        raise InputError(
            f"The reference '{reference}' is not compared; use one of "
            f"{', '.join(dict.fromkeys(systems))}."
        )


def _pairs(
    scores: Sequence[SystemScore], reference: str | None
) -> Iterator[tuple[SystemScore, SystemScore]]:
    for first, second in combinations(scores, 2):
        if first.size != second.size:
            continue
        if reference in (None, first.system):
            yield first, second
        elif reference == second.system:
            yield second, first


def _paired(first: NDArray[np.float64], second: NDArray[np.float64]) -> PairedTest:
    return paired_test(first.tolist(), second.tolist())


def _mean_and_deviation(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation (n − 1) without the NaNs; NaN where there are too few."""
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if known.size else math.nan
    return mean, float(known.std(ddof=1)) if known.size > 1 else math.nan


def _signed(number: float) -> str:
    return "–" if math.isnan(number) else f"{number:+.4f}"
