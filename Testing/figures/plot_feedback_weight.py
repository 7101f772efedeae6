"""Plot the feedback weight against the probability of the true class, for several beta.

The paper's Fig. 2, from the engine's own function. From the root of the repository:

    python Testing/figures/plot_feedback_weight.py

writes Resources/Figures/feedback_weight.png.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.figure import Figure

from funet.losses import feedback_weight

TARGET = Path(__file__).resolve().parents[2] / "Resources" / "Figures" / "feedback_weight.png"
BETAS = (1, 2, 3, 4)
CHOSEN_BETA = 3
MIN_WEIGHT = 0.01


def plot(target: Path) -> None:
    """Draw one curve for each beta and write the figure."""
    probability = torch.linspace(0, 1, 501, dtype=torch.float64)
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for beta, color in zip(BETAS, mpl.colormaps["viridis"]([0.8, 0.6, 0.25, 0.0]), strict=True):
        weight = feedback_weight(probability.log(), beta, MIN_WEIGHT)
        chosen = beta == CHOSEN_BETA
        label = rf"$\beta$ = {beta}" + (" (the paper's choice)" if chosen else "")
        axes.plot(probability, weight, color=color, linewidth=3 if chosen else 1.6, label=label)
    axes.set_xlabel("probability $p$ that the network gives to the true class")
    axes.set_ylabel(r"weight $w = 0.01^{\,p^{\beta}}$")
    axes.set_title("Feedback weight: what is predicted well weighs little")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.03)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=150, metadata={"Software": None})


if __name__ == "__main__":
    plot(TARGET)
