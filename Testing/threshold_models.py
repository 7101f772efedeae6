"""Models whose result is known: they label what is brighter than one or another threshold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from funet.images.geometry import Geometry, SliceAxis
from funet.images.preprocessing import prepare_volume
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import Code, Segment
from funet.images.volumes import Volume
from funet.loss_config import LossConfig
from funet.models.manifest import Manifest
from funet.models.model import save_model
from funet.models.store import ModelStore
from funet.network_config import NetworkConfig
from funet.networks import UNet

from phantoms import axial_grid, phantom_labels, positions

SEGMENTS = (
    Segment(1, "Large box", (90, 120, 200), Code("SCT", "12738006", "Brain structure")),
    Segment(2, "Small box", (200, 60, 60)),
)
OTHER_SEGMENTS = (
    Segment(1, "Large core", (90, 200, 120)),
    Segment(2, "Small core", (200, 160, 60)),
)
PLANES: tuple[SliceAxis, ...] = ("axial", "coronal", "sagittal")
_CONFIG = NetworkConfig(in_channels=1, num_classes=3, features=2, depth=2)


def boxes(grid: Geometry | None = None) -> NDArray[np.uint8]:
    """The first two boxes of the phantom, (K, J, I)."""
    labels = phantom_labels(grid or axial_grid()).array
    return np.where(labels == 3, 0, labels).astype(np.uint8)


def image(grid: Geometry | None = None) -> NDArray[np.float32]:
    """The boxes in two greys above a weak ramp that is steeper along some axes."""
    grid = grid or axial_grid()
    ramp = positions(grid) @ [1.0, 0.3, -0.1]
    return (100.0 * boxes(grid) + ramp).astype(np.float32)


def publish(
    folder: Path,
    plane: SliceAxis = "axial",
    family: str = "boxes",
    segments: tuple[Segment, ...] = SEGMENTS,
    *,
    successive: SliceAxis | None = None,
) -> Manifest:
    """Add a model to a store that labels the boxes of :func:`image` exactly."""
    manifest = replace(_manifest(plane, family), segments=segments, successive=successive)
    return ModelStore(folder).publish(manifest, _network(manifest.preprocessing))


def save_as(model_id: str, folder: Path) -> None:
    """Save such a model in a store even if a shipped one has this id: it goes before that."""
    manifest = _manifest("axial", model_id)
    save_model(folder / model_id, manifest, _network(manifest.preprocessing))


def _manifest(plane: SliceAxis, family: str) -> Manifest:
    return Manifest(
        id=family,
        family=family,
        name=f"Boxes {plane}",
        segments=SEGMENTS,
        preprocessing=Preprocessing(slice_axis=plane),
        network=_CONFIG,
        loss=LossConfig(),
        created="2024-02-29T23:59:59Z",
        training={"extent_mm": [10, 100 if plane == "axial" else 11]},
    )


def _network(preprocessing: Preprocessing) -> UNet:
    low, high = (_prepared(preprocessing, grey) for grey in (50.0, 150.0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(_CONFIG)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(1e-3)  # what is to be learned starts small
        into, out = network.encoder[0].shortcut, network.decoder[0].shortcut
        into.weight.copy_(torch.ones_like(into.weight))
        into.bias.copy_(torch.tensor([-low, -high]))
        out.weight.zero_()
        out.weight[0, 0] = out.weight[1, 1] = 1.0  # the first channels are the skipped ones
        out.bias.zero_()
        for block in (*network.encoder, *network.decoder):
            block.norm2.weight.zero_()
        network.head.weight.copy_(
            torch.tensor([[0.0, 0.0], [60.0, 0.0], [60.0, 90.0]])[..., None, None]
        )
        network.head.bias.copy_(torch.tensor([0.0, -1.0, -3.0]))
    return network.eval()


def _prepared(preprocessing: Preprocessing, grey: float) -> float:
    """What a grey value of the image becomes for the network."""
    voxels = image()
    stack = prepare_volume(Volume(voxels, axial_grid(), "phantom"), preprocessing)
    greys = stack.order.to_stack(voxels)
    inside = (greys > greys.min()) & (greys < np.percentile(greys, 99))
    slope, offset = np.polyfit(greys[inside].ravel(), stack.slices[inside].ravel(), 1)
    return float(slope * grey + offset)


def labels_of(node: Any, volume_node: Any) -> NDArray[np.uint8]:
    """What a segmentation node shows of the model's structures, on the volume's grid."""
    from FUNetSegmentationLib.scene.labels import read_labels
    from FUNetSegmentationLib.scene.structures import segments_of_model

    return read_labels(node, segments_of_model(node, SEGMENTS), volume_node).labels
