"""Systems are compared on the same slices, fairly, by subject, and never trained twice."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from slices import disc_slice, disc_slices
from torch import nn

from funet.annotations.samples import SliceSample
from funet.comparison.experiment import Plan, dice_per_slice, run_plan
from funet.comparison.runs import ImageScore, Run, read_run, write_run
from funet.comparison.splits import middle_of, slices_with_every_structure, split_slices
from funet.comparison.systems import System, parse_system
from funet.errors import Cancelled, InputError
from funet.loss_config import LossConfig
from funet.losses import build_loss
from funet.networks import build_network
from funet.progress import CancelToken, Progress
from funet.training.presets import TrainingConfig

CONFIG = TrainingConfig(
    epochs=2, steps_per_epoch=2, batch_size=4, device="cpu", precision="float32"
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Several threads only get in each other's way on networks this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def subjects(count: int, slices: int = 3) -> list[SliceSample]:
    return [s for number in range(count) for s in disc_slices(slices, f"subject{number:02}")]


def names_of(samples: tuple[SliceSample, ...]) -> set[str]:
    return {sample.subject for sample in samples}


def tiny(name: str, network: str = "brunet", loss: str = "feedback") -> System:
    return System(
        name=name,
        network=lambda classes: build_network(
            network, in_channels=1, num_classes=classes, features=4, depth=2, dropout=0.0
        ),
        loss=lambda: build_loss(LossConfig(loss)),
    )


def plan(*systems: System, **changes: object) -> Plan:
    settings = {"sizes": (4,), "seeds": (0,), "validation": 2, "split_seed": 0, "config": CONFIG}
    return Plan(systems=systems, **(settings | changes))


def do(a_plan: Plan, samples: list[SliceSample], folder: Path, **options: object) -> list[Run]:
    return [r for r in run_plan(a_plan, samples, 2, folder, **options) if isinstance(r, Run)]


# -- splits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("train", "validation"), [(1, 1), (7, 2), (10, 10), (24, 3)])
def test_groups_have_exact_sizes_and_share_no_subject(train, validation, seed):
    split = split_slices(subjects(12), train, validation, seed)
    assert (len(split.train), len(split.validation)) == (train, validation)
    groups = [names_of(group) for group in (split.train, split.validation, split.test)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 12


def test_test_subjects_keep_all_their_slices():
    split = split_slices(subjects(12), 7, 2, 0)
    assert len(split.test) == 3 * len(names_of(split.test)) == 3 * (12 - 3 - 1)


def test_the_same_seed_gives_the_same_split_whatever_the_order_of_the_subjects():
    samples = subjects(12)
    split = split_slices(samples, 10, 2, 1)
    shuffled = [s for first in (6, 0, 9, 3) for s in samples[3 * first : 3 * first + 9]]
    again = split_slices(shuffled, 10, 2, 1)
    assert [s is t for s, t in zip(split.train, again.train, strict=True)] == [True] * 10
    assert names_of(split_slices(samples, 10, 2, 2).train) != names_of(split.train)


def test_fewer_training_slices_are_a_part_of_more():
    samples = subjects(12)
    small, large = split_slices(samples, 5, 2, 3), split_slices(samples, 14, 2, 3)
    assert {id(s) for s in small.train} < {id(s) for s in large.train}


@pytest.mark.parametrize(("train", "validation"), [(37, 1), (34, 3), (30, 6)])
def test_too_few_subjects_are_refused(train, validation):
    with pytest.raises(InputError, match="36 slices of 12 subjects do not suffice"):
        split_slices(subjects(12), train, validation, 0)


def test_only_slices_with_every_structure_take_part_evenly_spread():
    every = disc_slices(11, "a")
    alone = [replace(s, labels=np.minimum(s.labels, 1), slice_index=50) for s in every[:3]]
    other = disc_slices(2, "b")
    chosen = slices_with_every_structure([*alone, *every, *other], 2, 3)
    assert [(s.subject, s.slice_index) for s in chosen] == [
        *(("a", index) for index in (2, 5, 8)),
        *(("b", index) for index in (0, 1)),
    ]
    with pytest.raises(InputError, match="No slice shows every structure"):
        slices_with_every_structure(every, 3, None)


@pytest.mark.parametrize("count", range(1, 16))
@pytest.mark.parametrize("most", range(1, 12))
def test_no_slice_takes_part_twice(count, most):
    chosen = slices_with_every_structure(disc_slices(count, "a"), 2, most)
    indices = [sample.slice_index for sample in chosen]
    assert len(set(indices)) == len(indices) == min(count, most)
    assert indices == sorted(indices)


@pytest.mark.parametrize(
    ("side", "rows", "columns"),
    [
        (2, (2, 4), (3, 5)),
        (3, (1, 4), (2, 5)),
        (5, (0, 5), (1, 6)),
        (6, (0, 6), (1, 7)),
        (9, (0, 6), (0, 8)),
    ],
)
def test_the_middle_of_a_slice_is_as_far_from_both_ends(side, rows, columns):
    image = np.arange(48, dtype=np.float32).reshape(6, 8)
    sample = SliceSample(image, image.astype(np.uint8), "s", 7)
    middle = middle_of(sample, side)
    assert np.array_equal(middle.image, image[slice(*rows), slice(*columns)])
    assert np.array_equal(middle.labels, middle.image)
    assert (middle.subject, middle.slice_index) == ("s", 7)


# -- systems ------------------------------------------------------------------------------------


def test_the_papers_names_stand_for_a_network_and_a_loss():
    for name, residual, loss in (
        ("unet", False, "min_weight=1.0"),
        ("brunet", True, "min_weight=1.0"),
        ("funet", True, "beta=2.0, min_weight=0.01, ignore_index=255, detach_weight=True"),
        ("unet+feedback", False, "beta=2.0, min_weight=0.01"),
        ("unet+dice", False, "SoftDiceLoss()"),
    ):
        system = parse_system(name, LossConfig(beta=2.0, detach_weight=True))
        assert system.network(3).config.residual is residual
        assert loss in repr(system.loss())


def test_the_detached_loss_holds_the_weight_constant():
    assert "detach_weight=True" in repr(parse_system("brunet+detached").loss())
    assert "detach_weight=False" in repr(parse_system("brunet+feedback").loss())


def test_a_number_behind_the_feedback_loss_is_its_exponent():
    settings = LossConfig(beta=1.0, dice_weight=0.5)
    system = parse_system("unet+feedback@2", settings)
    assert system.name == "unet+feedback@2"
    assert "beta=2.0, min_weight=0.01, ignore_index=255, detach_weight=False" in repr(system.loss())
    assert "beta=0.5" in repr(parse_system("brunet+detached@0.5").loss())
    assert "detach_weight=True" in repr(parse_system("brunet+detached@0.5").loss())
    assert "beta=1.0" in repr(parse_system("unet+feedback", settings).loss())
    assert system.network(3).config.residual is False


@pytest.mark.parametrize("beta", ["0", "0.001", "101", "999.999"])
def test_an_exponent_out_of_its_range_is_refused(beta):
    with pytest.raises(InputError, match="beta"):
        parse_system(f"brunet+feedback@{beta}")


@pytest.mark.parametrize(
    "name",
    [
        *("", "resnet", "unet+", "unet+hinge", "funet+focal", "unet+dice+"),
        *("funet@2", "unet+focal@2", "unet+cross_entropy@2", "unet+feedback@", "unet+feedback@two"),
        *("unet+feedback@-1", "unet+feedback@1e2", "unet+feedback@2@3", "unet+feedback@٣"),
    ],
)
def test_an_unknown_system_is_refused(name):
    with pytest.raises(InputError, match=r"is unknown; use unet, brunet, funet"):
        parse_system(name)


# -- runs ---------------------------------------------------------------------------------------


def test_three_systems_are_trained_and_tested_on_the_same_images(tmp_path):
    systems = (
        tiny("unet", "unet", "cross_entropy"),
        tiny("brunet", "brunet", "cross_entropy"),
        tiny("funet"),
    )
    config = replace(CONFIG, epochs=3, steps_per_epoch=8, learning_rate=1e-2)
    runs = do(plan(*systems, sizes=(4, 8), config=config), subjects(7, 2), tmp_path)
    assert [(r.system, r.size) for r in runs] == [
        (name, size) for size in (4, 8) for name in ("unet", "brunet", "funet")
    ]
    for size, tested in ((4, 8), (8, 4)):
        images = {tuple((i.subject, i.slice) for i in r.images) for r in runs if r.size == size}
        assert [len(one) for one in images] == [tested]
    # The U-net without normalisation has hardly begun to learn after so few batches.
    assert all(run.dice[0].mean() > 0.4 for run in runs if run.system != "unet")
    assert all(1 <= run.best_epoch <= 3 for run in runs)
    assert all(run.validation_dice > 0.2 for run in runs if run.system != "unet")


def test_systems_with_one_network_and_loss_give_the_same_numbers(tmp_path):
    first, second = do(plan(tiny("a"), tiny("b")), subjects(6), tmp_path)
    assert np.array_equal(first.dice, second.dice)


def test_any_network_and_loss_can_be_a_row(tmp_path):
    own = System("own/1", lambda classes: nn.Conv2d(1, classes, 3, padding=1), lambda: OwnLoss())
    (run,) = do(plan(own), subjects(6), tmp_path)
    assert run.dice.shape == (2, 9)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own-1_4_0.json", "own-1_4_0.npz"]


class OwnLoss(nn.Module):
    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(logits, target, ignore_index=255)


def test_finished_runs_are_read_again_and_not_done_again(tmp_path):
    samples = subjects(6)
    (before,) = do(plan(tiny("a")), samples, tmp_path)
    stored = tmp_path / "a_4_0.json"
    marked = json.loads(stored.read_text(encoding="utf-8")) | {"seconds": 12345.0}
    stored.write_text(json.dumps(marked))
    seen: list[Progress] = []
    runs = do(plan(tiny("a"), tiny("b"), seeds=(0, 1)), samples, tmp_path, on_progress=seen.append)
    assert runs[0] == replace(before, seconds=12345.0)
    assert stored.read_text(encoding="utf-8") == json.dumps(marked)
    assert [(r.system, r.seed) for r in runs] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert seen[0].message == "Run 2 of 4: b, 4 images, seed 0"
    assert seen[0].fraction == pytest.approx(1 / 12)
    assert seen[-1].fraction == 1


def test_a_cancelled_comparison_keeps_what_is_done(tmp_path):
    cancel = CancelToken()

    def cancel_the_second(progress: Progress) -> None:
        if progress.message.startswith("Run 2"):
            cancel.cancel()

    with pytest.raises(Cancelled):
        do(
            plan(tiny("a"), tiny("b")),
            subjects(6),
            tmp_path,
            on_progress=cancel_the_second,
            cancel=cancel,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_4_0.json", "a_4_0.npz"]


@pytest.mark.parametrize(
    "change",
    [
        {"config": replace(CONFIG, epochs=3)},
        {"split_seed": 5},
        {"systems": (tiny("a", loss="cross_entropy"),)},
        {"systems": (tiny("a", network="unet"),)},
    ],
)
def test_results_of_other_settings_are_refused_before_anything_is_trained(tmp_path, change):
    samples = subjects(6)
    do(plan(tiny("a")), samples, tmp_path)
    with pytest.raises(InputError, match="comes from other images or settings"):
        run_plan(replace(plan(tiny("a")), **change), samples, 2, tmp_path)


def test_results_of_other_images_are_refused(tmp_path):
    samples = subjects(6)
    do(plan(tiny("a")), samples, tmp_path)
    changed = [replace(s, image=s.image + 1) if s is samples[0] else s for s in samples]
    with pytest.raises(InputError, match="comes from other images or settings"):
        run_plan(plan(tiny("a")), changed, 2, tmp_path)


RUN = Run("a", 4, 0, 2, 0.5, 1.5, (ImageScore("s", 3, (0.25, math.nan)),))


def test_a_run_survives_its_file_to_the_bit(tmp_path):
    path = tmp_path / "run.json"
    write_run(path, RUN, "key")
    again = read_run(path, "key")
    assert again.images[0].dice[0] == 0.25
    assert math.isnan(again.images[0].dice[1])
    assert repr(again) == repr(RUN)
    assert "NaN" not in path.read_text(encoding="utf-8")
    assert repr(read_run(path, None)) == repr(RUN)
    assert read_run(tmp_path / "other.json", "key") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("}", ""),
        ('"seed": 0', '"seed": "0"'),
        ("0.25", "1.25"),
        ("0.25", "true"),
        ('"size": 4,', ""),
        ('"key"', '"extra": 1, "key"'),
        ('"images": [', '"images": [{"subject": "t", "slice": 1, "dice": [0.1]},'),
    ],
)
def test_a_damaged_result_is_refused(tmp_path, old, new):
    path = tmp_path / "run.json"
    write_run(path, RUN, "key")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=r"run\.json is damaged; delete it"):
        read_run(path, "key")


@pytest.mark.parametrize(
    "change", [{"sizes": ()}, {"seeds": (1, 1)}, {"sizes": (0,)}, {"validation": 0}]
)
def test_a_plan_without_sense_is_refused(change):
    with pytest.raises(InputError, match="A comparison needs at least"):
        plan(tiny("a"), **change)


def test_dice_is_of_each_slice_by_itself():
    sample = disc_slice()
    shows_all = nn.Conv2d(1, 3, 1)
    nn.init.zeros_(shows_all.weight)
    shows_all.bias.data = torch.tensor([0.0, 1.0, 0.0])  # says 1 everywhere
    ((one, two),) = dice_per_slice(shows_all, [sample], 2)
    area = int((sample.labels == 1).sum())
    assert one == pytest.approx(2 * area / (area + sample.labels.size))
    assert two == 0.0
