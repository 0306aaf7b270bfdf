"""The loss of three logits and its gradient, p − y."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from ftlearn import figures
from ftlearn.course.explorers.view import View

CLASSES = ("first", "second", "third")


def softmax(
    first: float = 0.0, second: float = 0.0, third: float = 0.0, truth: str = "second"
) -> View:
    """Probabilities p, loss −ln p_truth and gradient p − y of three logits, with a figure.

    >>> softmax(0, 0, 0, "first").sentence
    'Loss 1.099 nats. The gradient p − y is -0.667, 0.333, 0.333; a step against it raises first.'
    """
    if truth not in CLASSES:
        raise ValueError(f"the truth is {truth!r}: use {', '.join(CLASSES)}")
    logits = np.array([first, second, third], dtype=float)
    logs = log_softmax(logits)
    target = np.array([name == truth for name in CLASSES], dtype=float)
    gradient = np.exp(logs) - target
    table = pd.DataFrame(
        {"logit": logits, "p": np.exp(logs), "y": target, "gradient p − y": gradient},
        index=pd.Index(CLASSES, name="class"),
    )
    ax = figures.bars(dict(zip(CLASSES, gradient, strict=True)), xlabel="gradient p − y")
    ax.axvline(0, color="black", linewidth=1)
    ax.set_xlim(-1.25, 1.25)
    sentence = (
        f"Loss {-logs[CLASSES.index(truth)]:.3f} nats. The gradient p − y is "
        f"{', '.join(f'{value:.3f}' for value in gradient)}; a step against it raises {truth}."
    )
    return View(sentence, (table.round(4), ax))
