"""From the click on Retrain to the visible slice, what that brings, and what others need."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from speed_inputs import ONE_PIECE, disc_volume, shipped_model
from speed_scene import Bench, bench
from speed_timing import Goal, Measured, Setting, in_child, median

from funet.evaluation.metrics import dice
from funet.images.preprocessing import prepare_volume
from funet.images.segmentations import LabelMap

SLICES = 24
CORRECTED = (5, 11, 17)
CONVERGED = 240  # steps after which nothing more is learned
EPOCHS = 50


def retraining(setting: Setting) -> Measured:
    """Three corrected slices of discs, which the shipped model has never seen."""
    measured = Measured(facts={"corrected": list(CORRECTED), "converged_steps": CONVERGED})
    for side, limit in ((128, 5.0), (256, 20.0)):
        clicks, scores = clicks_and_dice(setting, setting.size(side, side // 8))
        measured.times[f"ours, {side}×{side}"] = clicks
        measured.facts[f"dice_{side}"] = scores
        gains = [scores[name] - scores["before"] for name in ("after", "converged")]
        measured.goals += [
            Goal(f"from click to visible slice, {side}×{side}", median(clicks), limit, unit=" s"),
            Goal(
                f"of the gain of training to convergence, {side}×{side}",
                100 * gains[0] / gains[1] if gains[1] > 0 else None,
                95.0,
                at_most=False,
                unit=" %",
            ),
        ]
    fresh, reached = fresh_process(setting)
    measured.times["fresh process, 50 epochs, 128×128"] = fresh["whole"]
    measured.facts["fresh"] = fresh | {"dice_wanted": reached}
    measured.goals.append(
        Goal(
            f"sooner than a fresh process that fine-tunes for {EPOCHS} epochs",
            median(fresh["whole"]) / median(measured.times["ours, 128×128"]),
            10.0,
            at_most=False,
        )
    )
    return measured
