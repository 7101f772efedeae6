"""The demo's picture: image, prediction, correction and result of a few slices side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from template import TISSUES

from funet.images.preprocessing import prepare_labels, prepare_volume
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import LabelMap
from funet.images.volumes import Volume

_WRONG = (0.0, 0.85, 1.0)


def draw_steps(
    volume: Volume,
    reference: LabelMap,
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    slices: Sequence[int],
    never: Sequence[int],
    path: Path,
) -> None:
    """Draw one row per axial slice: the image, the first prediction, the truth, the result.

    Args:
        volume: the image.
        reference: its tissue maps.
        before, after: labels (K, J, I) before and after retraining.
        slices: indices along the volume's own slice axis.
        never: the slices that nobody annotated.
        path: the PNG to write.
    """
    view = Preprocessing(slice_axis="axial", spacing=(1.0, 1.0))
    prepared = prepare_volume(volume, view)
    first, truth, result = (
        prepare_labels(labels, volume.geometry, view) for labels in (before, reference.array, after)
    )
    window = _bounding_box(truth.any(0))
    figure = Figure(figsize=(10.4, 3.35 * len(slices) + 0.5), layout="constrained")
    figure.set_facecolor("black")
    panels = figure.subplots(len(slices), 4, squeeze=False)
    for row, index in zip(panels, slices, strict=True):
        place = (prepared.order.stack_index(index), *window)
        image, correct = prepared.slices[place], truth[place]
        middle = "never annotated: reference" if index in never else "correction"
        _show(row[0], image, f"slice {index}")
        _show(row[1], image, "from 3 slices", first[place], correct)
        _show(row[2], image, middle, correct, correct)
        _show(row[3], image, "after retraining", result[place], correct)
    colors = [(s.name, _rgb(s.color)) for s in TISSUES] + [("Wrong label", _WRONG)]
    figure.legend(
        handles=[Patch(color=color, label=name) for name, color in colors],
        loc="outside lower center",
        ncols=len(colors),
        frameon=False,
        labelcolor="white",
    )
    FigureCanvasAgg(figure).print_png(str(path))


def _show(
    panel: Axes,
    image: NDArray[np.float32],
    title: str,
    labels: NDArray[np.uint8] | None = None,
    correct: NDArray[np.uint8] | None = None,
) -> None:
    panel.imshow(image, cmap="gray", vmin=-1.5, vmax=1.8)
    if labels is not None and correct is not None:
        overlay = np.zeros((*labels.shape, 4))
        for segment in TISSUES:
            overlay[labels == segment.value] = (*_rgb(segment.color), 0.5)
        wrong = labels != correct
        overlay[wrong] = (*_WRONG, 1.0)
        panel.imshow(overlay, interpolation="nearest")
        title += f", {int(wrong.sum())} wrong" if wrong.any() else ""
    panel.set_title(title, color="white", fontsize=11)
    panel.set_axis_off()


def _bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return slice(rows[0] - 3, rows[-1] + 4), slice(columns[0] - 3, columns[-1] + 4)


def _rgb(color: tuple[int, int, int]) -> tuple[float, float, float]:
    red, green, blue = color
    return red / 255, green / 255, blue / 255
