"""Waiting less long than a user would for a process that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from worker_tools import IMPATIENT

from FUNetSegmentationLib.jobs.runner import JobRunner


@contextmanager
def little_patience(runner: JobRunner) -> Iterator[None]:
    """For a moment, the process of a runner is soon given up.

    Not from its start: while it loads PyTorch on a busy computer, it may be silent for seconds.
    """
    client = runner._client
    assert client is not None
    before, client._patience = client._patience, IMPATIENT
    try:
        yield
    finally:
        client._patience = before
