"""Finding the jobs that a worker offers, by the name of a Python attribute."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from ..errors import WorkerError
from .context import Job

DEFAULT_JOBS = "funet.worker.jobs:JOBS"


def load_jobs(spec: str) -> Mapping[str, Job]:
    """The jobs behind ``"module:attribute"``.

    Args:
        spec: an importable module and in it a mapping from names to jobs, so that another
            extension can offer jobs of its own, usually ``{**funet.worker.jobs.JOBS, "mine": f}``.

    Raises:
        WorkerError: when there is no such mapping.
    """
    module_name, _, attribute = spec.partition(":")
    try:
        jobs = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise WorkerError(f"The jobs {spec!r} could not be loaded: {error}.") from error
    if not isinstance(jobs, Mapping) or not all(
        isinstance(name, str) and callable(job) for name, job in jobs.items()
    ):
        raise WorkerError(f"The jobs {spec!r} must be a mapping from names to functions.")
    return jobs
