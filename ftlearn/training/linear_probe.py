"""A head that starts from what the frozen body already knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

from ftlearn import runtime
from ftlearn.data.batching import Batch, Encoded
from ftlearn.evaluation import map_batches
from ftlearn.fast import autotune
from ftlearn.fast.cls_only import cls_only
from ftlearn.fast.inference import inference_copy
from ftlearn.models.architecture import last_linear
from ftlearn.runtime.arithmetic import computing


def initialize_head(
    model: nn.Module, dataset: Dataset, task: Any, tokenizer: Any, *, penalty: float = 1.0
) -> nn.Module:
    """Set the model's last linear layer, in place, to the best one for its frozen features.

    One pass over the texts gives the features that enter the layer; logistic regression
    (classification) or ridge regression gives the layer. Fine-tuning from there moves the body
    less and keeps more of what it knows (Kumar et al. 2022, arXiv 2202.10054). ``penalty`` as
    in ``solve_layer``.
    """
    layer = last_linear(model)
    encoded = task.encode(dataset, tokenizer)
    features = head_inputs(model, layer, encoded, tokenizer)
    solve_layer(layer, features, np.asarray(encoded.targets), penalty=penalty)
    return model


@torch.no_grad()
def solve_layer(
    layer: nn.Linear, features: np.ndarray, targets: np.ndarray, *, penalty: float = 1.0
) -> nn.Linear:
    """Set a linear layer, in place, to the best one for features (N, D) and targets (N,).

    A layer with one output is solved by ridge regression, others by logistic regression. On
    features of mean length 1 the sum of the losses plus ``penalty`` · |W|²/2 is made least, for
    squared errors their half: a Gaussian prior of variance 1/``penalty``, which n examples
    outweigh the more the larger n is. 1 was best, or not told from it, with 24 to 512 of the
    bundled articles.

    >>> given = np.array([[1.0], [3.0]]), np.array([2.0, 6.0])
    >>> solve_layer(nn.Linear(1, 1), *given, penalty=1e-9).weight.item()  # doctest: +ELLIPSIS
    2.0...
    """
    length = float(np.linalg.norm(features, axis=1).mean())
    weight, bias = _solution(features / length, targets, layer, penalty)
    layer.weight.copy_(torch.as_tensor(weight / length))
    layer.bias.copy_(torch.as_tensor(bias))
    return layer


def head_inputs(model: nn.Module, layer: nn.Linear, encoded: Encoded, tokenizer: Any) -> np.ndarray:
    """What enters a linear layer of the model for each text, (N, D), in evaluation mode."""
    name = next(name for name, module in model.named_modules() if module is layer)
    on = runtime.device_of(model)
    asked, arithmetic = inference_copy(model, autotune.prediction(model, on))
    entering: list[torch.Tensor] = []
    hook = asked.get_submodule(name).register_forward_pre_hook(
        lambda _, inputs: entering.append(inputs[0])
    )

    def run(batch: Batch) -> torch.Tensor:
        with computing(on, arithmetic):
            asked(**batch.inputs)
        return entering.pop().float()

    try:
        with cls_only(asked):
            return map_batches(asked, encoded, tokenizer, run)
    finally:
        hook.remove()


def _solution(
    features: np.ndarray, targets: np.ndarray, layer: nn.Linear, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    if layer.out_features == 1:
        ridge = Ridge(alpha=penalty).fit(features, targets)
        return ridge.coef_[None], np.array([ridge.intercept_])
    known = np.unique(targets)
    # Two classes come as one row, the log-odds of the second; halves of it have half its norm.
    split = np.array([[-0.5], [0.5]]) if len(known) == 2 else np.eye(len(known))
    strength = (2 if len(known) == 2 else 1) / penalty
    logistic = LogisticRegression(C=strength, max_iter=1000).fit(features, targets)
    weight = np.zeros((layer.out_features, layer.in_features))
    bias = np.full(layer.out_features, -10.0)  # labels absent from training
    weight[known], bias[known] = split @ logistic.coef_, split @ logistic.intercept_
    return weight, bias
