"""Merging that looks at data: Fisher-weighted means, and RegMean for linear layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from ftlearn.interpolation.weights.linear import mix, shares
from ftlearn.interpolation.weights.state_dicts import Source, State, state_of, zip_tensors
from ftlearn.runtime import device_of

Inputs = Iterable[Mapping[str, torch.Tensor]]
"""Batches of model inputs, each tensor (B, T)."""


def fisher_mean(
    sources: Sequence[Source], fishers: Sequence[State], weights: Sequence[float] | None = None
) -> dict[str, torch.Tensor]:
    """Σ_k w_k F_k θ_k / Σ_k w_k F_k entry by entry: who is sure of an entry decides it.

    The product of K Laplace approximations has its peak there (Matena and Raffel 2021, arXiv
    2111.09832); equal Fishers give the plain mean. So does an entry about which no
    model knows anything, F_k = 0 for all k, and a floating tensor without a Fisher (a buffer).

    >>> models = [{"w": torch.tensor([0.0, 0.0])}, {"w": torch.tensor([4.0, 4.0])}]
    >>> fisher_mean(models, [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([3.0, 0.0])}])
    {'w': tensor([3., 2.])}
    """
    weights = shares(len(sources), weights)
    _check_known(sources, fishers)

    def merged(name: str, tensors: list[torch.Tensor]) -> torch.Tensor:
        plain = mix(tensors, [w / sum(weights) for w in weights], name=name)
        if name not in fishers[0]:
            return plain
        sure = [w * one[name].double() for w, one in zip(weights, fishers, strict=True)]
        return _weighted(tensors, sure, plain)

    return zip_tensors(sources, merged)


def _check_known(sources: Sequence[Source], facts: Sequence[State]) -> None:
    """One dict of facts a model, each about the same tensors, all of which the models have."""
    if len(sources) != len(facts):
        raise ValueError(f"{len(sources)} models need as many Fishers or Grams, not {len(facts)}")
    known = state_of(sources[0])
    for one in facts:
        odd = sorted((set(one) ^ set(facts[0])) | (set(one) - set(known)))
        if odd:
            raise ValueError(f"{odd[0]!r} is not known of every model, or is no tensor of theirs")


def _weighted(
    tensors: Sequence[torch.Tensor], sure: Sequence[torch.Tensor], plain: torch.Tensor
) -> torch.Tensor:
    total = sum(sure)
    if bool((total < 0).any()) or not bool(total.isfinite().all()):
        raise ValueError("a Fisher information is negative or not finite")
    summed = sum(f * tensor.double() for f, tensor in zip(sure, tensors, strict=True))
    return torch.where(total > 0, summed / total, plain.double()).to(plain.dtype)


def fisher_from_gradients(gradients: Iterable[State]) -> dict[str, torch.Tensor]:
    """The mean of squared gradients, one state of them an example: the diagonal of the Fisher.

    It is the Fisher information where the gradients are of log p(y|x) with y drawn from the
    model, and the empirical one where y is the label.

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
        raise ValueError("there is no gradient to take a mean of: give one example at least")
    return {name: tensor / count for name, tensor in total.items()}


def fisher(model: nn.Module, inputs: Inputs) -> dict[str, torch.Tensor]:
    """The diagonal Fisher information of a classifier, by parameter, exact over the C classes.

    mean over x of Σ_c p(c|x)·(∂ log p(c|x)/∂θ)²: no labels are needed. One backward pass for
    each text and class. The model is in evaluation mode meanwhile.
    """
    was_training = model.training
    model.eval()
    moving = {name: p for name, p in model.named_parameters() if p.requires_grad}
    try:
        return fisher_from_gradients(_expected_squares(model, moving, inputs))
    finally:
        model.train(was_training)


