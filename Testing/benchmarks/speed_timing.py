"""Times of things that are compared, taken in turn, and what a goal is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

Times = dict[str, list[float]]

_CHILD = Path(__file__).with_name("speed_child.py")


@dataclass(frozen=True)
class Setting:
    """How to measure.

    Attributes:
        quick: small sizes, to see that everything runs; the numbers mean nothing.
        repeats: how often each thing is timed.
        data: folder with real images, or ``None``.
        seed: of everything that is drawn at random.
    """

    quick: bool
    repeats: int
    data: Path | None
    seed: int = 0

    def size(self, full: int, quick: int) -> int:
        """The one or the other number."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Goal:
    """One number that has a goal.

    Attributes:
        what: the number in words.
        value: what was measured; ``None`` where it could not be.
        limit: what is wanted.
        at_most: whether the limit is an upper one.
        unit: written after the number: ``"×"``, ``"%"``, ``" s"``, ``" GB"``, or nothing.
    """

    what: str
    value: float | None
    limit: float
    at_most: bool = True
    unit: str = "×"

    @property
    def met(self) -> bool | None:
        """Whether the goal is met, ``None`` where nothing was measured."""
        if self.value is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass
class Measured:
    """What a case came to.

    Attributes:
        goals: the numbers that have goals.
        times: seconds of every repetition, by what was timed.
        facts: what else is worth knowing, ready for JSON.
    """

    goals: list[Goal] = field(default_factory=list)
    times: Times = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The same for a file."""
        record = asdict(self)
        record["times"] = {
            name: [round(one, 6) for one in seconds] for name, seconds in self.times.items()
        }
        return record


def seconds_of(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def interleaved(calls: Mapping[str, Callable[[], object]], repeats: int) -> Times:
    """Time several calls in turn, after a first round that does not count.

    What disturbs the machine for a while then disturbs all of them.
    """
    for call in calls.values():
        call()
    times: Times = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds_of(call))
    return times


def median(seconds: list[float]) -> float:
    """Their median."""
    return float(np.median(seconds))


def ratio(times: Times, first: str, second: str) -> float:
    """How many times the second takes the first takes: the ratio of their medians."""
    return median(times[first]) / median(times[second])


@contextmanager
def recorded(owner: type, method: str) -> Iterator[list[float]]:
    """Note the seconds of every call of a method while the context is open."""
    original: Callable[..., Any] = getattr(owner, method)
    seconds: list[float] = []

    @wraps(original)
    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return original(*arguments, **options)
        finally:
            seconds.append(time.perf_counter() - began)

    setattr(owner, method, timed)
    try:
        yield seconds
    finally:
        setattr(owner, method, original)


def in_child(task: str, **arguments: Any) -> tuple[dict[str, Any], float]:
    """Run a function of ``speed_child.py`` in a process of its own.

    Args:
        task: name of the function.
        **arguments: for it, ready for JSON.

    Returns:
        What it returned, and the seconds from the start of the process to its end.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(_CHILD), task, json.dumps(arguments)],
        env=os.environ | {"PYTHONPATH": paths},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1]), time.perf_counter() - began


def exponent(sizes: list[float], values: list[float]) -> float:
    """The power of the size that the values grow with, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
