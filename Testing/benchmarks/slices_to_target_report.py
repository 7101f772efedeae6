"""How many slices readers corrected, as a table and as a figure, from the stored records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from corrections_report import COLOURS, finish_panel
from matplotlib.figure import Figure
from numpy.typing import NDArray
from report_files import write_page
from results_captions import size_of

from funet.evaluation.statistics import paired_test
from funet.evaluation.tables import Cell, Table, format_mean, format_p

# What a reader does without this tool; the others are told as shares of it.
_USUAL = ("sequential", False)
_TESTED_AGAINST = ("worklist", True)

_ABOUT = (
    "Model {model} on volumes of {data}, simulated change: {change}; {size}. Slices corrected "
    "until the mean Dice of the volume, corrected slices included, reaches {target:g}; with "
    "Retrain after every {per_round}. Where it says *kept only if better*, a new version must beat "
    "the one before on slices that neither has learned, as in the product. *Sequential* and "
    "*random* skip slices in which nothing is predicted while there are others; the readers *by "
    "eye* skip those that show no structure, and *by eye* alone spreads slices over it: the middle "
    "first, then the middles of both halves, and so on. Share of the mean number of slices in "
    "sequential order without Retrain, and in the same order with it; seconds are the mean of all "
    "retrainings of a volume.\n\n"
)


def needed_by(
    records: Sequence[Mapping[str, Any]], what: str
) -> dict[tuple[str, bool], NDArray[np.float64]]:
    """Values of each order with and without Retrain, for each subject the mean of its seeds."""
    subjects = sorted({one["subject"] for one in records})
    ways = dict.fromkeys((one["order"], one["retrains"]) for one in records)
    return {
        (order, retrains): np.array(
            [
                np.mean(
                    [
                        one[what]
                        for one in records
                        if (one["order"], one["retrains"], one["subject"])
                        == (order, retrains, subject)
                    ]
                )
                for subject in subjects
            ]
        )
        for order, retrains in ways
    }


def table_of(records: Sequence[Mapping[str, Any]]) -> Table:
    """One row for each order, with and without Retrain."""
    needed, seconds = needed_by(records, "slices"), needed_by(records, "seconds")
    rows: list[tuple[Cell, ...]] = []
    for way, slices in needed.items():
        order, retrains = way
        test = paired_test(slices.tolist(), needed[_TESTED_AGAINST].tolist())
        deviation = float(slices.std(ddof=1)) if len(slices) > 1 else float("nan")
        rows.append(
            (
                order,
                "yes" if retrains else "no",
                format_mean(float(slices.mean()), deviation, decimals=1, deviation_decimals=1),
                f"{np.median(slices):.1f}",
                _share(slices, needed[_USUAL]),
                _share(slices, needed["sequential", retrains]),
                "–" if way == _TESTED_AGAINST else format_p(test.wilcoxon_p),
                f"{seconds[way].mean():.0f}" if retrains else "–",
            )
        )
    columns = (
        *("order", "Retrain", "slices", "median", "of sequential without", "of sequential alike"),
        *("Wilcoxon p against the worklist with Retrain", "seconds"),
    )
    return Table(columns, tuple(rows))


def _share(slices: NDArray[np.float64], usual: NDArray[np.float64]) -> str:
    return f"{slices.mean() / usual.mean():.0%}" if usual.any() else "–"


def write_report(record: Mapping[str, Any], stem: Path) -> None:
    """Write <stem>.md and <stem>.png from the content of <stem>.json.

    Args:
        record: the settings, and the records under ``"records"``.
        stem: the path without a suffix.
    """
    records = record["records"]
    text = _ABOUT.format(size=size_of(record), **record) + table_of(records).to_markdown()
    write_page(stem, text, _figure(needed_by(records, "slices")))


def _figure(needed: Mapping[tuple[str, bool], NDArray[np.float64]]) -> Figure:
    figure = Figure(figsize=(7.5, 3.4), layout="constrained", dpi=110)
    panel = figure.subplots()
    orders = list(dict.fromkeys(order for order, _ in needed))
    for rank, (retrains, name) in enumerate(((True, "with Retrain"), (False, "without"))):
        shown = [row for row, order in enumerate(orders) if (order, retrains) in needed]
        places = np.array(shown) + (rank - 0.5) * 0.38
        values = [needed[orders[row], retrains] for row in shown]
        means = [float(one.mean()) for one in values]
        panel.barh(places, means, 0.36, color=COLOURS[rank], alpha=0.75, label=name)
        for place, slices, mean in zip(places, values, means, strict=True):
            panel.plot(slices, [place] * len(slices), ".", color="black", alpha=0.4, markersize=5)
            panel.annotate(
                f"{mean:.1f}", (0.3, place), va="center", color="white", fontweight="bold"
            )
    panel.set_yticks(range(len(orders)), orders)
    panel.invert_yaxis()
    panel.set_xlabel("corrected slices (bar: mean; a point is a subject)")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    finish_panel(panel, "Slices to correct until the volume is good enough")
    return figure
