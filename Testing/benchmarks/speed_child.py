"""What is measured in a process of its own; see ``in_child`` of ``speed_timing.py``.

``python speed_child.py TASK ARGUMENTS`` prints what the task returns as one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

_RESET_PEAK = Path("/proc/self/clear_refs")
_CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")


def segment_memory(counts: list[int], side: int, spacing: list[float]) -> dict[str, list[float]]:
    """Peak memory in MB of the background process that segments a volume.

    Args:
        counts: slices of each volume.
        side: rows and columns of a slice; of a tenth of that in the first volume, whose peak is
            what the process takes by itself.
        spacing: of the voxels in mm.
    """
    from speed_scene import bench

    peaks = []
    for count, rows in [(2, max(16, side // 10)), *((count, side) for count in counts)]:
        with bench(count, rows, rows, (spacing[0], spacing[1], spacing[2])) as one:
            one.segment()
            (worker,) = _CHILDREN.read_text(encoding="utf-8").split()
            # Not ru_maxrss: on Linux it begins with the peak of the process that starts the child.
            peaks.append(_status("VmHWM", worker))
    return {"peaks": peaks}


def loss_memory(loss: str, shape: list[int]) -> dict[str, float]:
    """Peak memory in MB of a loss's way forward and back, on top of logits and labels."""
    torch.manual_seed(0)
    call = _losses()[loss]
    _forward_and_back(call, [1, shape[1], 8, 8])  # what is loaded with the first call
    logits = torch.randn(shape, requires_grad=True)
    target = torch.randint(0, shape[1], (shape[0], *shape[2:]))
    _RESET_PEAK.write_text("5", encoding="utf-8")
    before = _status("VmRSS")
    call(logits, target).backward()
    return {"peak": _status("VmHWM") - before}


def fine_tune_fresh(volume: str, model: str, epochs: int) -> dict[str, Any]:
    """Fine-tune by plain cross-entropy, as a server without a warm process would.

    Args:
        volume: ``.npz`` file with the image slices ``images``, their ``labels``, and which of
            them are ``corrected``.
        model: id of a model.
        epochs: passes over the corrected slices, one at a time.

    Returns:
        ``seconds`` since the start of the training, and ``dice`` on the other slices, after every
        tenth of the epochs.
    """
    from speed_cases_retraining import dice_of_others
    from speed_inputs import shipped_model

    data = np.load(volume)
    images, truth, corrected = data["images"], data["labels"], data["corrected"]
    slices, labels = torch.from_numpy(images)[:, None], torch.from_numpy(truth).long()
    network = shipped_model(model).network
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    seconds, scores, judging = [], [], 0.0
    began = time.perf_counter()
    for epoch in range(1, epochs + 1):
        network.train()
        for layer in network.modules():  # statistics of a single slice would spoil the result
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.eval()
        for index in corrected:
            optimiser.zero_grad()
            logits = network(slices[index : index + 1])
            F.cross_entropy(logits, labels[index : index + 1]).backward()
            optimiser.step()
        if epoch % max(1, epochs // 10) == 0:
            stopped = time.perf_counter()
            seconds.append(stopped - began - judging)
            scores.append(dice_of_others(_predicted(network, slices), truth, corrected))
            judging += time.perf_counter() - stopped
    return {"seconds": seconds, "dice": scores, "judging": judging}


@torch.inference_mode()
def _predicted(network: torch.nn.Module, slices: torch.Tensor) -> np.ndarray[Any, Any]:
    return torch.cat([network.eval()(one).argmax(1) for one in slices.split(4)]).numpy()


def _losses() -> dict[str, Callable[..., torch.Tensor]]:
    from speed_cases_loss import LOSSES

    return dict(LOSSES)


def _forward_and_back(call: Callable[..., torch.Tensor], shape: list[int]) -> None:
    logits = torch.randn(shape, requires_grad=True)
    call(logits, torch.zeros((shape[0], *shape[2:]), dtype=torch.long)).backward()


def _status(name: str, process: str = "self") -> float:
    """A number of a process's status in MB."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(value) / 1024


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    task.__name__: task for task in (segment_memory, loss_memory, fine_tune_fresh)
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(TASKS[sys.argv[1]](**json.loads(sys.argv[2]))) + "\n")
