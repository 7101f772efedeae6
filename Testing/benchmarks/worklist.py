"""Does the worklist earn its place? Measured on subjects that the model never saw.

For each subject: (a) the rank correlation of the slices' doubt with their true number of wrong
pixels, for several ways to compute doubt; (b) how many slices must be corrected (replaced by the
reference) until the subject's mean Dice reaches a target, in the order of the worklist, in random
order, one after the other, and in the order of the true errors, which no method can know.

Random and sequential readers are spared the slices in which nothing was predicted: they come to
these last. The worklist ranks all slices.

From the root of the repository:

    python Testing/benchmarks/worklist.py --model hippocampus-t1 --data ../data/hippocampus

writes worklist_<model>.json, .md and .png into Resources/Results.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from measured_models import measured_model
from numpy.typing import NDArray
from scipy.stats import spearmanr
from stored_records import command_of
from worklist_report import SubjectResult, write_record, write_report

from funet.images.volumes import LabelMap, read_label_map, read_volume
from funet.models.store import ModelStore
from funet.prediction.inference import Prediction, Predictor
from funet.prediction.review import worklist
from funet.provenance import run_record

ROOT = Path(__file__).resolve().parents[2]
# Pixels added to both sides of a fraction, so that an empty slice has an expected Dice near 1.
SMOOTH = 1.0

logger = logging.getLogger("worklist")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Slices:
    """One segmented subject, slice by slice along the volume's own slice axis.

    Attributes:
        predicted, reference: labels, uint8 (slices, rows, columns).
        probabilities: float32 (classes, slices, rows, columns).
        expected_errors: the doubt that the engine gives, (slices,).
    """

    predicted: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    expected_errors: Floats

    @staticmethod
    def of(prediction: Prediction, reference: LabelMap) -> Slices:
        """Bring a prediction with probabilities and its reference into slices."""
        axis = prediction.slice_axis
        assert prediction.probabilities is not None
        return Slices(
            predicted=np.moveaxis(prediction.label_map.array, axis, 0),
            reference=np.moveaxis(reference.array, axis, 0),
            probabilities=np.moveaxis(prediction.probabilities, axis + 1, 1).astype(np.float32),
            expected_errors=prediction.doubt,
        )

    @cached_property
    def true_errors(self) -> Floats:
        """Number of wrong pixels of each slice."""
        return (self.predicted != self.reference).sum((1, 2)).astype(np.float64)

    @cached_property
    def area(self) -> Floats:
        """Number of pixels of each slice that are predicted to be of a structure."""
        return (self.predicted > 0).sum((1, 2)).astype(np.float64)

    @cached_property
    def sizes(self) -> list[tuple[Floats, Floats, Floats]]:
        """Pixels of each slice in both, predicted and true, for each structure that is shown."""
        sizes = []
        for value in range(1, len(self.probabilities)):
            predicted, reference = self.predicted == value, self.reference == value
            masks = (predicted & reference, predicted, reference)
            both, before, after = (mask.sum((1, 2)).astype(np.float64) for mask in masks)
            if before.any() or after.any():
                sizes.append((both, before, after))
        return sizes


def mean_entropy(slices: Slices) -> Floats:
    """Mean entropy over the pixels predicted to be of a structure; 0 where there is none."""
    chances = slices.probabilities.clip(1e-7, 1)
    entropy = -(chances * np.log(chances)).sum(0)
    shown = slices.predicted > 0
    return (entropy * shown).sum((1, 2)) / np.maximum(shown.sum((1, 2)), 1)


def expected_dice_loss(slices: Slices) -> Floats:
    """1 minus the mean Dice of the structures, expected from their probabilities."""
    losses = []
    for value in range(1, len(slices.probabilities)):
        chance, shown = slices.probabilities[value], slices.predicted == value
        shared = 2 * (chance * shown).sum((1, 2)) + SMOOTH
        losses.append(1 - shared / (chance.sum((1, 2)) + shown.sum((1, 2)) + SMOOTH))
    return np.mean(losses, axis=0)


def weighted_errors(slices: Slices) -> Floats:
    """Expected wrong pixels of each structure, relative to its size in the subject; their mean.

    A wrong pixel of a small structure costs more Dice than one of a large structure.
    """
    shares = []
    for value in range(1, len(slices.probabilities)):
        chance, shown = slices.probabilities[value], slices.predicted == value
        size = chance.sum() + shown.sum() + SMOOTH
        shares.append(np.abs(chance - shown).sum((1, 2)) / size)
    return np.mean(shares, axis=0)


DOUBTS: Mapping[str, Callable[[Slices], Floats]] = {
    "expected errors": lambda slices: slices.expected_errors,
    "weighted errors": weighted_errors,
    "mean entropy": mean_entropy,
    "1 - expected Dice": expected_dice_loss,
    "predicted area": lambda slices: slices.area,
}
USED = "expected errors"  # by funet.prediction.doubt, so by the worklist of the product


def rank_correlation(doubt: Floats, errors: Floats) -> float:
    """Spearman's correlation; NaN where one side is constant."""
    if len(doubt) < 2 or np.ptp(doubt) == 0 or np.ptp(errors) == 0:
        return float("nan")
    return float(spearmanr(doubt, errors).statistic)


