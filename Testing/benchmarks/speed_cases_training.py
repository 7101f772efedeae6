"""A training step against eager float32, and how long the loop waits for its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from speed_inputs import disc_slices, half_precision
from speed_timing import Goal, Measured, Setting, interleaved, median, ratio, recorded
from torch import nn

from funet.annotations.samples import SliceSample
from funet.losses import build_loss
from funet.networks import UNet, build_network
from funet.runtime import Precision
from funet.training.batches import BatchesAhead, BatchSource
from funet.training.events import StepFinished, TrainingEvent
from funet.training.loop import train
from funet.training.presets import TrainingConfig, training_preset

_ROUNDS = 4


def training_step(setting: Setting) -> Measured:
    """One step with all that belongs to it (batch, changes, average), and a plain one without."""
    side = setting.size(160, 32)
    samples = disc_slices(12, sides=(side, side))
    config = replace(
        training_preset("practice"), device="cpu", seed=setting.seed, epochs=10_000, batch_size=6
    )
    precision = half_precision()
    with recorded(BatchesAhead, "batch") as waiting:
        steps = {name: endless(samples, config, name) for name in {precision, "float32"}}
        calls: dict[str, Callable[[], object]] = {
            f"ours, {name}": lambda step=step: next_step(step) for name, step in steps.items()
        }
        calls["eager float32"] = eager_step(samples, config)
        times = interleaved(calls, _ROUNDS * setting.repeats)  # each takes a fraction of a second
        for step in steps.values():
            step.close()
    rounds = waiting[len(steps) :]  # nothing can be ready for the first steps
    ours = sum(sum(times[f"ours, {name}"]) for name in steps)
    goals = [
        Goal(
            f"faster than eager float32, {config.batch_size} slices of {side}×{side}, {precision}",
            ratio(times, "eager float32", f"ours, {precision}"),
            1.8 if precision == "bfloat16" else 1.0,
            at_most=False,
        ),
        Goal(
            "faster than eager float32 where half precision is not to be had",
            ratio(times, "eager float32", "ours, float32"),
            1.0,
            at_most=False,
        ),
        Goal("of a step is spent waiting for data", 100 * sum(rounds) / ours, 1.0, unit=" %"),
    ]
    facts = {"precision": precision, "seconds_to_make_a_batch": batch_seconds(samples, config)}
    return Measured(goals, times, facts)


def endless(
    samples: list[SliceSample], config: TrainingConfig, precision: Precision
) -> Iterator[TrainingEvent]:
    """A training that goes on as long as it is asked for events."""
    return train(new_network(), samples, config=replace(config, precision=precision))


def next_step(events: Iterator[TrainingEvent]) -> None:
    """Let a training learn one more batch."""
    while not isinstance(next(events), StepFinished):
        pass


def eager_step(samples: list[SliceSample], config: TrainingConfig) -> Callable[[], None]:
    """The same network, loss and optimiser in a plain loop, on a batch that is ready."""
    network = new_network().train()
    loss = build_loss(config.loss)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    images, labels = batches_of(samples, config).batch(0)

    def step() -> None:
        optimiser.zero_grad()
        loss(network(images), labels.long()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()

    return step


def batch_seconds(samples: list[SliceSample], config: TrainingConfig) -> float:
    """Time to draw a batch and to change it, which the background thread has a step for."""
    source = batches_of(samples, config)
    assert config.augmentation is not None

    def make() -> None:
        assert config.augmentation is not None
        config.augmentation(*source.batch(0), torch.Generator().manual_seed(0))

    return median(interleaved({"batch": make}, 5)["batch"])


def batches_of(samples: list[SliceSample], config: TrainingConfig) -> BatchSource:
    """The batches that a training draws."""
    return BatchSource(
        samples, batch_size=config.batch_size, crop=config.crop, weights=None, seed=config.seed
    )


def new_network() -> UNet:
    """The network of the shipped models, with the same weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_network("funet", in_channels=1, num_classes=3)
