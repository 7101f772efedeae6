"""Measures the shipped models again, and compares with the numbers of their descriptions.

The command line of ``funet`` segments the test subjects of each model's committed split and scores
the label maps. Every number must be that of ``model.json``, to within what other processors change
in the last digits. Of the midbrain model, no voxel may lie outside the region of the brain stem in
any head: those of all three parts of the split, those without labels, and the MNI templates.

    python Training/check_models.py --data ../data

Exit code 0 if everything agrees, else 1. With ``--subjects`` fewer subjects are measured: the mean
of some of the numbers can differ from that of all, but by no more than their deviation allows.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import midbrain_heads
import train_hippocampus
import train_midbrain
from midbrain_heads import Head, Placement, placement
from recipe import MODELS, Recipe
from split import read_split

from funet.evaluation.metrics import dice
from funet.evaluation.tables import Table, format_number
from funet.images.volumes import image_stem, read_label_map
from funet.models.manifest import Manifest, MetricRecord, read_manifest

RECIPES = {recipe.id: recipe for recipe in (train_hippocampus.RECIPE, train_midbrain.RECIPE)}
TOLERANCE = 0.002  # of Dice; kernels for other processors round differently

logger = logging.getLogger("check")

Scores = Mapping[str, Mapping[str, float]]
"""Dice of each structure, of each subject."""


@dataclass(frozen=True)
class Check:
    """A number of a model's description, and the same measured now.

    Attributes:
        metric: as the description has it.
        count: how many subjects were measured.
        mean: the mean of what was measured; NaN for no subjects.
    """

    metric: MetricRecord
    count: int
    mean: float

    @property
    def allowed(self) -> float:
        """How much the mean may differ.

        The mean of k of n numbers with standard deviation s (in the sense of dividing by n) is
        never farther from the mean of all than s·√((n - k) / k).
        """
        left_out = max(0, self.metric.count - self.count)
        return TOLERANCE + self.metric.deviation * math.sqrt(left_out / max(1, self.count))

    @property
    def agrees(self) -> bool:
        """Whether what was measured can be what the description says."""
        is_near = abs(self.mean - self.metric.mean) <= self.allowed  # never for NaN
        return is_near and self.count <= self.metric.count

    def row(self) -> tuple[str | int | float, ...]:
        """Return the cells for :func:`agreement_table`."""
        return (
            self.metric.data,
            self.metric.structure,
            f"{self.count} of {self.metric.count}",
            self.metric.mean,
            self.mean,
            format_number(self.mean - self.metric.mean, 4),
            self.allowed,
            "yes" if self.agrees else "NO",
        )


def agreement_table(checks: Sequence[Check]) -> Table:
    """Return the numbers of a description beside those measured now."""
    columns = ("measured on", "structure", "subjects", "card", "now", "difference", "allowed")
    return Table((*columns, "agrees"), tuple(check.row() for check in checks))


def compare(
    manifest: Manifest, scores: Scores, groups: Mapping[str, Sequence[str]]
) -> tuple[Check, ...]:
    """Return every Dice of a description beside that of the same subjects now.

    Args:
        manifest: the description.
        scores: what was measured.
        groups: the subjects that were measured in each group of the description.
    """
    checks = []
    for metric in manifest.metrics:
        if metric.name == "Dice":
            measured = groups.get(metric.data, ())
            values = [scores[subject][metric.structure] for subject in measured]
            mean = math.fsum(values) / len(values) if values else math.nan
            checks.append(Check(metric, len(values), mean))
    return tuple(checks)


def unknown_to(manifest: Manifest, groups: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the measured numbers that a description lacks, as "group, structure"."""
    known = {(metric.data, metric.structure) for metric in manifest.metrics}
    wanted = ((group, segment.name) for group in groups for segment in manifest.segments)
    return tuple(", ".join(one) for one in wanted if one not in known)


def tested_groups(recipe: Recipe, count: int | None) -> dict[str, tuple[str, ...]]:
    """Return the first test subjects of each group; all of them for ``None``."""
    test = read_split(recipe.split).test
    chosen = {
        group: tuple(filter(belongs, test))[:count] for group, belongs in recipe.groups.items()
    }
    return {group: subjects for group, subjects in chosen.items() if subjects}


def segment(model: Path, images: Sequence[Path], output: Path) -> dict[str, Path]:
    """Let the command line segment images; return the label maps by the stem of their image."""
    logger.info("%s: segmenting %d images", model.name, len(images))
    # Half precision, which "auto" takes where the processor has it, changes Dice by more than
    # kernels do; a description that does not say what it was measured in is older than that.
    precision = read_manifest(model).training.get("precision", "auto")
    words = ["segment", "--model", str(model), "--precision", str(precision)]
    words += [*map(str, images), "--output", str(output)]
    made = {}
    for line in _funet(*words):
        if line["type"] == "file":
            made[image_stem(line["input"])] = Path(line["output"])
            logger.info("%s, %.1f s", Path(line["input"]).name, line["seconds"])
    return made


