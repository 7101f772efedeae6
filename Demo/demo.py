"""Segments a real brain, then teaches a new structure from three slices and two corrections.

    make demo

Everything happens on nodes of a MRML scene, by the logic class of the 3D Slicer module, as in
Slicer's Python console. The input comes with nilearn: the MNI ICBM 152 template (a T1-weighted
average of 152 adults) and its maps of grey and white matter, which serve as the reference of the
second part.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from demo_scene import DemoScene
from numpy.typing import NDArray
from picture import draw_steps
from template import NAME, TISSUES, brain_template, template_file, tissue_reference

from funet.evaluation.metrics import dice
from funet.evaluation.tables import Table
from funet.progress import Progress
from funet.provenance import run_record
from FUNetSegmentationLib.scene.labels import read_labels
from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation
from FUNetSegmentationLib.scene.structures import ensure_segments
from FUNetSegmentationLib.scene.writing import draw_slices
from FUNetSegmentationLib.workflow.logic import SegmentationLogic

ANNOTATED = (45, 80, 115)  # the three axial slices that a reader draws
CORRECTIONS = 2
APART = 8  # slices between two corrections: neighbours would teach the same
EPOCHS: int | None = None  # those of the module
STEPS: int | None = None
AXIAL = 0  # axis of the template's axial slices in its (K, J, I) array


def main(argv: Sequence[str] | None = None) -> int:
    """Run both parts and say where the results are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("build/demo"))
    output: Path = parser.parse_args(argv).output
    output.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    shutil.rmtree(output / "models", ignore_errors=True)  # of an earlier demo
    demo_scene = DemoScene()
    logic = SegmentationLogic(modelsFolder=output / "models", scene=demo_scene.scene)
    try:
        with template_file("t1") as path:
            volume_node = demo_scene.load_volume(path, NAME)
        segment_midbrain(logic, demo_scene, volume_node, output)
        teach_tissues(logic, demo_scene, volume_node, output)
    finally:
        logic.close()
    seconds = time.monotonic() - began
    write_made_by(output, seconds)
    say(f"Done in {seconds:.0f} s. The results are in {output.resolve()}:")
    for path in sorted(output.glob("*.*")):
        say(f"  {path.name}")
    return 0


def segment_midbrain(
    logic: SegmentationLogic, demo_scene: DemoScene, volume_node: Any, output: Path
) -> None:
    """Segment midbrain and substantia nigra with the shipped model that fits the volume."""
    model = logic.fittingModel(volume_node)
    say(f"1. Segmenting {NAME} with {model}, the shipped model that fits it")
    segmentation = logic.segment(volume_node, progressCallback=show)
    demo_scene.save_segmentation(segmentation, output / f"{NAME}_{model}.seg.nrrd")
    manifest = logic.model(model)
    millilitres = float(np.prod(volume_node.GetSpacing())) / 1000
    labels = labels_of(segmentation, volume_node)
    for value, name in enumerate(manifest.structures, start=1):
        say(f"   {name}: {int((labels == value).sum()) * millilitres:.2f} mL")


def teach_tissues(
    logic: SegmentationLogic, demo_scene: DemoScene, volume_node: Any, output: Path
) -> None:
    """Teach grey and white matter from three slices, correct two more, and retrain."""
    volume = brain_template()
    reference = tissue_reference(volume)
    names = " and ".join(tissue.name for tissue in TISSUES)
    say(f"2. Teaching {names} from the {len(ANNOTATED)} slices {list(ANNOTATED)}")
    drawing = create_segmentation(volume_node, "Drawn slices")
    ids = ensure_segments(drawing, TISSUES)
    draw_slices(drawing, reference.array, ids, volume_node, AXIAL, ANNOTATED)
    model = logic.trainNewModel(
        volume_node, drawing, "Brain tissue", epochs=EPOCHS, progressCallback=show
    )

    segmentation = logic.segment(volume_node, model=model.id, progressCallback=show)
    before = labels_of(segmentation, volume_node)
    demo_scene.save_segmentation(segmentation, output / f"{NAME}_brain-tissue_before.seg.nrrd")
    chosen = most_doubtful(logic, segmentation)
    say(f"   The worklist puts slices {chosen} first; correcting them and retraining")
    ids = ensure_segments(segmentation, TISSUES)
    draw_slices(segmentation, reference.array, ids, volume_node, AXIAL, chosen)
    result = logic.retrain(segmentation, steps=STEPS, progressCallback=show)
    say(f"   {result.reason}")
    after = labels_of(segmentation, volume_node)
    demo_scene.save_segmentation(segmentation, output / f"{NAME}_brain-tissue_after.seg.nrrd")

    never = [k for k in range(len(before)) if k not in (*ANNOTATED, *chosen)]
    write_table(reference.array, before, after, never, output)
    middle = (chosen[0] + chosen[1]) // 2
    draw_steps(volume, reference, before, after, [*chosen, middle], never, output / "demo.png")


def most_doubtful(logic: SegmentationLogic, segmentation: Any) -> list[int]:
    """Return the first slices of the worklist that are not close to an annotated one."""
    chosen: list[int] = []
    for item in logic.review(segmentation):
        if all(abs(item.sliceIndex - other) >= APART for other in (*ANNOTATED, *chosen)):
            chosen.append(item.sliceIndex)
        if len(chosen) == CORRECTIONS:
            break
    return sorted(chosen)


def labels_of(segmentation: Any, volume_node: Any) -> NDArray[np.uint8]:
    """Return what a segmentation shows: (K, J, I), its first segment as 1, the second as 2."""
    ids = list(segmentation.GetSegmentation().GetSegmentIDs())
    return read_labels(segmentation, dict(enumerate(ids, start=1)), volume_node).labels


def write_table(
    reference: NDArray[np.uint8],
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    never: list[int],
    output: Path,
) -> None:
    """Write and show Dice on the slices that nobody annotated."""
    rows = []
    for tissue in TISSUES:
        scores = [dice(labels[never], reference[never], tissue.value) for labels in (before, after)]
        rows.append((tissue.name, *scores, scores[1] - scores[0]))
    columns = ("structure", "Dice before", "Dice after retraining", "change")
    table = Table(columns, tuple(rows))
    say(f"   Dice on the {len(never)} slices that nobody annotated:\n\n{table.to_markdown()}")
    table.write_markdown(output / "dice_on_slices_never_annotated.md")
    table.write_csv(output / "dice_on_slices_never_annotated.csv")


def write_made_by(output: Path, seconds: float) -> None:
    """Write how the numbers came about."""
    record = {
        "command": "make demo",
        "data": f"{NAME} of nilearn",
        "seed": 0,
        **run_record(seconds),
    }
    text = json.dumps(record, indent=1) + "\n"
    (output / "made_by.json").write_text(text, encoding="utf-8")


def show(progress: Progress) -> None:
    """Show progress in one line that is rewritten."""
    if not sys.stdout.isatty():
        return
    if progress.fraction >= 1.0:
        sys.stdout.write("\r\033[K")
    elif progress.seconds_left is not None:
        sys.stdout.write(
            f"\r   {progress.message} {progress.fraction:4.0%}, "
            f"about {progress.seconds_left:.0f} s left\033[K"
        )
    sys.stdout.flush()


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
