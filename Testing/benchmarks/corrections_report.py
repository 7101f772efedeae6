"""What corrections brought, as a table and as a figure, from the stored records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from numpy.typing import NDArray
from report_files import write_page
from results_captions import size_of

from funet.evaluation.statistics import paired_test
from funet.evaluation.tables import Cell, Table, format_mean, format_p

# Okabe and Ito's colours, which colour-blind readers tell apart.
COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#000000",
    "#999999",
    "#f0e442",
)
# Who ends so far below the ceiling, where the base does not lie, is named at the edge of a panel.
_FAR = 0.4


@dataclass(frozen=True)
class Group:
    """All records of one arm and number of corrected slices.

    Attributes:
        arm: name of the arm.
        corrected: number of corrected slices.
        records: of every subject and seed.
    """

    arm: str
    corrected: int
    records: tuple[Mapping[str, Any], ...]

    def per_subject(self, *names: str) -> NDArray[np.float64]:
        """Values (names, subjects), each the mean over the seeds, subjects in order of name."""
        subjects = sorted({record["subject"] for record in self.records})
        return np.array(
            [
                [
                    np.mean([one[name] for one in self.records if one["subject"] == subject])
                    for subject in subjects
                ]
                for name in names
            ]
        )

    def mean(self, name: str) -> float:
        """Mean over the subjects."""
        return float(self.per_subject(name).mean())

    @property
    def seconds(self) -> float:
        """Median time from the click to the new labels."""
        return float(np.median([record["seconds"] for record in self.records]))

    def recovered(self, where: str) -> float:
        """Share of the gap between base model and ceiling that was closed; means over subjects.

        NaN where there is no gap, as in a trial whose ceiling learned nothing.
        """
        before, after, best = self.per_subject(*(f"{where}_{when}" for when in _TIMES)).mean(1)
        return float((after - before) / (best - before)) if best != before else float("nan")


_CHANGE = (
    "Model {model} on volumes of {data}, simulated change: {change}; {size}. The ceiling learned "
    "all slices of all training subjects with the same change. *Forgotten* is the loss of Dice on "
    "volumes without the change. "
)
_OWN = (
    "New models of {data}, each taught by {taught_by} slices of one volume, which then segment "
    "another one; {size}. The ceiling is the shipped model {model}, which learned all slices of "
    "all training subjects. *Forgotten* is the loss of Dice on the volume that taught the model. "
)
_COLUMNS = (
    "Dice is the mean of the structures, over the slices that were never corrected (each way has "
    "its own, so *before* and *ceiling* differ a little), and over whole other volumes. Where a "
    "model makes use of corrected slices in its predictions, its ceiling is shown the same ones. "
    "Seconds are the median from the click to the new labels.\n\n"
)

_TIMES = ("before", "after", "ceiling")


def groups_of(records: Sequence[Mapping[str, Any]]) -> list[Group]:
    """Put the records of one arm and number of slices together, in the order of the file."""
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for record in records:
        found.setdefault((record["arm"], record["corrected"]), []).append(record)
    arms = list(dict.fromkeys(arm for arm, _ in found))
    return [
        Group(arm, count, tuple(found[arm, count]))
        for arm in arms
        for count in sorted(count for one, count in found if one == arm)
    ]


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.0f} %"


def table_of(groups: Sequence[Group]) -> Table:
    """One row for each arm and number of corrected slices; Dice is the mean of the structures."""
    rows: list[tuple[Cell, ...]] = []
    for group in groups:
        same = group.per_subject("same_after")[0]
        forgotten = group.mean("base_before") - group.mean("base_after")
        rows.append(
            (
                group.arm,
                group.corrected,
                f"{group.mean('same_before'):.3f}",
                format_mean(same.mean(), same.std(ddof=1), decimals=3, deviation_decimals=2),
                f"{group.mean('same_ceiling'):.3f}",
                _percent(group.recovered("same")),
                f"{group.mean('others_before'):.3f} → {group.mean('others_after'):.3f}",
                _percent(group.recovered("others")),
                f"{forgotten:+.3f}",
                f"{group.seconds:.1f}",
            )
        )
    columns = (
        *("way", "corrected slices", "never corrected: before", "after", "ceiling"),
        *("gap closed", "other volumes", "gap closed there", "forgotten", "seconds"),
    )
    return Table(columns, tuple(rows))


def tests_of(groups: Sequence[Group]) -> Table:
    """Paired tests over subjects of every way against the first one, equally many slices."""
    first = groups[0].arm
    reference = {group.corrected: group for group in groups if group.arm == first}
    rows: list[tuple[Cell, ...]] = []
    for group in groups:
        ours = reference.get(group.corrected)
        if ours is None or group.arm == first:
            continue
        cells: list[Cell] = [group.arm, group.corrected]
        for name in ("same_after", "others_after"):
            theirs, mine = group.per_subject(name)[0], ours.per_subject(name)[0]
            if len(theirs) != len(mine):
                break
            test = paired_test(mine.tolist(), theirs.tolist())
            cells += [f"{test.mean_difference:+.4f}", format_p(test.wilcoxon_p)]
        if len(cells) == 6:
            rows.append(tuple(cells))
    columns = (
        *(f"against: {first}", "corrected slices", "never corrected: difference"),
        *("Wilcoxon", "other volumes: difference", "Wilcoxon"),
    )
    return Table(columns, tuple(rows))


def write_report(record: Mapping[str, Any], stem: Path) -> None:
    """Write <stem>.md and <stem>.png from the content of <stem>.json.

    Args:
        record: the settings, and the records under ``"records"``.
        stem: the path without a suffix.
    """
    groups = groups_of(record["records"])
    about = _OWN if record["experiment"] == "own" else _CHANGE
    text = about.format(size=size_of(record), **record) + _COLUMNS
    tests = tests_of(groups)
    text += table_of(groups).to_markdown()
    if tests.rows:
        text += (
            f"\nPaired over subjects, positive where that way is better:\n\n{tests.to_markdown()}"
        )
    write_page(stem, text, _figure(groups))


def _figure(groups: Sequence[Group]) -> Figure:
    several = len({group.corrected for group in groups}) > 1
    figure = Figure(figsize=(12.0, 5.0), layout="constrained", dpi=110)
    if several:
        panels = figure.subplots(1, 3)
        _curves(panels[0], groups, "same", "corrected slices", "never corrected, same volume")
        _curves(panels[1], groups, "others", "corrected slices", "other volumes")
        _curves(panels[2], groups, "same", "seconds", "never corrected, against time")
        lines, names = panels[0].get_legend_handles_labels()
        figure.legend(
            lines, names, loc="outside lower center", ncols=3, frameon=False, handlelength=5
        )
    else:
        _bars(figure.subplots(1, 3, sharey=True), groups)
    return figure


def _curves(panel: Axes, groups: Sequence[Group], where: str, along: str, title: str) -> None:
    arms = list(dict.fromkeys(group.arm for group in groups))
    # Thinner and thinner, so that of equal curves all are seen.
    widths = np.linspace(4.5, 1.2, len(arms))
    ceiling = float(np.mean([group.mean(f"{where}_ceiling") for group in groups]))
    least = min(1.0, ceiling)  # a trial's may have learned nothing
    far_below = []
    for rank, (arm, width) in enumerate(zip(arms, widths, strict=True)):
        mine = [group for group in groups if group.arm == arm]
        before = mine[0].mean(f"{where}_before")
        x = [float(one.corrected) if along != "seconds" else one.seconds for one in mine]
        y = [one.mean(f"{where}_after") for one in mine]
        if along != "seconds":
            x, y = [0.0, *x], [before, *y]
        if y[-1] < ceiling - _FAR < before:
            far_below.append((x[-1], f"{arm}\n{y[-1]:.2f}"))
        else:
            least = min(least, *y)
        style = "-" if arm.startswith("ours") else "--"
        colour, size = COLOURS[rank % len(COLOURS)], 3 + width
        panel.plot(x, y, style, linewidth=width, marker="o", ms=size, color=colour, label=arm)
    panel.axhline(ceiling, color="black", linestyle=":", linewidth=1)
    panel.annotate("ceiling", (0.02, ceiling), xycoords=("axes fraction", "data"), va="bottom")
    if along == "seconds":
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel(along)
    panel.set_ylabel("mean Dice")
    bottom = max(0.0, math.floor(10 * least - 0.5) / 10)
    panel.set_ylim(bottom, 1)
    for place, name in far_below:
        panel.annotate(
            f"{name} ↓", (place, bottom), (0, 3), textcoords="offset points", ha="center"
        )
    finish_panel(panel, title)


def _bars(panels: Sequence[Axes], groups: Sequence[Group]) -> None:
    places = np.arange(len(groups))[::-1]
    columns = (
        ("never corrected, same volume", [one.mean("same_after") for one in groups]),
        ("other volumes", [one.mean("others_after") for one in groups]),
        ("forgotten", [one.mean("base_before") - one.mean("base_after") for one in groups]),
    )
    for panel, (title, values) in zip(panels, columns, strict=True):
        panel.barh(places, values, color=[COLOURS[0], *[COLOURS[4]] * (len(groups) - 1)])
        for place, value in zip(places, values, strict=True):
            panel.annotate(f" {value:.3f}", (max(value, 0), place), va="center", fontsize=8)
        panel.margins(x=0.15)
        panel.set_xlabel("mean Dice")
        finish_panel(panel, title)
    panels[0].set_yticks(places, [group.arm for group in groups])


def finish_panel(panel: Axes, title: str) -> None:
    """Give a panel its title and the look of all panels."""
    panel.set_title(title, fontsize=10)
    panel.grid(alpha=0.3)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
