"""The slices of a batch at the same time, instead of one layer of all of them at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import torch
from torch import Tensor


class SideBySide:
    """Applies a function to the parts of a batch, each on cores of its own.

    Cores that share the work of a slice wait for each other after every layer; those that have a
    slice each do not. It is a context that ends the threads and leaves PyTorch's as they were.

    Args:
        function: what to do with images (N, ...); the result has the same first axis.
        most: largest number of parts; there are no more than PyTorch has threads.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], most: int) -> None:
        self._function = function
        self._threads = torch.get_num_threads()
        self._parts = max(1, min(most, self._threads))
        self._pool = ThreadPoolExecutor(
            self._parts, "slices", torch.set_num_threads, (self._threads // self._parts,)
        )

    def __enter__(self) -> SideBySide:
        return self

    def __call__(self, batch: Tensor) -> Tensor:
        """The function of the whole batch; a single image gets all cores."""
        if self._parts == 1 or len(batch) == 1:
            return self._function(batch)
        return torch.cat(list(self._pool.map(self._function, batch.chunk(self._parts))))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()
        # Threads to come start with the number that any thread has set last.
        torch.set_num_threads(self._threads)
