"""``funet segment``: label maps of any number of images."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Cancelled
from ..progress import CancelToken
from .arguments import PRECISIONS, add_device, add_model, load_model
from .console import ALL_DONE, NOTHING_DONE, SOME_FAILED, Console

if TYPE_CHECKING:
    from ..prediction.segmenting import FileOutcome

HELP = "segment images with a model"
DESCRIPTION = """\
Segment images with a model. For each image a label map on the image's own grid is written into the
output folder, as INPUT_MODEL.FORMAT; where images in different folders have the same name, as
FOLDER_INPUT_MODEL.FORMAT. A bad image does not stop the others.

examples:
  funet segment --model midbrain-t1 brain.nii.gz --output results
  funet segment --model midbrain-t1 "study/*/t1.nii.gz" --output results --format seg.nrrd --resume

exit code: 0 all images are done, 1 some failed, 2 none could be done
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="image files, folders of images or with one DICOM series, or patterns in quotes",
    )
    add_model(parser)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="where the label maps go"
    )
    parser.add_argument(
        "--format",
        choices=("nii.gz", "nrrd", "seg.nrrd"),
        default="nii.gz",
        help="seg.nrrd opens in 3D Slicer with names and colours (default: nii.gz)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="skip the images whose label map is there already"
    )
    add_device(parser)
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="arithmetic; auto takes a faster one only where the labels stay the same",
    )


def run(arguments: argparse.Namespace, console: Console, cancel: CancelToken) -> int:
    """Segment the images and return the exit code."""
    from ..prediction.inference import Predictor
    from ..prediction.segmenting import expand_inputs, segment_files

    paths = expand_inputs(arguments.inputs)
    model = load_model(arguments)
    predictor = Predictor(model, device=arguments.device, precision=arguments.precision)
    outcomes = segment_files(
        paths,
        predictor,
        arguments.output,
        suffix=arguments.format,
        resume=arguments.resume,
        on_progress=console.progress,
        cancel=cancel,
    )
    counts: Counter[str] = Counter()
    try:
        for outcome in outcomes:
            counts[outcome.status] += 1
            show_outcome(outcome, console)
    except Cancelled:
        console.tell(_summary(counts) + " The same command with --resume does the rest.")
        raise
    if sum(counts.values()) > 1:
        console.tell(_summary(counts))
    console.result(
        "", model=model.manifest.id, **{s: counts[s] for s in ("done", "skipped", "failed")}
    )
    return exit_code(counts)


def show_outcome(outcome: FileOutcome, console: Console) -> None:
    """Show what became of one image: the path of its label map is a result."""
    console.event("file", **vars(outcome))
    for note in outcome.notes:
        console.note(note)
    if outcome.status == "failed":
        console.complain(outcome.message)
    elif outcome.status == "skipped":
        console.tell(outcome.message)
    else:
        console.line(str(outcome.output))


def exit_code(counts: Counter[str]) -> int:
    """Return the exit code for the numbers of outcomes by status."""
    if not counts["failed"]:
        return ALL_DONE
    return SOME_FAILED if counts["done"] or counts["skipped"] else NOTHING_DONE


def _summary(counts: Counter[str]) -> str:
    parts = [f"{counts[status]} {status}" for status in ("done", "skipped", "failed")]
    return f"{', '.join(parts)}."
