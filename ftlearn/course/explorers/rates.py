"""The effect of the learning rate: gradient descent on one problem at several rates."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from ftlearn import figures
from ftlearn.course.explorers.view import View


def rates(features: np.ndarray, targets: np.ndarray, rate: float = 1.0, *, steps: int = 40) -> View:
    """The loss of a softmax layer on fixed features under gradient descent at three rates.

    ``features`` is (N, D), ``targets`` (N,) holds class ids. The other two rates are a tenth of
    ``rate`` and ten times ``rate``.
    """
    curves = {
        f"rate {value:g}": descend(features, targets, value, steps)
        for value in neighbouring_rates(rate)
    }
    losses = curves[f"rate {rate:g}"]
    start, end = losses[0], losses[-1]
    verdict = "falls" if end < start - 1e-9 else "does not fall"
    sentence = (
        f"At rate {rate:g} the loss {verdict}: {start:.3f} nats at first, {end:.3g} after {steps}."
    )
    ax = figures.lines(range(steps + 1), curves, xlabel="steps", ylabel="loss (nats)", log="y")
    for line, style in zip(ax.lines, (":", "-", "--"), strict=True):
        line.set_linestyle(style)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return View(sentence, (ax,))


def neighbouring_rates(rate: float) -> tuple[float, float, float]:
    """A tenth of a rate, the rate itself, and ten times the rate.

    >>> neighbouring_rates(0.3)
    (0.03, 0.3, 3.0)
    """
    return tuple(float(f"{rate * factor:.6g}") for factor in (0.1, 1, 10))


def descend(features: np.ndarray, targets: np.ndarray, rate: float, steps: int) -> np.ndarray:
    """Losses before each step of full-batch gradient descent from zero, and after the last step."""
    truth = np.eye(int(targets.max()) + 1)[targets]
    weight = np.zeros((features.shape[1], truth.shape[1]))
    losses = []
    for _ in range(steps + 1):
        logs = log_softmax(features @ weight, -1)
        losses.append(-(truth * logs).sum(-1).mean())
        weight -= rate * features.T @ (np.exp(logs) - truth) / len(features)
    return np.array(losses)
