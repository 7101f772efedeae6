"""From the click on Retrain to the visible slice, what that brings, and what others need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from speed_inputs import ONE_PIECE, disc_volume, shipped_model
from speed_scene import Bench, bench
from speed_timing import Goal, Measured, Setting, in_child, interleaved, median

from funet.evaluation.metrics import dice
from funet.images.preprocessing import prepare_volume

SLICES = 24
CORRECTED = (5, 11, 17)  # the visible slice is another one
OTHER_STEPS = (15, 30, 120, 240)  # a retraining of the last has converged
EPOCHS = 50


def retraining(setting: Setting) -> Measured:
    """Three corrected slices of discs, which the shipped model has never seen."""
    measured = Measured(facts={"corrected": list(CORRECTED)})
    limits = {128: 5.0} if setting.quick else {128: 5.0, 256: 20.0}
    for side, limit in limits.items():
        pixels = setting.size(side, 16)
        with bench(SLICES, pixels, pixels) as one:
            fresh = FreshProcess(pixels, setting) if side == 128 else None
            retrain_at(one, setting, measured, side, limit, fresh)
    return measured


def retrain_at(
    one: Bench,
    setting: Setting,
    measured: Measured,
    side: int,
    limit: float,
    fresh: FreshProcess | None,
) -> None:
    """Measure one size of slices, in turn with a fresh process if one is given."""
    steps = 3 if setting.quick else None
    node = one.segment()
    dices = {"before": dice_of_others(one.labels(node), one.truth, CORRECTED)}
    one.correct(node, CORRECTED)
    clicks: list[float] = []
    calls: dict[str, Callable[[], object]] = {
        f"ours, whole update, {side}×{side}": lambda: clicks.append(
            one.retrain(node, CORRECTED, steps)
        )
    }
    if fresh is not None:
        calls["fresh process"] = fresh.run
    measured.times |= interleaved(calls, setting.repeats)
    measured.times[f"ours, visible slice, {side}×{side}"] = clicks[1:]  # the first warms up
    dices["after"] = dice_of_others(one.labels(node), one.truth, CORRECTED)
    by_steps = retrained_by_steps(one, node, setting)
    dices["best"] = max(dices["after"], *(one["dice"] for one in by_steps))
    measured.facts[f"dice_{side}"] = dices
    measured.facts[f"steps_{side}"] = by_steps
    gain, most = (dices[name] - dices["before"] for name in ("after", "best"))
    share = 100 * gain / most if most > 0 else None
    visible = median(clicks[1:])
    measured.goals += [
        Goal(f"from click to visible slice, {side}×{side}", visible, limit, unit=" s"),
        Goal(
            f"of the most that up to {OTHER_STEPS[-1]} steps gain, {side}×{side}",
            share,
            95.0,
            False,
            " %",
        ),
    ]
    if fresh is not None:
        until, reached = fresh.until(dices["after"])
        measured.facts["fresh"] = {"dice": fresh.dice, "reached": reached, "seconds": until}
        what = f"sooner than a fresh process, {EPOCHS} epochs" + (
            " to the same Dice" if reached else ", which stay below our Dice"
        )
        measured.goals.append(Goal(what, median(until) / visible, 10.0, at_most=False))


def retrained_by_steps(one: Bench, node: Any, setting: Setting) -> list[dict[str, float]]:
    """Time and Dice after fewer and after more steps than usual, once each."""
    found = []
    for steps in (6,) if setting.quick else OTHER_STEPS:
        seconds = one.retrain(node, CORRECTED, steps)
        reached = dice_of_others(one.labels(node), one.truth, CORRECTED)
        found.append({"steps": steps, "seconds": round(seconds, 3), "dice": reached})
    return found


class FreshProcess:
    """A process that starts, loads a model, and fine-tunes it by plain cross-entropy."""

    def __init__(self, side: int, setting: Setting) -> None:
        self._side = side
        self._epochs = setting.size(EPOCHS, 2)
        self._runs: list[tuple[dict[str, Any], float]] = []

    def run(self) -> None:
        """Start it once more, and wait for its end."""
        volume, truth = disc_volume(SLICES, self._side, self._side)
        prepared = prepare_volume(volume, shipped_model().manifest.preprocessing)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "slices.npz"
            np.savez(path, images=prepared.slices, labels=truth, corrected=np.array(CORRECTED))
            told = in_child(
                "fine_tune_fresh", volume=str(path), model=ONE_PIECE, epochs=self._epochs
            )
        self._runs.append(told)

    @property
    def dice(self) -> list[float]:
        """Of the slices never corrected, after every tenth of the epochs; the same in each run."""
        return list(self._runs[-1][0]["dice"])

    def until(self, wanted: float) -> tuple[list[float], bool]:
        """Seconds of each run, from its start until a Dice is reached, else until its end."""
        reached = [value >= wanted for value in self.dice]
        index = reached.index(True) if any(reached) else -1
        seconds = [
            whole - told["judging"] - told["seconds"][-1] + told["seconds"][index]
            for told, whole in self._runs[1:]
        ]
        return seconds, any(reached)


def dice_of_others(
    labels: NDArray[Any], truth: NDArray[np.uint8], corrected: tuple[int, ...] | NDArray[Any]
) -> float:
    """Mean Dice of the structures over the slices that were not corrected."""
    others = np.setdiff1d(np.arange(len(truth)), np.asarray(corrected))
    values = [dice(labels[others], truth[others], value) for value in (1, 2)]
    return float(np.mean(values))
