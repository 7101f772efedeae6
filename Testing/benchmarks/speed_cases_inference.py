"""Inference against its peers and the machine's limit; its labels; the search for the region."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from monai.inferers import SliceInferer
from speed_inputs import ONE_PIECE, disc_volume, half_precision, shipped_model
from speed_timing import Goal, Measured, Setting, interleaved, ratio
from stored_records import read_split
from torch import Tensor, nn

from funet.evaluation.metrics import dice
from funet.images.preprocessing import prepare_volume
from funet.images.volumes import Volume, read_label_map, read_volume
from funet.networks import UNet, fold_batch_norm
from funet.prediction.inference import Prediction, Predictor

BATCH = 1  # slices that the peers compute together: their default, and where they are fastest
_SQUARE = 2048  # side of the matrices whose product is the limit


def inference(setting: Setting) -> Measured:
    """A whole volume, every slice, from the volume to its labels; the peers get prepared slices."""
    count, side = setting.size(176, 2), setting.size(256, 32)
    volume, _ = disc_volume(count, side, side)
    model = shipped_model()
    precision = half_precision()
    ours = Predictor(model, device="cpu", precision=precision)
    prepared = prepare_volume(volume, model.manifest.preprocessing)
    slices = torch.from_numpy(prepared.slices)
    network = model.network.eval()
    operations = multiplications(network, side) * count
    calls: dict[str, Callable[[], object]] = {
        "ours": lambda: ours.predict(volume, every_slice=True),
        "MONAI SliceInferer, float32": lambda: monai(network, slices),
        "matrix product": lambda: products(operations, precision),
    }
    if find_spec("openvino") is not None:
        calls["OpenVINO"] = openvino(network, slices, precision)
    times = interleaved(calls, setting.repeats)
    least = 2.5 if precision == "bfloat16" else 1.2
    goals = [
        Goal(
            f"faster than MONAI's `SliceInferer` in float32, {side}×{side}×{count}",
            ratio(times, "MONAI SliceInferer, float32", "ours"),
            least,
            at_most=False,
        ),
        Goal(
            "the time of a matrix product of as many operations, same precision",
            ratio(times, "ours", "matrix product"),
            1.3,
        ),
    ]
    facts = {"precision": precision, "giga_multiplications": operations / 1e9}
    return Measured(goals, times, facts)


@torch.inference_mode()
def monai(network: UNet, slices: Tensor) -> Tensor:
    """Labels of all slices by MONAI's inferer, in eager float32."""
    inferer = SliceInferer(
        spatial_dim=0, roi_size=tuple(slices.shape[1:]), sw_batch_size=BATCH, progress=False
    )
    return inferer(slices[None, None], network).argmax(1)


def openvino(network: UNet, slices: Tensor, precision: str) -> Callable[[], object]:
    """Labels of all slices by OpenVINO, at the same precision and with as many threads."""
    import openvino as ov

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # sizes do not change here
        converted = ov.convert_model(fold_batch_norm(network), example_input=slices[:BATCH, None])
    hints = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = ov.compile_model(converted, "CPU", hints)

    def labels() -> list[object]:
        return [compiled(part[:, None].numpy())[0].argmax(1) for part in slices.split(BATCH)]

    return labels


