"""The comparison as a figure: one panel for each structure, one box for each system and size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FunetError
from ..files import atomic_file
from .report import SystemScore, mean_of_known

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which colour-blind readers tell apart.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_WIDTH = 0.8  # of all boxes of one size together
_WIDEST = 9.0  # inches of panels side by side
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
_REFERENCE_STYLE: dict[str, Any] = {
    "color": "black",
    "linestyle": "--",
    "linewidth": 0.9,
}


def draw_comparison(
    scores: Sequence[SystemScore],
    structures: Sequence[str],
    path: Path,
    reference: str | None = None,
) -> None:
    """Write a PNG of the Dice of all test images against the number of training images.

    Few systems have their names in the legend; many have them below their boxes.

    Args:
        scores: of every system and size.
        structures: names of the structures.
        path: the file.
        reference: the system whose mean is drawn as a line across the others.

    Raises:
        FunetError: if matplotlib is missing or the file cannot be written.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    systems = list(dict.fromkeys(score.system for score in scores))
    width = max(3.4, 0.55 * len(scores) + 1.0)
    # Side by side where that is no wider than a page; sharing an axis, and so their labels.
    beside = width * len(structures) <= _WIDEST
    grid = (1, len(structures)) if beside else (len(structures), 1)
    size = (width * grid[1] + 0.4, 3.6 * grid[0] + 0.8)
    figure = Figure(figsize=size, layout="constrained", dpi=150)
    panels = figure.subplots(*grid, squeeze=False, sharex=not beside, sharey=True).ravel()
    for index, (panel, structure) in enumerate(zip(panels, structures, strict=True)):
        _draw_structure(panel, scores, systems, index, reference)
        panel.set_title(structure, pad=_title_pad(scores, systems))
        if beside or panel is panels[-1]:
            _label_places(panel, scores, systems)
    for panel in panels[:1] if beside else panels:
        panel.set_ylabel("Dice of a test image")
    handles = _handles(scores, systems, reference)
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
    panel: Axes,
    scores: Sequence[SystemScore],
    systems: Sequence[str],
    index: int,
    reference: str | None,
) -> None:
    for score, place in zip(scores, _places(scores, systems), strict=True):
        rank = systems.index(score.system)
        if _is_crowded(systems):  # colours that come again would mean something
            rank = int(score.system == reference)
        _draw_box(panel, score, index, place, _WIDTH / len(systems), rank)
    _draw_reference(panel, scores, reference, index)
    sizes = _tests_of_sizes(scores)
    if _is_crowded(systems) and len(sizes) > 1:
        for number, (size, tests) in enumerate(sizes.items()):
            text = f"{size} training images, tested on {tests}"
            panel.annotate(text, (number, 1.14), ha="center", va="bottom", annotation_clip=False)
    panel.set_xlim(-0.47, len(sizes) - 0.53)
    panel.set_ylim(0, 1.08)
    panel.set_yticks(np.linspace(0, 1, 6))
    panel.grid(axis="y", alpha=0.3)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _label_places(panel: Axes, scores: Sequence[SystemScore], systems: Sequence[str]) -> None:
    """Say below the boxes what they are."""
    sizes = _tests_of_sizes(scores)
    if not _is_crowded(systems):
        labels = [f"{size}\n(tested on {tests})" for size, tests in sizes.items()]
        panel.set_xticks(range(len(sizes)), labels)
        panel.set_xlabel("training images")
        return
    names = [score.system for score in scores]
    slanted: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    panel.set_xticks(_places(scores, systems), names, **slanted)
    if len(sizes) == 1:
        ((size, tests),) = sizes.items()
        panel.set_xlabel(f"{size} training images, tested on {tests}")


def _draw_reference(
    panel: Axes, scores: Sequence[SystemScore], reference: str | None, index: int
) -> None:
    for number, size in enumerate(_tests_of_sizes(scores)):
        for score in scores:
            if (score.system, score.size) == (reference, size):
                mean = float(mean_of_known(score.per_image[index], 0))
                panel.hlines(mean, number - 0.47, number + 0.47, **_REFERENCE_STYLE)


def _places(scores: Sequence[SystemScore], systems: Sequence[str]) -> list[float]:
    """Where the boxes stand: sizes at 0, 1, …, systems side by side around them."""
    sizes = list(_tests_of_sizes(scores))
    ranks = [systems.index(score.system) - (len(systems) - 1) / 2 for score in scores]
    return [
        sizes.index(score.size) + rank * _WIDTH / len(systems)
        for score, rank in zip(scores, ranks, strict=True)
    ]


def _tests_of_sizes(scores: Sequence[SystemScore]) -> dict[int, int]:
    return {score.size: len(score.subjects) for score in scores}


def _is_crowded(systems: Sequence[str]) -> bool:
    """Whether there are more systems than a legend can tell apart by colour."""
    return len(systems) > len(_COLOURS)


def _title_pad(scores: Sequence[SystemScore], systems: Sequence[str]) -> float:
    """Points between a panel and its title, where the sizes stand if they are not below."""
    return 22.0 if _is_crowded(systems) and len(_tests_of_sizes(scores)) > 1 else 8.0


def _handles(
    scores: Sequence[SystemScore], systems: Sequence[str], reference: str | None
) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    if not _is_crowded(systems):
        handles += [Patch(**_box_style(rank), label=name) for rank, name in enumerate(systems)]
    handles.append(Line2D([], [], linestyle="none", **_MEAN_STYLE, label="mean"))
    if any(len(score.dice) > 1 for score in scores):
        handles.append(Line2D([], [], linestyle="none", **_SEED_STYLE, label="mean of a seed"))
    if reference is not None:
        handles.append(Line2D([], [], **_REFERENCE_STYLE, label=f"mean of {reference}"))
    return handles


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
