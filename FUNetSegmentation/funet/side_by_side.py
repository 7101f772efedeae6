"""The slices of a batch at the same time, instead of one layer of all of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


class CoreThreads(ThreadPoolExecutor):
    """Threads in each of which PyTorch has so many threads of its own; as before at the end.

    Args:
        count: number of threads.
        cores: PyTorch's threads in each of them.
        name: what their names begin with.
    """

    def __init__(self, count: int, cores: int, name: str) -> None:
        self._before = torch.get_num_threads()
        super().__init__(count, name, torch.set_num_threads, (cores,))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads; those to come start with the number of before, not with the last set."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        torch.set_num_threads(self._before)


class SideBySide:
    """Threads that each compute a part of a batch, on cores of their own.

    Cores that share the work of a slice wait for each other after every layer; those that have a
    slice each do not.

    Args:
        most: largest number of parts; there are no more than PyTorch has threads.

    Attributes:
        parts: number of parts that a batch should have.
    """

    def __init__(self, most: int) -> None:
        threads = torch.get_num_threads()
        self.parts = max(1, min(most, threads))
        self._pool = CoreThreads(self.parts, threads // self.parts, "slices")

    def map(self, function: Callable[..., Result], *parts: Sequence[Any]) -> list[Result]:
        """The results of a function for each of the parts; a single part gets all cores.

        Args:
            function: called with one part of each sequence.
            parts: sequences of equal length.
        """
        if len(parts[0]) == 1:
            return list(map(function, *parts))
        return list(self._pool.map(function, *parts))

    def close(self) -> None:
        """End the threads once they have finished what they are doing."""
        self._pool.shutdown()
