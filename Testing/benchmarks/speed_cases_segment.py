"""All of Segment but the network: nodes of the scene, the two processes, memory."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from speed_inputs import half_precision, shipped_model
from speed_scene import Bench, bench
from speed_timing import (
    Goal,
    Measured,
    Setting,
    exponent,
    in_child,
    median,
    recorded,
    seconds_of,
)

from funet.images.volumes import Volume
from funet.networks import UNet
from funet.prediction.inference import Predictor
from funet.worker.arrays import put_array, take_array
from FUNetSegmentationLib.scene.editing import UndoStore
from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation
from FUNetSegmentationLib.scene.volumes import snapshot
from FUNetSegmentationLib.workflow.applying import Desk, Prediction, apply_prediction

_MB_PER_GB = 1024.0


def rest_of_segment(setting: Setting) -> Measured:
    """Reading the node, handing over, orientation, resampling, labels, writing segments."""
    count, side = setting.size(176, 4), setting.size(256, 32)
    seconds: dict[str, list[float]] = {"everything else": [], "network": []}
    with bench(count, side, side, (1.0, 1.0, 1.0)) as one, TemporaryDirectory() as folder:
        predictor = Predictor(shipped_model(), device="cpu", precision=half_precision())
        for _ in range(setting.size(3, 1) + 1):  # each takes as long as all of Segment
            with recorded(UNet, "forward") as network:
                whole = seconds_of(lambda: segment_in_process(one, predictor, Path(folder)))
            seconds["network"].append(sum(network))
            seconds["everything else"].append(whole - sum(network))
    times = {name: values[1:] for name, values in seconds.items()}
    rest, network_time = median(times["everything else"]), median(times["network"])
    share = 100 * rest / (rest + network_time)
    size = f"{side}×{side}×{count}"
    goals = [
        Goal(f"share of Segment outside the network, {size}", share, 15.0, unit=" %"),
        Goal("time of Segment outside the network", rest, 1.0, unit=" s"),
    ]
    return Measured(goals, times)


def segment_in_process(one: Bench, predictor: Predictor, folder: Path) -> None:
    """All steps of Segment in the order in which the two processes take them, every slice."""
    seen = snapshot(one.volume_node)
    voxels = take_array(folder, put_array(folder, seen.array)).astype(np.float32)
    result = predictor.predict(Volume(voxels, seen.geometry, seen.name), every_slice=True)
    prediction = Prediction(
        volume=seen,
        model=predictor.manifest.id,
        labels=take_array(folder, put_array(folder, one.truth)),  # the model finds no discs
        segments=result.label_map.segments,
        doubt=tuple(result.doubt.tolist()),
        plane=predictor.manifest.preprocessing.slice_axis,
        slice_axis=result.slice_axis,
        notes=result.notes,
    )
    apply_prediction(
        prediction,
        volume_node=one.volume_node,
        segmentation_node=create_segmentation(one.volume_node, "discs"),
        desk=Desk(UndoStore(), lambda: None, one.logic.visibleSlice),
    )


def cold_start(setting: Setting) -> Measured:
    """A small volume, with no process running and with a warm one."""
    count, side = setting.size(16, 2), setting.size(128, 32)
    times: dict[str, list[float]] = {"first click": [], "second click": []}
    for _ in range(setting.size(setting.repeats, 1)):
        with bench(count, side, side) as one:
            times["first click"].append(seconds_of(one.segment))
            times["second click"].append(seconds_of(one.segment))
    first, second = (median(seconds) for seconds in times.values())
    goals = [
        Goal(f"from no process to labels of {side}×{side}×{count}", first, 6.0, unit=" s"),
        Goal("of the first click takes the second one", 100 * second / first, 25.0, unit=" %"),
    ]
    return Measured(goals, times)


def memory(setting: Setting) -> Measured:
    """Peak of the background process for growing numbers of slices, 512×512 pixels."""
    side = setting.size(512, 32)
    counts = [2, 8] if setting.quick else [75, 150, 300]
    told, _ = in_child("segment_memory", counts=counts, side=side, spacing=[0.45, 0.45, 1.0])
    idle, *peaks = told["peaks"]
    grown = [max(1.0, peak - idle) for peak in peaks]
    power = exponent([float(count) for count in counts], grown)
    goals = [
        Goal(
            f"peak memory of Segment, {side}×{side}×{counts[-1]}",
            peaks[-1] / _MB_PER_GB,
            1.5,
            unit=" GB",
        ),
        Goal("power of the slices that memory grows with", power, 1.05, unit=""),
    ]
    facts = {"slices": counts, "peak_mb": peaks, "idle_mb": idle}
    return Measured(goals, facts=facts)
