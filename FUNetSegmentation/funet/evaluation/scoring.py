"""Scoring files: which prediction belongs to which reference, and how well they agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..images.cut_segmentations import uncut
from ..images.geometry import Geometry
from ..images.segmentations import Segment, overlap_note
from ..images.volumes import image_stem, read_label_map
from ..progress import CancelToken, ProgressCallback, ProgressReporter
from .matching import MatchedLabels, match_labels, match_to_segments
from .metrics import Metric, StructureScore, Summary, score_structures, summarise
from .tables import Cell, Table, format_mean

FilePair = tuple[Path, Path]
"""A prediction and its reference."""

_COLUMNS = ("Dice", "IoU", "HD95 (mm)", "ASSD (mm)", "predicted (mL)", "reference (mL)")
# The metrics of those columns, with the decimals of their means and deviations.
_METRICS: tuple[tuple[Metric, int, int], ...] = (
    ("dice", 4, 2),
    ("iou", 4, 2),
    ("hd95", 2, 2),
    ("assd", 2, 2),
    ("prediction_ml", 3, 3),
    ("reference_ml", 3, 3),
)


@dataclass(frozen=True)
class Pairing:
    """Predictions with their references, and what is left over.

    Attributes:
        pairs: (prediction, reference), in the order of the predictions.
        lone_predictions: predictions without a reference.
        lone_references: references that nothing was predicted for.
    """

    pairs: tuple[FilePair, ...]
    lone_predictions: tuple[Path, ...]
    lone_references: tuple[Path, ...]


@dataclass(frozen=True)
class CaseScore:
    """The score of one structure of one case.

    Attributes:
        case: stem of the reference file.
        structure: name of the structure.
        score: its score.
    """

    case: str
    structure: str
    score: StructureScore


@dataclass(frozen=True)
class Evaluation:
    """The scores of all structures of all cases.

    Attributes:
        rows: one per case and structure, in the order of the cases and of the label values.
    """

    rows: tuple[CaseScore, ...]

    @property
    def structures(self) -> tuple[str, ...]:
        """Names in the order of their label values, once each, capital letters or not."""
        order = sorted((row.score.value, row.structure) for row in self.rows)
        spellings: dict[str, str] = {}
        for _, name in order:
            spellings.setdefault(name.casefold(), name)
        return tuple(spellings.values())

    def summary(self, structure: str, metric: Metric = "dice") -> Summary:
        """Mean and deviation of one metric of one structure over the cases."""
        name = structure.casefold()
        rows = (row for row in self.rows if row.structure.casefold() == name)
        return summarise((row.score for row in rows), metric)

    def case_table(self) -> Table:
        """Every number, one row per case and structure."""
        rows = tuple(
            (
                row.case,
                row.structure,
                *(getattr(row.score, metric) for metric, _, _ in _METRICS),
                "missed" if row.score.missed else None,
            )
            for row in self.rows
        )
        return Table(("case", "structure", *_COLUMNS, "remark"), rows)

    def summary_table(self) -> Table:
        """Mean ± standard deviation over the cases, one row per structure.

        "cases" counts those with a Dice; "missed" those in which only one of prediction and
        reference has the structure, whose distances are in no mean.
        """
        columns = ("structure", *_COLUMNS, "cases", "missed")
        return Table(columns, tuple(self._summary_row(name) for name in self.structures))

    def _summary_row(self, structure: str) -> tuple[Cell, ...]:
        cells = []
        for metric, decimals, deviation_decimals in _METRICS:
            known = self.summary(structure, metric)
            cells.append(
                format_mean(
                    known.mean,
                    known.deviation,
                    decimals=decimals,
                    deviation_decimals=deviation_decimals,
                )
            )
        dice = self.summary(structure)
        return (structure, *cells, dice.count, dice.missed)


def pair_files(
    predictions: Sequence[Path], references: Sequence[Path], model: str | None = None
) -> Pairing:
    """Find the reference of each prediction by its name.

    The prediction of ``<stem>.nii.gz`` has that stem too, or is ``<stem>_<model>.nii.gz``; the
    suffixes may differ.

    Args:
        predictions, references: files.
        model: id of the model; files of other models are then left over. Without it, all names
            must end in one and the same model.

    Raises:
        InputError: if two references share a stem, or it is unclear which file is meant.
    """
    by_stem = _by_stem(references)
    partners: dict[Path, Path] = {}
    models: set[str] = set()
    lone = []
    for prediction in predictions:
        stem = image_stem(prediction)
        match = _reference_stem(stem, by_stem, model)
        if match is None:
            lone.append(prediction)
            continue
        reference = by_stem[match]
        if reference in partners:
            raise InputError(
                f"Both {partners[reference]} and {prediction} are predictions for {reference}; "
                'name those of one model, as with "results/*_MODEL.nii.gz", or move one of them.'
            )
        partners[reference] = prediction
        models |= {stem[len(match) + 1 :]} - {""}
    if len(models) > 1:
        raise InputError(
            f"The predictions come from several models ({', '.join(sorted(models))}); "
            'name those of one, as with "results/*_MODEL.nii.gz".'
        )
    return Pairing(
        pairs=tuple((prediction, reference) for reference, prediction in partners.items()),
        lone_predictions=tuple(lone),
        lone_references=tuple(path for path in references if path not in partners),
    )


def evaluate_pairs(
    pairs: Sequence[FilePair],
    *,
    segments: Sequence[Segment] | None = None,
    surface: bool = True,
    on_note: Callable[[str], None] | None = None,
    on_progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Score predictions against their references, one pair at a time.

    Args:
        pairs: (prediction, reference) files.
        segments: the structures to score, known by their names in files that have names and by
            their values in the others; without them, all that a pair shows or names, matched by
            name where both files have names, else by value.
        surface: whether to measure the surface distances, which need MONAI.
        on_note: told what the user should know, as plain sentences.
        on_progress: told after every case.
        cancel: checked before every case.

    Raises:
        InputError: if there is nothing to score, a file cannot be read, or the files of a pair
            do not fit together.
        FunetError: if MONAI is needed and missing.
        Cancelled: if a cancel was requested.
    """
    reporter = ProgressReporter(on_progress, cancel)
    rows: list[CaseScore] = []
    for done, (prediction, reference) in enumerate(pairs):
        reporter.report(done, len(pairs), f"Scoring {image_stem(reference)}")
        rows += evaluate_pair(
            prediction, reference, segments=segments, surface=surface, on_note=on_note
        )
    if not rows:
        raise InputError(
            "There is nothing to score: give predictions, and references that belong to them, "
            "with at least one labelled structure."
        )
    reporter.report(len(pairs), len(pairs), "Scored")
    return Evaluation(tuple(rows))


