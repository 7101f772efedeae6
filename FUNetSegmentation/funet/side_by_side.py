"""The slices of a batch at the same time, instead of one layer of all of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


class SideBySide:
    """Threads that each compute a part of a batch, on cores of their own.

    Cores that share the work of a slice wait for each other after every layer; those that have a
    slice each do not. It is a context that ends the threads and leaves PyTorch's as they were.

    Args:
        most: largest number of parts; there are no more than PyTorch has threads.

    Attributes:
        parts: number of parts that a batch should have.
    """

    def __init__(self, most: int) -> None:
        self._threads = torch.get_num_threads()
        self.parts = max(1, min(most, self._threads))
        self._pool = ThreadPoolExecutor(
            self.parts, "slices", torch.set_num_threads, (self._threads // self.parts,)
        )

    def __enter__(self) -> SideBySide:
        return self

    def map(self, function: Callable[..., Result], *parts: Sequence[Any]) -> list[Result]:
        """The results of a function for each of the parts; a single part gets all cores.

        Args:
            function: called with one part of each sequence.
            parts: sequences of equal length.
        """
        if len(parts[0]) == 1:
            return list(map(function, *parts))
        return list(self._pool.map(function, *parts))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads once they have finished what they are doing."""
        self._pool.shutdown()
        # Threads to come start with the number that any thread has set last.
        torch.set_num_threads(self._threads)
