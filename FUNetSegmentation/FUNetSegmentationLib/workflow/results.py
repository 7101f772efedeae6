"""What the logic hands back: plain objects with the names that Slicer users expect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from funet.models.manifest import Manifest


@dataclass(frozen=True)
class ReviewSlice:
    """One slice of the worklist.

    Attributes:
        sliceIndex: index along the slice axis of the volume, counted from 0.
        doubt: expected number of wrong pixels, spread over the slices where the model knows little
            of the volume; ``None`` where nothing was predicted.
        state: ``"predicted"``, ``"corrected"`` or ``"accepted"``.
        position: where the slice lies, mm, as Slicer shows it beside its slice views.
    """

    sliceIndex: int
    doubt: float | None
    state: str
    position: float


@dataclass(frozen=True)
class RetrainingResult:
    """What came of a retraining.

    Attributes:
        model: id of the version in use afterwards: the new one if it was kept.
        kept: whether the new version is better, or nothing could be compared.
        reason: why, as one sentence.
        diceBefore, diceAfter: Dice of each structure by its name on slices held out, ``None`` for
            one that they do not show; ``None`` altogether if none was held out.
        learned, heldOut: number of slices that taught it and that judged it.
        notes: what else the user should know, as plain sentences.
    """

    model: str
    kept: bool
    reason: str
    diceBefore: dict[str, float | None] | None
    diceAfter: dict[str, float | None] | None
    learned: int
    heldOut: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileResult:
    """What became of one file of a batch.

    Attributes:
        input: the image.
        output: its label map; ``None`` if it failed.
        status: ``"done"``, ``"skipped"`` (its label map was there already) or ``"failed"``.
        message: why it was skipped or failed, as one sentence.
        seconds: time that it took.
    """

    input: str
    output: str | None
    status: str
    message: str
    seconds: float

    @classmethod
    def from_outcome(cls, outcome: dict[str, Any]) -> FileResult:
        """Return what the worker reports of a file."""
        return cls(
            input=str(outcome["input"]),
            output=outcome["output"],
            status=str(outcome["status"]),
            message=str(outcome["message"]),
            seconds=float(outcome["seconds"] or 0.0),
        )


@dataclass(frozen=True)
class ModelInfo:
    """A model version.

    Attributes:
        id: unique name; ``name`` is what people see.
        family: id of the first version; ``version`` counts within it, ``parent`` taught this one.
        structures: names of the structures, in the order of their label values.
        active: whether it is the version of its family in use.
        shipped: whether it came with the extension and cannot be renamed or deleted.
        created: date and time in UTC.
        description, licence: text for people.
        metrics: what was measured: dictionaries with data, structure, name, mean, deviation and
            count.
        slicePlane: ``"axial"``, ``"coronal"`` or ``"sagittal"``.
        slices: number of slices that taught it, ``None`` if it does not say.
        successive: whether its structures follow one another from slice to slice, so that one
            corrected slice shows the others where one gives way to the next.
        damaged: why it cannot be used, as one sentence; empty for a model that can.
    """

    id: str
    name: str
    family: str
    version: int
    parent: str | None
    structures: tuple[str, ...]
    active: bool
    shipped: bool
    created: str
    description: str = ""
    licence: str = ""
    metrics: tuple[dict[str, Any], ...] = field(default=(), hash=False)
    slicePlane: str = "axial"
    slices: int | None = None
    successive: bool = False
    damaged: str = ""

    @classmethod
    def from_manifest(cls, manifest: Manifest, *, active: bool, shipped: bool) -> ModelInfo:
        """Return what a description says."""
        taught = manifest.training.get("samples")
        return cls(
            id=manifest.id,
            name=manifest.name,
            family=manifest.family,
            version=manifest.version,
            parent=manifest.parent,
            structures=tuple(segment.name for segment in manifest.segments),
            active=active,
            shipped=shipped,
            created=manifest.created,
            description=manifest.description,
            licence=manifest.licence,
            metrics=tuple(dict(vars(metric)) for metric in manifest.metrics),
            slicePlane=manifest.preprocessing.slice_axis,
            slices=taught if isinstance(taught, int) else None,
            successive=manifest.successive is not None,
        )
