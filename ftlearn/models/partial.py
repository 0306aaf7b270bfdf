"""Training a part of the weights: biases, norms, the head, or the layers at the top."""

from __future__ import annotations

from torch import nn

from ftlearn.errors import ArgumentError
from ftlearn.models import architecture, places
from ftlearn.models.wrapping import is_adapted

PARTS = ("bias", "head", "layernorm")
"""What ``train_only`` trains."""


def train_only(model: nn.Module, part: str) -> nn.Module:
    """Freeze, in place, all but a part of the weights and a classifier's head.

    bias       all biases, those of the norms included (BitFit: Ben Zaken et al. 2022,
               arXiv 2106.10199)
    layernorm  gains and shifts of all norms
    head       nothing else

    Raises ValueError for an unknown part, for one that the model lacks, as SmolLM2 lacks biases and
    a head apart from its embeddings, and for a model with an adapter.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> size = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
    >>> model = train_only(BertForSequenceClassification(BertConfig(**size)), "bias")
    >>> model.bert.encoder.layer[0].output.dense.bias.requires_grad
    True
    >>> model.bert.encoder.layer[0].output.dense.weight.requires_grad
    False
    """
    _check_plain(model)
    if part not in PARTS:
        raise ArgumentError(f"part is {part!r}: use {', '.join(PARTS)}")
    inside = _part(model, part)
    head = {name for name, _ in model.named_parameters() if architecture.is_head(name)}
    if not inside and (part != "head" or not head):
        raise ArgumentError(_lacking(model, part))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in inside or name in head)
    return model


def unfreeze_top(model: nn.Module, layers: int) -> nn.Module:
    """Let the head, the norm before it and the top ``layers`` layers learn, in place, and no more.

    0 is the head alone. The embeddings stay frozen: ``architecture.unfreeze`` trains them too. A
    step of gradual unfreezing (Howard & Ruder 2018, arXiv 1801.06146).

    Raises ValueError for more layers than there are, and for a model with an adapter.
    """
    _check_plain(model)
    stack = architecture.layers(model)
    if not 0 <= layers <= len(stack):
        raise ArgumentError(f"layers is {layers}: the model has {len(stack)}, choose 0 to that")
    inner = {id(parameter) for parameter in stack.parameters()}
    top = {id(parameter) for parameter in stack[len(stack) - layers :].parameters()}
    tables = [part for part in model.modules() if isinstance(part, nn.Embedding)]
    first = {id(parameter) for table in tables for parameter in table.parameters()}
    for name, parameter in model.named_parameters():
        below = id(parameter) in inner | first or "embed" in name  # embeddings have a norm, too
        parameter.requires_grad_(id(parameter) in top or not below)
    return model


def _check_plain(model: nn.Module) -> None:
    if is_adapted(model):
        raise ArgumentError(
            "the model has an adapter, which alone is trained: choose a part before with_adapter, "
            "or of models.merged(model)"
        )


def _part(model: nn.Module, part: str) -> set[str]:
    """The names of the parameters of a part, without the head."""
    if part == "bias":
        return {name for name, _ in model.named_parameters() if name.endswith("bias")}
    if part == "layernorm":
        norms = [name for name, module in model.named_modules() if places.is_norm(module)]
        return {name for name, _ in model.named_parameters() if name.rpartition(".")[0] in norms}
    return set()


def _lacking(model: nn.Module, part: str) -> str:
    name = type(model).__name__
    if part == "bias":
        return (
            f"{name} has no biases, so BitFit has nothing to train: use train_only(model, "
            "'layernorm'), or an adapter (models.with_adapter)"
        )
    if part == "head":
        return (
            f"{name} has no head of its own (its outputs are its embeddings): use "
            "unfreeze_top(model, 1), or an adapter (models.with_adapter)"
        )
    return f"{name} has no norms: use an adapter (models.with_adapter)"
