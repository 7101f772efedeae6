"""What the jobs do: the engine, fed with arrays and plain arguments and reporting as it goes.

This module loads PyTorch, so it is imported by the first job that needs it. Volumes and labels are
arrays (K, J, I) in the job's folder, with their geometry in the arguments:

    {"name": "brain", "shape": [K, J, I], "spacing": [mm, ...], "origin": [...], "direction": [...]}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..annotations.samples import SliceSample, require_every_class, samples_from_volume
from ..annotations.structures import Structures
from ..errors import WorkerError
from ..images.geometry import Geometry
from ..images.preprocessing_settings import Preprocessing
from ..images.segmentations import LabelMap, Segment
from ..images.volumes import Volume
from ..models import archive
from ..models.manifest import Manifest, read_manifest
from ..models.store import ModelStore
from ..prediction.inference import Predictor
from ..prediction.segmenting import expand_inputs, segment_files
from ..progress import Progress
from ..training.events import EpochFinished, Note, StepFinished
from ..training.finetuning import FineTuneConfig
from ..training.learning import (
    ModelPlan,
    ModelRetrained,
    ModelTrained,
    fine_tune_model,
    train_model,
)
from ..training.presets import training_preset
from .arrays import put_array, take_array
from .context import JobContext


class WarmPredictor:
    """Keeps the last model ready between jobs, so that a second click does not load it again."""

    def __init__(self) -> None:
        self._key: tuple[Manifest, str] | None = None
        self._predictor: Predictor | None = None

    def get(self, arguments: Mapping[str, Any]) -> Predictor:
        """Return the predictor for ``arguments["model"]`` on ``arguments["device"]``."""
        model = _store(arguments).load(str(arguments["model"]))
        device = str(arguments.get("device", "auto"))
        key = (model.manifest, device)  # models of the same weights may differ in all else
        if self._predictor is None or key != self._key:
            self._predictor, self._key = Predictor(model, device=device), key
        return self._predictor


def segment(
    arguments: Mapping[str, Any], context: JobContext, warm: WarmPredictor
) -> dict[str, Any]:
    """Segment the array ``volume``; the result holds the array ``labels`` and the doubt.

    With ``known``, labels of slices that the user has judged come as the array of this name, see
    :meth:`~funet.prediction.inference.Predictor.predict`.

    With ``first_slice``, an index along the volume's own slice axis, that slice comes first: a
    metric event ``{"slice": index, "labels": array}`` names its labels, a 2-D array like the
    slice of the result, ``labels.take(index, slice_axis)``.
    """
    predictor, first = warm.get(arguments), arguments.get("first_slice")

    def announce(index: int, labels: NDArray[np.uint8]) -> None:
        context.metric(slice=index, labels=put_array(context.folder, labels))

    prediction = predictor.predict(
        _volume(arguments["volume"], context, "volume"),
        known=take_array(context.folder, "known") if arguments.get("known") else None,
        first_slice=None if first is None else int(first),
        on_slice=announce,
        on_progress=context.progress,
        cancel=context.cancel,
    )
    return {
        "model": predictor.manifest.id,
        "labels": put_array(context.folder, prediction.label_map.array),
        "segments": [asdict(segment) for segment in prediction.label_map.segments],
        "doubt": prediction.doubt.tolist(),
        "slice_axis": prediction.slice_axis,
        "plane": predictor.manifest.preprocessing.slice_axis,
        "notes": list(prediction.notes),
    }


def segment_many(
    arguments: Mapping[str, Any], context: JobContext, warm: WarmPredictor
) -> dict[str, Any]:
    """Segment files into a folder; a metric event tells of each file as it is done.

    The result itself holds nothing: one message would not hold what became of thousands of files.
    ``paths`` are image files, folders and patterns, see
    :func:`~funet.prediction.segmenting.expand_inputs`. The message of a file says why it was
    skipped or failed, or what else the user should know.
    """
    for outcome in segment_files(
        expand_inputs([str(path) for path in arguments["paths"]]),
        warm.get(arguments),
        Path(arguments["output"]),
        suffix=str(arguments.get("suffix", "nii.gz")),
        resume=bool(arguments.get("resume", True)),
        on_progress=context.progress,
        cancel=context.cancel,
    ):
        context.metric(
            input=str(outcome.input),
            output=None if outcome.output is None else str(outcome.output),
            status=outcome.status,
            message=outcome.message or " ".join(outcome.notes),
            seconds=outcome.seconds,
        )
    return {}


def train(arguments: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
    """Train a new model from annotated arrays and publish it in the store."""
    store = _store(arguments)
    store.require_writable()
    preprocessing = Preprocessing.from_dict(arguments.get("preprocessing", {}))
    segments = tuple(Segment.from_dict(fields) for fields in arguments["segments"])
    plan = ModelPlan(
        name=str(arguments["name"]),
        network="funet",
        preprocessing=preprocessing,
        config=replace(training_preset("practice"), **arguments.get("options", {})),
        learn_held_out=True,
    )
    structures = _structures(arguments, segments, preprocessing, context)
    require_every_class(structures.samples, [segment.name for segment in segments])
    events = train_model(structures, plan, cancel=context.cancel)
    trained, notes = _followed(events, context, ModelTrained)
    manifest = _published(store, trained, arguments, context)
    return {"model": manifest.id, "name": manifest.name, "notes": notes}


def fine_tune(arguments: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
    """Retrain a model on corrected slices; the new version is published only if it is kept."""
    store = _store(arguments)
    store.require_writable()
    current = store.load(str(arguments["model"]))
    manifest = current.manifest
    structures = _structures(arguments, manifest.segments, manifest.preprocessing, context)
    config = FineTuneConfig(**arguments.get("options", {}))
    events = fine_tune_model(
        current,
        structures,
        root=store.root_of(current),
        config=config,
        cancel=context.cancel,
    )
    retrained, notes = _followed(events, context, ModelRetrained)
    finished = retrained.finished
    if finished.kept:
        manifest = _published(store, retrained, arguments, context)
    return {
        "model": manifest.id,
        "kept": finished.kept,
        "reason": finished.reason,
        "dice_before": finished.dice_before,
        "dice_after": finished.dice_after,
        "learned": finished.learned,
        "held_out": finished.held_out,
        "notes": notes,
    }


def export_model(arguments: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
    """Write the version ``model`` to the file ``path``, with its kept slices if ``samples``."""
    path = Path(arguments["path"])
    folder = _store(arguments).find(str(arguments["model"]))
    with_samples = bool(arguments.get("samples", False))
    archive.export_model(folder, path, include_samples=with_samples, cancel=context.cancel)
    return {"model": read_manifest(folder).id, "path": str(path)}


def import_model(arguments: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
    """Add the model in the file ``path``; it may get another id, as the ``note`` says."""
    # In the folder of the job, which the parent removes should this process be killed.
    place = context.folder
    imported = archive.import_model(Path(arguments["path"]), _store(arguments), temporary=place)
    manifest = imported.manifest
    return {"model": manifest.id, "name": manifest.name, "note": imported.note}


Result = TypeVar("Result")


def _followed(
    events: Iterator[object], context: JobContext, kind: type[Result]
) -> tuple[Result, list[str]]:
    """Pass the events of a training on, and return its result and what the user should know."""
    event: object = None
    notes: list[str] = []
    for event in events:
        if isinstance(event, Note):
            notes.append(event.text)
            context.log(event.text)
        elif isinstance(event, StepFinished):
            context.progress(Progress(event.fraction, "Learning", event.seconds_left))
            context.metric(step=event.fraction, loss=event.loss)
        elif isinstance(event, EpochFinished):
            context.metric(
                epoch=event.epoch,
                training_loss=event.training_loss,
                validation_loss=event.validation_loss,
                validation_dice=event.validation_dice,
            )
    if not isinstance(event, kind):
        raise WorkerError("The training ended without a result; run it again.")
    return event, notes


def _published(
    store: ModelStore,
    learned: ModelTrained | ModelRetrained,
    arguments: Mapping[str, Any],
    context: JobContext,
) -> Manifest:
    """Publish a model; by ``run``, if given, the parent finds it after a cancel that came late."""
    manifest = learned.model.manifest
    if "run" in arguments:
        manifest = replace(manifest, training=manifest.training | {"run": str(arguments["run"])})
    context.cancel.raise_if_cancelled()
    return store.publish(manifest, learned.model.network, learned.samples)


def _store(arguments: Mapping[str, Any]) -> ModelStore:
    folder = arguments.get("store")
    return ModelStore(user_folder=Path(folder) if folder else None)


def _structures(
    arguments: Mapping[str, Any],
    segments: tuple[Segment, ...],
    preprocessing: Preprocessing,
    context: JobContext,
) -> Structures:
    """Read the cases: arrays ``volume-0``, ``labels-0``, ``volume-1`` and so on."""
    samples: list[SliceSample] = []
    sides: list[float] = []
    for number, case in enumerate(arguments["cases"]):
        volume = _volume(case["volume"], context, f"volume-{number}")
        labels = take_array(context.folder, f"labels-{number}")
        samples += samples_from_volume(
            volume,
            LabelMap(labels, volume.geometry),
            preprocessing,
            annotated=case.get("slices", "labelled"),
            subject=case.get("subject"),
        )
        sides.append(volume.geometry.largest_side)
        context.cancel.raise_if_cancelled()
    return Structures(segments, tuple(samples), sides=tuple(sides))


def _volume(description: Mapping[str, Any], context: JobContext, array: str) -> Volume:
    geometry = Geometry(
        shape=tuple(description["shape"]),
        spacing=tuple(description["spacing"]),
        origin=tuple(description["origin"]),
        direction=tuple(description["direction"]),
    )
    voxels = take_array(context.folder, array).astype("float32", copy=False)
    return Volume(voxels, geometry, str(description["name"]))
