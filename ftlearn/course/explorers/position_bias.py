"""Click rates of advertisements whose places follow a score: as counted, weighted, and in truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

from ftlearn import figures
from ftlearn.course.explorers.view import View
from ftlearn.data.impressions import SEEN
from ftlearn.errors import ArgumentError


def position_bias(
    relevance: ArrayLike,
    scores: ArrayLike,
    *,
    strength: float = 1.0,
    temperature: float = 0.1,
    slates: int = 8000,
    seed: int = 0,
) -> View:
    """What a log of slates says of each ad, with ``relevance`` P(click | seen) of (readers, ads).

    Five random ads at a time are drawn in order, each with probability proportional to
    exp(score / ``temperature``) among those left; ``scores`` is of shape (ads,). A position is
    looked at with its probability in `impressions` to the power ``strength``: 0 is no bias. The
    weighted rate divides each click by that probability (Joachims et al. 2016, arXiv 1608.04468).
    Raises `ArgumentError` for a negative strength or a temperature that is not positive.
    """
    if strength < 0 or temperature <= 0:
        raise ArgumentError(
            f"strength is {strength} and temperature {temperature}: use a strength of at least 0 "
            "and a temperature above 0"
        )
    relevance, scores = np.asarray(relevance, dtype=float), np.asarray(scores, dtype=float)
    seen = np.array(SEEN) ** strength
    ads, clicks = _draw(relevance, scores / temperature, seen, slates, seed)
    rates = pd.DataFrame(
        {
            "truth": relevance.mean(0),
            "clicks per showing": _mean_of_each(ads, clicks, len(scores)),
            "weighted": _mean_of_each(ads, clicks / seen, len(scores)),
        }
    )
    return View(_sentence(rates, seen[-1]), (_figure(rates),))


def _sentence(rates: pd.DataFrame, last_seen: float) -> str:
    """How well both estimates order the ads, and how far they are from the truth."""
    estimates = rates.columns[1:]
    order = {name: spearmanr(rates[name], rates["truth"]).statistic for name in estimates}
    error = {name: (rates[name] - rates["truth"]).abs().mean() for name in estimates}
    return (
        f"Rank correlation with the truth: {order['clicks per showing']:.2f} as counted, "
        f"{order['weighted']:.2f} weighted. The rates are wrong by "
        f"{error['clicks per showing']:.3f} as counted and {error['weighted']:.3f} weighted, on "
        f"average. The last place is looked at with probability {last_seen:.2f}."
    )


def _draw(
    relevance: np.ndarray, scores: np.ndarray, seen: np.ndarray, slates: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The ads of each slate in their order, and the clicks; both of shape (slates, positions)."""
    random = np.random.default_rng(seed)
    readers = random.integers(0, len(relevance), slates)
    drawn = random.random((slates, len(scores))).argsort(1)[:, : len(seen)]
    # Sorting by score plus Gumbel noise draws without replacement, by the softmax of the scores.
    noisy = scores[drawn] + random.gumbel(size=drawn.shape)
    ads = np.take_along_axis(drawn, (-noisy).argsort(1), axis=1)
    clicks = random.random(ads.shape) < seen * relevance[readers[:, None], ads]
    return ads, clicks


def _mean_of_each(ads: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """The mean value of each ad, (count,); NaN for an ad that was never shown."""
    totals = np.bincount(ads.ravel(), values.ravel(), minlength=count)
    shown = np.bincount(ads.ravel(), minlength=count)
    return np.where(shown > 0, totals / np.maximum(1, shown), np.nan)


def _figure(rates: pd.DataFrame) -> Axes:
    """Both estimates of each ad over its truth."""
    ax = figures.axes(width=4.6, height=3.8)
    for name, color, marker in zip(
        rates.columns[1:], figures.COLORS, figures.MARKERS, strict=False
    ):
        ax.scatter(
            rates["truth"], rates[name], s=18, color=color, marker=marker, alpha=0.7, label=name
        )
    top = 1.05 * np.nanmax(rates.to_numpy())
    ax.plot([0, top], [0, top], color="#888888", linestyle="--", linewidth=1, label="exact")
    ax.set_xlabel("true P(click | seen), mean over readers")
    ax.set_ylabel("estimate")
    ax.legend(frameon=False, fontsize="small")
    return ax