def multiplications(network: nn.Module, side: int) -> float:
    """Multiplications (each with its addition) of the convolutions for one slice."""
    found = 0.0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal found
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        # Every weight is used once for each pixel: of the result, or of what is upsampled.
        pixels = output if isinstance(layer, nn.Conv2d) else inputs[0]
        found += layer.weight.numel() * pixels[0, 0].numel()

    layers = [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.inference_mode():
        network(torch.zeros(1, 1, side, side))
    for hook in hooks:
        hook.remove()
    return found


def products(operations: float, precision: str) -> None:
    """As many multiplications in products of square matrices."""
    side = _SQUARE if operations > _SQUARE**3 else 64
    matrix = torch.ones(side, side, dtype=getattr(torch, precision))
    out = torch.empty_like(matrix)
    for _ in range(max(1, round(operations / side**3))):
        torch.matmul(matrix, matrix, out=out)


def agreement(setting: Setting) -> Measured:
    """Labels in the precision that is chosen against those in float32, on real images."""
    agreeing = voxels = 0
    changes: dict[str, list[float]] = {}
    images = list(real_images(setting))
    for model_name, image, labels in images:
        model = shipped_model(model_name)
        volume = read_volume(image)
        chosen, exact = (
            Predictor(model, device="cpu", precision=one)
            .predict(volume, every_slice=True)
            .label_map.array
            for one in ("auto", "float32")
        )
        agreeing += int(np.count_nonzero(chosen == exact))
        voxels += chosen.size
        reference = read_label_map(labels).array
        for segment in model.manifest.segments:
            both = (dice(one, reference, segment.value) for one in (chosen, exact))
            changes.setdefault(segment.name, []).append(next(both) - next(both))
    share = 100 * agreeing / voxels if voxels else None
    means = {name: float(np.mean(values)) for name, values in changes.items()}
    worst = max(map(abs, means.values())) if means else None
    goals = [
        Goal("voxels with the label of float32, real images", share, 99.99, False, " %"),
        Goal("largest change of a structure's mean Dice against float32", worst, 0.001, unit=""),
    ]
    facts = {
        "images": len(images),
        "voxels": voxels,
        "mean_change_of_dice": means,
        "largest_change_of_dice": {name: max(map(abs, all_)) for name, all_ in changes.items()},
    }
    return Measured(goals, facts=facts)


def real_images(setting: Setting) -> Iterator[tuple[str, Path, Path]]:
    """Images that the shipped models never saw: model, image, labels; none without the data."""
    if setting.data is None:
        return
    chosen = {
        "hippocampus-t1": ("hippocampus", read_split(Path("hippocampus"))["test"][:10]),
        ONE_PIECE: ("midbrain", ["ds011_sub-05", "ds002748_sub-33", "ds002748_sub-34"]),
    }
    if setting.quick:
        chosen = {"hippocampus-t1": ("hippocampus", ["hippocampus_003"])}
    for model, (folder, names) in chosen.items():
        for name in names:
            images, labels = (setting.data / folder / kind for kind in ("images", "labels"))
            yield model, images / f"{name}.nii.gz", labels / f"{name}.nii.gz"


def region_search(setting: Setting) -> Measured:
    """A whole head with the search for the slices that matter, against every slice."""
    volume = whole_head(setting)
    if volume is None:
        goals = [
            Goal("of the time of every slice, one whole head", None, 40.0, unit=" %"),
            Goal("voxels with another label than without the search", None, 0.0, unit=""),
        ]
        return Measured(goals, facts={"skipped": "the real images are not there"})
    predictor = Predictor(shipped_model(), device="cpu")
    results: dict[str, Prediction] = {}

    def searching() -> None:
        results["search"] = predictor.predict(volume)

    def in_full() -> None:
        results["every slice"] = predictor.predict(volume, every_slice=True)

    times = interleaved({"search": searching, "every slice": in_full}, setting.repeats)
    arrays = [result.label_map.array for result in results.values()]
    different = int(np.count_nonzero(arrays[0] != arrays[1]))
    share = 100 * ratio(times, "search", "every slice")
    goals = [
        Goal("of the time of every slice, one whole head", share, 40.0, unit=" %"),
        Goal("voxels with another label than without the search", different, 0.0, unit=""),
    ]
    return Measured(goals, times, {"head": volume.name, "shape": list(volume.array.shape)})


def whole_head(setting: Setting) -> Volume | None:
    """A real whole head, the one that the shipped model never saw; a small phantom if quick."""
    if setting.quick:
        return disc_volume(20, 32, 32)[0]
    if setting.data is None:
        return None
    return read_volume(setting.data / "midbrain" / "images" / "ds011_sub-05.nii.gz")
