"""When a request is handed over to a person, and what this costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ftlearn import figures
from ftlearn.course.explorers.view import View
from ftlearn.errors import ArgumentError

GRID = np.linspace(0, 1, 201)
NEVER, ALWAYS = "never hand over", "always hand over"
"""The policies beside Chow's, in words that a catalogue can hold: a lone "never" may be data."""


def hand_over(
    probabilities: np.ndarray,
    truths: np.ndarray,
    *,
    human_cost: float = 1.0,
    error_cost: float = 5.0,
) -> View:
    """The share of requests that Chow's rule hands over to a person, and the cost per request.

    ``probabilities`` is (N, C), ``truths`` (N,) holds class ids. A request handed over costs
    ``human_cost``, a wrong answer ``error_cost``, a right one nothing. With true probabilities the
    expected cost is least if a request is handed over where p_max < 1 − human_cost / error_cost
    (Chow 1970). Raises ValueError for rows that are no probabilities, and for negative costs.

    >>> view = hand_over(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]), error_cost=4)
    >>> view.sentence.partition(": ")[0]
    'Hand over where p_max < 1 − 1/4 = 0.75'
    """
    confidence, right = _confidence(np.asarray(probabilities, float), np.asarray(truths))
    if human_cost < 0 or error_cost <= 0:
        raise ArgumentError(
            f"human_cost is {human_cost} and error_cost {error_cost}: an error must cost "
            "more than 0 and a person at least 0"
        )
    threshold = 1 - human_cost / error_cost
    table = _policies(confidence, right, threshold, (human_cost, error_cost))
    costs = table["cost per request"]
    share = f"{table.loc['Chow', 'handed over']:.0%}".replace("%", " %")
    sentence = (
        f"Hand over where p_max < 1 − {human_cost:g}/{error_cost:g} = {threshold:.2f}: {share} of "
        f"{len(right)} requests. A request costs {costs['Chow']:.2f}; {costs[NEVER]:.2f} if none "
        f"is handed over, {costs[ALWAYS]:.2f} if all are."
    )
    curve = _cost(confidence, right, GRID[:, None], (human_cost, error_cost)).mean(1)
    return View(sentence, (table.round(3), _figure(curve, threshold, costs)))


def _confidence(probabilities: np.ndarray, truths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest probability of each row (N,), and whether its class is the true one (N,)."""
    if probabilities.ndim != 2 or truths.shape != probabilities.shape[:1] or not len(truths):
        raise ArgumentError(
            f"probabilities have the shape {probabilities.shape} and truths {truths.shape}: "
            "use (N, C) and (N,) with at least one row"
        )
    wrong = (probabilities < 0).any(1) | (abs(probabilities.sum(1) - 1) > 1e-3)
    if wrong.any():
        row = int(wrong.argmax())
        raise ArgumentError(
            f"row {row} of the probabilities adds up to {probabilities[row].sum():.3g} with a "
            f"minimum of {probabilities[row].min():.3g}: give probabilities, the softmax of logits"
        )
    return probabilities.max(1), probabilities.argmax(1) == truths


def _cost(
    confidence: np.ndarray, right: np.ndarray, threshold: np.ndarray | float, costs: tuple
) -> np.ndarray:
    """The cost of each request if those below the threshold are handed over."""
    human_cost, error_cost = costs
    return np.where(confidence < threshold, human_cost, np.where(right, 0.0, error_cost))


def _policies(
    confidence: np.ndarray, right: np.ndarray, threshold: float, costs: tuple
) -> pd.DataFrame:
    """Share handed over, errors and cost per request: for no request, by Chow's rule, for all."""
    rows = {}
    for name, cut in {NEVER: -np.inf, "Chow": threshold, ALWAYS: np.inf}.items():
        handed_over = confidence < cut
        rows[name] = {
            "handed over": handed_over.mean(),
            "errors": int((~handed_over & ~right).sum()),
            "cost per request": _cost(confidence, right, cut, costs).mean(),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")
    return table.astype({"errors": int})


def _figure(curve: np.ndarray, threshold: float, costs: pd.Series) -> Axes:
    """The cost per request over all thresholds, beside that of never and always handing over."""
    flat = np.ones_like(GRID)
    named = {"at this threshold": curve, NEVER: costs[NEVER] * flat, ALWAYS: costs[ALWAYS] * flat}
    ax = figures.lines(GRID, named, xlabel="hand over below", ylabel="cost per request")
    for line, style in zip(ax.lines, ("-", "--", "-."), strict=True):
        line.set_linestyle(style)
    ax.axvline(max(threshold, 0), color="black", linewidth=1, linestyle=":", label="Chow")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return ax