def evaluate_pair(
    prediction: Path,
    reference: Path,
    *,
    segments: Sequence[Segment] | None = None,
    label_values: Sequence[int] = (),
    surface: bool = True,
    on_note: Callable[[str], None] | None = None,
) -> tuple[CaseScore, ...]:
    """Score one prediction; see :func:`evaluate_pairs`.

    Args:
        prediction, reference: files.
        segments, surface, on_note: as for :func:`evaluate_pairs`.
        label_values: values of these segments in a reference without names; their own if empty.

    Raises:
        InputError: if a file cannot be read or the two do not fit together.
        FunetError: if MONAI is needed and missing.
    """
    predicted, expected = read_label_map(prediction), read_label_map(reference)
    expected = uncut(expected, predicted.geometry, reference)
    predicted = uncut(predicted, expected.geometry, prediction)
    if not predicted.geometry.matches(expected.geometry):
        raise InputError(
            f"{prediction} and {reference} lie on different grids; resample the prediction onto "
            "the grid of the reference first."
        )
    if segments is None:
        matched = match_labels(predicted, expected, (prediction, reference))
    else:
        matched = MatchedLabels(
            match_to_segments(predicted, prediction, segments),
            match_to_segments(expected, reference, segments, label_values),
            {segment.value: segment.name for segment in segments},
        )
    overlaps = overlap_note(predicted, prediction), overlap_note(expected, reference)
    for note in (*overlaps, matched.note):
        if note and on_note is not None:
            on_note(note)
    return _scores(matched, expected.geometry, image_stem(reference), surface)


def _scores(
    matched: MatchedLabels, grid: Geometry, case: str, surface: bool
) -> tuple[CaseScore, ...]:
    thick = [axis for axis, side in enumerate(grid.shape) if side > 1]
    # In a single slice, all would lie on the border and nothing would have a volume.
    axes = thick if len(thick) == 2 else [0, 1, 2]
    sides = [grid.shape[axis] for axis in axes]
    spacing = [grid.spacing[::-1][axis] for axis in axes]
    scores = score_structures(
        matched.predicted.reshape(sides),
        matched.expected.reshape(sides),
        spacing,
        tuple(matched.names),
        surface=surface,
    )
    return tuple(CaseScore(case, matched.names[score.value], score) for score in scores)


def _by_stem(references: Iterable[Path]) -> dict[str, Path]:
    by_stem: dict[str, Path] = {}
    for path in references:
        other = by_stem.setdefault(image_stem(path), path)
        if other != path:
            raise InputError(
                f"{other} and {path} could both be the reference of one prediction; keep one."
            )
    return by_stem


def _reference_stem(stem: str, by_stem: Iterable[str], model: str | None) -> str | None:
    """The longest stem of a reference that the stem of a prediction belongs to."""
    if model is None:
        matches = [known for known in by_stem if f"{stem}_".startswith(f"{known}_")]
    else:
        matches = [known for known in by_stem if stem in (known, f"{known}_{model}")]
    return max(matches, key=len, default=None)
