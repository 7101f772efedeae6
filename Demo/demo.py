"""Segments a real brain, then teaches a new structure from three slices and two corrections.

    make demo

The input comes with nilearn: the MNI ICBM 152 template (a T1-weighted average of 152 adults) and
its maps of grey and white matter, which serve as the reference of the second part.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from picture import draw_steps
from template import TISSUES, brain_template, tissue_reference

from funet.annotations.samples import SliceSample, samples_from_volume
from funet.evaluation.metrics import dice
from funet.evaluation.tables import Table
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import LabelMap
from funet.images.volumes import Volume, write_label_map
from funet.loss_config import LossConfig
from funet.models.manifest import Manifest
from funet.models.model import Model
from funet.models.store import ModelStore
from funet.networks import build_network
from funet.prediction.inference import Prediction, Predictor
from funet.prediction.review import worklist
from funet.training.augmentation import Augmentation
from funet.training.events import StepFinished
from funet.training.finetuning import FineTuneConfig, FineTuningFinished, fine_tune
from funet.training.loop import train
from funet.training.presets import TrainingConfig

ANNOTATED = (45, 80, 115)  # the three axial slices that a reader draws
CORRECTIONS = 2
APART = 8  # slices between two corrections: neighbours would teach the same
PREPROCESSING = Preprocessing(slice_axis="axial", spacing=(1.0, 1.0))
TRAINING = TrainingConfig(
    epochs=10,
    steps_per_epoch=8,
    batch_size=4,
    schedule="cosine",
    loss=LossConfig(dice_weight=1.0),
    augmentation=Augmentation(flip=True),
    crop=128,
    averaging=0.9,
)
RETRAINING = FineTuneConfig(steps=40, batch_size=4, crop=128)


def main(argv: Sequence[str] | None = None) -> int:
    """Run both parts and say where the results are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("build/demo"))
    output: Path = parser.parse_args(argv).output
    output.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    volume = brain_template()
    segment_midbrain(volume, output)
    teach_tissues(volume, output)
    say(f"Done in {time.monotonic() - began:.0f} s. The results are in {output.resolve()}:")
    for path in sorted(output.glob("*.*")):
        say(f"  {path.name}")
    return 0


def segment_midbrain(volume: Volume, output: Path) -> None:
    """Segment midbrain and substantia nigra with the shipped model."""
    say("1. Segmenting midbrain and substantia nigra with the shipped model midbrain-t1")
    prediction = Predictor(ModelStore().load("midbrain-t1")).predict(volume)
    write_label_map(output / f"{volume.name}_midbrain-t1.seg.nrrd", prediction.label_map)
    for segment in prediction.label_map.segments:
        voxels = int((prediction.label_map.array == segment.value).sum())
        litres = voxels * float(np.prod(volume.geometry.spacing)) / 1000
        say(f"   {segment.name}: {litres:.2f} mL")


def teach_tissues(volume: Volume, output: Path) -> None:
    """Teach grey and white matter from three slices, correct two more, and retrain."""
    reference = tissue_reference(volume)
    drawn = samples_from_volume(volume, reference, PREPROCESSING, annotated=ANNOTATED)
    names = " and ".join(tissue.name for tissue in TISSUES)
    say(f"2. Teaching {names} from the {len(drawn)} slices {list(ANNOTATED)}")
    first = train_first(drawn)
    before = Predictor(first).predict(volume)

    chosen = most_doubtful(before)
    say(f"   The worklist puts slices {chosen} first; correcting them and retraining")
    corrected = samples_from_volume(volume, reference, PREPROCESSING, annotated=chosen)
    finished = retrain(first, corrected, drawn)
    after = Predictor(Model(first.manifest, finished.network)).predict(volume)

    never = [k for k in range(len(before.doubt)) if k not in (*ANNOTATED, *chosen)]
    write_results(volume, reference, before, after, never, chosen, output)


def train_first(drawn: Sequence[SliceSample]) -> Model:
    """Train a new model from the drawn slices alone."""
    torch.manual_seed(TRAINING.seed)
    network = build_network("funet", in_channels=1, num_classes=1 + len(TISSUES))
    show(train(network, drawn, config=TRAINING))
    manifest = Manifest(
        id="brain-tissue",
        family="brain-tissue",
        name="Brain tissue, from three slices",
        segments=TISSUES,
        preprocessing=PREPROCESSING,
        network=network.config,
        loss=TRAINING.loss,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    return Model(manifest, network)


def retrain(
    base: Model, corrected: Sequence[SliceSample], drawn: Sequence[SliceSample]
) -> FineTuningFinished:
    """Retrain on the corrected slices, repeating the drawn ones that taught the base."""
    finished = show(fine_tune(base, corrected, replay=drawn, config=RETRAINING))
    assert isinstance(finished, FineTuningFinished)
    say(f"   {finished.reason}")
    return finished


def most_doubtful(prediction: Prediction) -> list[int]:
    """Return the first slices of the worklist that are not close to an annotated one."""
    chosen: list[int] = []
    for item in worklist(prediction.doubt.tolist()):
        taken = [*ANNOTATED, *chosen]
        if all(abs(item.slice_index - other) >= APART for other in taken):
            chosen.append(item.slice_index)
        if len(chosen) == CORRECTIONS:
            break
    return sorted(chosen)


def write_results(
    volume: Volume,
    reference: LabelMap,
    before: Prediction,
    after: Prediction,
    never: list[int],
    corrected: list[int],
    output: Path,
) -> None:
    """Write both segmentations, the table of Dice, and a picture."""
    rows = []
    for tissue in TISSUES:
        scores = [
            dice(prediction.label_map.array[never], reference.array[never], tissue.value)
            for prediction in (before, after)
        ]
        rows.append((tissue.name, *scores, scores[1] - scores[0]))
    columns = ("structure", "Dice before", "Dice after retraining", "change")
    table = Table(columns, tuple(rows))
    say(f"   Dice on the {len(never)} slices that nobody annotated:\n\n{table.to_markdown()}")
    table.write_markdown(output / "dice_on_slices_never_annotated.md")
    table.write_csv(output / "dice_on_slices_never_annotated.csv")
    for name, prediction in (("before", before), ("after", after)):
        path = output / f"{volume.name}_brain-tissue_{name}.seg.nrrd"
        write_label_map(path, prediction.label_map)
    middle = (corrected[0] + corrected[1]) // 2
    draw_steps(volume, reference, before, after, [*corrected, middle], never, output / "demo.png")


def show(events: Iterable[object]) -> object:
    """Follow a training with one line that is rewritten; return its last event."""
    event: object = None
    for event in events:
        if isinstance(event, StepFinished) and sys.stdout.isatty():
            sys.stdout.write(
                f"\r   {event.fraction:4.0%}  loss {event.loss:.3f}  "
                f"{event.seconds_left:3.0f} s left "
            )
            sys.stdout.flush()
    if sys.stdout.isatty():
        sys.stdout.write("\r\033[K")
    return event


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
