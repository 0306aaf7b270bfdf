"""The law behind the data set `impressions`: who clicks on what, logs drawn by it, and values.

A reader x who is shown the advertisement a at position k clicks with the probability

    P(click | x, a, k) = seen(k) * sigmoid(BIAS + appeal_a + SLOPE * <interests_x, interests_a>)

so the truth behind every estimate is known. Readers come uniformly and independently. What the law
uses of the texts (`interests`, `appeal`) is hidden: a model must never see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from datasets import Dataset, Features
from numpy.typing import ArrayLike
from scipy.special import expit, softmax

from ftlearn.data.bundled import IMPRESSION, INTERESTS, load_bundled
from ftlearn.data.errors import DataError

BIAS = -2.5
SLOPE = 4.0
SEEN = (1.0, 0.7, 0.5, 0.35, 0.25)
"""The probability that a reader looks at each of the positions 1 to 5."""
SHUFFLE = 0.3
"""The share of slates whose order is random; the others are sorted by bid."""
STORED = {
    "train": {"slates": 1200, "seed": 0, "start": 0, "new_ads": False},
    "valid": {"slates": 300, "seed": 1, "start": 1200, "new_ads": False},
    "test": {"slates": 800, "seed": 2, "start": 1500, "new_ads": True},
}
"""The arguments of `draw_slates` that made the stored parts."""
Columns = Dataset | Mapping[str, Sequence]


def relevance(readers: Columns, ads: Columns) -> np.ndarray:
    """P(click | seen) of every reader and advertisement, of shape (readers, ads).

    >>> parts = load_bundled("impressions")
    >>> relevance(parts["readers"], parts["ads"]).shape
    (240, 80)
    """
    affinity = _interests(readers) @ _interests(ads).T
    return expit(BIAS + np.array(ads["appeal"][:]) + SLOPE * affinity)


def seen(position: ArrayLike) -> np.ndarray:
    """The probability that a reader looks at a position, or at each of several, from 1 to 5.

    Raises `DataError` for another position.

    >>> seen([1, 2, 5])
    array([1.  , 0.7 , 0.25])
    """
    positions = np.asarray(position)
    if not np.isin(positions, np.arange(1, len(SEEN) + 1)).all():
        raise DataError(f"position is {position}: use a whole number from 1 to {len(SEEN)}")
    return np.array(SEEN)[positions.astype(int) - 1]


def softmax_policy(scores: ArrayLike, temperature: float = 1.0) -> np.ndarray:
    """The policy that chooses an ad with probability proportional to exp(score / temperature).

    Scores and probabilities are of shape (readers, ads). Raises `DataError` for a temperature that
    is not positive.

    >>> softmax_policy([[0.0, np.log(3)]])
    array([[0.25, 0.75]])
    """
    if not temperature > 0:
        raise DataError(f"temperature is {temperature}: use a number above 0")
    return softmax(np.asarray(scores, dtype=float) / temperature, axis=1)


def policy_value(policy: ArrayLike) -> float:
    """The true clicks per reader of a policy that chooses one ad for position 1.

    That is the mean over readers x of sum_a policy(a | x) P(click | x, a, 1), by enumeration.
    `policy` holds probabilities of shape (readers, ads). Raises `DataError` if it does not.

    >>> round(policy_value(np.full((240, 80), 1 / 80)), 2)
    0.18
    """
    law = _law()
    return float((_checked(policy, law) * law.relevance).sum(axis=1).mean())


def draw_log(rows: int, seed: int, policy: ArrayLike | None = None, *, start: int = 0) -> Dataset:
    """A log of decisions with one ad each, at position 1 (a contextual bandit).

    Row i is the decision at time `start` + i: a reader comes, and the ad is drawn from `policy`,
    probabilities of shape (readers, ads), by default uniform over all 80 ads. `propensity` is the
    exact probability of the choice. Raises `DataError` if `policy` holds no probabilities.

    >>> log = draw_log(3, seed=0)
    >>> log.column_names
    ['reader', 'ad', 'position', 'propensity', 'click', 'time']
    >>> log["propensity"][:]
    [0.0125, 0.0125, 0.0125]
    """
    law = _law()
    shape = law.relevance.shape
    policy = np.full(shape, 1 / shape[1]) if policy is None else _checked(policy, law)
    rng = np.random.default_rng(seed)
    readers = _draw_readers(rng, rows, law)
    cumulative = np.cumsum(policy, axis=1)
    cumulative /= cumulative[:, -1:]  # so that rounding leaves no gap below 1
    ads = (cumulative[readers] <= rng.random((rows, 1))).sum(axis=1)
    slots = np.ones((rows, 1), dtype=int)
    propensities = policy[readers, ads][:, None]
    return _log(rng, law, readers, ads[:, None], slots, propensities, start)


def draw_slates(
    slates: int, seed: int, *, shuffle: float = SHUFFLE, new_ads: bool = True, start: int = 0
) -> Dataset:
    """A log of decisions with five ads each, at positions 1 to 5: five rows per slate.

    Slate i is the decision at time `start` + i: a reader comes, and five ads are drawn uniformly
    without replacement, of all 80 or, without `new_ads`, of the 60 that are not new. They are
    sorted by bid, the highest first, or, with the probability `shuffle`, put in random order.
    `propensity` is the exact probability of an ad's position given the five: shuffle / 5, and
    1 - shuffle more at the position that its bid gives it. Raises `DataError` for a `shuffle`
    outside [0, 1].

    >>> slate = draw_slates(1, seed=0, shuffle=1.0)
    >>> slate["position"][:], slate["propensity"][:]
    ([1, 2, 3, 4, 5], [0.2, 0.2, 0.2, 0.2, 0.2])
    """
    if not 0 <= shuffle <= 1:
        raise DataError(f"shuffle is {shuffle}: use a probability, from 0 to 1")
    law = _law()
    rng = np.random.default_rng(seed)
    readers = _draw_readers(rng, slates, law)
    running = np.flatnonzero(new_ads | ~law.new)
    size = len(SEEN)
    # Only rng.random is used, and ranks of it: numpy may change how others consume the stream.
    drawn = running[rng.random((slates, len(running))).argsort(axis=1)[:, :size]]
    by_bid = np.take_along_axis(drawn, (-law.bids[drawn]).argsort(axis=1), axis=1)
    is_shuffled = rng.random((slates, 1)) < shuffle
    random_order = rng.random((slates, size)).argsort(axis=1)
    order = np.where(is_shuffled, random_order, np.arange(size))
    ads = np.take_along_axis(by_bid, order, axis=1)
    positions = np.tile(np.arange(1, size + 1), (slates, 1))
    propensities = shuffle / size + (1 - shuffle) * (ads == by_bid)
    return _log(rng, law, readers, ads, positions, propensities, start)


class _Law(NamedTuple):
    """The stored readers and ads, and the relevance of each pair, of shape (readers, ads)."""

    readers: np.ndarray
    ads: np.ndarray
    bids: np.ndarray
    new: np.ndarray
    relevance: np.ndarray


@cache
def _law() -> _Law:
    """The law, read once: its files come with the package and do not change."""
    parts = load_bundled("impressions")
    readers, ads = parts["readers"], parts["ads"]
    ids = np.array(readers["reader"][:]), np.array(ads["ad"][:])
    law = _Law(*ids, np.array(ads["bid"][:]), np.array(ads["new"][:]), relevance(readers, ads))
    for values in law:
        values.flags.writeable = False
    return law


def _interests(rows: Columns) -> np.ndarray:
    """Hidden interests, of shape (N, interests)."""
    return np.array([[weights[name] for name in INTERESTS] for weights in rows["interests"]])


def _checked(policy: ArrayLike, law: _Law) -> np.ndarray:
    """The policy as an array, if each row holds probabilities."""
    policy = np.asarray(policy, dtype=float)
    shape = law.relevance.shape
    if policy.shape != shape:
        raise DataError(f"policy has shape {policy.shape}; give one of (readers, ads), {shape}.")
    # "not >=" and not "<", so that NaN is refused too
    wrong = ~(policy >= 0).all(axis=1) | ~np.isclose(policy.sum(axis=1), 1)
    if wrong.any():
        row = wrong.argmax()
        raise DataError(
            f"policy has no probabilities for reader {law.readers[row]}: the row sums to "
            f"{policy[row].sum():.4g}, and its smallest value is {policy[row].min():.4g}. "
            "softmax_policy(scores) turns scores into probabilities."
        )
    return policy


def _draw_readers(rng: np.random.Generator, rows: int, law: _Law) -> np.ndarray:
    """Row numbers of readers, uniform."""
    return (rng.random(rows) * len(law.readers)).astype(int)


def _log(
    rng: np.random.Generator,
    law: _Law,
    readers: np.ndarray,
    ads: np.ndarray,
    positions: np.ndarray,
    propensities: np.ndarray,
    start: int,
) -> Dataset:
    """Draw the clicks; readers of shape (N,), ads, positions and propensities (N, positions)."""
    click_rates = seen(positions) * law.relevance[readers[:, None], ads]
    clicks = rng.random(ads.shape) < click_rates
    times = start + np.arange(len(readers))
    columns = {
        "reader": law.readers[np.broadcast_to(readers[:, None], ads.shape)],
        "ad": law.ads[ads],
        "position": positions,
        "propensity": propensities,
        "click": clicks.astype(int),
        "time": np.broadcast_to(times[:, None], ads.shape),
    }
    rows = {name: values.ravel().tolist() for name, values in columns.items()}
    return Dataset.from_dict(rows, features=Features(IMPRESSION))
