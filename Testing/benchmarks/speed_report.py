"""The measurements of speed as tables and as a figure, from the stored record alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from corrections_report import COLOURS, finish_panel
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter
from report_files import write_page
from results_captions import provenance
from speed_timing import Goal

from funet.evaluation.tables import Cell, Table

_WORDS = {True: "yes", False: "**no**", None: "not measured"}
_CAPTION = "Goals of speed, and scaling"
_FACTOR_SHOWN = 8.0  # the figure ends at so many times the goal


def goals_table(record: Mapping[str, Any]) -> Table:
    """One row for each goal."""
    rows: list[tuple[Cell, ...]] = []
    for case, goal in goals_of(record):
        sign = "≤" if goal.at_most else "≥"
        value = "–" if goal.value is None else f"{_number(goal.value)}{goal.unit}"
        limit = f"{sign} {goal.limit:g}{goal.unit}"
        rows.append((case, goal.what, value, limit, _WORDS[goal.met]))
    return Table(("", "measured", "value", "goal", "met"), tuple(rows))


def times_table(record: Mapping[str, Any]) -> Table:
    """Median, least and largest time of everything that was timed."""
    rows: list[tuple[Cell, ...]] = []
    for case, one in record["cases"].items():
        for name, seconds in one["times"].items():
            numbers = [_number(f(seconds)) for f in (np.median, min, max)]
            rows.append((case, name, *numbers, len(seconds)))
    columns = ("", "what", "median, s", "least", "largest", "repetitions")
    return Table(columns, tuple(rows))


def curves_table(record: Mapping[str, Any]) -> Table:
    """The power that time grows with, for each of the curves."""
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            ", ".join(str(size) for size in curve["sizes"]),
            ", ".join(_number(seconds) for seconds in curve["seconds"]),
            f"{curve['exponent']:.2f}",
            f"{curve['exponent_of_upper_half']:.2f}",
        )
        for name, curve in curves_of(record).items()
    ]
    return Table(("time against", "sizes", "seconds", "power", "power, large sizes"), tuple(rows))


def steps_table(record: Mapping[str, Any]) -> Table:
    """What a retraining of other lengths takes, and what it brings."""
    facts = record["cases"].get("Retrain", {}).get("facts", {})
    rows: list[tuple[Cell, ...]] = [
        (f"{side}×{side}", one["steps"], one["seconds"], one["dice"])
        for side in (128, 256)
        for one in facts.get(f"steps_{side}", ())
    ]
    return Table(("slices", "steps", "seconds to the visible slice", "Dice"), tuple(rows), 3)


def goals_of(record: Mapping[str, Any]) -> list[tuple[str, Goal]]:
    """The goals with the names of their cases."""
    return [(case, Goal(**goal)) for case, one in record["cases"].items() for goal in one["goals"]]


def curves_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The curves of scaling, none where they were not measured."""
    found: Mapping[str, Any] = record["cases"].get("Scaling", {}).get("facts", {})
    return found.get("curves", {})


def write_report(record: Mapping[str, Any], stem: Path) -> None:
    """Write ``<stem>.md`` and ``<stem>.png`` from the content of ``<stem>.json`` alone."""
    machine = record["machine"]
    flags = ", ".join(machine["flags"]) or "none of those that matter here"
    parts = [
        "# Speed",
        "Ratios of medians of interleaved repetitions in one run, after a first round that does "
        "not count. × is a factor: *faster* and *sooner* say how many times, all others how much "
        "of what they are compared with.",
        goals_table(record).to_markdown(),
        f"![{_CAPTION}]({stem.name}.png)",
        f"**Figure.** {_CAPTION}: how many times better each number is than its goal (red: worse), "
        "and how time grows.",
        f"CPU flags: {flags}. {_load(record)}, on {machine['cores']} cores; "
        f"{machine['threads']} threads.",
    ]
    parts += [
        f"*{name}* was measured in a later run. {_load(one['run'])}. {provenance(one['run'])}"
        for name, one in record["cases"].items()
        if "run" in one
    ]
    if curves_of(record):
        parts += [
            "## Scaling",
            "Powers are fitted to all sizes and to the upper half of them.",
            curves_table(record).to_markdown(),
        ]
    if steps_table(record).rows:
        parts += [
            "## Retraining with other numbers of steps",
            "Once each, on the phantom; Dice of the slices that were not corrected.",
            steps_table(record).to_markdown(),
        ]
    parts += ["## Times", times_table(record).to_markdown(), provenance(record)]
    write_page(stem, "\n\n".join(one.strip() for one in parts) + "\n", _figure(record))