def score(predictions: Path, labels: Path, manifest: Manifest) -> Scores:
    """Let the command line score the label maps of a folder."""
    structures = ",".join(f"{segment.value}={segment.name}" for segment in manifest.segments)
    files = ["--predictions", str(predictions), "--labels", str(labels)]
    (result,) = (
        line
        for line in _funet("evaluate", *files, "--structures", structures)
        if line["type"] == "result"
    )
    scores: dict[str, dict[str, float]] = {}
    for row in result["cases"]:
        value = math.nan if row["dice"] is None else row["dice"]
        scores.setdefault(row["case"], {})[row["structure"]] = value
    return scores


def _funet(*words: str) -> Iterator[dict]:
    """Run the command in a process of its own and yield the objects that it writes, as it does."""
    command = [sys.executable, "-m", "funet", *words, "--json"]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8"
        ) as process,
    ):
        assert process.stdout is not None
        yield from map(json.loads, process.stdout)
        if process.wait() != 0:
            errors.seek(0)
            raise RuntimeError(f"funet {words[0]} ended with {process.returncode}: {errors.read()}")


def placement_table(
    placements: Mapping[str, Placement], overlap: Mapping[str, tuple[float, float]]
) -> Table:
    """Return how far from its place the prediction lies in each head, and Dice on the templates."""
    nothing = (math.nan, math.nan)
    rows = tuple(
        (
            head,
            found.limit_in_words,
            format_number(found.farthest, 1),
            found.outside,
            *overlap.get(head, nothing),
            "yes" if found.is_right else "NO",
        )
        for head, found in placements.items()
    )
    columns = ("head", "within", "farthest voxel, mm", "voxels outside")
    return Table((*columns, "Dice, midbrain", "Dice, substantia nigra", "right"), rows)


def template_dice(prediction: Path, head: Head) -> tuple[float, float]:
    """Return Dice of midbrain and substantia nigra against the atlas of a template's space."""
    predicted = read_label_map(prediction)
    if head.reference is None:
        return math.nan, math.nan
    reference = head.reference.on(predicted.geometry).array
    known = set(head.reference.values.values())
    midbrain, nigra = (
        dice(predicted.array, reference, value) if value in known else math.nan
        for value in (midbrain_heads.MIDBRAIN, midbrain_heads.NIGRA)
    )
    return midbrain, nigra


def check_numbers(recipe: Recipe, arguments: argparse.Namespace, folder: Path) -> bool:
    """Measure a model on its test subjects; return whether its description agrees."""
    model, study = arguments.models / recipe.id, arguments.data / recipe.split
    manifest = read_manifest(model)
    groups = tested_groups(recipe, arguments.subjects)
    images = [study / "images" / f"{name}.nii.gz" for names in groups.values() for name in names]
    segment(model, images, folder)
    checks = compare(manifest, score(folder, study / "labels", manifest), groups)
    logger.info("\n%s", agreement_table(checks).to_markdown())
    complete = arguments.subjects is not None or all(c.count == c.metric.count for c in checks)
    if not complete:
        logger.info("The description counts other subjects than the split has.")
    lacking = unknown_to(manifest, groups)
    for one in lacking:
        logger.info("The description has no number for: %s", one)
    return bool(checks) and complete and not lacking and all(check.agrees for check in checks)


def check_places(arguments: argparse.Namespace, done: Path, folder: Path) -> bool:
    """Look where the midbrain model finds something; return whether it is always in its place.

    Args:
        arguments: of the command line; with a number of subjects, no more heads are segmented.
        done: folder of the label maps of the test subjects.
        folder: for those of the other heads.
    """
    model = arguments.models / train_midbrain.RECIPE.id
    paths = {path.name.removesuffix(f"_{model.name}.nii.gz"): path for path in done.iterdir()}
    heads = {head.name: head for head in midbrain_heads.subjects(arguments.data)}
    templates = {head.name: head for head in midbrain_heads.templates(arguments.data)}
    if arguments.subjects is None:
        heads |= templates
        others = [head.image for name, head in heads.items() if name not in paths]
        paths |= segment(model, others, folder)
    found = {
        name: placement(read_label_map(path), heads[name].place)
        for name, path in sorted(paths.items())
    }
    overlap = {
        name: template_dice(paths[name], head) for name, head in templates.items() if name in found
    }
    logger.info("\n%s", placement_table(found, overlap).to_markdown())
    outside = sum(one.outside for one in found.values())
    logger.info("%d voxels outside the region, in %d heads.", outside, len(found))
    return all(one.is_right for one in found.values())


def check(recipe: Recipe, arguments: argparse.Namespace) -> bool:
    """Check one model and say how it went."""
    with tempfile.TemporaryDirectory(prefix="check-") as temporary:
        tested, others = Path(temporary) / "test", Path(temporary) / "others"
        agrees = check_numbers(recipe, arguments, tested)
        if recipe is train_midbrain.RECIPE:
            agrees &= check_places(arguments, tested, others)
    logger.info("%s: %s\n", recipe.id, "everything agrees" if agrees else "DOES NOT AGREE")
    return agrees


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, check, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the studies' folders")
    parser.add_argument("--model", choices=sorted(RECIPES), help="only this one (default: all)")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the models' folders")
    parser.add_argument(
        "--subjects", type=int, help="measure only so many of each group of test subjects"
    )
    arguments = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    chosen = [RECIPES[arguments.model]] if arguments.model else RECIPES.values()
    agreed = [check(recipe, arguments) for recipe in chosen]
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())
