"""The results of the worklist benchmark as a file, as tables and as a figure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from report_files import write_page
from results_captions import provenance

from funet.evaluation.statistics import paired_test
from funet.evaluation.tables import Table, format_mean, format_p
from funet.files import atomic_file

_RANDOM = "random"
_CORRELATIONS = ("correlation_all", "correlation_shown")
_DECIMALS = 4  # of the curves, which only the figure needs
_STYLES = {
    "by true errors": ("black", "--"),
    "random": ("#999999", "-"),
    "sequential": ("#d55e00", "-"),
}
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")


@dataclass(frozen=True)
class SubjectResult:
    """What was measured on one subject.

    Attributes:
        subject: its name.
        slices: number of slices of the volume.
        slices_shown: number of slices in which the prediction or the reference shows a structure.
        base_dice: mean Dice of the structures before any correction.
        wrong_pixels: true number of wrong pixels.
        expected_wrong_pixels: the same as the model expects it.
        correlation_all: Spearman's correlation of each doubt with the wrong pixels, all slices.
        correlation_shown: the same over the slices with a structure.
        corrections: for each target, the corrected slices that each order needs (mean of the
            draws where it is random); a target that was reached before is left out.
        curves: for each order, mean Dice after 0, 1, … corrected slices.
    """

    subject: str
    slices: int
    slices_shown: int
    base_dice: float
    wrong_pixels: int
    expected_wrong_pixels: float
    correlation_all: Mapping[str, float]
    correlation_shown: Mapping[str, float]
    corrections: Mapping[str, Mapping[str, float]]
    curves: Mapping[str, Sequence[float]]

    def to_json(self) -> dict[str, object]:
        """The same for a file: NaN as ``None``, the curves with four decimals until they reach 1.

        A curve that has reached 1 stays there.
        """
        record = asdict(self)
        for name in _CORRELATIONS:
            known = record[name].items()
            record[name] = {key: None if math.isnan(value) else value for key, value in known}
        record["curves"] = {order: _shortened(curve) for order, curve in self.curves.items()}
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> SubjectResult:
        """Read what :meth:`to_json` gave."""
        correlations = {
            name: {key: math.nan if value is None else value for key, value in record[name].items()}
            for name in _CORRELATIONS
        }
        return cls(**dict(record) | correlations)


def correlation_table(results: Sequence[SubjectResult]) -> Table:
    """Mean ± deviation over subjects of each doubt's rank correlation with the true errors."""
    rows = []
    for doubt in results[0].correlation_all:
        groups = [
            [getattr(result, name)[doubt] for result in results]
            for name in ("correlation_shown", "correlation_all")
        ]
        rows.append((doubt, *(_mean(values) for values in groups)))
    columns = ("doubt", "Spearman, slices with a structure", "Spearman, all slices")
    return Table(columns, tuple(rows))


def corrections_table(results: Sequence[SubjectResult], target: str, used: str) -> Table:
    """How many corrected slices each order needs, and what that is of the random order's."""
    needed = corrections_by_order(results, target)
    product = needed[f"by {used}"]
    rows = []
    for order, counts in needed.items():
        test = paired_test(product.tolist(), counts.tolist())
        share = counts.sum() / needed[_RANDOM].sum()
        p = "–" if order == f"by {used}" else format_p(test.wilcoxon_p)
        rows.append((order, float(np.median(counts)), float(counts.mean()), f"{share:.0%}", p))
    columns = ("order", "median", "mean", "of random", f"Wilcoxon p against by {used}")
    return Table(columns, tuple(rows), decimals=1)


def corrections_by_order(
    results: Sequence[SubjectResult], target: str
) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """For each order, the corrected slices of every subject that was below the target."""
    able = [result.corrections[target] for result in results if target in result.corrections]
    return {order: np.array([one[order] for one in able]) for order in able[0]} if able else {}


def targets_of(results: Sequence[SubjectResult]) -> list[str]:
    """The targets that at least one subject was below, in their order."""
    return list(dict.fromkeys(target for result in results for target in result.corrections))


def write_record(
    stem: Path, results: Sequence[SubjectResult], settings: Mapping[str, object]
) -> dict[str, Any]:
    """Write all that was measured to ``<stem>.json``, every list of numbers in one line."""
    record = dict(settings) | {"subjects": [result.to_json() for result in results]}
    text = json.dumps(record, indent=1, allow_nan=False)
    text = re.sub(r"\[[\d\s.,-]+\]", lambda numbers: " ".join(numbers[0].split()), text)
    with atomic_file(stem.with_name(stem.name + ".json")) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return record


def write_report(record: Mapping[str, Any], stem: Path) -> None:
    """Write ``<stem>.md`` and ``<stem>.png`` from the content of ``<stem>.json`` alone."""
    results = [SubjectResult.from_json(one) for one in record["subjects"]]
    write_page(stem, _report(results, record), _figure(results, record["doubt"]))


