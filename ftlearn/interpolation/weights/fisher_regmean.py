"""Merging that uses data: Fisher-weighted means, and RegMean for linear layers.

Lesson 10 uses both, and only ``fisher`` is in no lesson yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from ftlearn.interpolation.weights.linear import mix, weights_or_equal
from ftlearn.interpolation.weights.state_dicts import Source, State, state_of, zip_tensors
from ftlearn.runtime import device_of

Inputs = Iterable[Mapping[str, torch.Tensor]]
"""Batches of model inputs, each tensor (B, T)."""


def fisher_mean(
    sources: Sequence[Source], fishers: Sequence[State], weights: Sequence[float] | None = None
) -> dict[str, torch.Tensor]:
    """Σ_k w_k F_k θ_k / Σ_k w_k F_k entry by entry: models count by their Fisher information.

    It is the mode of the product of K Laplace approximations (Matena and Raffel 2021, arXiv
    2111.09832). Equal Fishers give the plain mean; so does an entry with F_k = 0 for all k, and a
    floating tensor without a Fisher (a buffer). Lesson 10 uses it.

    >>> models = [{"w": torch.tensor([0.0, 0.0])}, {"w": torch.tensor([4.0, 4.0])}]
    >>> fisher_mean(models, [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([3.0, 0.0])}])
    {'w': tensor([3., 2.])}
    """
    weights = weights_or_equal(len(sources), weights)
    _check_statistics(sources, fishers)

    def merged(name: str, tensors: list[torch.Tensor]) -> torch.Tensor:
        plain = mix(tensors, [w / sum(weights) for w in weights], name=name)
        if name not in fishers[0]:
            return plain
        pairs = zip(weights, fishers, strict=True)
        precisions = [weight * fisher[name].double() for weight, fisher in pairs]
        return _weighted_mean(tensors, precisions, plain)

    return zip_tensors(sources, merged)


def _check_statistics(sources: Sequence[Source], statistics: Sequence[State]) -> None:
    """Raise ValueError unless there is one dict per model, for the same tensors of the models."""
    if len(sources) != len(statistics):
        raise ValueError(
            f"{len(sources)} models need as many Fishers or Grams, not {len(statistics)}"
        )
    names = set(state_of(sources[0]))
    first = set(statistics[0])
    for tensors in statistics:
        mismatched = sorted((set(tensors) ^ first) | (set(tensors) - names))
        if mismatched:
            raise ValueError(
                f"{mismatched[0]!r} is missing in one of the Fishers or Grams, or is no tensor of "
                "the models"
            )


def _weighted_mean(
    tensors: Sequence[torch.Tensor], precisions: Sequence[torch.Tensor], plain: torch.Tensor
) -> torch.Tensor:
    """Σ_k f_k x_k / Σ_k f_k, and the plain mean where Σ_k f_k = 0."""
    total = sum(precisions)
    if bool((total < 0).any()) or not bool(total.isfinite().all()):
        raise ValueError("a Fisher information is negative or not finite")
    pairs = zip(precisions, tensors, strict=True)
    weighted = sum(precision * tensor.double() for precision, tensor in pairs)
    return torch.where(total > 0, weighted / total, plain.double()).to(plain.dtype)


def fisher_from_gradients(gradients: Iterable[State]) -> dict[str, torch.Tensor]:
    """The mean of squared gradients, one state per example: the diagonal of the Fisher matrix.

    It is the Fisher information if the gradients are of log p(y|x) with y drawn from the model,
    and the empirical Fisher if y is the label. Lesson 10 uses the latter.

    >>> fisher_from_gradients([{"w": torch.tensor([1.0])}, {"w": torch.tensor([3.0])}])
    {'w': tensor([5.])}
    """
    total: dict[str, torch.Tensor] = {}
    count = 0
    for gradient in gradients:
        count += 1
        for name, tensor in gradient.items():
            total[name] = total[name] + tensor**2 if name in total else tensor**2
    if not count:
        raise ValueError("there is no gradient to average: give at least one example")
    return {name: tensor / count for name, tensor in total.items()}


def fisher(model: nn.Module, inputs: Inputs) -> dict[str, torch.Tensor]:
    """The diagonal Fisher information of a classifier, by parameter, exact over the C classes.

    The mean over x of Σ_c p(c|x)·(∂ log p(c|x)/∂θ)²; no labels are needed. It takes one backward
    pass per text and class, with the model in evaluation mode. Library only: no lesson uses it
    yet.
    """
    was_training = model.training
    model.eval()
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    try:
        return fisher_from_gradients(_root_expected_squares(model, trainable, inputs))
    finally:
        model.train(was_training)


def _root_expected_squares(
    model: nn.Module, trainable: Mapping[str, nn.Parameter], inputs: Inputs
) -> Iterable[dict[str, torch.Tensor]]:
    """√(Σ_c p(c)·(∂ log p(c))²) of each text: ``fisher_from_gradients`` averages its square."""
    parameters = list(trainable.values())
    for row in _rows(inputs, device_of(model)):
        log_probabilities = model(**row).logits[0].float().log_softmax(-1)
        squares = [torch.zeros_like(parameter) for parameter in parameters]
        for log_p in log_probabilities:
            gradients = torch.autograd.grad(
                log_p, parameters, retain_graph=True, materialize_grads=True
            )
            for square, gradient in zip(squares, gradients, strict=True):
                square += log_p.detach().exp() * gradient**2
        yield {name: square.sqrt() for name, square in zip(trainable, squares, strict=True)}


def _rows(inputs: Inputs, device: torch.device) -> Iterable[dict[str, torch.Tensor]]:
    """Each row of the batches as a batch of its own."""
    for batch in inputs:
        size = len(next(iter(batch.values())))
        for index in range(size):
            yield {name: tensor[index : index + 1].to(device) for name, tensor in batch.items()}


def regmean(
    sources: Sequence[Source], grams: Sequence[State], *, off_diagonal: float = 0.9
) -> dict[str, torch.Tensor]:
    """Each linear layer as the least-squares fit to the outputs of K layers on their own inputs.

    Wᵀ = (Σ_k G_k)⁻¹ Σ_k G_k W_kᵀ with G_k = X_kᵀX_k (D, D), whose off-diagonal entries are first
    scaled by ``off_diagonal`` (RegMean, Jin et al. 2022, arXiv 2212.09849). ``grams`` holds one
    dict per model, as the function ``grams`` returns it: G_k by the name of the weight W_k
    (outputs, D). All other tensors, and directions in which no input was seen, get the plain
    mean. Lesson 10 uses it.
    """
    equal = weights_or_equal(len(sources))
    _check_statistics(sources, grams)

    def merged(name: str, tensors: list[torch.Tensor]) -> torch.Tensor:
        plain = mix(tensors, equal, name=name)
        if name not in grams[0]:
            return plain
        shrunk = [_shrink(gram[name], off_diagonal) for gram in grams]
        return _least_squares(tensors, shrunk, plain)

    return zip_tensors(sources, merged)


def _shrink(gram: torch.Tensor, off_diagonal: float) -> torch.Tensor:
    """The Gram matrix with its off-diagonal entries scaled by ``off_diagonal``."""
    gram = gram.double()
    return off_diagonal * gram + (1 - off_diagonal) * gram.diag().diag()


def _least_squares(
    tensors: Sequence[torch.Tensor], grams: Sequence[torch.Tensor], plain: torch.Tensor
) -> torch.Tensor:
    # Solved for the difference from the mean, so that unseen directions keep the mean.
    mean = plain.double()
    pairs = zip(tensors, grams, strict=True)
    products = sum((tensor.double() - mean) @ gram for tensor, gram in pairs)
    inverse = torch.linalg.pinv(sum(grams), hermitian=True)
    return (mean + products @ inverse).to(plain.dtype)


@torch.no_grad()
def grams(model: nn.Module, inputs: Inputs) -> dict[str, torch.Tensor]:
    """XᵀX (D, D) of the inputs of each linear layer, by the name of its weight, in fp64.

    Padding does not count. The model runs in evaluation mode, and the hooks are removed at the
    end. Lesson 10 uses it.
    """
    totals: dict[str, torch.Tensor] = {}
    mask: torch.Tensor | None = None

    def watch(name: str) -> Any:
        def hook(layer: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
            rows = _unpadded_rows(arguments[0], mask).double()
            totals[name] = totals.get(name, 0) + rows.T @ rows

        return hook

    was_training = model.training
    device = device_of(model)
    model.eval()
    with ExitStack() as hooks:
        hooks.callback(model.train, was_training)
        for name, layer in model.named_modules():
            if isinstance(layer, nn.Linear):
                weight = f"{name}.weight" if name else "weight"
                hooks.callback(layer.register_forward_pre_hook(watch(weight)).remove)
        for batch in inputs:
            mask = batch.get("attention_mask")  # the hooks read it
            model(**{name: tensor.to(device) for name, tensor in batch.items()})
    return totals


def _unpadded_rows(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Inputs (B, T, D) or (B, D) as rows (N, D), without padding tokens."""
    if mask is not None and values.shape[:-1] == mask.shape:
        return values[mask.to(values.device).bool()]
    return values.flatten(0, -2)
