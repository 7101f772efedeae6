"""Segmenting many files with one model: loaded once, and one bad file does not stop the rest."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import FunetError, InputError
from ..files import require_writable
from ..images.headers import on_different_grids
from ..images.volumes import (
    WRITABLE_SUFFIXES,
    find_images,
    read_volume,
    write_label_map,
)
from ..models.model import Model
from ..progress import CancelToken, Progress, ProgressCallback, ProgressReporter
from ..runtime import is_out_of_memory
from .inference import Predictor
from .naming import distinct_names

_PATTERN_CHARACTERS = "*?["


@dataclass(frozen=True)
class FileOutcome:
    """What became of one input file.

    Attributes:
        input: the image.
        output: its label map; ``None`` if it failed.
        status: ``"done"``, ``"skipped"`` (its label map was there already) or ``"failed"``.
        message: one plain sentence saying why it was skipped or failed, else empty.
        seconds: time that it took.
        notes: what else the user should know, as plain sentences.
    """

    input: Path
    output: Path | None
    status: Literal["done", "skipped", "failed"]
    message: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def expand_inputs(arguments: Sequence[str]) -> tuple[Path, ...]:
    """Return the images that a user means by files, folders and patterns, sorted, each once.

    A file that does not exist is returned too: it fails when its turn comes, and the others are
    segmented. Segmentations (``.seg.nrrd``) that lie in a folder or match a pattern are no images.

    Args:
        arguments: image files, folders with images or one DICOM series, or patterns such as
            ``"data/*.nii.gz"``.

    Raises:
        InputError: if nothing is given, a folder holds no image, or a pattern matches none.
    """
    found: set[Path] = set()
    for argument in arguments:
        is_pattern = any(character in argument for character in _PATTERN_CHARACTERS)
        if argument.strip() and not is_pattern and not os.path.lexists(argument):
            found.add(Path(argument))
        else:
            images = find_images(argument)
            named = images == [Path(argument)]
            found.update(one for one in images if named or not _is_segmentation(one))
    if not found:
        raise InputError("No image is given; name files, folders or patterns.")
    each = {os.path.abspath(path): path for path in sorted(found, reverse=True)}
    return tuple(sorted(each.values()))


def _is_segmentation(path: Path) -> bool:
    return path.name.lower().endswith(".seg.nrrd")


def segment_files(
    paths: Sequence[Path],
    model: Model | Predictor,
    output_folder: Path,
    *,
    suffix: str = "nii.gz",
    resume: bool = False,
    device: str = "auto",
    on_progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[FileOutcome]:
    """Segment images into ``<output_folder>/<input stem>_<model id>.<suffix>``.

    Where several images have the same stem, the folders in which they differ stand before it.
    Everything that can be refused is refused before this function returns; the work is done while
    the result is iterated. A label map appears whole or not at all, and the output folder is made
    with the first of them. Inputs that are themselves outputs of other inputs, as when a folder
    is segmented into itself a second time, are left out.

    Args:
        paths: the images.
        model: a model, or one that is ready on a device.
        output_folder: where the label maps go; made if needed.
        suffix: ``"nii.gz"``, ``"nrrd"``, ``"seg.nrrd"``, ``"nii"`` or ``"mha"``.
        resume: skip the images whose label map exists already; one on another grid than the
            image belongs to another image, and this one fails.
        device: as in :func:`~funet.runtime.choose_device`; a :class:`Predictor` has its own.
        on_progress: called after every batch, with the time left over all images.
        cancel: checked after every batch; finished label maps stay.

    Returns:
        One outcome for each image, in the order of ``paths``, the skipped ones first.

    Raises:
        InputError: if not even their folders tell two images of the same stem apart, the suffix is
            unknown, or the folder cannot be written to.
        Cancelled: while iterating, within one batch of a cancel.
    """
    if f".{suffix}" not in WRITABLE_SUFFIXES:
        known = ", ".join(known.removeprefix(".") for known in WRITABLE_SUFFIXES)
        raise InputError(f"Label maps cannot be written as {suffix}; use one of {known}.")
    model_id = model.manifest.id
    names = distinct_names(dict.fromkeys(paths))
    outputs = {path: output_folder / f"{name}_{model_id}.{suffix}" for path, name in names.items()}
    made = {
        (output_folder / f"{name}_{model_id}{known}").absolute()
        for name in names.values()
        for known in WRITABLE_SUFFIXES
    }
    outputs = {path: output for path, output in outputs.items() if path.absolute() not in made}
    _require_different(outputs)
    require_writable(output_folder)
    predictor = model if isinstance(model, Predictor) else Predictor(model, device=device)
    return _segment_all(outputs, predictor, resume, ProgressReporter(on_progress, cancel), cancel)


def _require_different(outputs: dict[Path, Path]) -> None:
    owners: dict[str, Path] = {}
    for path, output in outputs.items():
        # Some file systems do not tell capital letters from small ones.
        other = owners.setdefault(output.name.casefold(), path)
        if other != path:
            raise InputError(
                f"{other} and {path} would both be written to {output.name}; rename one of them "
                "or segment them into different folders."
            )


def _segment_all(
    outputs: dict[Path, Path],
    predictor: Predictor,
    resume: bool,
    reporter: ProgressReporter,
    cancel: CancelToken | None,
) -> Iterator[FileOutcome]:
    waiting = []
    for path, output in outputs.items():
        if not (resume and output.exists()):
            waiting.append(path)
        elif on_different_grids(path, output):
            message = f"{output} belongs to another image than {path}; choose another folder."
            yield FileOutcome(path, None, "failed", message)
        else:
            yield FileOutcome(path, output, "skipped", f"{output} exists already.")
    for number, path in enumerate(waiting):

        def report(progress: Progress, number: int = number, path: Path = path) -> None:
            message = f"Segmenting {path.name} ({number + 1} of {len(waiting)})"
            reporter.report(number + progress.fraction, len(waiting), message)

        yield _segment_one(path, outputs[path], predictor, report, cancel)
    reporter.report(1, 1, "Segmented")


def _segment_one(
    path: Path,
    output: Path,
    predictor: Predictor,
    on_progress: ProgressCallback,
    cancel: CancelToken | None,
) -> FileOutcome:
    began = time.monotonic()
    try:
        volume = read_volume(path)
        prediction = predictor.predict(volume, on_progress=on_progress, cancel=cancel)
        write_label_map(output, prediction.label_map)
    except FunetError as error:
        message = str(error)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        message = f"The memory does not hold {path}; crop it or close other programs."
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}."
    else:
        seconds = time.monotonic() - began
        return FileOutcome(path, output, "done", seconds=seconds, notes=prediction.notes)
    return FileOutcome(path, None, "failed", message, time.monotonic() - began)
