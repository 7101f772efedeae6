"""Trainings that are killed, diverge, or have nothing to learn: to the bit, or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Shell, image, labels, one_sentence, train_words
from logic_tools import new_logic, pump_until
from refusals import refused
from scene_nodes import draw, paint, segmentation_of, volume_of
from slices import disc_slices
from threshold_models import SEGMENTS, boxes, publish
from threshold_models import image as box_image
from tiny_models import run_child, same_weights, tiny_manifest, tiny_network

from funet.annotations.structures import Structures
from funet.errors import InputError, TrainingError
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import LabelMap
from funet.models.model import Model, load_model
from funet.models.store import ModelStore
from funet.training.finetuning import FineTuneConfig
from funet.training.learning import ModelPlan, fine_tune_model, train_model
from funet.training.presets import training_preset
from FUNetSegmentationLib.jobs.runner import JobRunner
from FUNetSegmentationLib.workflow.logic import SegmentationLogic

from phantoms import axial_grid

# Killed at any event of the training, and at any change of the disk while its state is stored.
KILLED_AND_RESUMED = """
    import os, signal, sys
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from slices import disc_slices
    from test_training import FAST, same, tiny_network, weights_of
    from funet.training.loop import train

    def learn(network, **more):
        return train(network, disc_slices(4), config=FAST, validation=disc_slices(2, "v"), **more)

    def end():
        os.kill(os.getpid(), signal.SIGKILL)

    def killed_at_event(checkpoint, last):
        for number, event in enumerate(learn(tiny_network(), checkpoint=checkpoint,
                                             checkpoint_seconds=0)):
            if number == last:
                end()

    def killed_on_disk(checkpoint, last):
        seen = 0
        def watch(event, arguments):
            nonlocal seen
            if event in ("open", "os.rename") and str(arguments[0]).find("state") >= 0:
                seen += 1
                if seen > last:
                    end()
        sys.addaudithook(watch)
        list(learn(tiny_network(), checkpoint=checkpoint, checkpoint_seconds=0))

    whole = tiny_network()
    list(learn(whole))
    for kill, places in ((killed_at_event, (0, 5, 9)), (killed_on_disk, (1, 2, 3, 4, 6))):
        for place in places:
            checkpoint = Path(sys.argv[1]) / f"state-{kill.__name__}-{place}"
            pid = os.fork()
            if pid == 0:
                kill(checkpoint, place)
                os._exit(1)
            assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
            resumed = tiny_network(seed=99 if checkpoint.exists() else 0)
            notes = [event.text for event in learn(resumed, checkpoint=checkpoint)
                     if hasattr(event, "text")]
            assert same(weights_of(resumed), weights_of(whole)), (kill, place)
            print("resumed" if any("Resumed" in note for note in notes) else "anew")
