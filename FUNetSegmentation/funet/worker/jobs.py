"""The jobs that the worker offers.

A job is a function ``job(arguments, context)``: ``arguments`` is a dictionary from JSON,
``context`` a :class:`~funet.worker.context.JobContext`; what it returns goes back as JSON.
PyTorch and all that needs it is imported inside the job, so that the worker starts at once.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from .. import __version__
from ..errors import WorkerError
from .context import Job, JobContext


def describe(arguments: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """What the worker runs on.

    Args:
        arguments: none are used.
        context: of the job.

    Returns:
        ``python``, ``funet`` and ``torch`` (``None`` where it is not installed) as version texts;
        ``threads``, the number PyTorch would use; ``devices``, a list of ``{"id", "name"}``.

    Raises:
        WorkerError: when PyTorch is there and cannot be loaded.
    """
    del arguments, context
    report: dict[str, Any] = {
        "python": platform.python_version(),
        "funet": __version__,
        "torch": None,
        "threads": 1,
        "devices": [{"id": "cpu", "name": platform.processor() or platform.machine()}],
    }
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name == "torch":
            return report
        raise WorkerError(f"PyTorch cannot be loaded ({error}); install it again.") from error
    except (ImportError, OSError) as error:
        raise WorkerError(f"PyTorch cannot be loaded ({error}); install it again.") from error
    if not hasattr(torch, "__version__"):  # the empty folders that a broken installation leaves
        return report
    report["torch"] = str(torch.__version__)
    report["threads"] = torch.get_num_threads()
    from ..runtime import list_gpus

    report["devices"] += list_gpus()
    return report


class EngineJobs:
    """The jobs that need PyTorch, with the model that stays warm between them."""

    def __init__(self) -> None:
        self._warm: Any = None

    def segment(self, arguments: dict[str, Any], context: JobContext) -> dict[str, Any]:
        """See :func:`funet.worker.tasks.segment`."""
        from . import tasks

        return tasks.segment(arguments, context, self._warm_predictor())

    def segment_files(self, arguments: dict[str, Any], context: JobContext) -> dict[str, Any]:
        """See :func:`funet.worker.tasks.segment_many`."""
        from . import tasks

        return tasks.segment_many(arguments, context, self._warm_predictor())

    def train(self, arguments: dict[str, Any], context: JobContext) -> dict[str, Any]:
        """See :func:`funet.worker.tasks.train`."""
        from . import tasks

        return tasks.train(arguments, context)

    def fine_tune(self, arguments: dict[str, Any], context: JobContext) -> dict[str, Any]:
        """See :func:`funet.worker.tasks.fine_tune`."""
        from . import tasks

        return tasks.fine_tune(arguments, context)

    def export_model(self, arguments: dict[str, Any], context: JobContext) -> dict[str, Any]:
        """See :func:`funet.worker.tasks.export_model`."""
        from . import tasks

        return tasks.export_model(arguments, context)

    def import_model(self, arguments: dict[str, Any], context: JobContext) -> dict[str, Any]:
        """See :func:`funet.worker.tasks.import_model`."""
        from . import tasks

        return tasks.import_model(arguments, context)

    def _warm_predictor(self) -> Any:
        from .tasks import WarmPredictor

        self._warm = self._warm or WarmPredictor()
        return self._warm

    def by_name(self) -> dict[str, Job]:
        """The jobs by the name that a request uses."""
        return {
            "segment": self.segment,
            "segment_files": self.segment_files,
            "train": self.train,
            "fine_tune": self.fine_tune,
            "export_model": self.export_model,
            "import_model": self.import_model,
        }


JOBS: Mapping[str, Job] = {"describe": describe, **EngineJobs().by_name()}
