"""Where and how precisely the network is computed: device, precision, memory that runs out."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from .devices import KNOWN_DEVICES, is_device_name
from .errors import InputError

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Network = TypeVar("Network", bound=nn.Module)

NO_ROOM_ON_GPU = "The GPU's memory does not hold a single slice; going on on the CPU."

# Share of pixels whose label must not change for half precision to be taken.
_LEAST_AGREEMENT = 0.9995

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
        name: ``"auto"`` (a working GPU, else the CPU), ``"cpu"``, ``"cuda"``, or one GPU of
            several, as in ``"cuda:1"``.

    Raises:
        InputError: if the name is none of these.
    """
    if not is_device_name(name):
        raise InputError(f"The device '{name}' is unknown; use one of {KNOWN_DEVICES}.")
    if name == "cpu":
        return torch.device("cpu"), ()
    gpu = torch.device("cuda" if name == "auto" else name)
    problem = _problem_of(gpu)
    if problem is None:
        return gpu, ()
    notes = (f"The GPU cannot be used ({problem}); computing on the CPU.",)
    return torch.device("cpu"), notes if name != "auto" or torch.cuda.is_available() else ()


def list_gpus() -> list[dict[str, str]]:
    """Return the GPUs that :func:`choose_device` takes: ``{"id", "name"}`` of each."""
    if not torch.cuda.is_available():
        return []
    return [
        {"id": f"cuda:{index}", "name": torch.cuda.get_device_name(index)}
        for index in range(torch.cuda.device_count())
    ]


def _problem_of(gpu: torch.device) -> str | None:
    if not torch.cuda.is_available():
        return "PyTorch finds no CUDA device"
    try:
        torch.zeros(1, device=gpu).add_(1).item()
    except RuntimeError as error:  # a broken driver shows at the first kernel, not before
        return str(error).splitlines()[0]
    return None


def place(network: Network, device: torch.device) -> Network:
    """Move a network to a device, in the memory layout in which convolutions are fastest."""
    # PyTorch's annotations lack the memory format, which the method has.
    options: dict[str, Any] = {"device": device, "memory_format": torch.channels_last}
    return network.to(**options)


@torch.inference_mode()
def inference_runtime(
    network: nn.Module, device: torch.device, precision: Precision, example: Tensor
) -> Runtime:
    """Return the runtime for inference.

    ``"auto"`` takes the half type that the hardware has, if it hardly changes a label of the
    example. Like for training, no clock decides: the same volume gives the same labels, however
    busy the machine is.

    Args:
        network: in evaluation mode, on ``device``.
        device: where to compute.
        precision: a precision by name, or ``"auto"``.
        example: images (N, channels, rows, columns) as the network will get them.
    """
    if precision != "auto":
        return Runtime(device, _DTYPES[precision])
    exact, fast = Runtime(device), training_runtime(device, "auto")
    if fast == exact:
        return exact
    labels = []
    for runtime in (exact, fast):
        with runtime.autocast():
            labels.append(network(example).argmax(1))
    agreement = (labels[0] == labels[1]).float().mean().item()
    return fast if agreement >= _LEAST_AGREEMENT else exact


def training_runtime(device: torch.device, precision: Precision) -> Runtime:
    """Return the runtime for training.

    ``"auto"`` follows the hardware alone: bfloat16 is up to 90 times slower on processors that
    lack it (pytorch#118499), but a measurement would let the same seed give other weights when
    the machine is busy.

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


def place_where_it_fits(
    network: Network, device: torch.device
) -> tuple[Network, torch.device, tuple[str, ...]]:
    """Place a network like :func:`place`, on the CPU where the GPU's memory does not hold it.

    Returns:
        The network, the device that it is on, and what the user should be told.
    """
    try:
        return place(network, device), device, ()
    except RuntimeError as error:
        if device.type == "cpu" or not is_out_of_memory(error):
            raise
    torch.cuda.empty_cache()
    cpu = torch.device("cpu")
    return place(network, cpu), cpu, (NO_ROOM_ON_GPU,)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that the memory of the device ran out, and nothing else."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    # On the CPU, PyTorch has no error type of its own for this. The second message is that of
    # oneDNN, whose small buffers find no room; what it cannot compute at all, it names.
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "DefaultCPUAllocator: " in text or text == "could not create a primitive"
    )
