"""Few labels per class: class means mixed with prior centres, beside a linear probe."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from pandas import DataFrame
from sklearn.linear_model import LogisticRegression

from ftlearn import figures
from ftlearn.course.explorers.view import View
from ftlearn.interpolation import shrinkage

WEIGHTS = np.linspace(0, 1, 21)


def few_labels(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    prior: np.ndarray,
    *,
    labels: int = 4,
    kappa: float = 4.0,
    draws: int = 10,
) -> View:
    """Accuracy of the nearest centre (1 − λ)·prior + λ·mean, with λ = n / (n + κ), and of a probe.

    ``train`` and ``test`` hold features (N, D) and class ids (N,); ``prior`` has the centres
    (C, D) before any label; n is ``labels``, per class, drawn anew ``draws`` times. The probe is
    logistic regression with C = 1. Raises ValueError if a class has fewer than ``labels`` rows.
    """
    ways = {"prior alone": 0.0, "shrunk": float(shrinkage.weight(labels, kappa)), "means": 1.0}
    curves, probes, rows = [], [], []
    for seed in range(draws):
        chosen = draw(train[1], labels, seed)
        features, targets = train[0][chosen], train[1][chosen]
        means = class_means(features, targets)
        curves.append([_accuracy(prior, means, test, weight) for weight in WEIGHTS])
        rows.append({way: _accuracy(prior, means, test, weight) for way, weight in ways.items()})
        probes.append(LogisticRegression(max_iter=500).fit(features, targets).score(*test))
    scores = DataFrame(rows).assign(probe=probes).mean()
    sentence = (
        f"{labels} labels per class, κ = {kappa:g}: the means weigh {ways['shrunk']:.2f}. Accuracy "
        f"of shrunk centres {scores['shrunk']:.3f}, means {scores['means']:.3f}, "
        f"probe {scores['probe']:.3f}."
    )
    table = scores.round(3).to_frame("accuracy")
    return View(sentence, (table, _figure(np.array(curves), ways["shrunk"], scores["probe"])))


def draw(targets: np.ndarray, labels: int, seed: int) -> np.ndarray:
    """Rows (C · labels,) with the same number of labels per class, drawn without replacement.

    >>> draw(np.array([0, 1, 0, 1]), 2, seed=0).tolist() in ([0, 2, 1, 3], [2, 0, 1, 3],
    ...     [0, 2, 3, 1], [2, 0, 3, 1])
    True
    """
    fewest = np.bincount(targets).min()
    if not 1 <= labels <= fewest:
        raise ValueError(
            f"{labels} labels per class: use 1 to {fewest}, the rarest class has those"
        )
    random = np.random.default_rng([seed, labels])
    classes = range(int(targets.max()) + 1)
    return np.concatenate(
        [random.permutation(np.flatnonzero(targets == number))[:labels] for number in classes]
    )


def class_means(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean (C, D) of the features (N, D) of each class.

    >>> class_means(np.array([[0.0], [2.0], [5.0]]), np.array([0, 0, 1])).tolist()
    [[1.0], [5.0]]
    """
    classes = range(int(targets.max()) + 1)
    return np.stack([features[targets == number].mean(0) for number in classes])


def nearest(centres: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The class (N,) of the centre (C, D) that is nearest to each row of features (N, D).

    >>> nearest(np.array([[0.0], [2.0]]), np.array([[0.9], [1.1]])).tolist()
    [0, 1]
    """
    # |x - c|² without |x|², which is the same for all centres, and divided by -2
    return (features @ centres.T - np.square(centres).sum(1) / 2).argmax(1)


def _accuracy(
    prior: np.ndarray, means: np.ndarray, test: tuple[np.ndarray, np.ndarray], weight: float
) -> float:
    return float((nearest(prior + weight * (means - prior), test[0]) == test[1]).mean())


def _figure(curves: np.ndarray, weight: float, probe: float) -> Axes:
    named = {"centres, mean and range": curves}
    ax = figures.lines(WEIGHTS, named, xlabel="weight λ of the class means", ylabel="accuracy")
    ax.lines[0].set_marker("")
    ax.axhline(probe, color=figures.COLORS[1], linestyle="--", label="probe")
    ax.axvline(weight, color="black", linestyle=":", label="n / (n + κ)")
    ax.legend(frameon=False, loc="lower right")
    return ax
