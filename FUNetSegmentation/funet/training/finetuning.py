"""Learning from corrected slices: a new version of a model, kept only where it is better."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from ..annotations.samples import SliceSample, class_counts, require_known_labels
from ..errors import TrainingError
from ..loss_config import LossConfig
from ..losses import build_loss
from ..models.model import Model
from ..networks import UNet
from ..progress import CancelToken
from ..runtime import Runtime, choose_device
from .augmentation import Augmentation
from .events import TrainingEvent
from .interpolation import step_back
from .loop import train
from .parts import as_part
from .presets import TrainingConfig
from .validation import SliceScore, score_slices

# Larger slices than the usual ones need more patches to be seen whole. Smaller ones than a patch
# cost less, so in the same time more of them are learned, which forgets less.
_USUAL_STEPS, _MOST_STEPS = 50, 120
_USUAL_SIDE, _PATCH_SIDE = 128, 64
# In batches: long enough for the validation after each to cost little, short enough to be followed.
_USUAL_EPOCH, _EPOCH_LENGTHS = 10, (5, 15)

# The slices to come look like those corrected, so that strong changes teach what is not needed.
_SLIGHT_CHANGES = Augmentation(
    rotation=8,
    scale=0.1,
    gamma=0.1,
    contrast=0.1,
    brightness=0.1,
    bias=0.1,
    noise=0.05,
    blur=1.0,
)


@dataclass(frozen=True)
class FineTuneConfig:
    """Settings of a retraining on corrected slices.

    Attributes:
        steps: batches to learn, or up to four more, since all epochs are of one length; if
            ``None``, 50 for slices of 64 to 128 pixels, more for larger ones in proportion to their
            longest side, and for smaller ones in inverse proportion to its square, at most 120.
        batch_size: slices in a batch.
        learning_rate: step size of the optimiser, the same from the first step to the last.
        encoder_rate: learning rate of the contracting path relative to the rest.
        replay_share: share of each batch that repeats what the model learned before, in [0, 1).
        held_out_share: share of the new corrected slices that only judge the new version.
        least_for_held_out: corrected slices, earlier ones included, below which none is held out.
        learn_held_out: whether a new version that is better on the held-out slices is made once
            more from all corrected slices, these too.
        averaging: decay of the averaged weights.
        distances, dice_to_keep: how far the weights go from the base model's towards those that
            the training reached, see :func:`~funet.training.interpolation.step_back`.
        augmentation: random changes of the batches, or ``None``.
        crop: least and largest side of a patch in pixels, which otherwise is half of the longest
            side of the corrected slices; ``None`` never crops.
        max_seconds: time after which the learning ends with the epoch, or ``None``.
        seed, device: as in :class:`~funet.training.presets.TrainingConfig`.
    """

    steps: int | None = None
    batch_size: int = 4
    learning_rate: float = 2e-3
    encoder_rate: float = 1.0
    replay_share: float = 0.5
    held_out_share: float = 0.25
    least_for_held_out: int = 4
    learn_held_out: bool = True
    averaging: float | None = 0.9
    distances: tuple[float, float] = (0.25, 0.6)
    dice_to_keep: float = 0.8
    augmentation: Augmentation | None = field(default_factory=lambda: _SLIGHT_CHANGES)
    crop: tuple[int, int] | None = (_PATCH_SIDE, 160)
    max_seconds: float | None = None
    seed: int = 0
    device: str = "auto"

    def batches(self, longest: int) -> int:
        """Return how many batches to learn of slices whose longest side has so many pixels."""
        ratio = max(1.0, longest / _USUAL_SIDE, (_PATCH_SIDE / longest) ** 2)
        return self.steps or min(int(round(_USUAL_STEPS * ratio, -1)), _MOST_STEPS)

    def is_far(self, distance: float) -> bool:
        """Return whether weights so far from the base's may have forgotten some of its task.

        At 0.6 of the way, 0.02 of the Dice was forgotten, and less than 0.01 by those that went
        back farther (Resources/Results, what a correction is worth).
        """
        return distance > sum(self.distances) / 2

    def training(self, loss: LossConfig, longest: int) -> TrainingConfig:
        """Return the same as settings of the training loop.

        Args:
            loss: of the base model.
            longest: side of the corrected slices in pixels.
        """
        epochs, steps_per_epoch = _epochs_of(self.batches(longest))
        return TrainingConfig(
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=1e-4,
            # So few steps cannot spare those that a falling rate would make small.
            schedule="constant",
            loss=replace(loss, dice_weight=1.0),
            augmentation=self.augmentation,
            crop=None if self.crop is None else min(max(longest // 2, self.crop[0]), self.crop[1]),
            averaging=self.averaging,
            # The held-out slices judge the result, so they must not choose it.
            choose_best=False,
            encoder_rate=self.encoder_rate,
            # Statistics of so few slices would be worse than those of the base model's training.
            freeze_statistics=True,
            # Without it, slices do not depend on each other and are computed side by side.
            dropout=False,
            gradient_clip=5.0,
            max_seconds=self.max_seconds,
            seed=self.seed,
            device=self.device,
        )


def _epochs_of(steps: int) -> tuple[int, int]:
    """Return how many epochs of how many batches, about ten, learn these and the fewest more."""
    lengths = range(min(_EPOCH_LENGTHS[0], steps), _EPOCH_LENGTHS[1] + 1)
    length = min(lengths, key=lambda one: (-steps % one, abs(one - _USUAL_EPOCH)))
    return math.ceil(steps / length), length


@dataclass(frozen=True)
class FineTuningFinished:
    """What a retraining came to.

    Attributes:
        network: the retrained network, also where it is not kept.
        kept: whether it is better than the current version on the held-out slices, by the mean
            Dice or, where that is equal, by the loss; also if none were held out.
        reason: one sentence saying why it was kept or not.
        dice_before, dice_after: Dice of each structure on the held-out slices with the current
            version and with the new network, every pixel as its likeliest class; ``None`` if no
            slice was held out.
        learned: corrected slices that it learned from.
        held_out: corrected slices that judged it.
        distance: how far its weights lie from the base model's to those that the training
            reached, in (0, 1].
    """

    network: UNet
    kept: bool
    reason: str
    dice_before: tuple[float, ...] | None
    dice_after: tuple[float, ...] | None
    learned: int
    held_out: int
    distance: float

    def after_all(self, network: UNet, learned: int, distance: float) -> FineTuningFinished:
        """Return the same for the network that then learned the held-out slices, too."""
        return replace(
            self,
            network=network,
            reason=f"{self.reason.removesuffix('.')}, which it then learned, too.",
            learned=learned,
            distance=distance,
        )


def fine_tune(
    base: Model,
    corrections: Sequence[SliceSample],
    *,
    current: Model | None = None,
    earlier: Sequence[SliceSample] = (),
    replay: Sequence[SliceSample] = (),
    replay_is_all: bool = False,
    config: FineTuneConfig | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[TrainingEvent | FineTuningFinished]:
    """Teach a copy of the base model the corrected slices; the base itself is left as it is.

    The last event is :class:`FineTuningFinished`. Every round starts from the same base and
    learns from the corrections of all rounds, so that errors of one round do not pile up in the
    next; only new corrections are held out, because the current version has learned the others.
    A new version that is better on these is made once more from all slices.

    Args:
        base: the model to start from.
        corrections: slices that ``current`` has not learned, of one or more volumes.
        current: the version that the new one must beat on the held-out slices; the base if
            ``None``.
        earlier: corrected and accepted slices of earlier rounds.
        replay: slices that taught the base, repeated against forgetting.
        replay_is_all: whether the base learned from no other slices. If all of them come round in
            this retraining, as those of a model that was taught by a few do, nothing is left to
            forget, and the weights do not go back.
        config: settings; the defaults if ``None``.
        cancel: checked before every batch.

    Raises:
        Cancelled: within one batch of a cancel.
        TrainingError: if there is no correction, not even an earlier one.
        InputError: if a slice holds a label that the model does not know.
    """
    config = config or FineTuneConfig()
    if not corrections and not earlier:
        raise TrainingError("No slice is corrected or accepted yet; correct at least one.")
    names = [segment.name for segment in base.manifest.segments]
    require_known_labels([*corrections, *earlier, *replay], names)
    least = config.least_for_held_out - len(earlier)
    share, seed = config.held_out_share, config.seed
    learn, held_out = split_held_out(corrections, share, least, seed, earlier)
    learn = (*learn, *earlier)
    again = config.learn_held_out and bool(held_out)
    parts = 2 if again else 1
    if config.max_seconds is not None:
        config = replace(config, max_seconds=config.max_seconds / parts)
    teach = partial(
        _teach, base, replay=replay, replay_is_all=replay_is_all, config=config, cancel=cancel
    )
    network, distance = yield from as_part(teach(learn, held_out), 0, parts)
    finished = _judge(current or base, network, len(learn), held_out, distance, config, cancel)
    if again and finished.kept:
        # What judged is too dear to be left out: a quarter of all that somebody drew.
        every = (*corrections, *earlier)
        network, distance = yield from as_part(teach(every, ()), 1, parts)
        finished = finished.after_all(network, len(every), distance)
    yield finished


def _teach(
    base: Model,
    learn: Sequence[SliceSample],
    held_out: Sequence[SliceSample],
    *,
    replay: Sequence[SliceSample],
    replay_is_all: bool,
    config: FineTuneConfig,
    cancel: CancelToken | None,
) -> Generator[TrainingEvent, None, tuple[UNet, float]]:
    """Train a copy of the base and go back from there; return it and how far it lies from it."""
    network = copy.deepcopy(base.network)
    longest = _longest_side(learn)
    yield from train(
        network,
        [*learn, *replay],
        config=config.training(base.manifest.loss, longest),
        validation=held_out,
        weights=_weights(len(learn), len(replay), config.replay_share),
        cancel=cancel,
    )
    if cancel is not None:
        cancel.raise_if_cancelled()
    repeats = config.replay_share * config.batch_size * config.batches(longest)
    if replay_is_all and len(replay) <= repeats:
        return network, 1.0  # nothing is left to forget
    distance = step_back(
        base.network,
        network,
        learn,
        distances=config.distances,
        dice_to_keep=config.dice_to_keep,
        device=config.device,
        cancel=cancel,
    )
    return network, distance


def split_held_out(
    corrections: Sequence[SliceSample],
    share: float,
    least: int,
    seed: int,
    earlier: Sequence[SliceSample] = (),
) -> tuple[tuple[SliceSample, ...], tuple[SliceSample, ...]]:
    """Split corrected slices into those to learn from and those that judge the result.

    Only slices that show a structure can judge, and at least one such slice stays to learn from.
    So does a slice of every structure, for none is judged that was not taught.

    Args:
        corrections: corrected and accepted slices.
        share: share to hold out.
        least: number of corrected slices below which none is held out.
        seed: seed of the choice.
        earlier: further slices that are learned in any case.

    Returns:
        The slices to learn from and the held-out ones, both in the order of ``corrections``.
    """
    able = [i for i, sample in enumerate(corrections) if sample.shows_structure]
    if len(corrections) < least or len(able) < 2:
        return tuple(corrections), ()
    count = min(max(1, round(len(corrections) * share)), len(able) - 1)
    shown = [class_counts([sample]).keys() for sample in corrections]
    teachers = Counter(value for values in shown for value in values)
    teachers.update(value for sample in earlier for value in class_counts([sample]))
    chosen: set[int] = set()
    for index in (able[i] for i in np.random.default_rng(seed).permutation(len(able))):
        if len(chosen) < count and all(teachers[value] > 1 for value in shown[index]):
            chosen.add(index)
            teachers.subtract(shown[index])
    return (
        tuple(sample for i, sample in enumerate(corrections) if i not in chosen),
        tuple(corrections[i] for i in sorted(chosen)),
    )


def _longest_side(samples: Sequence[SliceSample]) -> int:
    return max(int(side) for sample in samples for side in sample.image.shape)


def _weights(learned: int, replayed: int, share: float) -> list[float] | None:
    if not replayed:
        return None
    return [(1 - share) / learned] * learned + [share / replayed] * replayed


def _judge(
    current: Model,
    network: UNet,
    learned: int,
    held_out: Sequence[SliceSample],
    distance: float,
    config: FineTuneConfig,
    cancel: CancelToken | None,
) -> FineTuningFinished:
    if not held_out:
        reason = (
            "The new version is kept without a comparison, because there are too few corrected "
            f"slices: it takes {config.least_for_held_out}, and a new one whose structures others "
            "show as well."
        )
        return FineTuningFinished(
            network,
            kept=True,
            reason=reason,
            dice_before=None,
            dice_after=None,
            learned=learned,
            held_out=0,
            distance=distance,
        )
    device, _ = choose_device(config.device)
    loss = build_loss(current.manifest.loss).to(device)
    before, after = (
        score_slices(
            copy.deepcopy(candidate).to(device),
            held_out,
            loss=loss,
            runtime=Runtime(device),
            cancel=cancel,
        )
        for candidate in (current.network, network)
    )
    kept = _is_better(after, before)
    slices = "1 corrected slice" if len(held_out) == 1 else f"{len(held_out)} corrected slices"
    numbers = f"mean Dice {before.mean_dice:.3f} before and {after.mean_dice:.3f} after"
    if after.mean_dice == before.mean_dice:
        numbers += f", loss {before.loss:.3f} before and {after.loss:.3f} after,"
    numbers += f" on {slices} held out"
    reason = (
        f"The new version is kept: {numbers}."
        if kept
        else f"The old version is kept, because the new one is not better: {numbers}."
    )
    return FineTuningFinished(
        network,
        kept=kept,
        reason=reason,
        dice_before=before.dice,
        dice_after=after.dice,
        learned=learned,
        held_out=len(held_out),
        distance=distance,
    )


def _is_better(after: SliceScore, before: SliceScore) -> bool:
    """By Dice; by the loss where Dice cannot tell, as in slices that hardly show a structure."""
    return (after.mean_dice, -after.loss) > (before.mean_dice, -before.loss)
