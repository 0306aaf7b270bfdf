"""Labels that a model confidently contradicts (Northcutt, Jiang and Chuang 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ftlearn.data.errors import DataError


def label_errors(probabilities: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """Rows whose label is probably wrong, the most suspicious first, by confident learning.

    A row counts as class j where its probability p_j reaches t_j, the mean p_j of the rows that
    are labelled j; where several classes qualify, the most probable one counts. Rows that count
    as another class than their label are the off-diagonal of the confident joint
    (arXiv 1911.00068, equations 1 and 2). Those whose label is still the model's first choice are
    left out, and the rest ranked by the margin p_label - max of the other p.

    Parameters
    ----------
    probabilities : (N, C) out-of-sample: each row predicted by a model that has not seen it
    labels : (N,) integers in [0, C), the labels in question

    Returns row numbers. Raises `DataError` for shapes, probabilities or labels that do not fit.

    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.95, 0.05]])
    >>> label_errors(p, [0, 0, 1, 1, 1]).tolist()
    [4]
    """
    p, labels = _check(probabilities, labels)
    rows = np.arange(len(labels))
    classes = np.arange(p.shape[1])
    thresholds = np.array([p[labels == j, j].mean() if j in labels else np.inf for j in classes])
    confident = np.where(p >= thresholds - 1e-6, p, -1.0)
    off_diagonal = (confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != labels)
    suspects = rows[off_diagonal & (p.argmax(axis=1) != labels)]
    others = p.copy()
    others[rows, labels] = -np.inf
    margin = p[rows, labels] - others.max(axis=1)
    return suspects[np.argsort(margin[suspects], kind="stable")]


def _check(probabilities: np.ndarray, labels: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    p = np.asarray(probabilities, dtype=float)
    labels = np.asarray(labels)
    if p.ndim != 2 or labels.shape != p.shape[:1] or p.shape[1] < 2 or len(p) == 0:
        raise DataError(
            f"probabilities have shape {p.shape} and labels {labels.shape}; they must be (N, C) "
            "with at least two classes and one row, and (N,)."
        )
    wrong = np.flatnonzero((abs(p.sum(axis=1) - 1) > 1e-3) | (p < 0).any(axis=1))
    if len(wrong):
        raise DataError(
            f"row {wrong[0]} of probabilities sums to {p[wrong[0]].sum():g}; all must be at least "
            "0 and sum to 1 in each row (apply softmax to logits)."
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= p.shape[1]:
        raise DataError(
            f"labels run from {labels.min()} to {labels.max()}; they must be whole numbers from "
            f"0 to {p.shape[1] - 1}."
        )
    return p, labels
