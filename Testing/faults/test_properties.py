"""What must hold for anything that a generator thinks of."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from slices import disc_slices
from studies import write_image
from test_training import FAST
from threshold_models import boxes, publish
from threshold_models import image as box_image
from tiny_models import tiny_manifest, tiny_network

from funet.annotations.sample_archive import load_samples, save_samples
from funet.annotations.samples import SliceSample
from funet.images.geometry import Geometry
from funet.images.segmentations import LabelMap, Segment
from funet.images.volumes import Volume, read_label_map, read_volume, write_label_map
from funet.losses import FeedbackWeightedCrossEntropyLoss, feedback_weight_map
from funet.models.manifest import Manifest, dump_manifest, parse_manifest
from funet.models.model import load_model, save_model
from funet.models.store import ModelStore
from funet.models.weights import load_tensors, save_tensors
from funet.prediction.inference import Predictor
from funet.training.loop import train

from phantoms import axial_grid, oblique_grid, positions, stored_otherwise

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30).filter(
    lambda text: text == text.strip()
)
GRIDS = st.builds(
    lambda shape, spacing, origin, oblique: replace(
        oblique_grid() if oblique else axial_grid(), shape=shape, spacing=spacing, origin=origin
    ),
    st.tuples(*[st.integers(1, 7)] * 3),
    st.tuples(*[st.floats(0.1, 9.0).map(lambda mm: round(mm, 3))] * 3),
    st.tuples(*[st.floats(-200, 200).map(lambda mm: round(mm, 2))] * 3),
    st.booleans(),
)
STORAGES = st.tuples(st.permutations(range(3)), st.tuples(*[st.booleans()] * 3))
few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(
    grid=GRIDS,
    values=st.lists(st.integers(0, 3), min_size=1, max_size=20),
    names=st.lists(TEXT, min_size=3, max_size=3, unique_by=str.casefold),
    suffix=st.sampled_from(["nii.gz", "nrrd", "seg.nrrd", "mha"]),
)
def test_writing_reading_and_writing_a_label_map_changes_nothing(
    grid: Geometry, values: list[int], names: list[str], suffix: str
) -> None:
    array = np.resize(np.array(values, np.uint8), grid.shape)
    segments = tuple(Segment(n, name, (n, 2, 3)) for n, name in enumerate(names, 1))
    with tempfile.TemporaryDirectory() as folder:
        first, second = (Path(folder) / f"{name}.{suffix}" for name in "ab")
        write_label_map(first, LabelMap(array, grid, segments))
        once = read_label_map(first)
        write_label_map(second, once)
        twice = read_label_map(second)
        np.testing.assert_array_equal(once.array, array)
        np.testing.assert_array_equal(twice.array, array)
        assert once.geometry.matches(grid)
        assert twice.segments == once.segments
        assert twice.geometry.shape == once.geometry.shape
        # NIfTI keeps half the digits; ITK takes NRRD's directions apart and loses the last one.
        drift = np.abs(twice.geometry.affine - once.geometry.affine).max()
        assert drift <= {"nii.gz": 1e-5, "mha": 0.0}.get(suffix, 1e-12)
        if suffix == "mha":
            assert first.read_bytes() == second.read_bytes()


@few
@given(grid=GRIDS, seed=st.integers(0, 2**31))
def test_writing_reading_and_writing_an_image_changes_nothing(grid: Geometry, seed: int) -> None:
    array = np.random.default_rng(seed).normal(0, 100, grid.shape).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        once = read_volume(write_image(Path(folder) / "a.nii.gz", Volume(array, grid, "a")))
        twice = read_volume(write_image(Path(folder) / "b.nii.gz", once))
    np.testing.assert_array_equal(once.array, array)
    np.testing.assert_array_equal(twice.array, array)
    assert once.geometry.matches(grid)
    assert twice.geometry.matches(once.geometry)


@few
@given(
    tensors=st.dictionaries(
        TEXT,
        arrays.arrays(
            st.sampled_from([np.float32, np.uint8, np.int64]), arrays.array_shapes(max_side=4)
        ),
        max_size=4,
    ),
    texts=st.dictionaries(TEXT, st.text(max_size=20).filter(str.isprintable), max_size=3),
)
def test_writing_reading_and_writing_tensors_gives_the_same_bytes(
    tensors: dict[str, np.ndarray], texts: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "a", Path(folder) / "b"
        save_tensors(first, {name: torch.tensor(one) for name, one in tensors.items()}, texts)
        save_tensors(second, *load_tensors(first))
        assert first.read_bytes() == second.read_bytes()


@few
@given(
    name=TEXT,
    description=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=50),
    structures=st.lists(TEXT, min_size=2, max_size=2, unique=True),
    training=st.dictionaries(
        TEXT, st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
    ),
    seed=st.integers(0, 2**31),
    samples=st.integers(0, 3),
)
def test_writing_reading_and_writing_a_model_gives_the_same_bytes(
    name: str,
    description: str,
    structures: list[str],
    training: dict[str, object],
    seed: int,
    samples: int,
) -> None:
    segments = tuple(Segment(n, one, (n, 0, 9)) for n, one in enumerate(structures, 1))
    facts = {"name": name, "description": description, "segments": segments, "training": training}
    manifest = tiny_manifest(**facts)
    slices = disc_slices(samples, "subject é", sides=(5, 7))
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "a", Path(folder) / "b"
        written = save_model(first, manifest, tiny_network(seed), slices)
        model = load_model(first)
        assert isinstance(model.manifest, Manifest)
        assert model.manifest == written == parse_manifest(dump_manifest(written))
        save_model(second, model.manifest, model.network, slices)
        for path in first.iterdir():
            assert path.read_bytes() == (second / path.name).read_bytes()


@few
@given(
    labels=arrays.arrays(
        np.uint8, st.tuples(*[st.integers(1, 6)] * 2), elements=st.sampled_from([0, 1, 254, 255])
    ),
    subject=st.text(max_size=20).filter(str.isprintable),
    index=st.integers(0, 2**31),
)
def test_kept_slices_come_back_exactly(labels: np.ndarray, subject: str, index: int) -> None:
    picture = labels.astype(np.float32) / 7 - 3
    sample = SliceSample(picture, labels, subject, index)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slices"
        digest = save_samples(path, [sample])
        (again,) = load_samples(path, digest)
    assert (again.subject, again.slice_index) == (subject, index)
    np.testing.assert_array_equal(again.image, picture)
    np.testing.assert_array_equal(again.labels, labels)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("models")
    publish(folder)
    return Predictor(ModelStore(folder).load("boxes"), device="cpu", precision="float32")


def in_the_world(label_map: LabelMap) -> set[tuple[float, ...]]:
    """Where labels are, in mm, and which."""
    inside = label_map.array > 0
    points = np.round(positions(label_map.geometry)[inside], 3) + 0.0
    return {
        (*point, value)
        for point, value in zip(points.tolist(), label_map.array[inside].tolist(), strict=True)
    }


@few
@given(storage=STORAGES)
def test_flipped_and_permuted_axes_give_the_same_labels_in_the_world(
    predictor: Predictor, storage: tuple[list[int], tuple[bool, ...]]
) -> None:
    plain = LabelMap(boxes(), axial_grid(), ())
    grid = stored_otherwise(axial_grid(), *storage)
    result = predictor.predict(Volume(box_image(grid), grid, "stored otherwise")).label_map
    assert result.geometry == grid
    assert in_the_world(result) == in_the_world(plain)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**31), augmented=st.booleans())
def test_the_same_seed_gives_the_same_bytes_on_the_cpu(seed: int, augmented: bool) -> None:
    config = replace(FAST, seed=seed, epochs=1)
    if not augmented:
        config = replace(config, augmentation=None)
    files = []
    for noise in (0, 1):
        torch.manual_seed(noise)  # what the caller draws must not matter
        np.random.default_rng(noise).random()
        network = tiny_network(seed)
        list(train(network, disc_slices(4), config=config))
        with tempfile.TemporaryDirectory() as folder:
            save_model(Path(folder) / "m", tiny_manifest(), network.eval(), disc_slices(1))
            files.append({path.name: path.read_bytes() for path in (Path(folder) / "m").iterdir()})
    assert files[0] == files[1]


FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
LARGEST = st.sampled_from([float(sign * np.finfo(np.float32).max) for sign in (-1, 1)])
LOGITS = FINITE | LARGEST | st.floats(-50, 50, width=32)


@settings(max_examples=150, deadline=None)
@given(
    logits=arrays.arrays(
        np.float32,
        st.tuples(st.just(2), st.integers(2, 4), st.just(3), st.just(2)),
        elements=LOGITS,
    ),
    seed=st.integers(0, 2**31),
    beta=st.floats(0.01, 100),
    min_weight=st.floats(1e-4, 1),
    ignored=st.floats(0, 1),
)
def test_the_loss_is_finite_and_its_weight_between_the_least_and_one(
    logits: np.ndarray, seed: int, beta: float, min_weight: float, ignored: float
) -> None:
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, logits.shape[1], (2, 3, 2))
    target = torch.tensor(np.where(rng.random(classes.shape) < ignored, 255, classes))
    scores = torch.tensor(logits, requires_grad=True)
    loss = FeedbackWeightedCrossEntropyLoss(beta, min_weight, ignore_index=255)(scores, target)
    loss.backward()
    assert torch.isfinite(loss)
    assert loss >= 0
    assert scores.grad is not None and torch.isfinite(scores.grad).all()
    weight = feedback_weight_map(scores, target, beta=beta, min_weight=min_weight, ignore_index=255)
    counted = weight[target != 255]
    assert (counted >= min_weight * (1 - 1e-6)).all() and (counted <= 1 + 1e-6).all()
    assert (weight[target == 255] == 0).all()
