"""Segmenting many files, none of which enters the scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from funet.worker.handle import JobHandle

from .results import FileResult
from .task import JobStep, Steps, Task

FileCallback = Callable[[FileResult], None]


def segment_files_steps(
    task: Task,
    paths: Sequence[str | Path],
    output_folder: str | Path,
    *,
    model: str,
    resume: bool,
    suffix: str,
    device: str,
    on_file: FileCallback | None = None,
) -> Steps:
    """Segment files; the result is a list of :class:`FileResult`, the skipped ones first.

    Args:
        task: takes the notes.
        paths: files, folders and patterns.
        output_folder: where the label maps go.
        model: id or folder of the model.
        resume: whether to skip the files whose label map exists.
        suffix: format of the label maps, such as ``"nii.gz"``.
        device: where to compute.
        on_file: called with each result as it is ready.
    """
    results: list[FileResult] = []

    def take(_handle: JobHandle, values: dict[str, Any]) -> None:
        results.append(FileResult.from_outcome(values))
        if on_file is not None:
            on_file(results[-1])

    handle = yield JobStep(
        "segment_files",
        {
            "model": model,
            "paths": [str(path) for path in paths],
            "output": str(output_folder),
            "resume": resume,
            "suffix": suffix,
            "device": device,
        },
        on_metric=take,
    )
    task.take_notes((handle.result or {}).get("notes", ()))
    return results
