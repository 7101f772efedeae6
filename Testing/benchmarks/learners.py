"""Ways to learn from a few corrected slices: ours, its parts left out, and what others do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from funet.annotations.samples import SliceSample
from funet.loss_config import LossConfig
from funet.models.model import Model
from funet.networks import UNet, build_network
from funet.training.augmentation import Augmentation
from funet.training.finetuning import FineTuneConfig, FineTuningFinished, fine_tune
from funet.training.loop import train
from funet.training.presets import TrainingConfig, training_preset
from funet.training.replay import recall

NEVER_HELD_OUT = 10**6
NEVER_BACK = (1.0, 1.0)


@dataclass(frozen=True)
class Lesson:
    """What there is to learn.

    Attributes:
        base: the model to start from.
        corrections: all slices corrected so far.
        replay: slices that taught the base.
        seed: seed of the learning.
        replay_is_all: whether no other slices taught the base.
    """

    base: Model
    corrections: Sequence[SliceSample]
    replay: Sequence[SliceSample]
    seed: int
    replay_is_all: bool = False


Learner = Callable[[Lesson], UNet]


@dataclass(frozen=True)
class ChangedConfig(FineTuneConfig):
    """The product's settings, with some of the training loop changed."""

    changes: Mapping[str, Any] = field(default_factory=dict)

    def training(self, loss: LossConfig, longest: int) -> TrainingConfig:
        """Return the settings of the training loop."""
        return replace(super().training(loss, longest), **self.changes)


def ours(lesson: Lesson, *, changes: Mapping[str, Any] | None = None, **options: Any) -> UNet:
    """Learn as the product does, but keep the result whatever held-out slices say of it.

    Args:
        lesson: what to learn.
        changes: settings of the training loop that differ.
        options: settings of the retraining that differ.
    """
    options.setdefault("least_for_held_out", NEVER_HELD_OUT)
    return _learned(lesson, ChangedConfig(device="cpu", changes=changes or {}, **options)).network


class InRounds:
    """Learns as the product does round after round: the version before stays unless it is beaten.

    Slices that it has learned judge no other. Each reader needs one of their own.

    Attributes:
        config: settings of the next retraining.
    """

    def __init__(self, config: FineTuneConfig | None = None) -> None:
        self.config = config or FineTuneConfig(device="cpu")
        self._current: Model | None = None
        self._kept: Sequence[SliceSample] = ()

    def __call__(self, lesson: Lesson) -> UNet:
        """Return the network in use after a round."""
        memory = recall([*self._kept, *lesson.replay], lesson.replay, lesson.corrections)
        finished = _learned(
            replace(lesson, corrections=memory.new, replay=memory.replay),
            self.config,
            current=self._current,
            earlier=memory.earlier,
        )
        if finished.kept:
            self._current = Model(lesson.base.manifest, finished.network)
            self._kept = lesson.corrections
        return (self._current or lesson.base).network


def _learned(lesson: Lesson, config: FineTuneConfig, **rounds: Any) -> FineTuningFinished:
    config = replace(config, seed=lesson.seed)
    *_, finished = fine_tune(
        lesson.base,
        lesson.corrections,
        replay=lesson.replay,
        replay_is_all=lesson.replay_is_all,
        config=config,
        **rounds,
    )
    assert isinstance(finished, FineTuningFinished)
    return finished


def nothing(lesson: Lesson) -> UNet:
    """Learn nothing: the corrected slices are only shown to the prediction."""
    return lesson.base.network


def full_fine_tuning(lesson: Lesson) -> UNet:
    """Let all weights follow plain cross-entropy for 50 epochs, in small steps, and nothing else.

    The plain recipe: 50 epochs are MONAI Label's default, whose trainers have augmentation and a
    Dice loss besides. Batches are of one slice, so the statistics of the batch normalisation are
    kept: statistics of one slice would spoil the result.
    """
    settings = TrainingConfig(
        epochs=50,
        batch_size=1,
        learning_rate=1e-4,
        loss=LossConfig("cross_entropy"),
        freeze_statistics=True,
        seed=lesson.seed,
        device="cpu",
    )
    return _trained(copy.deepcopy(lesson.base.network), lesson.corrections, settings)


def unguarded(lesson: Lesson) -> UNet:
    """Ours without what is against forgetting: nothing is repeated, and no weight goes back."""
    return ours(replace(lesson, replay=()), distances=NEVER_BACK)


def from_scratch(lesson: Lesson) -> UNet:
    """Train a new network on the corrected slices alone, in the way of a new model."""
    config = lesson.base.network.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lesson.seed)
        network = build_network("funet", in_channels=1, num_classes=config.num_classes)
    settings = replace(training_preset("practice"), seed=lesson.seed, device="cpu")
    return _trained(network, lesson.corrections, settings)


def head_only(lesson: Lesson) -> UNet:
    """Ours, with all but the last layer held."""
    network = copy.deepcopy(lesson.base.network)
    network.requires_grad_(requires_grad=False)
    network.head.requires_grad_(requires_grad=True)
    return _ours_from(network, lesson)


def decoder_only(lesson: Lesson) -> UNet:
    """Ours, with the contracting path held."""
    network = copy.deepcopy(lesson.base.network)
    network.encoder.requires_grad_(requires_grad=False)
    return _ours_from(network, lesson)


def _ours_from(network: UNet, lesson: Lesson) -> UNet:
    learned = ours(replace(lesson, base=Model(lesson.base.manifest, network)))
    return learned.requires_grad_(requires_grad=True)


def _trained(network: UNet, samples: Sequence[SliceSample], settings: TrainingConfig) -> UNet:
    _exhaust(train(network, samples, config=settings))
    return network.requires_grad_(requires_grad=True)


def _exhaust(events: Iterable[object]) -> None:
    for _ in events:
        pass


OTHERS: Mapping[str, Learner] = {
    "full fine-tuning, cross-entropy, 50 epochs": full_fine_tuning,
    "full fine-tuning, learned as ours": unguarded,
    "from scratch": from_scratch,
    "last layer only": head_only,
    "expansive path only": decoder_only,
}

ABLATION: Mapping[str, Learner] = {
    "as it is": ours,
    "no replay": lambda lesson: ours(replace(lesson, replay=())),
    "no step back": lambda lesson: ours(lesson, distances=NEVER_BACK),
    "neither": unguarded,
    "plain cross-entropy": lambda lesson: ours(
        lesson, changes={"loss": LossConfig("cross_entropy", dice_weight=1.0)}
    ),
    "no Dice term": lambda lesson: ours(
        lesson, changes={"loss": replace(lesson.base.manifest.loss, dice_weight=0.0)}
    ),
    "encoder at 0.3 of the rate": lambda lesson: ours(lesson, encoder_rate=0.3),
    "a quarter of the rate": lambda lesson: ours(lesson, learning_rate=5e-4),
    "statistics learned": lambda lesson: ours(lesson, changes={"freeze_statistics": False}),
    "with dropout": lambda lesson: ours(lesson, changes={"dropout": True}),
    "last weights": lambda lesson: ours(lesson, averaging=None),
    "no augmentation": lambda lesson: ours(lesson, augmentation=None),
    "strong augmentation": lambda lesson: ours(lesson, augmentation=Augmentation()),
    "falling rate": lambda lesson: ours(lesson, changes={"schedule": "cosine"}),
    "farther from the base": lambda lesson: ours(lesson, distances=(0.25, 0.7)),
    "40 steps": lambda lesson: ours(lesson, steps=40),
    "120 steps": lambda lesson: ours(lesson, steps=120),
}
