"""The whole loop on generated phantoms, with a small model that is trained on the way.

3D Slicer runs it as the module's self-test; it needs neither a download nor the shipped models.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .phantom import STRUCTURES, add_phantom, phantom_arrays
from .scene.labels import read_labels
from .scene.segmentation_nodes import create_segmentation
from .scene.structures import ensure_segments, new_structures, segments_of_model
from .scene.writing import draw_slices
from .workflow.logic import SegmentationLogic

EPOCHS = 14
STEPS = 20
DRAWN_SLICES = (3, 6, 9, 12, 15)
AXIAL = 0  # axis of the phantom's slices in its (K, J, I) array
NEW_PATIENT = 3  # seed of the phantom that the model has not seen
_LEAST_DICE = 0.5


def run_self_test(scene: Any, say: Callable[[str], None]) -> None:
    """Draw, train, segment, correct, retrain, go back.

    Args:
        scene: an empty scene; it holds the results afterwards.
        say: told of each step.

    Raises:
        AssertionError: saying what is wrong.
        FunetError: when a step fails.
    """
    with tempfile.TemporaryDirectory(prefix="funet-") as folder:
        logic = SegmentationLogic(modelsFolder=Path(folder), scene=scene)
        try:
            _run(logic, scene, say)
        finally:
            logic.close()


def _run(logic: SegmentationLogic, scene: Any, say: Callable[[str], None]) -> None:
    structures = new_structures(STRUCTURES)
    say("Training a model from five drawn slices")
    taught, truth = add_phantom(scene, "Phantom head"), phantom_arrays()[1]
    drawing = create_segmentation(taught, "Drawing")
    drawn = ensure_segments(drawing, structures)
    draw_slices(drawing, truth, drawn, taught, AXIAL, DRAWN_SLICES)
    model = logic.trainNewModel(taught, drawing, name="Phantom", epochs=EPOCHS, seed=0)

    say("Segmenting another head with it")
    patient = add_phantom(scene, "New patient", NEW_PATIENT)
    truth = phantom_arrays(NEW_PATIENT)[1]
    segmentation = logic.segment(patient, model=model.id)
    ids = {v: one for v, one in segments_of_model(segmentation, structures).items() if one}
    _require(len(ids) == len(STRUCTURES), "the segmentation lacks a structure")
    first = read_labels(segmentation, ids, patient).labels
    score = _dice(first == 1, truth == 1)
    _require(score > _LEAST_DICE, f"Dice of {STRUCTURES[0]} is only {score:.2f}")

    say("Correcting the two most doubtful slices, and accepting a third")
    corrected = [item.sliceIndex for item in logic.review(segmentation)[:2]]
    draw_slices(segmentation, truth, ids, patient, AXIAL, corrected)
    accepted = logic.review(segmentation)[0].sliceIndex
    logic.acceptSlice(segmentation, accepted)
    changed = sorted(k for k in corrected if (first[k] != truth[k]).any())
    _require(sorted(logic.correctedSlices(segmentation)) == changed, "corrections went unnoticed")

    say("Retraining")
    result = logic.retrain(segmentation, steps=STEPS, seed=0)
    _require(result.kept, f"the new version was not kept: {result.reason}")
    after = read_labels(segmentation, ids, patient).labels
    _require((after[corrected] == truth[corrected]).all(), "a corrected slice was changed")
    _require((after[accepted] == first[accepted]).all(), "an accepted slice was changed")

    say("Rolling back")
    earlier = logic.rollBack(segmentation)
    _require(earlier.id == model.id, f"rolled back to {earlier.id} instead of {model.id}")
    back = read_labels(segmentation, ids, patient).labels
    untouched = [k for k in range(len(first)) if k not in (*corrected, accepted)]
    _require((back[untouched] == first[untouched]).all(), "the earlier prediction did not return")


def _dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return 2.0 * float((first & second).sum()) / max(1, int(first.sum() + second.sum()))


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
