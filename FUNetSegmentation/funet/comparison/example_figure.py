"""A few test slices as every system sees them, side by side, as in Fig. 3 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..annotations.samples import SliceSample
from ..evaluation.metrics import dice
from ..evaluation.tables import format_number
from ..files import atomic_file
from ..images.segmentations import IGNORE_LABEL
from .examples import example_slices, read_examples
from .experiment import Plan
from .figure import require_matplotlib
from .runs import run_path
from .splits import split_slices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

MOST_PREDICTIONS = 9  # columns, beyond which nothing could be seen

# Structures 1, 2, …: colours that stand out from grey and from each other.
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#f0e442")
_MARGIN = 8  # pixels around all labels
_SIDE = 1.25  # inches of a picture
_BELOW = 0.2  # inches of the Dice below it
_AROUND = 1.0  # inches of titles and legend
_LONG = 14  # letters of a title from which it is printed smaller

_Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class ExampleColumn:
    """What one system made of the example slices.

    Attributes:
        system: name of the system.
        size: number of training images.
        labels: of each example slice by subject and index; empty if none are stored.
    """

    system: str
    size: int
    labels: dict[tuple[str, int], _Labels]


def write_example_figure(
    path: Path,
    plan: Plan,
    samples: Sequence[SliceSample],
    structures: Sequence[str],
    runs: Path,
    *,
    aspect: float = 1.0,
) -> bool:
    """Write a PNG of the example slices, the reference, and what every system made of them.

    The runs with the first seed are shown. A picture of an earlier call is removed where there is
    nothing to draw: no run has stored labels, or there are too many systems and sizes.

    Args:
        path: the file.
        plan: what was compared.
        samples: the annotated slices that the plan was run on.
        structures: names of the structures.
        runs: folder of the stored runs.
        aspect: height of a pixel by its width.

    Returns:
        Whether a picture was drawn.

    Raises:
        FunetError: if matplotlib is missing.
        InputError: if stored labels are damaged, or the file cannot be written.
    """
    slices, columns = collect_examples(plan, samples, runs)
    few = len(columns) <= MOST_PREDICTIONS
    if not few or not any(column.labels for column in columns):
        path.unlink(missing_ok=True)
        return False
    draw_examples(slices, columns, structures, path, aspect=aspect)
    return True


def collect_examples(
    plan: Plan, samples: Sequence[SliceSample], runs: Path
) -> tuple[tuple[SliceSample, ...], tuple[ExampleColumn, ...]]:
    """Return the example slices, and a column for each size and system of a plan.

    Args:
        plan: what was compared; the runs with its first seed are read.
        samples: the annotated slices that it was run on.
        runs: folder of the stored runs.

    Raises:
        InputError: if stored labels are damaged or belong to other slices.
    """
    slices: dict[tuple[str, int], SliceSample] = {}
    columns = []
    for size in plan.sizes:
        test = split_slices(samples, size, plan.validation, plan.split_seed).test
        examples = {_name(sample): sample for sample in example_slices(test)}
        slices |= examples
        for system in plan.systems:
            stored = run_path(runs, system.name, size, plan.seeds[0])
            labels = read_examples(stored, tuple(examples.values()))
            named = dict(zip(examples, labels, strict=False))  # no labels where none are stored
            columns.append(ExampleColumn(system.name, size, named))
    return tuple(slices.values()), tuple(columns)


def draw_examples(
    slices: Sequence[SliceSample],
    columns: Sequence[ExampleColumn],
    structures: Sequence[str],
    path: Path,
    *,
    aspect: float = 1.0,
) -> None:
    """Write a PNG with a row for each slice: image, reference, and every column's labels.

    Only the part of a slice around all labels, right and wrong, is shown. Below each picture
    stands the Dice of each structure in that slice.

    Args:
        slices: the slices.
        columns: what the systems made of them, sizes together; what is missing is left blank.
        structures: names of the structures.
        path: the file.
        aspect: height of a pixel by its width.

    Raises:
        FunetError: if matplotlib is missing.
        InputError: if the file cannot be written.
    """
    require_matplotlib()
    from matplotlib import figure as drawing
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    windows = [_window(sample, columns) for sample in slices]
    heights = [
        _SIDE * aspect * sample.image[window].shape[0] / sample.image[window].shape[1] + _BELOW
        for sample, window in zip(slices, windows, strict=True)
    ]
    width = _SIDE * (2 + len(columns)) + 0.1
    figure = drawing.Figure(figsize=(width, sum(heights) + _AROUND), dpi=130)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    panels = _panels(figure, columns, heights)
    for row, sample, window in zip(panels, slices, windows, strict=True):
        _draw_row(row, sample, window, columns, len(structures), aspect)
    _draw_legend(figure, structures)
    _write_small(FigureCanvasAgg(figure), path)


def _write_small(canvas: FigureCanvasAgg, path: Path) -> None:
    """Write a PNG with 256 colours, a third as large as one with all: noise hardly compresses."""
    from PIL import Image  # which matplotlib brings with it

    canvas.draw()
    pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
    picture = Image.fromarray(pixels).quantize(256, dither=Image.Dither.NONE)
    with atomic_file(path) as temporary:
        picture.save(temporary, optimize=True)


def _panels(
    figure: Figure, columns: Sequence[ExampleColumn], heights: Sequence[float]
) -> NDArray[np.object_]:
    """Make the panels (slices, 2 + columns), those of one size together under its name."""
    sizes = list(dict.fromkeys(column.size for column in columns))
    counts = [2, *(sum(column.size == size for column in columns) for size in sizes)]
    headers = [" ", *(f"{size} training images" for size in sizes)]
    groups = figure.subfigures(1, len(counts), width_ratios=counts, squeeze=False)[0]
    panels = []
    for group, count, header in zip(groups, counts, headers, strict=True):
        group.suptitle(header, fontsize=10)
        panels.append(group.subplots(len(heights), count, squeeze=False, height_ratios=heights))
    together: NDArray[np.object_] = np.concatenate(panels, axis=1)
    titles = ["image", "reference", *(column.system for column in columns)]
    for panel, title in zip(together[0], titles, strict=True):
        panel.set_title(title, fontsize=9 if len(title) < _LONG else 6)
    return together


def _draw_legend(figure: Figure, structures: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=f"{_colour(value)}66", edgecolor=_colour(value), label=name)
        for value, name in enumerate(structures, 1)
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
        title=f"Dice below each picture: {', '.join(structures)}",
        fontsize=9,
        title_fontsize=9,
    )


def _draw_row(
    row: NDArray[np.object_],
    sample: SliceSample,
    window: tuple[slice, slice],
    columns: Sequence[ExampleColumn],
    structures: int,
    aspect: float,
) -> None:
    predicted = [column.labels.get(_name(sample)) for column in columns]
    nothing = np.zeros_like(sample.labels)
    for panel, labels in zip(row, [nothing, sample.labels, *predicted], strict=True):
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[:].set_visible(False)
        if labels is None:
            continue
        image = sample.image[window]
        panel.imshow(image, cmap="gray", aspect=aspect, interpolation="nearest")
        _draw_labels(panel, labels[window], structures)
    for panel, labels in zip(row[2:], predicted, strict=True):
        if labels is not None:
            scores = [dice(labels, sample.labels, value) for value in range(1, structures + 1)]
            text = "   ".join(format_number(score, 2) for score in scores)
            panel.set_xlabel(text, fontsize=8, labelpad=2)


def _draw_labels(panel: Axes, labels: _Labels, structures: int) -> None:
    from matplotlib.colors import to_rgba

    colours = np.zeros((*labels.shape, 4))
    for value in range(1, structures + 1):
        colours[labels == value] = to_rgba(_colour(value), 0.35)
    panel.imshow(colours, aspect=panel.get_aspect(), interpolation="nearest")
    for value in range(1, structures + 1):
        mask = np.pad(labels == value, 1).astype(float)
        if mask.any():
            rows, columns = np.indices(mask.shape) - 1
            panel.contour(columns, rows, mask, [0.5], colors=_colour(value), linewidths=1.1)
    panel.set_xlim(-0.5, labels.shape[1] - 0.5)
    panel.set_ylim(labels.shape[0] - 0.5, -0.5)


def _window(sample: SliceSample, columns: Sequence[ExampleColumn]) -> tuple[slice, slice]:
    """The square part of a slice, as far as it goes, around everything that any labels show."""
    predicted = (column.labels.get(_name(sample)) for column in columns)
    labels = [sample.labels, *(one for one in predicted if one is not None)]
    shown = np.any([(one > 0) & (one != IGNORE_LABEL) for one in labels], axis=0)
    if not shown.any():
        return slice(None), slice(None)
    found = [np.flatnonzero(shown.any(other)) for other in (1, 0)]
    side = max(int(np.ptp(places)) for places in found) + 1 + 2 * _MARGIN
    down, across = (
        _around(int(places[0] + places[-1] + 1) // 2, side, whole)
        for places, whole in zip(found, shown.shape, strict=True)
    )
    return down, across


def _around(middle: int, side: int, whole: int) -> slice:
    """So many pixels around a middle, moved and cut to what there is."""
    side = min(side, whole)
    start = min(max(middle - side // 2, 0), whole - side)
    return slice(start, start + side)


def _name(sample: SliceSample) -> tuple[str, int]:
    return sample.subject, sample.slice_index


def _colour(value: int) -> str:
    return _COLOURS[(value - 1) % len(_COLOURS)]
