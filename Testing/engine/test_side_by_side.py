"""Parts of a batch are computed side by side, and PyTorch's threads stay as they were."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import torch
from torch import Tensor

from funet.side_by_side import SideBySide


@pytest.fixture
def four_threads(set_threads: Callable[[int], None]) -> None:
    set_threads(4)


@pytest.mark.parametrize(("most", "parts", "threads_of_each"), [(1, 1, 4), (2, 2, 2), (9, 4, 1)])
def test_every_part_is_computed_at_the_same_time_on_its_share_of_the_threads(
    four_threads: None, most: int, parts: int, threads_of_each: int
) -> None:
    together = threading.Barrier(parts, timeout=30)
    seen = []

    def double(images: Tensor) -> Tensor:
        together.wait()  # breaks unless all parts are under way
        seen.append((len(images), torch.get_num_threads()))
        return 2 * images

    batch = torch.arange(8.0)[:, None]
    with closing(SideBySide(most)) as side_by_side:
        assert side_by_side.parts == parts
        assert torch.equal(torch.cat(side_by_side.map(double, batch.chunk(parts))), 2 * batch)
    assert seen == [(8 // parts, threads_of_each)] * parts


def test_a_single_image_gets_all_threads(four_threads: None) -> None:
    with closing(SideBySide(4)) as side_by_side:
        assert side_by_side.map(lambda _part: torch.get_num_threads(), ["single"]) == [4]


def test_threads_are_as_before_also_in_threads_to_come(four_threads: None) -> None:
    with closing(SideBySide(4)) as side_by_side:
        assert side_by_side.map(max, [1, 5, 3, 4], [2, 2, 6, 2]) == [2, 5, 6, 4]
    assert torch.get_num_threads() == 4
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 4


def test_what_goes_wrong_in_a_part_is_raised(four_threads: None) -> None:
    def fail(part: str) -> None:
        raise RuntimeError(f"the {part} part")

    raised = pytest.raises(RuntimeError, match="the first part")
    with closing(SideBySide(2)) as side_by_side, raised:
        side_by_side.map(fail, ["first", "second"])
