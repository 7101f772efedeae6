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

from funet.inference import Prediction
from funet.preprocessing import Preprocessing, prepare_labels, prepare_volume
from funet.segmentations import LabelMap
from funet.volumes import Volume


def draw_steps(
    volume: Volume,
    reference: LabelMap,
    before: Prediction,
    after: Prediction,
    slices: Sequence[int],
    never: Sequence[int],
    path: Path,
) -> None:
    """Draw one row per axial slice: the image, the first prediction, the truth, the result.

    Args:
        volume: the image.
        reference: its tissue maps.
        before, after: predictions before and after retraining.
        slices: indices along the volume's own slice axis.
        never: the slices that nobody annotated.
        path: the PNG to write.
    """
    view = Preprocessing(slice_axis="axial", spacing=(1.0, 1.0))
    prepared = prepare_volume(volume, view)
    maps = [
        prepare_labels(label_map.array, volume.geometry, view)
        for label_map in (before.label_map, reference, after.label_map)
    ]
    figure = Figure(figsize=(9.2, 2.9 * len(slices) + 0.6), layout="constrained")
    figure.set_facecolor("black")
    panels = figure.subplots(len(slices), 4, squeeze=False)
    for row, index in zip(panels, slices, strict=True):
        place = prepared.order.stack_index(index)
        annotated = index not in never
        image = prepared.slices[place]
        _show(row[0], image, None, reference)
        row[0].set_ylabel(f"slice {index}", color="white")
        for panel, labels in zip(row[1:], maps, strict=True):
            _show(panel, image, labels[place], reference)
        row[2].set_title("correction" if annotated else "reference (never shown)", color="white")
        row[1].set_title("prediction from 3 slices", color="white")
        row[3].set_title("after retraining", color="white")
        row[0].set_title("image", color="white")
    patches = [Patch(color=_rgb(s.color), label=s.name) for s in reference.segments]
    figure.legend(
        handles=patches, loc="outside lower center", ncols=2, frameon=False, labelcolor="white"
    )
    FigureCanvasAgg(figure).print_png(str(path))


def _show(
    panel: Axes, image: NDArray[np.float32], labels: NDArray[np.uint8] | None, of: LabelMap
) -> None:
    panel.imshow(image, cmap="gray", vmin=-1.5, vmax=1.8)
    if labels is not None:
        overlay = np.zeros((*labels.shape, 4))
        for segment in of.segments:
            overlay[labels == segment.value] = (*_rgb(segment.color), 0.55)
        panel.imshow(overlay, interpolation="nearest")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_frame_on(False)


def _rgb(color: tuple[int, int, int]) -> tuple[float, float, float]:
    red, green, blue = color
    return red / 255, green / 255, blue / 255