"""


@pytest.mark.case(9)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_training_killed_anywhere_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    ways = run_child(KILLED_AND_RESUMED, tmp_path).split()
    assert len(ways) == 8
    assert set(ways) == {"resumed", "anew"}


@pytest.mark.case(9)
def test_the_killed_command_goes_on_to_the_same_model(
    study: Path, tmp_path: Path, shell: Shell, untouched: Callable[..., None]
) -> None:
    untouched(study)
    assert shell(*train_words(study, tmp_path / "whole", "--epochs", 3)) == 0
    output = tmp_path / "killed"
    words = train_words(study, output, "--epochs", 3, "--checkpoint-every", 0)
    checkpoint = output.with_name(f"{output.name}.checkpoint.safetensors")
    threads = str(torch.get_num_threads())
    with subprocess.Popen(
        [sys.executable, "-m", "funet", *words],
        env=os.environ | {"OMP_NUM_THREADS": threads},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        give_up = time.monotonic() + 60
        while not checkpoint.exists() and time.monotonic() < give_up:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not output.exists()
    assert shell(*words) == 0
    assert "Resumed after epoch" in shell.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "whole"]
    resumed, whole = load_model(output), load_model(tmp_path / "whole")
    assert same_weights(resumed.network, whole.network)
    assert resumed.manifest.weights_sha256 == whole.manifest.weights_sha256
    assert resumed.manifest.metrics == whole.manifest.metrics


@pytest.mark.case(32)
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("rate", [1e3, 1e4, 1e30])
def test_a_training_that_diverges_stops_and_says_what_to_do(rate: float, schedule: str) -> None:
    """The loss need not become infinite: 1e26 is a number, too."""
    samples = disc_slices(6, sides=(32, 28))
    config = replace(training_preset("practice"), learning_rate=rate, schedule=schedule)
    config = replace(config, epochs=5, device="cpu", precision="float32", gradient_clip=None)
    plan = ModelPlan("Discs", "funet", Preprocessing(), config)
    with refused(r"The loss became .* nothing was kept.*smaller learning rate", TrainingError):
        list(train_model(Structures(SEGMENTS, tuple(samples)), plan))


@pytest.mark.case(32)
def test_a_retraining_that_diverges_stops_before_there_is_a_version() -> None:
    base = Model(tiny_manifest(), tiny_network().eval())
    config = FineTuneConfig(learning_rate=1e3, device="cpu")
    samples = tuple(disc_slices(3, sides=(32, 28)))
    with refused("smaller learning rate", TrainingError):
        list(fine_tune_model(base, Structures(tiny_manifest().segments, samples), config=config))


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    publish(tmp_path / "models")
    return ModelStore(tmp_path / "models", tmp_path / "none")


def drawn(volume_name: str = "brain") -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """The arguments of a training job, and its arrays: one drawn slice of the boxes."""
    grid = axial_grid()
    place = {name: getattr(grid, name) for name in ("shape", "spacing", "origin", "direction")}
    cases = [{"volume": {"name": volume_name, **place}, "slices": [5]}]
    return {"cases": cases}, {"volume-0": box_image(), "labels-0": boxes()}


@pytest.mark.case(32)
@pytest.mark.parametrize("job", ["train", "fine_tune"])
def test_a_job_that_diverges_publishes_nothing(
    runner: JobRunner, store: ModelStore, untouched: Callable[..., None], job: str
) -> None:
    arguments, arrays = drawn()
    arguments |= {"options": {"learning_rate": 1e3, "device": "cpu"}, "model": "boxes"}
    if job == "train":
        arguments |= {"name": "New", "segments": [asdict(segment) for segment in SEGMENTS]}
    untouched(store.user_folder)
    runner.models_folder = store.user_folder
    handle = runner.submit(job, arguments, arrays=arrays)
    with refused("smaller learning rate", TrainingError):
        runner.wait(handle)
    assert [manifest.id for manifest in store.list()] == ["boxes"]


@pytest.fixture
def logic(runner: JobRunner, store: ModelStore) -> SegmentationLogic:
    return new_logic(runner, store.user_folder)


@pytest.mark.case(28)
def test_an_empty_segmentation_teaches_nothing_and_is_named(
    logic: SegmentationLogic, scene: object, store: ModelStore, untouched: Callable[..., None]
) -> None:
    untouched(store.user_folder)
    volume = volume_of(scene, array=box_image())
    nothing = LabelMap(np.zeros_like(boxes()), axial_grid(), SEGMENTS)
    node, _ids = segmentation_of(scene, volume, nothing)
    node.SetName("My drawing")
    with refused("Nothing is drawn in My drawing; draw every structure", InputError):
        logic.trainNewModel(volume, node, "New", device="cpu")
    with refused("nothing to learn from in My drawing: correct or accept", InputError):
        logic.retrain(node, volumeNodes=volume, model="boxes", device="cpu")
    assert logic.segment(volume, "boxes", device="cpu") is not None  # it goes on working


@pytest.mark.case(28)
def test_a_segment_that_no_slice_shows_is_named(
    logic: SegmentationLogic, scene: object, store: ModelStore, untouched: Callable[..., None]
) -> None:
    """It is drawn, but in no slice that teaches: all others are as the model predicted them."""
    untouched(store.user_folder)
    volume = volume_of(scene, array=box_image())
    node = logic.segment(volume, "boxes", device="cpu")
    only_large = next(k for k in range(len(boxes())) if set(np.unique(boxes()[k])) == {0, 1})
    logic.acceptSlice(node, only_large)
    with refused("No annotated slice shows Small box; draw it", InputError):
        logic.trainNewModel(volume, node, "New", device="cpu")


@pytest.mark.case(28)
@pytest.mark.parametrize("lacking", ["Large", "Small"])
def test_the_command_names_the_structure_that_no_slice_shows(
    shell: Shell, study: Path, tmp_path: Path, lacking: str
) -> None:
    """Slice 0 shows nothing at all."""
    case = ["--case", image(study, 0), labels(study, 0), "0"]
    names = f"1={lacking}"
    words = ["train", *case, "--output", tmp_path / "new", "--name", "n", "--structures", names]
    assert shell(*words) == 2
    assert "shows" in one_sentence(shell.err)
    assert not (tmp_path / "new").exists()


@pytest.fixture
def corrected(logic: SegmentationLogic, scene: object) -> tuple[object, object]:
    """A volume and its prediction, one slice of which is corrected."""
    volume = volume_of(scene, array=box_image())
    node = logic.segment(volume, "boxes", device="cpu")
    paint(node, node.GetSegmentation().GetNthSegmentID(0), volume, 0, 4)
    return volume, node


@pytest.mark.case(12)
@pytest.mark.parametrize("phase", ["published", "predicting"])
def test_a_cancel_at_the_last_moment_of_a_retraining_leaves_no_version(
    logic: SegmentationLogic,
    runner: JobRunner,
    store: ModelStore,
    corrected: tuple[object, object],
    untouched: Callable[..., None],
    phase: str,
) -> None:
    untouched(store.user_folder / "boxes", store.user_folder / "boxes.v2")
    task = logic.retrain(corrected[1], steps=2, device="cpu", waitForCompletion=False)
    if phase == "published":  # the new version lies there, and its job has not ended for us
        while not (store.user_folder / "boxes.v2" / "model.json").is_file():
            runner.pump(0.0) if task.progress.fraction == 0 else time.sleep(0.001)
    else:
        pump_until(runner, lambda: "boxes.v2" in [one.id for one in store.list()])
    task.cancel()
    assert pump_until(runner, lambda: task.finished) < 2
    assert (task.state, task.error) == ("cancelled", "")
    assert [manifest.id for manifest in store.list()] == ["boxes"]
    assert store.active("boxes").id == "boxes"
    assert logic.retrain(corrected[1], steps=2, device="cpu").kept


@pytest.mark.case(12)
def test_a_cancel_at_the_last_moment_of_a_training_leaves_no_model(
    logic: SegmentationLogic,
    runner: JobRunner,
    store: ModelStore,
    scene: object,
    untouched: Callable[..., None],
) -> None:
    untouched(store.user_folder / "boxes", store.user_folder / "new")
    volume = volume_of(scene, array=box_image())
    node, ids = segmentation_of(scene, volume, LabelMap(boxes(), axial_grid(), SEGMENTS))
    draw(node, volume, ids, boxes())
    task = logic.trainNewModel(volume, node, "New", epochs=1, device="cpu", waitForCompletion=False)
    while not (store.user_folder / "new" / "model.json").is_file():
        runner.pump(0.0) if task.progress.fraction == 0 else time.sleep(0.001)
    task.cancel()
    assert pump_until(runner, lambda: task.finished) < 2
    assert [manifest.id for manifest in store.list()] == ["boxes"]
