"""What the learning rate does: the same problem, descended at several rates."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from ftlearn import figures
from ftlearn.course.explorers.view import View


def rates(features: np.ndarray, targets: np.ndarray, rate: float = 1.0, *, steps: int = 40) -> View:
    """The loss of a softmax layer on fixed features under gradient descent, at a rate and others.

    features (N, D), targets (N,) as class ids. The others are a tenth and ten times the rate.
    """
    curves = {f"rate {each:g}": descend(features, targets, each, steps) for each in near(rate)}
    start, end = (curves[f"rate {rate:g}"][at] for at in (0, -1))
    verdict = "falls" if end < start - 1e-9 else "does not fall"
    says = (
        f"At rate {rate:g} the loss {verdict}: {start:.3f} nats at first, {end:.3g} after {steps}."
    )
    ax = figures.lines(range(steps + 1), curves, xlabel="steps", ylabel="loss (nats)", log="y")
    for line, style in zip(ax.lines, (":", "-", "--"), strict=True):
        line.set_linestyle(style)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return View(says, (ax,))


def near(rate: float) -> tuple[float, float, float]:
    """A rate between a tenth of it and ten times it.

    >>> near(0.3)
    (0.03, 0.3, 3.0)
    """
    return tuple(float(f"{rate * factor:.6g}") for factor in (0.1, 1, 10))


def descend(features: np.ndarray, targets: np.ndarray, rate: float, steps: int) -> np.ndarray:
    """Losses before each step of full-batch gradient descent from zero, and after the last."""
    truth = np.eye(int(targets.max()) + 1)[targets]
    weight, losses = np.zeros((features.shape[1], truth.shape[1])), []
    for _ in range(steps + 1):
        logs = log_softmax(features @ weight, -1)
        losses.append(-(truth * logs).sum(-1).mean())
        weight -= rate * features.T @ (np.exp(logs) - truth) / len(features)
    return np.array(losses)
