"""Interpolation of weights, predictions, targets and positions.

``weights/``, of whole models; its functions are exported here:

- ``linear``: the line through two models, any other combination, sweeps along the line
- ``merging``: soups, task vectors, TIES, DARE, SLERP
- ``geometry``: lengths and angles, the plane through three models, barriers, convex hulls
- ``averaging``: averages over a training run, EMA and SWA
- ``fisher_regmean``: merging that uses data, Fisher-weighted means and RegMean
- ``l2_sp``: a pull back towards the weights that training began with
- ``on_disk``: merging of saved models, one tensor in memory at a time
- ``state_dicts``: models as named tensors, on which all of these work

``predictions/``, of fixed predictors:

- ``mixtures``: linear and geometric mixtures, ensembles, guidance, contrastive decoding
- ``em``: the best weights of a mixture, by expectation maximisation
- ``ngrams``: an interpolated n-gram language model
- ``knn``: predictions from the nearest stored examples, kNN-LM

``targets``: label smoothing, distillation and mixup. ``positions``: rotary and learned positions
for longer texts. ``shrinkage``: how much n labels weigh against a prior. ``tangent_kernel``: the
kernel with which a nearly linear model interpolates its examples.

``landscape/`` measures points between models on data: ``line``, ``surface`` (a plane) and
``merge`` (from two saved models to the best one between them).
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
