"""``funet evaluate``: how well label maps agree with a reference."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..progress import CancelToken, ProgressReporter
from .arguments import add_device, add_model, load_model
from .console import ALL_DONE, NOTHING_DONE, SOME_FAILED, Console

if TYPE_CHECKING:
    from ..evaluation.scoring import CaseScore, Evaluation, FilePair
    from ..images.segmentations import Segment

HELP = "measure how well a model, or existing label maps, agree with reference labels"
DESCRIPTION = """\
Compare label maps with reference labels: Dice, IoU and volumes, and with --surface the distances
HD95 and ASSD. Give a model with images, or label maps that exist already. Files belong together by
their names: a.nii.gz with a.nii.gz, a.seg.nrrd or, for predictions, a_MODEL.nii.gz. Structures
belong together by their names where both files have names (.seg.nrrd), else by their label values.
With --model, reference labels without names are read by the values of the label files that first
taught the model, see "funet finetune --help".

examples:
  funet evaluate --model midbrain-t1 --images test/images --labels test/labels --output scores
  funet evaluate --predictions results --labels test/labels --surface
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_model(parser, required=False)
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="images that the model segments first"
    )
    parser.add_argument(
        "--predictions", type=Path, metavar="FOLDER", help="label maps to score; instead of --model"
    )
    parser.add_argument(
        "--labels", type=Path, required=True, metavar="FOLDER", help="the reference label maps"
    )
    parser.add_argument(
        "--structures",
        metavar="NAMES",
        help='score these structures, such as "1=Midbrain,2=Substantia nigra": the names count in '
        "files that have names, the label values in the others; only with --predictions",
    )
    parser.add_argument(
        "--surface", action="store_true", help="measure surface distances, too (needs MONAI)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="write cases.csv and summary.md there"
    )
    add_device(parser)


def run(arguments: argparse.Namespace, console: Console, cancel: CancelToken) -> int:
    """Score the label maps and return the exit code."""
    from ..evaluation.scoring import Evaluation
    from ..files import require_writable

    if arguments.output is not None:
        require_writable(arguments.output)
    score = _score_model if _wants_model(arguments) else _score_predictions
    rows: list[CaseScore] = []
    failed = 0
    for scored in score(arguments, console, cancel):
        if isinstance(scored, str):
            console.event("failed", message=scored)
            console.complain(scored)
            failed += 1
        else:
            rows += scored
    if not rows:
        if not failed:
            raise InputError("There is nothing to score: the label maps show no structure.")
        return NOTHING_DONE
    _show(Evaluation(tuple(rows)), arguments.output, failed, console)
    return SOME_FAILED if failed else ALL_DONE


def _wants_model(arguments: argparse.Namespace) -> bool:
    with_model = arguments.model is not None and arguments.images is not None
    with_files = arguments.predictions is not None
    halves = (arguments.model is None) != (arguments.images is None)
    if halves or with_model == with_files:
        raise InputError("Give either --model with --images, or --predictions.")
    if with_model and arguments.structures:
        raise InputError("--structures goes with --predictions; a model has names of its own.")
    return with_model


def _score_model(
    arguments: argparse.Namespace, console: Console, cancel: CancelToken
) -> Iterator[tuple[CaseScore, ...] | str]:
    """Yield the scores of each image, or why there are none."""
    from ..annotations.pairing import pair_images_with_labels
    from ..annotations.structures import require_model_labels
    from ..models.label_values import label_values_of
    from ..prediction.segmenting import segment_files

    pairing = pair_images_with_labels(arguments.images, arguments.labels)
    _tell_left_over(pairing.lone_images, pairing.lone_labels, console)
    model = load_model(arguments)
    segments, values = model.manifest.segments, label_values_of(model.manifest)
    labels = {}
    for pair in pairing.pairs:
        try:
            require_model_labels(pair.labels, segments, model.manifest.id, values)
        except InputError as error:
            yield str(error)
        else:
            labels[pair.image] = pair.labels
    if not labels:
        return
    with tempfile.TemporaryDirectory(prefix="funet-") as folder:
        for outcome in segment_files(
            list(labels),
            model,
            Path(folder),
            device=arguments.device,
            on_progress=console.progress,
            cancel=cancel,
        ):
            for note in outcome.notes:
                console.note(note)
            if outcome.output is None:
                yield outcome.message
            else:
                pair_of_files = (outcome.output, labels[outcome.input])
                yield _score(pair_of_files, segments, arguments.surface, console, values)
                outcome.output.unlink()


def _score_predictions(
    arguments: argparse.Namespace, console: Console, cancel: CancelToken
) -> Iterator[tuple[CaseScore, ...] | str]:
    from ..annotations.structures import parse_structures
    from ..images.segmentations import Segment, default_color

    pairs = _prediction_pairs(arguments.predictions, arguments.labels, console)
    segments = None
    if arguments.structures:
        names = parse_structures(arguments.structures)
        segments = [Segment(value, name, default_color(value)) for value, name in names.items()]
    reporter = ProgressReporter(console.progress, cancel)
    for number, pair in enumerate(pairs):
        reporter.report(number, len(pairs), f"Scoring {pair[0].name}")
        yield _score(pair, segments, arguments.surface, console)
    reporter.report(1, 1, "Scored")


def _prediction_pairs(predictions: Path, labels: Path, console: Console) -> Sequence[FilePair]:
    from ..evaluation.scoring import pair_files
    from ..images.volumes import find_images

    if predictions.is_file() and labels.is_file():
        return [(predictions, labels)]
    pairing = pair_files(find_images(predictions), find_images(labels))
    _tell_left_over(pairing.lone_predictions, pairing.lone_references, console)
    if not pairing.pairs:
        raise InputError(
            f"No file in {predictions} has a reference of the same name in {labels}; name them "
            "alike, such as a_MODEL.nii.gz and a.nii.gz."
        )
    return pairing.pairs


def _tell_left_over(without: Sequence[Path], unused: Sequence[Path], console: Console) -> None:
    for path in without:
        console.note(f"{path} has no reference and is left out.")
    for path in unused:
        console.note(f"{path} belongs to nothing that is scored.")


def _score(
    pair: FilePair,
    segments: Sequence[Segment] | None,
    surface: bool,
    console: Console,
    label_values: Sequence[int] = (),
) -> tuple[CaseScore, ...] | str:
    from ..evaluation.scoring import evaluate_pair

    try:
        return evaluate_pair(
            *pair,
            segments=segments,
            label_values=label_values,
            surface=surface,
            on_note=console.note,
        )
    except InputError as error:
        return str(error)


def _show(evaluation: Evaluation, output: Path | None, failed: int, console: Console) -> None:
    summary = evaluation.summary_table()
    if output is not None:
        evaluation.case_table().write_csv(output / "cases.csv")
        summary.write_markdown(output / "summary.md")
        console.tell(f"The tables are in {output}.")
    console.result(
        summary.to_markdown(),
        failed=failed,
        structures={name: vars(evaluation.summary(name)) for name in evaluation.structures},
        cases=[
            {"case": row.case, "structure": row.structure, **vars(row.score)}
            for row in evaluation.rows
        ],
    )
