"""Interpolation in every sense of the word: of weights, predictions, targets and positions.

Weights of whole models:

- ``weights``: the line through two models, any other combination, sweeps
- ``geometry``: lengths and angles, the plane through three models, barriers
- ``merging``: soups, task vectors, TIES, DARE, SLERP
- ``informed``: merging that looks at data, Fisher-weighted and RegMean
- ``averaging``: averages over a training run, EMA and SWA
- ``anchoring``: a pull back to the weights that training began with, L2-SP
- ``folders``: merging saved models, one tensor in memory at a time

What models say: ``predictions`` (with ``ngrams`` and ``neighbours``). What they are told:
``targets``. Where tokens stand: ``positions``. What is exact: ``shrinkage``, how much n labels
weigh against a prior, and ``kernels``, with which a nearly linear model joins its examples.
"""

from __future__ import annotations

from ftlearn.interpolation.weights.averaging import Average, ema, swa
from ftlearn.interpolation.weights.fisher_regmean import (
    fisher,
    fisher_from_gradients,
    fisher_mean,
    grams,
    regmean,
)
from ftlearn.interpolation.weights.geometry import Plane, barrier, inner_products, plane
from ftlearn.interpolation.weights.l2_sp import Anchor
from ftlearn.interpolation.weights.linear import (
    combine,
    interpolate,
    preserve_weights,
    scale_adapter,
    sweep,
    weights_in_place,
    write,
)
from ftlearn.interpolation.weights.merging import (
    Soup,
    add_vectors,
    dare,
    greedy_soup,
    slerp,
    soup,
    task_vector,
    ties,
    trim,
)

__all__ = [
    "Anchor",
    "Average",
    "Plane",
    "Soup",
    "add_vectors",
    "barrier",
    "combine",
    "dare",
    "ema",
    "fisher",
    "fisher_from_gradients",
    "fisher_mean",
    "grams",
    "greedy_soup",
    "inner_products",
    "interpolate",
    "plane",
    "preserve_weights",
    "regmean",
    "scale_adapter",
    "slerp",
    "soup",
    "swa",
    "sweep",
    "task_vector",
    "ties",
    "trim",
    "weights_in_place",
    "write",
]
