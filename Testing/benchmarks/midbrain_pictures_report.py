"""The looks at the midbrain model as a picture and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import KDTree

from funet.evaluation.tables import Cell, Table, format_number
from funet.files import atomic_file
from funet.images.geometry import SliceOrder
from funet.images.segmentations import Segment
from funet.images.volumes import Volume

Labels = NDArray[np.uint8]

_OUTLINES = ("#e8002a", "black")  # of the reference's structures, in their order
_FILL = 0.55
_WINDOW_MM = 56.0  # side of the zoomed pictures
_PLACES = "#ffe14d"  # of the axial slices in the overview
_FINER = 6  # how much finer than pixels outlines are, so that they follow the edges of pixels


@dataclass(frozen=True)
class Row:
    """One head of the picture.

    Attributes:
        volume: the image.
        labels, reference: uint8 (K, J, I) on its grid; ``None`` for no reference.
        slices: the axial slices to show, by index in the stack.
        record: what was measured.
    """

    volume: Volume
    labels: Labels
    reference: Labels | None
    slices: tuple[int, ...]
    record: Mapping[str, object]


def write_report(record: Mapping[str, object], stem: Path) -> None:
    """Write ``<stem>.md`` from the content of ``<stem>.json`` alone."""
    heads, machine = record["heads"], record["machine"]
    assert isinstance(heads, list) and isinstance(machine, Mapping)
    parts = [
        f"# Looking at {record['model']}",
        f"{len(heads)} images of heads that the model never learned from. The best and the worst "
        "test subject are those with the highest and the lowest mean Dice of the structures; of "
        "every head with a reference, the slice with the worst Dice is shown, be it good or bad.",
        f"![Predictions and references on the heads]({stem.name}.png)",
        "Left: the sagittal slice through the middle of the prediction, and where the axial "
        "slices lie. Right: these axial slices, in radiological convention (the patient's right "
        "is on the left). Filled: predicted. Outlined: reference. Of two numbers for Dice, the "
        "first is that of the midbrain, the second that of the substantia nigra (SN).",
        heads_table(heads).to_markdown(),
        "Pieces are counted before all but the largest are left out. Voxels outside are those of "
        "the result that lie farther away than the column before allows. Labels of the subjects "
        "are silver: the consensus of three registered atlases.",
        "## Slices shown",
        slices_table(heads).to_markdown(),
        f"`{record['command']}`, seed {record['seed']}, {record['precision']}, {record['date']}, "
        f"{record['seconds']} s on {machine['cpu']} ({machine['threads']} threads).",
    ]
    with atomic_file(stem.with_name(stem.name + ".md")) as temporary:
        temporary.write_text("\n\n".join(part.strip() for part in parts) + "\n", "utf-8")


def heads_table(heads: Sequence[Mapping[str, object]]) -> Table:
    """What was measured on each head."""
    names = list(heads[0]["dice"])
    columns = [
        *("head", "what it is", "reference"),
        *(f"Dice, {name}" for name in names),
        *(f"{name}, mL" for name in names),
        *(f"{name} of the reference, mL" for name in names),
        *("pieces", "farthest voxel, mm", "allowed", "voxels outside"),
    ]
    rows = []
    for head in heads:
        cells: list[Cell] = [head["head"], head["kind"], head["reference"]]
        cells += [head["dice"][name] for name in names]
        cells += [_short(head["predicted_ml"][name], 2) for name in names]
        cells += [_short(head["reference_ml"][name], 2) for name in names]
        cells += [head["pieces"], _short(head["farthest_mm"], 1)]
        cells += [head["within"], head["voxels_outside"]]
        rows.append(tuple(cells))
    return Table(tuple(columns), tuple(rows), decimals=3)


def slices_table(heads: Sequence[Mapping[str, object]]) -> Table:
    """Which slices are shown, why, and their Dice."""
    names = list(heads[0]["dice"])
    rows = tuple(
        (
            *(head["head"], one["index"], one["why"]),
            *(one["dice"][name] for name in names),
            one["wrong_pixels"],
        )
        for head in heads
        for one in head["slices"]
    )
    columns = ("head", "slice", "why it is shown", *(f"Dice, {name}" for name in names))
    return Table((*columns, "wrong pixels"), rows, decimals=3)


def _short(number: float | None, decimals: int) -> str | None:
    return None if number is None else format_number(number, decimals)


def draw(path: Path, rows: Sequence[Row], segments: Sequence[Segment]) -> None:
    """Draw one row per head: a sagittal overview and three axial slices, zoomed."""
    figure = Figure(figsize=(8.4, 2.12 * len(rows) + 0.45), layout="constrained", dpi=100)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.05, hspace=0.01, wspace=0.0)
    panels = figure.subplots(len(rows), 4, squeeze=False, width_ratios=(1.25, 1, 1, 1))
    for panel_row, row in zip(panels, rows, strict=True):
        _draw_overview(panel_row[0], row, segments)
        for panel, index, shown in zip(
            panel_row[1:], row.slices, row.record["slices"], strict=True
        ):
            _draw_zoom(panel, row, index, shown, segments)
    handles = [Patch(color=_rgb(s), alpha=0.8, label=f"{s.name}, predicted") for s in segments]
    for segment, colour in zip(segments, _OUTLINES, strict=False):
        handles.append(Line2D([], [], color=colour, label=f"{segment.name}, reference"))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=4, fontsize=8, facecolor="#9a9a9a"
    )
    _save(figure, path, segments)


def _draw_overview(panel: Axes, row: Row, segments: Sequence[Segment]) -> None:
    order = SliceOrder.from_geometry(row.volume.geometry, "sagittal")
    image, labels = order.to_stack(row.volume.array), order.to_stack(row.labels)
    middle = _middle(labels)[0]
    _show(panel, image[middle], order.spacing[1:], _range(image[middle]))
    for segment in segments[:1]:
        _outline(panel, labels[middle] > 0, _rgb(segment))
    if row.reference is not None:
        _outline(panel, order.to_stack(row.reference)[middle] > 0, _OUTLINES[0])
    for index in row.slices:  # axial slices run up, the rows of a sagittal slice down
        panel.axhline(image.shape[1] - 1 - index, color=_PLACES, linewidth=0.5)
    title = f"{row.record['head']}\n{row.record['kind']}\n{_scores(row.record['dice'])}"
    panel.set_title(title, fontsize=6.5, loc="left")


def _draw_zoom(
    panel: Axes,
    row: Row,
    index: int,
    shown: Mapping[str, object],
    segments: Sequence[Segment],
) -> None:
    order = SliceOrder.from_geometry(row.volume.geometry, "axial")
    image, labels = order.to_stack(row.volume.array), order.to_stack(row.labels)
    _, *middle = _middle(labels)
    window = _window(middle, order)
    picture, predicted = image[index][window], labels[index][window]
    _show(panel, picture, order.spacing[1:], _range(image[:, *window][list(row.slices)]))
    overlay = np.zeros((*predicted.shape, 4))
    for segment in segments:
        overlay[predicted == segment.value] = (*_rgb(segment), _FILL)
    panel.imshow(overlay, aspect=order.spacing[1] / order.spacing[2], interpolation="nearest")
    if row.reference is not None:
        expected = order.to_stack(row.reference)[index][window]
        for segment, colour in zip(segments, _OUTLINES, strict=False):
            _outline(panel, expected == segment.value, colour)
    title = f"slice {shown['index']}: {shown['why']}\n{_scores(shown['dice'])}"
    if shown["wrong_pixels"] is not None:
        title += f", wrong pixels: {shown['wrong_pixels']}"
    panel.set_title(title, fontsize=6.5, loc="left")


def _scores(dice: Mapping[str, float | None]) -> str:
    """Dice of the structures that have one, in their order; nothing if none has."""
    known = [f"{value:.2f}" for value in dice.values() if value is not None]
    return f"Dice {' / '.join(known)}" if known else ""


def _middle(labels: Labels) -> tuple[int, ...]:
    """The middle of what is labelled; that of the volume where nothing is."""
    found = np.argwhere(labels)
    middle = found.mean(0) if len(found) else np.array(labels.shape) / 2
    return tuple(round(float(place)) for place in middle)


def _window(middle: Sequence[int], order: SliceOrder) -> tuple[slice, slice]:
    rows, columns = (
        slice(max(0, centre - round(_WINDOW_MM / 2 / mm)), centre + round(_WINDOW_MM / 2 / mm) + 1)
        for centre, mm in zip(middle, order.spacing[1:], strict=True)
    )
    return rows, columns


def _range(image: NDArray) -> tuple[float, float]:
    shown = image[image > 0]
    low, high = np.percentile(shown if shown.size else image, (1, 99.7))
    return float(low), float(high)


def _show(
    panel: Axes,
    image: NDArray,
    spacing: Sequence[float],
    limits: tuple[float, float],
) -> None:
    aspect = spacing[0] / spacing[1]
    panel.imshow(image, cmap="gray", vmin=limits[0], vmax=limits[1], aspect=aspect)
    panel.set_facecolor("black")
    panel.set_axis_off()


def _outline(panel: Axes, mask: NDArray[np.bool_], colour: object) -> None:
    if not mask.any():
        return
    rows, columns = ((np.arange(count * _FINER) + 0.5) / _FINER - 0.5 for count in mask.shape)
    fine = np.kron(mask, np.ones((_FINER, _FINER)))
    panel.contour(columns, rows, fine, [0.5], colors=[colour], linewidths=0.8)


def _rgb(segment: Segment) -> tuple[float, ...]:
    return tuple(part / 255 for part in segment.color)


def _save(figure: Figure, path: Path, segments: Sequence[Segment]) -> None:
    """Write a PNG with a palette of greys and what is drawn over them, which makes it small."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    palette = _palette(segments)
    colours, places = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    _, nearest = KDTree(palette).query(colours)  # Pillow's own look-up turns white into grey
    small = Image.fromarray(nearest.astype(np.uint8)[places].reshape(pixels.shape[:2]))
    small.putpalette(palette.ravel().tolist())
    with atomic_file(path) as temporary:
        small.save(temporary, format="PNG", optimize=True)


def _palette(segments: Sequence[Segment]) -> NDArray[np.uint8]:
    """Greys, greys under the colour of each structure, and the colours of lines."""
    greys = np.linspace(0, 1, 100)[:, None].repeat(3, 1)
    filled = [(1 - _FILL) * greys[::3] + _FILL * np.array(_rgb(s)) for s in segments]
    pure = [_rgb(segment) for segment in segments]
    lines = [to_rgb(colour) for colour in (*_OUTLINES, _PLACES)]
    return np.rint(255 * np.concatenate([greys, *filled, pure, lines])).astype(np.uint8)