def dice_curve(slices: Slices, order: Sequence[int]) -> Floats:
    """Mean Dice of the subject after correcting the first 0, 1, … slices of an order.

    Dice is over all voxels of the subject; a structure that neither side shows is left out.
    """
    curves = []
    for both, before, after in slices.sizes:
        shared = both.sum() + np.cumsum([0, *(after - both)[list(order)]])
        total = before.sum() + after.sum() + np.cumsum([0, *(after - before)[list(order)]])
        curves.append(2 * shared / total)
    return np.mean(curves, axis=0)


def corrections_needed(curve: Floats, target: float) -> int:
    """How many corrected slices first reach a target."""
    return int(np.flatnonzero(curve >= target - 1e-12)[0])


def seen_first(slices: Slices, order: Iterable[int]) -> list[int]:
    """The order of a reader who looks at the slices with a prediction before the others."""
    return sorted(order, key=lambda index: slices.area[index] == 0)


def orders(slices: Slices, draws: int, rng: np.random.Generator) -> dict[str, list[list[int]]]:
    """The orders of correction by name; several where they are random."""
    count = len(slices.predicted)

    def ranked(values: Floats) -> list[list[int]]:
        return [[item.slice_index for item in worklist(values.tolist())]]

    by_doubt = {f"by {name}": ranked(doubt(slices)) for name, doubt in DOUBTS.items()}
    return by_doubt | {
        "random": [seen_first(slices, rng.permutation(count).tolist()) for _ in range(draws)],
        "sequential": [seen_first(slices, range(count))],
        "by true errors": ranked(slices.true_errors),
    }


def measure(
    subject: str, slices: Slices, target: float, draws: int, rng: np.random.Generator
) -> SubjectResult:
    """Measure both questions on one subject."""
    errors = slices.true_errors
    shown = (slices.area > 0) | (slices.reference > 0).any((1, 2))
    curves = {
        name: np.array([dice_curve(slices, order) for order in some])
        for name, some in orders(slices, draws, rng).items()
    }
    base = float(curves["sequential"][0, 0])
    targets = {f"Dice {target:g}": target, "half the gap to 1": (1 + base) / 2}
    return SubjectResult(
        subject=subject,
        slices=len(errors),
        slices_shown=int(shown.sum()),
        base_dice=base,
        wrong_pixels=int(errors.sum()),
        expected_wrong_pixels=float(slices.expected_errors.sum()),
        correlation_all={n: rank_correlation(f(slices), errors) for n, f in DOUBTS.items()},
        correlation_shown={
            n: rank_correlation(f(slices)[shown], errors[shown]) for n, f in DOUBTS.items()
        },
        corrections={
            name: {
                order: float(np.mean([corrections_needed(curve, goal) for curve in some]))
                for order, some in curves.items()
            }
            for name, goal in targets.items()
            if base < goal
        },
        curves={name: some.mean(0).tolist() for name, some in curves.items()},
    )


def read_subjects(text: str | None, data: Path) -> list[str]:
    """The held-out subjects: names, the test part of a split file, or that of the data's split."""
    split = Path(text) if text else ROOT / "Training" / "splits" / f"{data.name}.json"
    if text and split.suffix != ".json":
        return text.split(",")
    return list(json.loads(split.read_text(encoding="utf-8"))["test"])


def run(arguments: argparse.Namespace) -> list[SubjectResult]:
    """Segment and measure every subject."""
    model = ModelStore().load(arguments.model)
    predictor = Predictor(model, device=arguments.device, precision="float32")
    rng = np.random.default_rng(arguments.seed)
    results = []
    began = time.monotonic()
    for subject in read_subjects(arguments.subjects, arguments.data):
        volume = read_volume(arguments.data / "images" / f"{subject}.nii.gz")
        reference = read_label_map(arguments.data / "labels" / f"{subject}.nii.gz")
        slices = Slices.of(predictor.predict(volume, probabilities=True), reference)
        result = measure(subject, slices, arguments.target, arguments.draws, rng)
        results.append(result)
        correlation = result.correlation_shown[USED]
        logger.info("%s: Dice %.4f, correlation %.3f", subject, result.base_dice, correlation)
    settings = {
        "command": command_of("worklist", arguments.words),
        **run_record(
            time.monotonic() - began,
            seed=arguments.seed,
            draws=arguments.draws,
            data=arguments.data.name,
            doubt=USED,
            model=model.manifest.id,
            **measured_model(model.manifest),
        ),
    }
    stem = arguments.output / f"worklist_{model.manifest.id}"
    write_report(write_record(stem, results, settings), stem)
    return results


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, measure, and write the results."""
    words = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="id or folder of a model")
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and labels/")
    parser.add_argument(
        "--subjects",
        help="names joined by commas, or a split file whose test part is taken (default: "
        "Training/splits/<name of the data folder>.json)",
    )
    parser.add_argument("--output", type=Path, default=Path("Resources/Results"))
    parser.add_argument("--target", type=float, default=0.95, help="mean Dice to reach")
    parser.add_argument("--draws", type=int, default=50, help="random orders of each subject")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args(words)
    arguments.words = words
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