def _load(run: Mapping[str, Any]) -> str:
    before, after = (run["load"][when][0] for when in ("before", "after"))
    return f"Load of the machine {before:.1f} before and {after:.1f} after"


def _figure(record: Mapping[str, Any]) -> Figure:
    known = [(case, goal) for case, goal in goals_of(record) if goal.value is not None]
    curves = curves_of(record)
    height = 1.6 + 0.27 * len(known)
    figure = Figure(figsize=(13.0, max(4.2, height)), layout="constrained", dpi=110)
    if curves:
        left, right = figure.subplots(1, 2, width_ratios=(1.0, 0.8))
        _draw_curves(right, curves)
    else:
        left = figure.subplots()
    _draw_goals(left, known)
    return figure


def _draw_goals(panel: Axes, goals: Sequence[tuple[str, Goal]]) -> None:
    """How far each number is on the good side of its goal, as a factor."""
    places = np.arange(len(goals))[::-1]
    factors = [_factor(goal) for _, goal in goals]
    colours = [COLOURS[0] if goal.met else COLOURS[5] for _, goal in goals]
    panel.barh(places, np.log2(factors), color=colours, height=0.7)
    for place, factor, (_, goal) in zip(places, factors, goals, strict=True):
        end = math.log2(factor)
        panel.annotate(
            f"{_number(goal.value or 0.0)}{goal.unit}",
            (end, place),
            xytext=(4 if end >= 0 else -4, 0),
            textcoords="offset points",
            ha="left" if end >= 0 else "right",
            va="center",
            fontsize=8,
        )
    panel.axvline(0, color="black", linewidth=1)
    panel.set_yticks(places, [_short(f"{case}: {goal.what}") for case, goal in goals], fontsize=8)
    ticks = np.arange(-3, 4)
    panel.set_xticks(ticks, [f"{2.0**tick:g}" for tick in ticks], fontsize=8)
    ends = [-1.5, 1.5, *np.log2(factors)]
    panel.set_xlim(min(ends) - 1.4, max(ends) + 1.4)
    panel.set_xlabel("times better than the goal (1: just met)")
    finish_panel(panel, "Goals")


def _draw_curves(panel: Axes, curves: Mapping[str, Any]) -> None:
    for rank, (name, curve) in enumerate(curves.items()):
        sizes, seconds = np.array(curve["sizes"]), np.array(curve["seconds"])
        label = f"{name}: power {curve['exponent']:.2f}"
        panel.loglog(sizes / sizes[0], seconds / seconds[0], "o-", color=COLOURS[rank], label=label)
    panel.set_xlabel("size, as a factor on the smallest")
    panel.set_ylabel("time, as a factor on the shortest")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    panel.margins(y=0.3)  # room for the legend
    panel.legend(frameon=False, loc="upper left")
    finish_panel(panel, "Scaling of time")


def _factor(goal: Goal) -> float:
    """How many times better than its goal a number is."""
    value = goal.value or 0.0
    if goal.limit == 0 or value == 0:
        return 1.0 if goal.met else 1 / _FACTOR_SHOWN
    factor = goal.limit / value if goal.at_most else value / goal.limit
    return min(max(factor, 1 / _FACTOR_SHOWN), _FACTOR_SHOWN)


def _short(text: str) -> str:
    return text.replace("`", "")


def _number(value: float) -> str:
    """A number with three digits that mean something."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 4)}f}"
