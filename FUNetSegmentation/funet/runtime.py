"""Where and how precisely the network is computed: device, precision, memory that runs out."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from .errors import InputError

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Network = TypeVar("Network", bound=nn.Module)
DEVICES = ("auto", "cpu", "cuda")

# The half-precision path is taken only where it clearly pays and hardly ever changes a label.
_MINIMUM_SPEEDUP = 1.2
_MINIMUM_AGREEMENT = 0.9995

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True)
class Runtime:
    """A device and the precision of the arithmetic on it.

    Attributes:
        device: where tensors live.
        dtype: ``torch.float32``, or the half type of the autocast regions.
    """

    device: torch.device
    dtype: torch.dtype = torch.float32

    def autocast(self) -> AbstractContextManager[object]:
        """A context in which convolutions run in :attr:`dtype`."""
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    @property
    def precision(self) -> str:
        """The precision by name: ``"float32"``, ``"bfloat16"`` or ``"float16"``."""
        return str(self.dtype).removeprefix("torch.")


def choose_device(name: str = "auto") -> tuple[torch.device, tuple[str, ...]]:
    """Return the device to compute on, and what the user should be told about the choice.

    Args:
        name: ``"auto"`` (a working GPU, else the CPU), ``"cpu"`` or ``"cuda"``.

    Raises:
        InputError: if the name is none of these.
    """
    if name not in DEVICES:
        raise InputError(f"The device '{name}' is unknown; use one of {', '.join(DEVICES)}.")
    if name == "cpu":
        return torch.device("cpu"), ()
    problem = _cuda_problem()
    if problem is None:
        return torch.device("cuda"), ()
    notes = (f"The GPU cannot be used ({problem}); computing on the CPU.",)
    return torch.device("cpu"), notes if name == "cuda" or torch.cuda.is_available() else ()


def _cuda_problem() -> str | None:
    if not torch.cuda.is_available():
        return "PyTorch finds no CUDA device"
    try:
        torch.zeros(1, device="cuda").add_(1).item()
    except RuntimeError as error:  # a broken driver shows at the first kernel, not before
        return str(error).splitlines()[0]
    return None


def place(network: Network, device: torch.device) -> Network:
    """Move a network to a device, in the memory layout in which convolutions are fastest."""
    # PyTorch's annotations lack the memory format, which the method has.
    options: dict[str, Any] = {"device": device, "memory_format": torch.channels_last}
    return network.to(**options)


def inference_runtime(
    network: nn.Module, device: torch.device, precision: Precision, example: Tensor
) -> Runtime:
    """Return the runtime for inference; ``"auto"`` times both precisions on one slice.

    bfloat16 is several times faster on processors that have it in hardware and up to 90 times
    slower on others (pytorch#118499), and no flag says reliably which, so it is measured.

    Args:
        network: in evaluation mode, on ``device``.
        device: where to compute.
        precision: a precision by name, or ``"auto"``.
        example: images (N, channels, rows, columns) as the network will get them.
    """
    if precision != "auto":
        return Runtime(device, _DTYPES[precision])
    exact = Runtime(device)
    fast = Runtime(device, torch.float16 if device.type == "cuda" else torch.bfloat16)

    @torch.inference_mode()
    def labels(runtime: Runtime) -> Tensor:
        with runtime.autocast():
            logits: Tensor = network(example)
        return logits.argmax(1)

    agreement = (labels(exact) == labels(fast)).float().mean().item()
    if agreement < _MINIMUM_AGREEMENT:
        return exact
    return _faster(exact, fast, labels)


def training_runtime(device: torch.device, precision: Precision) -> Runtime:
    """Return the runtime for training.

    ``"auto"`` follows the hardware alone, not a measurement: the same seed must give the same
    weights, however busy the machine is.

    Args:
        device: where to compute.
        precision: a precision by name, or ``"auto"``.
    """
    if precision != "auto":
        return Runtime(device, _DTYPES[precision])
    if device.type == "cuda":
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return Runtime(device, half)
    return Runtime(device, torch.bfloat16 if _cpu_has_bfloat16() else torch.float32)


def _cpu_has_bfloat16() -> bool:
    # PyTorch has no public name for this yet; where it lacks the private one, float32 is safe.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)


def _faster(exact: Runtime, fast: Runtime, work: Callable[[Runtime], Tensor]) -> Runtime:
    # One slow first run rules the half type out without paying for its repetitions.
    seconds = {runtime: _seconds(work, runtime, 1) for runtime in (exact, fast, exact, fast)}
    if seconds[fast] > 3 * seconds[exact]:
        return exact
    exact_time, fast_time = _seconds(work, exact, 3), _seconds(work, fast, 3)
    return fast if exact_time > _MINIMUM_SPEEDUP * fast_time else exact


def _seconds(work: Callable[[Runtime], Tensor], runtime: Runtime, repetitions: int) -> float:
    times = []
    for _ in range(repetitions):
        began = time.perf_counter()
        work(runtime).flatten()[0].item()  # waits for the device
        times.append(time.perf_counter() - began)
    return median(times)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that the memory of the device ran out, and nothing else."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    # On the CPU, PyTorch has no error type of its own for this.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator: " in str(error)