def _expected_squares(
    model: nn.Module, moving: Mapping[str, nn.Parameter], inputs: Inputs
) -> Iterable[dict[str, torch.Tensor]]:
    """For each text the root of Σ_c p(c)·(∂ log p(c))², so that its square is what is averaged."""
    for row in _rows(inputs, device_of(model)):
        log_p = model(**row).logits[0].float().log_softmax(-1)
        squares = [torch.zeros_like(parameter) for parameter in moving.values()]
        for one in log_p:
            gradients = torch.autograd.grad(
                one, list(moving.values()), retain_graph=True, materialize_grads=True
            )
            for square, gradient in zip(squares, gradients, strict=True):
                square += one.detach().exp() * gradient**2
        yield {name: square.sqrt() for name, square in zip(moving, squares, strict=True)}


def _rows(inputs: Inputs, device: torch.device) -> Iterable[dict[str, torch.Tensor]]:
    for batch in inputs:
        for at in range(len(next(iter(batch.values())))):
            yield {name: tensor[at : at + 1].to(device) for name, tensor in batch.items()}


def regmean(
    sources: Sequence[Source], grams: Sequence[State], *, off_diagonal: float = 0.9
) -> dict[str, torch.Tensor]:
    """Each linear layer as the least-squares fit to what K layers answer on their own inputs.

    Wᵀ = (Σ_k G_k)⁻¹ Σ_k G_k W_kᵀ with G_k = X_kᵀX_k (D, D), whose off-diagonal entries are first
    scaled by ``off_diagonal`` (RegMean, Jin et al. 2022, arXiv 2212.09849).
    ``grams`` hold G_k under the name of the weight W_k (outputs, D), as ``grams`` collects
    them. All other tensors, and directions in which no input was seen, get the plain mean.
    """
    equal = shares(len(sources))
    _check_known(sources, grams)

    def merged(name: str, tensors: list[torch.Tensor]) -> torch.Tensor:
        plain = mix(tensors, equal, name=name)
        if name not in grams[0]:
            return plain
        return _least_squares(tensors, [_shrunk(gram[name], off_diagonal) for gram in grams], plain)

    return zip_tensors(sources, merged)


def _shrunk(gram: torch.Tensor, off_diagonal: float) -> torch.Tensor:
    gram = gram.double()
    return off_diagonal * gram + (1 - off_diagonal) * gram.diag().diag()


def _least_squares(
    tensors: Sequence[torch.Tensor], grams: Sequence[torch.Tensor], plain: torch.Tensor
) -> torch.Tensor:
    # Solved for the difference from the mean, so that unseen directions keep the mean.
    base = plain.double()
    pairs = zip(tensors, grams, strict=True)
    pull = sum((tensor.double() - base) @ gram for tensor, gram in pairs)
    inverse = torch.linalg.pinv(sum(grams), hermitian=True)
    return (base + pull @ inverse).to(plain.dtype)


@torch.no_grad()
def grams(model: nn.Module, inputs: Inputs) -> dict[str, torch.Tensor]:
    """XᵀX (D, D) of the inputs of each linear layer, by the name of its weight, in fp64.

    Padding does not count. The model is in evaluation mode meanwhile, and the hooks are removed.
    """
    found: dict[str, torch.Tensor] = {}
    masks: list[torch.Tensor | None] = [None]

    def watch(name: str) -> Any:
        def hook(layer: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            rows = _real_rows(given[0], masks[0]).double()
            found[name] = found.get(name, 0) + rows.T @ rows

        return hook

    was_training, device = model.training, device_of(model)
    model.eval()
    with ExitStack() as hooks:
        hooks.callback(model.train, was_training)
        for name, layer in model.named_modules():
            if isinstance(layer, nn.Linear):
                weight = f"{name}.weight" if name else "weight"
                hooks.callback(layer.register_forward_pre_hook(watch(weight)).remove)
        for batch in inputs:
            masks[0] = batch.get("attention_mask")
            model(**{name: tensor.to(device) for name, tensor in batch.items()})
    return found


def _real_rows(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Inputs (B, T, D) or (B, D) as rows (N, D), without padded tokens."""
    if mask is not None and values.shape[:-1] == mask.shape:
        return values[mask.to(values.device).bool()]
    return values.flatten(0, -2)
