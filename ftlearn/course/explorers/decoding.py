"""The distribution of the next token under a temperature and three cut-offs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from ftlearn import figures
from ftlearn.course.explorers.view import View
from ftlearn.errors import ArgumentError

SHOWN = 10
"""How many of the most probable tokens the table lists."""


def decoding(
    tokenizer: Any,
    logits: np.ndarray,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> View:
    """What is left of a next-token distribution, given as logits (V,), with a figure."""
    logits = np.asarray(logits, dtype=float)
    before = softmax(logits)
    after = decoded(logits, temperature, top_k, top_p, min_p)
    order = np.argsort(-before, kind="stable")
    names = [repr(tokenizer.decode([index])) for index in order[:SHOWN].tolist()]
    table = pd.DataFrame(
        {"p": before[order[:SHOWN]], "p as drawn": after[order[:SHOWN]]},
        index=pd.Index(names, name="token"),
    )
    kept = after > 0
    sentence = (
        f"{kept.sum():,} of {len(after):,} tokens can be drawn; the model gave them "
        f"{before[kept].sum():.3f} of its probability. The entropy is {entropy(after):.2f} nats; "
        f"without changes it is {entropy(before):.2f}."
    )
    return View(sentence, (table.round(4), _by_rank(before[order], after[order])))


def decoded(
    logits: np.ndarray,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> np.ndarray:
    """Probabilities (V,) from which a token is drawn: temperature first, then the cut-offs.

    The cut-offs follow one another in the order of the arguments, as in transformers, each on what
    the one before has left. ``top_k=0``, ``top_p=1`` and ``min_p=0`` cut nothing.

    >>> decoded(np.log([0.5, 0.3, 0.2]), top_k=2).round(3).tolist()
    [0.625, 0.375, 0.0]
    >>> decoded(np.log([0.5, 0.3, 0.2]), top_p=0.6).round(3).tolist()
    [0.625, 0.375, 0.0]
    >>> decoded(np.log([0.5, 0.3, 0.2]), min_p=0.7).tolist()
    [1.0, 0.0, 0.0]
    """
    if temperature <= 0:
        raise ArgumentError(
            f"temperature is {temperature}: logits are divided by it, so it must be above 0"
        )
    p = softmax(np.asarray(logits, dtype=float) / temperature)
    if top_k:
        p = _kept(p, p >= np.sort(p)[-min(top_k, len(p))])
    if top_p < 1:
        order = np.argsort(-p, kind="stable")
        missing = np.cumsum(p[order]) - p[order] < top_p  # what precedes has not reached top_p yet
        p = _kept(p, np.isin(np.arange(len(p)), order[missing]))
    return _kept(p, p >= min_p * p.max())


def _kept(p: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The probabilities of the kept tokens, which add up to 1 again."""
    left = np.where(kept, p, 0)
    return left / left.sum()


def entropy(p: np.ndarray) -> float:
    """−Σ p ln p in nats.

    >>> round(entropy(np.array([0.5, 0.5, 0])), 3)
    0.693
    """
    positive = p[p > 0]
    return float(-(positive * np.log(positive)).sum())


def _by_rank(before: np.ndarray, after: np.ndarray) -> Any:
    """Both distributions over the rank of the token, most probable first."""
    ranks = np.arange(1, len(before) + 1)
    shown = np.where(after > 0, after, np.nan)  # no point where nothing can be drawn
    ax = figures.lines(
        ranks, {"model": before, "as drawn": shown}, xlabel="rank", ylabel="probability", log="xy"
    )
    ax.lines[1].set_linestyle("--")  # both are the same until something is changed
    ax.legend(frameon=False)
    ax.set_ylim(1e-8, 2)
    return ax
