"""The training loop: a generator of events that can be cancelled, resumed and repeated."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..annotations.samples import SliceSample
from ..errors import TrainingError
from ..losses import build_loss
from ..progress import CancelToken
from ..runtime import (
    NO_ROOM_ON_GPU,
    Runtime,
    choose_device,
    is_out_of_memory,
    place_where_it_fits,
    training_runtime,
)
from ..side_by_side import SideBySide
from .averaging import AveragedWeights
from .batches import BatchesAhead, BatchSource
from .checkpoints import Checkpoint, TrainingState, fingerprint
from .events import EpochFinished, Note, StepFinished, TrainingEvent, TrainingFinished
from .gradients import gradients_side_by_side
from .optimiser import make_optimiser, match_layouts
from .presets import TrainingConfig
from .validation import SliceScore, score_slices

# A loss that grew so much tells of weights that no longer mean anything, though they are numbers.
_DIVERGED = 1e4

# How PyTorch begins to complain of a batch normalisation over a single value.
_ONE_VALUE = "Expected more than 1 value per channel"


def train(
    network: nn.Module,
    samples: Sequence[SliceSample],
    *,
    config: TrainingConfig,
    loss: nn.Module | None = None,
    validation: Sequence[SliceSample] = (),
    weights: Sequence[float] | None = None,
    cancel: CancelToken | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 60.0,
) -> Iterator[TrainingEvent]:
    """Train a network in place and report every batch and epoch.

    The last event is :class:`~funet.training.events.TrainingFinished`; the network then holds the
    weights of the best epoch by mean validation Dice, or of the last one without validation
    slices, on the CPU and in evaluation mode. On the CPU the same arguments give the same weights
    to the bit, also when the training was killed and resumed from its checkpoint.

    Args:
        network: any module that maps images (N, 1, rows, columns) to logits (N, classes, rows,
            columns); trained in place.
        samples: annotated slices to learn from.
        config: every setting.
        loss: any module of (logits, target), with the target int64 and 255 to be ignored;
            the one of ``config`` if ``None``.
        validation: annotated slices to choose the best epoch by.
        weights: how often each sample is drawn, relative to the others.
        cancel: checked before every batch.
        checkpoint: file to resume from if it exists, and to store the state in.
        checkpoint_seconds: shortest time between two stored states; the last is always stored.

    Raises:
        Cancelled: within one batch of a cancel.
        TrainingError: if there is nothing to learn from, the loss diverges, the memory does not
            hold a single slice, or the checkpoint belongs to another training.
    """
    if not samples:
        raise TrainingError("There is nothing to learn from; annotate at least one slice.")
    loss = build_loss(config.loss) if loss is None else loss
    trainer = _Trainer(network, loss, samples, validation, weights, config)
    saved = None if checkpoint is None else Checkpoint(checkpoint, trainer.fingerprint)
    try:
        yield from trainer.run(cancel or CancelToken(), saved, checkpoint_seconds)
    finally:
        trainer.close()


class _Trainer:
    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        samples: Sequence[SliceSample],
        validation: Sequence[SliceSample],
        weights: Sequence[float] | None,
        config: TrainingConfig,
    ) -> None:
        self._config = config
        self._validation = validation
        self.fingerprint = fingerprint(config, network, loss, samples, validation, weights)
        self._batches = BatchSource(
            samples,
            batch_size=config.batch_size,
            crop=config.crop,
            weights=weights,
            seed=config.seed,
        )
        self._steps = config.steps_per_epoch or max(
            self._batches.steps_per_pass, config.least_steps
        )
        self._ahead = BatchesAhead(self._make_batch, config.epochs * self._steps)
        device, notes = choose_device(config.device)
        self._network, device, more_notes = place_where_it_fits(network, device)
        self._notes = [*notes, *more_notes]  # not told yet
        self._loss = loss.to(device)
        self._optimiser = make_optimiser(network, config)
        self._average = (
            None if config.averaging is None else AveragedWeights(network, config.averaging)
        )
        self._runtime = Runtime(device)
        self._gpus = [device] if device.type == "cuda" else []
        self._scaler = torch.amp.GradScaler(device.type, enabled=False)
        self._parts = 1  # a batch is computed in this many parts once the memory ran out
        alone = device.type == "cpu" and config.freeze_statistics and not config.dropout
        self._side_by_side = SideBySide(config.batch_size if alone else 1)
        self._best: dict[str, Tensor] = {}
        self._best_epoch = 0
        self._best_score = -math.inf
        self._epoch = 0
        self._seconds = 0.0
        self._first_loss: float | None = None

    def run(
        self, cancel: CancelToken, checkpoint: Checkpoint | None, checkpoint_seconds: float
    ) -> Iterator[TrainingEvent]:
        yield from self._untold()
        stored = checkpoint.load() if checkpoint is not None else None
        self._choose_precision(stored)
        if stored is not None:
            self._restore(stored)
            yield Note(f"Resumed after epoch {self._epoch} of {self._config.epochs}.")
        last_stored = time.monotonic()
        # A stored state may be that of a training at its end.
        reason = None if stored is None else self._reason_to_stop()
        while reason is None:
            yield from self._train_epoch(cancel)
            reason = self._reason_to_stop()
            if checkpoint is not None:
                due = time.monotonic() - last_stored >= checkpoint_seconds
                if due or reason is not None:
                    checkpoint.store(self._state())
                    last_stored = time.monotonic()
        self._network.load_state_dict(self._best)
        self._network.to("cpu").eval()
        score = self._best_score if self._validation else None
        yield TrainingFinished(self._best_epoch, score, reason)

    def close(self) -> None:
        """End all threads; called however the training ends."""
        self._ahead.close()
        self._side_by_side.close()

    def _train_epoch(self, cancel: CancelToken) -> Iterator[TrainingEvent]:
        config, losses = self._config, []
        for step in range(self._steps):
            cancel.raise_if_cancelled()
            began = time.monotonic()
            losses.append(self._learn(self._epoch * self._steps + step))
            self._seconds += time.monotonic() - began
            yield from self._untold()
            yield StepFinished(
                epoch=self._epoch + 1,
                epochs=config.epochs,
                step=step + 1,
                steps_per_epoch=self._steps,
                loss=losses[-1],
                seconds_left=self._seconds_left(step + 1),
            )
        cancel.raise_if_cancelled()
        began = time.monotonic()
        score = self._validate()
        self._seconds += time.monotonic() - began
        if score is not None and score.note:
            yield Note(score.note)
        self._epoch += 1
        best = score is None or not self._config.choose_best or score.mean_dice > self._best_score
        if best:
            self._best = {name: tensor.clone() for name, tensor in self._result_state().items()}
            self._best_epoch = self._epoch
            self._best_score = -math.inf if score is None else score.mean_dice
        yield EpochFinished(
            epoch=self._epoch,
            epochs=config.epochs,
            training_loss=sum(losses) / len(losses),
            validation_loss=None if score is None else score.loss,
            validation_dice=None if score is None else score.dice,
            is_best=best,
        )

    def _learn(self, step: int) -> float:
        """Take one optimiser step, in more and smaller parts once the memory runs out."""
        config = self._config
        images, target = self._ahead.batch(step)
        factor = config.rate(step, config.epochs * self._steps)
        for group in self._optimiser.param_groups:
            group["lr"] = config.learning_rate * group["rate"] * factor
        _set_modes(self._network, config)
        while True:
            try:
                # Dropout draws from the global generator, which the caller gets back untouched.
                with torch.random.fork_rng(devices=self._gpus):
                    torch.manual_seed(_seed(config.seed, step, 1))
                    loss = self._gradients(images, target)
                break
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._split_batch(error)
            except ValueError as error:
                if not str(error).startswith(_ONE_VALUE):
                    raise
                raise TrainingError(
                    f"Slices of {images.shape[-2]}×{images.shape[-1]} pixels are too small to be "
                    "learned one at a time; use larger batches or larger slices."
                ) from error
        self._require_sane(loss, step)
        if config.gradient_clip is not None:
            self._scaler.unscale_(self._optimiser)
            nn.utils.clip_grad_norm_(self._network.parameters(), config.gradient_clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        if self._average is not None:
            self._average.update(self._network)
        return loss

    def _make_batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return images and labels of a step, changed at random; on a thread of their own."""
        images, target = self._batches.batch(step)
        if self._config.augmentation is None:
            return images, target
        # Every step seeds its own numbers: a resumed training needs no stored generator.
        generator = torch.Generator().manual_seed(_seed(self._config.seed, step, 0))
        return self._config.augmentation(images, target, generator)

    def _gradients(self, images: Tensor, target: Tensor) -> float:
        self._optimiser.zero_grad(set_to_none=True)
        runtime, total = self._runtime, 0.0
        parts = zip(images.chunk(self._parts), target.chunk(self._parts), strict=True)
        for part, labels in parts:
            share = len(part) / len(images)
            part = part.to(runtime.device, memory_format=torch.channels_last)
            labels = labels.long().to(runtime.device)
            if self._side_by_side.parts > 1:
                total += gradients_side_by_side(
                    self._side_by_side,
                    self._network,
                    part,
                    labels,
                    self._loss,
                    share,
                    runtime,
                )
                continue
            with runtime.autocast():
                logits = self._network(part)
            loss = self._loss(logits, labels) * share
            self._scaler.scale(loss).backward()
            total += float(loss.detach())
        return total

    def _require_sane(self, loss: float, step: int) -> None:
        if self._first_loss is None:
            self._first_loss = loss
        if not math.isfinite(loss) or loss > _DIVERGED * max(1.0, self._first_loss):
            raise TrainingError(
                f"The loss became {loss:.3g} in step {step + 1}, so nothing was kept; "
                "train again with a smaller learning rate."
            )

    def _split_batch(self, error: RuntimeError) -> None:
        single = self._parts >= self._config.batch_size
        if single and self._runtime.device.type == "cpu":
            raise TrainingError(
                "The memory does not hold a single slice; use a smaller crop or another device."
            ) from error
        self._optimiser.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        if single:
            self._move_to_cpu()
            return
        self._parts *= 2
        size = math.ceil(self._config.batch_size / self._parts)
        self._notes.append(f"The memory is full; going on with {size} slices at a time.")

    def _move_to_cpu(self) -> None:
        cpu = torch.device("cpu")
        self._network.to(cpu)
        self._loss.to(cpu)
        self._optimiser.load_state_dict(self._optimiser.state_dict())  # follows its parameters
        if self._average is not None:
            self._average.move(cpu)
        self._runtime = training_runtime(cpu, self._config.precision)
        self._scaler = torch.amp.GradScaler("cpu", enabled=False)
        self._gpus, self._parts = [], 1
        self._notes.append(NO_ROOM_ON_GPU)

    def _untold(self) -> Iterator[Note]:
        texts, self._notes = self._notes, []
        yield from map(Note, texts)

    def _validate(self) -> SliceScore | None:
        if not self._validation:
            return None
        return score_slices(
            self._network,
            self._validation,
            loss=self._loss,
            runtime=self._runtime,
            state=self._result_state(),
        )

    def _result_state(self) -> dict[str, Tensor]:
        if self._average is not None:
            return self._average.state
        return dict(self._network.state_dict())

    def _reason_to_stop(self) -> str | None:
        config = self._config
        if config.max_seconds is not None and self._seconds >= config.max_seconds:
            return "time is up"
        if (
            config.patience is not None
            and self._validation
            and self._epoch - self._best_epoch >= config.patience
        ):
            return "no longer improving"
        return "all epochs done" if self._epoch >= config.epochs else None

    def _seconds_left(self, steps_of_epoch: int) -> float:
        done = self._epoch * self._steps + steps_of_epoch
        left = self._seconds / done * (self._config.epochs * self._steps - done)
        if self._config.max_seconds is not None:
            # The epoch in which the time ends is learned to its end.
            rest = self._seconds / done * (self._steps - steps_of_epoch)
            left = min(left, max(rest, self._config.max_seconds - self._seconds))
        return left

    def _choose_precision(self, stored: TrainingState | None) -> None:
        # A resumed training keeps its precision, or its weights would differ.
        precision = self._config.precision if stored is None else stored.precision
        self._runtime = training_runtime(self._runtime.device, precision)
        half = self._runtime.dtype is torch.float16
        self._scaler = torch.amp.GradScaler(self._runtime.device.type, enabled=half)

    def _state(self) -> TrainingState:
        return TrainingState(
            network=self._network.state_dict(),
            optimiser=self._optimiser.state_dict(),
            average={} if self._average is None else self._average.state,
            average_updates=0 if self._average is None else self._average.updates,
            best=self._best,
            best_epoch=self._best_epoch,
            best_score=self._best_score,
            epoch=self._epoch,
            seconds=self._seconds,
            precision=self._runtime.precision,
        )

    def _restore(self, state: TrainingState) -> None:
        self._network.load_state_dict(state.network)
        self._optimiser.load_state_dict(state.optimiser)
        match_layouts(self._optimiser)
        if self._average is not None:
            self._average.restore(state.average, state.average_updates)
        self._best, self._best_epoch = state.best, state.best_epoch
        self._best_score, self._epoch = state.best_score, state.epoch
        self._seconds = state.seconds


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0]) >> 1


def _set_modes(network: nn.Module, config: TrainingConfig) -> None:
    """Let every layer train but those that the settings hold as in evaluation."""
    network.train()
    for module in network.modules():
        if config.freeze_statistics and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
        if not config.dropout and isinstance(module, nn.Dropout):
            module.eval()
