"""The comparison as a figure: one panel for each structure, one box for each system and size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FunetError
from ..files import atomic_file
from .report import SystemScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which colour-blind readers tell apart.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_WIDTH = 0.8  # of all boxes of one size together
_MEAN_STYLE: dict[str, Any] = {
    "marker": "D",
    "markersize": 6,
    "color": "black",
    "markeredgecolor": "white",
}
_SEED_STYLE: dict[str, Any] = {
    "marker": "o",
    "markersize": 4,
    "color": "white",
    "markeredgecolor": "black",
}


def draw_comparison(scores: Sequence[SystemScore], structures: Sequence[str], path: Path) -> None:
    """Write a PNG of the Dice of all test images against the number of training images.

    Args:
        scores: of every system and size.
        structures: names of the structures.
        path: the file.

    Raises:
        FunetError: if matplotlib is missing or the file cannot be written.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    systems = list(dict.fromkeys(score.system for score in scores))
    width = max(3.4, 0.55 * len(scores) + 1.0)
    figure = Figure(figsize=(width * len(structures) + 0.4, 4.4), layout="constrained", dpi=150)
    panels = figure.subplots(1, len(structures), squeeze=False, sharey=True)[0]
    for index, (panel, structure) in enumerate(zip(panels, structures, strict=True)):
        _draw_structure(panel, scores, systems, index)
        panel.set_title(structure)
    panels[0].set_ylabel("Dice of a test image")
    handles: list[Any] = [
        Patch(**_box_style(rank), label=system) for rank, system in enumerate(systems)
    ]
    handles.append(Line2D([], [], linestyle="none", **_MEAN_STYLE, label="mean"))
    if any(len(score.dice) > 1 for score in scores):
        handles.append(Line2D([], [], linestyle="none", **_SEED_STYLE, label="mean of a seed"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    with atomic_file(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary), metadata={"Software": None})


def require_matplotlib() -> None:
    """Check that the figure can be drawn, before hours of work end with it.

    Raises:
        FunetError: if matplotlib is missing.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise FunetError(
            "The figure needs matplotlib, which is not installed; "
            'install it with: pip install "funet[research]".'
        ) from error


def _draw_structure(
    panel: Axes, scores: Sequence[SystemScore], systems: Sequence[str], index: int
) -> None:
    sizes = list(dict.fromkeys(score.size for score in scores))
    step = _WIDTH / len(systems)
    for score in scores:
        rank = systems.index(score.system)
        place = sizes.index(score.size) + (rank - (len(systems) - 1) / 2) * step
        _draw_box(panel, score, index, place, step, rank)
    tests = {score.size: len(score.subjects) for score in scores}
    panel.set_xticks(range(len(sizes)), [f"{size}\n(tested on {tests[size]})" for size in sizes])
    panel.set_xlim(-0.5, len(sizes) - 0.5)
    panel.set_xlabel("training images")
    panel.set_ylim(0, 1.08)
    panel.set_yticks(np.linspace(0, 1, 6))
    panel.grid(axis="y", alpha=0.3)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _draw_box(
    panel: Axes, score: SystemScore, index: int, place: float, step: float, rank: int
) -> None:
    values = score.per_image[index]
    values = values[~np.isnan(values)]
    if not values.size:
        return
    line = {"color": _colour(rank)}
    panel.boxplot(
        values,
        positions=[place],
        widths=step * 0.8,
        patch_artist=True,
        manage_ticks=False,
        boxprops=_box_style(rank),
        whiskerprops=line,
        capprops=line,
        medianprops=line | {"linewidth": 1.8},
        flierprops={"marker": ".", "markersize": 3, "markeredgecolor": _colour(rank)},
    )
    seeds = score.per_seed[:, index]
    if len(seeds) > 1:
        beside = np.full(len(seeds), place + 0.25 * step)
        panel.plot(beside, seeds, linestyle="none", zorder=4, **_SEED_STYLE)
    mean = float(values.mean())
    panel.plot(place, mean, zorder=5, **_MEAN_STYLE)
    panel.annotate(f"{mean:.3f}", (place, 1.02), ha="center", va="bottom", fontsize=8)


def _colour(rank: int) -> str:
    return _COLOURS[rank % len(_COLOURS)]


def _box_style(rank: int) -> dict[str, Any]:
    return {"facecolor": f"{_colour(rank)}70", "edgecolor": _colour(rank)}
