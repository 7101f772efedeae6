"""Looks at the midbrain model on heads that it never learned from, failures included.

The heads: the test subjects of the second scanner, which are whole heads; of the training site, the
test subjects with the best and the worst Dice; the subjects without labels; the MNI templates,
whole head or brain; and any other image that is named. The slices that are shown are chosen by
rule: the one with the worst Dice is always among them.

From the root of the repository:

    python Testing/benchmarks/midbrain_pictures.py --data ../data

writes midbrain_pictures.json, .md and .png into Resources/Results. The committed ones show one more
head, with its skull and without, from Debian's package mricron-data (Holmes et al., J Comput Assist
Tomogr 1998):

    --more "Colin 27, one person, whole head=ch2.nii.gz"
    --more "the same, brain-extracted=ch2bet.nii.gz"
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from funet.evaluation.metrics import dice, score_structures
from funet.files import atomic_file
from funet.images.geometry import SliceOrder
from funet.images.pieces import main_piece
from funet.images.segmentations import LabelMap
from funet.images.volumes import read_volume
from funet.models.manifest import Manifest
from funet.models.model import Model
from funet.models.store import ModelStore
from funet.prediction.inference import Predictor
from funet.provenance import run_record

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Training"), str(Path(__file__).parent)]

from measured_models import measured_model  # noqa: E402
from midbrain_heads import Head, placement, subject, subjects, templates  # noqa: E402
from midbrain_pictures_report import Row, draw, write_report  # noqa: E402
from split import read_split  # noqa: E402
from stored_records import command_of  # noqa: E402

SECOND_SCANNER = "ds011"
SEED = 0  # of nothing: a network that segments does not draw
PRECISION = "float32"  # the same on every processor

logger = logging.getLogger("pictures")

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """What the model makes of one head.

    Attributes:
        head: the files.
        kind: why this head is looked at, in words.
        row: what is drawn.
        record: what is measured, for JSON.
    """

    head: Head
    kind: str
    row: Row
    record: dict[str, object]

    @property
    def mean_dice(self) -> float:
        """Mean Dice of the structures that are scored."""
        known = self.record["dice"]
        assert isinstance(known, dict)
        return float(np.mean([value for value in known.values() if value is not None]))


def chosen_slices(
    predicted: Labels, reference: Labels | None, doubt: NDArray[np.float64], values: Sequence[int]
) -> dict[int, str]:
    """Choose three axial slices by rule, and say by which.

    With a reference they are the slice with the worst mean Dice, the worst of those in which the
    reference shows the last structure, and the one where it shows most of that. Without one they
    are the slice of the greatest doubt, and those a quarter and three quarters up the prediction. A
    slice that was chosen already gives way to the next.

    Args:
        predicted, reference: stacks of axial slices; ``None`` for no reference.
        doubt: of each slice.
        values: the structures, of which the reference may show some only.

    Returns:
        The reasons by index in the stack, in the order of the slices.
    """
    places = np.arange(len(predicted))
    if reference is None:
        found = np.flatnonzero(predicted.any((1, 2)))
        lowest, highest = (found if len(found) else places)[[0, -1]]
        rules = [("most doubt", -doubt)] + [
            (why, np.abs(places - (1 - share) * lowest - share * highest))
            for why, share in (("a quarter up", 0.25), ("three quarters up", 0.75))
        ]
    else:
        pairs = zip(predicted, reference, strict=True)
        overlap = np.nan_to_num([slice_dice(*pair, values) for pair in pairs], nan=np.inf)
        nigra = (reference == values[-1]).sum((1, 2))
        rules = [
            ("worst Dice", overlap),
            ("worst of those with SN", np.where(nigra > 0, overlap, np.inf)),
            ("largest SN", -nigra),
        ]
    chosen: dict[int, str] = {}
    for why, rank in rules:
        index = next(int(i) for i in np.argsort(rank, kind="stable") if int(i) not in chosen)
        chosen[index] = why
    return dict(sorted(chosen.items()))


def slice_dice(predicted: Labels, reference: Labels, values: Sequence[int]) -> float:
    """Mean Dice of one slice over the structures that either side shows; NaN for none."""
    known = [dice(predicted, reference, value) for value in values]
    known = [value for value in known if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def look(head: Head, kind: str, predictor: Predictor, manifest: Manifest) -> Look:
    """Segment a head, measure, and choose what to show.

    Args:
        head: the files.
        kind: why it is looked at.
        predictor: of a model that keeps all pieces, so that they can be counted.
        manifest: of the model as it is.
    """
    volume = read_volume(head.image)
    prediction = predictor.predict(volume)
    every = prediction.label_map.array
    labels = main_piece(every) if manifest.one_piece else every
    reference = head.reference.on(volume.geometry).array if head.reference else None
    known = sorted(head.reference.values.values()) if head.reference else []
    order = SliceOrder.from_geometry(volume.geometry, manifest.preprocessing.slice_axis)
    predicted = order.to_stack(labels)
    expected = None if reference is None else order.to_stack(reference)
    doubt = prediction.doubt[[order.volume_index(index) for index in range(len(predicted))]]
    values = known or [segment.value for segment in manifest.segments]
    slices = chosen_slices(predicted, expected, doubt, values)
    record = {
        "head": head.name,
        "kind": kind,
        "reference": head.reference.name if head.reference else None,
        **_measured(head, LabelMap(labels, volume.geometry), reference, known, manifest),
        "pieces": int(ndimage.label(every, np.ones((3, 3, 3)))[1]),
        "voxels_left_out": int((every > 0).sum() - (labels > 0).sum()),
        "slices": [
            {"index": order.volume_index(index), "why": why}
            | _compared(
                predicted[index], None if expected is None else expected[index], known, manifest
            )
            for index, why in slices.items()
        ],
    }
    return Look(head, kind, Row(volume, labels, reference, tuple(slices), record), record)


def _measured(
    head: Head,
    predicted: LabelMap,
    reference: Labels | None,
    known: Sequence[int],
    manifest: Manifest,
) -> dict[str, object]:
    """Return Dice, volumes and place of a prediction."""
    spacing = predicted.geometry.spacing[::-1]
    values = [segment.value for segment in manifest.segments]
    against = predicted.array if reference is None else reference
    scores = score_structures(predicted.array, against, spacing, values, surface=False)
    scored = {score.value: score for score in scores if score.value in known}
    place = placement(predicted, head.place)
    return {
        "dice": _by_structure(
            [_number(scored[v].dice) if v in scored else None for v in values], manifest
        ),
        "predicted_ml": _by_structure([round(s.prediction_ml, 4) for s in scores], manifest),
        "reference_ml": _by_structure(
            [round(scored[v].reference_ml, 4) if v in scored else None for v in values], manifest
        ),
        "within": place.limit_in_words,
        "farthest_mm": _number(place.farthest),
        "voxels_outside": place.outside,
    }


def _compared(
    predicted: Labels, reference: Labels | None, known: Sequence[int], manifest: Manifest
) -> dict[str, object]:
    """Return Dice of one slice, and how many pixels are wrong as far as the reference knows."""
    values = [segment.value for segment in manifest.segments]
    if reference is None:
        return {"wrong_pixels": None, "dice": _by_structure([None] * len(values), manifest)}
    differ = predicted != reference
    differ &= np.isin(predicted, known) | np.isin(reference, known)
    overlap = [_number(dice(predicted, reference, v)) if v in known else None for v in values]
    return {"wrong_pixels": int(differ.sum()), "dice": _by_structure(overlap, manifest)}


def _by_structure(numbers: Sequence[float | None], manifest: Manifest) -> dict[str, float | None]:
    names = (segment.name for segment in manifest.segments)
    return dict(zip(names, numbers, strict=True))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def looks(
    data: Path,
    predictor: Predictor,
    manifest: Manifest,
    count: int | None,
    more: Sequence[tuple[str, Path]],
) -> Iterator[Look]:
    """Look at all heads, in the order of the picture.

    Args:
        data: the folder with ``midbrain/`` and ``atlases/``.
        predictor, manifest: the model.
        count: take only so many heads of each kind, for a trial; ``None`` for all.
        more: further images without labels, and what they are.
    """
    test = read_split("midbrain").test
    second = [name for name in test if name.startswith(SECOND_SCANNER)]
    for name in second[:count]:
        yield look(subject(data, name), "test, second scanner", predictor, manifest)
    first = [
        look(subject(data, name), "test, training site", predictor, manifest)
        for name in [name for name in test if name not in second][: count and 2 * count]
    ]
    ranked = sorted(first, key=lambda one: one.mean_dice)
    yield _named(ranked[-1], f"best of {len(first)} test subjects of the training site")
    yield _named(ranked[0], f"worst of {len(first)} test subjects of the training site")
    unlabelled = [head for head in subjects(data) if head.reference is None]
    for head in unlabelled[:count]:
        yield look(head, "no labels, never learned from", predictor, manifest)
    for head in templates(data)[:count]:
        yield look(head, "MNI template", predictor, manifest)
    for kind, image in more:
        yield look(Head(image, None, None), kind, predictor, manifest)


def _named_file(text: str) -> tuple[str, Path]:
    """Read WHAT=FILE."""
    kind, found, name = text.partition("=")
    if not (kind and found and name):
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form WHAT=FILE.")
    return kind, Path(name)


def _named(one: Look, kind: str) -> Look:
    record = one.record | {"kind": kind}
    return replace(one, kind=kind, record=record, row=replace(one.row, record=record))


def run(arguments: argparse.Namespace) -> Mapping[str, object]:
    """Look at the heads, and write the record, the report and the picture."""
    began = time.monotonic()
    model = ModelStore().load(arguments.model)
    in_pieces = Model(replace(model.manifest, one_piece=False), model.network)
    predictor = Predictor(in_pieces, device=arguments.device, precision=PRECISION)
    found = []
    for one in looks(arguments.data, predictor, model.manifest, arguments.heads, arguments.more):
        logger.info("%s (%s): %s", one.head.name, one.kind, one.record["dice"])
        found.append(one)
    record = {
        "command": command_of("midbrain_pictures", arguments.words),
        **run_record(
            time.monotonic() - began,
            seed=SEED,
            precision=PRECISION,
            model=model.manifest.id,
            **measured_model(model.manifest),
        ),
        "heads": [one.record for one in found],
    }
    stem = arguments.output / "midbrain_pictures"
    with atomic_file(stem.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", "utf-8")
    draw(stem.with_suffix(".png"), [one.row for one in found], model.manifest.segments)
    write_report(record, stem)
    return record


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, look, and write the results."""
    words = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the studies' folders")
    parser.add_argument("--model", default="midbrain-t1", help="id or folder of a model")
    parser.add_argument("--output", type=Path, default=Path("Resources/Results"))
    parser.add_argument("--heads", type=int, help="only so many heads of each kind, for a trial")
    parser.add_argument(
        "--more", type=_named_file, action="append", default=[], help="another head: WHAT=FILE"
    )
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args(words)
    arguments.words = words
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