def _report(results: Sequence[SubjectResult], record: Mapping[str, Any]) -> str:
    base = _mean([result.base_dice for result in results])
    expected = [r.expected_wrong_pixels / max(1, r.wrong_pixels) for r in results]
    used = record["doubt"]
    parts = [
        f"# Worklist of {record['model']}",
        f"{len(results)} subjects that the model never saw; mean Dice before corrections {base}. "
        f"The model expects {_mean(expected)} times as many wrong pixels as there are. The product "
        f"ranks slices by {used}.",
        "## Does doubt find the errors?",
        "Rank correlation, within each subject, of a slice's doubt with its number of wrong "
        "pixels; mean ± standard deviation over subjects.",
        correlation_table(results).to_markdown(),
    ]
    for target in targets_of(results):
        count = sum(target in result.corrections for result in results)
        parts += [
            f"## Slices to correct until {target}",
            f"{count} subjects that were below it. Random and sequential readers look at slices "
            "without any prediction last; the order by true errors is not to be had in practice.",
            corrections_table(results, target, used).to_markdown(),
        ]
    parts.append(provenance(record))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _figure(results: Sequence[SubjectResult], used: str) -> Figure:
    figure = Figure(figsize=(13.5, 4.4), layout="constrained", dpi=130)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.2, 1.4, 1.2))
    _draw_correlations(left, results)
    _draw_curves(middle, results, used)
    _draw_corrections(right, results)
    for panel in (left, middle, right):
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_axisbelow(True)
    return figure


def _draw_correlations(panel: Axes, results: Sequence[SubjectResult]) -> None:
    doubts = list(results[0].correlation_shown)
    rng = np.random.default_rng(0)
    for place, doubt in enumerate(doubts):
        values = np.array([result.correlation_shown[doubt] for result in results])
        values = values[~np.isnan(values)]
        jitter = rng.uniform(-0.18, 0.18, len(values))
        colour = _COLOURS[place % len(_COLOURS)]
        panel.plot(values, place + jitter, "o", color=colour, alpha=0.5, markersize=4)
        if len(values):
            panel.plot([values.mean()] * 2, [place - 0.3, place + 0.3], color="black")
            panel.annotate(f"{values.mean():.2f}", (1.08, place), va="center", fontsize=9)
    panel.axvline(0, color="black", linewidth=0.6)
    panel.set_yticks(range(len(doubts)), doubts)
    panel.invert_yaxis()
    panel.set_xlim(min(-0.1, panel.get_xlim()[0]), 1.3)
    panel.set_xticks(np.arange(-1, 1.1, 0.5)[np.arange(-1, 1.1, 0.5) >= panel.get_xlim()[0]])
    panel.set_xlabel("Spearman with the wrong pixels of a slice")
    panel.set_title("Does doubt find the errors?")
    panel.grid(axis="x", alpha=0.3)


def _draw_curves(panel: Axes, results: Sequence[SubjectResult], used: str) -> None:
    longest = max(result.slices_shown for result in results)
    for order, (colour, style) in ({f"by {used}": (_COLOURS[0], "-")} | _STYLES).items():
        # A subject whose slices are all corrected stays at 1.
        curves = [[*result.curves[order], *[1.0] * longest][: longest + 1] for result in results]
        width = 2.2 if order == f"by {used}" else 1.4
        mean = np.mean(curves, axis=0)
        panel.plot(mean, linestyle=style, color=colour, linewidth=width, label=order)
    panel.set_xlabel("corrected slices")
    panel.set_ylabel("mean Dice of a subject")
    panel.set_xlim(0, longest)
    panel.set_title("What corrections bring")
    panel.grid(alpha=0.3)
    panel.legend(frameon=False, loc="lower right")


def _draw_corrections(panel: Axes, results: Sequence[SubjectResult]) -> None:
    targets = targets_of(results)
    names: list[str] = []
    for rank, target in enumerate(targets):
        needed = corrections_by_order(results, target)
        names = list(needed)
        places = np.arange(len(names)) + (rank - (len(targets) - 1) / 2) * 0.38
        means = [counts.mean() for counts in needed.values()]
        bars = panel.barh(places, means, 0.36, label=f"until {target}", color=_COLOURS[rank])
        panel.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.set_xlabel("mean number of corrected slices")
    panel.set_title("Slices to correct")
    panel.margins(x=0.12)
    panel.grid(axis="x", alpha=0.3)
    panel.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.35, -0.14), ncols=2)


def _shortened(curve: Sequence[float]) -> list[float]:
    rounded = [round(value, _DECIMALS) for value in curve]
    while len(rounded) > 1 and rounded[-2:] == [1.0, 1.0]:
        rounded.pop()
    return rounded


def _mean(values: Sequence[float]) -> str:
    known = np.array([value for value in values if not math.isnan(value)])
    if not known.size:
        return "–"
    deviation = float(known.std(ddof=1)) if known.size > 1 else math.nan
    return format_mean(float(known.mean()), deviation, decimals=3)
