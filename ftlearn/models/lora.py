"""Low-rank adaptation (LoRA): small trainable matrices beside frozen weights.

A linear layer with the frozen weights W (F, D) computes y = W x + (alpha / R) B A x, where A (R, D)
begins with random numbers and B (F, R) with zeros, so that training begins at the pretrained model
(Hu et al. 2021, arXiv 2106.09685). peft holds and computes the adapters; here they are put
where they belong, and added to the weights without changing the adapted model.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
)
from transformers.pytorch_utils import Conv1D

from ftlearn.errors import ArgumentError
from ftlearn.models import architecture, hub
from ftlearn.models.wrapping import PREFIX, is_adapted

if TYPE_CHECKING:
    from peft import PeftModel

ALL_LINEAR = "all-linear"
ADAPTER = "default"
"""The name that peft gives to the only adapter of a model."""
FORMATS = ("auto", "fp32", "bf16")
TASK_TYPES = {
    "CAUSAL_LM": MODEL_FOR_CAUSAL_LM_MAPPING,
    "SEQ_CLS": MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    "QUESTION_ANS": MODEL_FOR_QUESTION_ANSWERING_MAPPING,
}


def with_lora(
    model: nn.Module,
    rank: int = 8,
    *,
    alpha: float | None = None,
    layers: int | None = None,
    targets: str | Sequence[str] = ALL_LINEAR,
    dropout: float = 0.0,
    seed: int = 0,
    frozen: str = "auto",
) -> PeftModel:
    """The model with LoRA adapters in its layers; only they, and a classifier's head, are trained.

    Adapters go into all linear layers of the transformer layers, or those named in ``targets``,
    such as ``["q_proj", "v_proj"]``; with ``layers`` into the top layers only. ``alpha`` is
    2 * ``rank`` unless given. ``model`` itself gets the adapters: go on with the result alone.

    ``frozen`` is the number format of the frozen weights: ``"fp32"``; ``"bf16"``, half of the
    memory, in which the model then trains; or ``"auto"``, bf16 if ``fit`` trains in bf16 and no
    weight changes by it, as in a model published in bf16. The adapter stays fp32.

    Raises ValueError for a rank, layer, target or format that there is none of.
    """
    _check(model, rank, dropout, frozen)
    settings = {
        "r": rank,
        "lora_alpha": 2 * rank if alpha is None else alpha,
        "lora_dropout": dropout,
        "target_modules": _targets(model, targets),
        **_places(model, layers),
    }
    adapted = _with_adapters(model, settings, seed)
    _name_base(adapted)
    adapted.frozen_format = frozen
    if frozen == "bf16":
        _hold_in(adapted, torch.bfloat16)
    return adapted


def _with_adapters(model: nn.Module, settings: dict[str, Any], seed: int) -> PeftModel:
    """The model as peft adapts it by these settings; the global generator stays as it is."""
    from peft import LoraConfig, get_peft_model  # see models.wrapping

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():  # A is drawn on the CPU
        torch.manual_seed(seed)
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        return get_peft_model(model, LoraConfig(**settings))


def _places(model: nn.Module, count: int | None) -> dict[str, Any]:
    """The settings of peft that say where adapters go, ``count`` layers from the top."""
    depth, inside = _stack(model)
    if count is not None and not 1 <= count <= depth:
        raise ArgumentError(f"layers is {count}: the model has {depth}, choose 1 to {depth}")
    return {
        "task_type": _task_type(model),
        "layers_to_transform": list(range(depth - (count or depth), depth)),
        "layers_pattern": inside,
        "modules_to_save": _head_parts(model) or None,
        "fan_in_fan_out": any(isinstance(module, Conv1D) for module in model.modules()),
    }


def _check(model: nn.Module, rank: int, dropout: float, frozen: str) -> None:
    if is_adapted(model):
        raise ArgumentError("the model has an adapter already: pass models.merged(model), or train")
    if rank < 1:
        raise ArgumentError(f"rank is {rank}: choose 1 or more, such as 8")
    if not 0 <= dropout < 1:
        raise ArgumentError(f"dropout is {dropout}: choose at least 0 and less than 1")
    if frozen not in FORMATS:
        raise ArgumentError(f"frozen is {frozen!r}: use {', '.join(FORMATS)}")


def _stack(model: nn.Module) -> tuple[int, str]:
    """How many transformer layers there are, and the name of the list that they are in."""
    stack = architecture.layers(model)
    name = next(name for name, module in model.named_modules() if module is stack)
    return len(stack), name.rpartition(".")[2]


def _targets(model: nn.Module, targets: str | Sequence[str]) -> list[str]:
    """The names, without their path, of the linear layers to adapt."""
    stack = architecture.layers(model)
    linear = [name for name, part in stack.named_modules() if isinstance(part, nn.Linear | Conv1D)]
    names = sorted({name.rpartition(".")[2] for name in linear})
    if targets == ALL_LINEAR:
        return names
    if isinstance(targets, str) or not targets:
        raise ArgumentError(f"targets is {targets!r}: use {ALL_LINEAR!r} or a list of {names}")
    for target in targets:
        if target not in names:
            raise ArgumentError(
                f"no linear layer {target!r} in the transformer layers, which have: "
                f"{', '.join(names)}"
            )
    return sorted(set(targets))


def _task_type(model: nn.Module) -> str | None:
    """What peft calls the model's task; None for a model that is not one of transformers' own."""
    for name, mapping in TASK_TYPES.items():
        if type(model) in mapping.values():
            return name
    return None


def _head_parts(model: nn.Module) -> list[str]:
    """The modules of a head, which learns whole: all outside the backbone, and BERT's pooler."""
    if _task_type(model) == "CAUSAL_LM":
        return []
    body = architecture.backbone(model)
    parts = [
        name
        for name, module in model.named_children()
        if module is not body and any(True for _ in module.parameters())
    ]
    pooled_by_body = not isinstance(model, architecture.PooledClassifier)
    return [*parts, "pooler"] if pooled_by_body and getattr(body, "pooler", None) else parts


def _name_base(model: PeftModel) -> None:
    """Have the adapter name its base model as another machine can find it."""
    config = model.peft_config[ADAPTER]
    name = model.config.name_or_path
    known = hub.KNOWN.get(name)
    config.base_model_name_or_path = known.hub_id if known else name or None
    config.revision = known.revision if known else None


def base_weights(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The pretrained weights under the adapters, without the head, by their names in the base."""
    for name, parameter in model.named_parameters():
        adapter = "lora_" in name or "modules_to_save" in name or "original_module" in name
        name = name.removeprefix(PREFIX).replace(".base_layer.", ".")
        if not adapter and (not architecture.is_head(name) or name.startswith("lm_head")):
            yield name, parameter


def settle_frozen(model: nn.Module, dtype: torch.dtype) -> None:
    """Hold the frozen weights of ``frozen="auto"`` in the format that the run computes in.

    In place; bf16 only if no weight changes by it. Does nothing for other models and formats.
    """
    if not is_adapted(model) or getattr(model, "frozen_format", "auto") != "auto":
        return
    if dtype is torch.float32 or (dtype is torch.bfloat16 and fits_bf16(_frozen(model))):
        _hold_in(model, dtype)


def holds_bf16(model: Any) -> bool:
    """Whether a model has adapters on frozen weights in bf16."""
    if not isinstance(model, nn.Module) or not is_adapted(model):
        return False
    return any(parameter.dtype is torch.bfloat16 for _, parameter in base_weights(model))


def precision_to_train(model: Any, precision: str) -> str:
    """The precision that a model trains in: bf16 where its frozen weights are.

    Raises ValueError where another one is asked for.
    """
    if not holds_bf16(model) or model.frozen_format == "auto":  # which a run settles
        return precision
    if precision not in ("auto", "bf16"):
        raise ArgumentError(
            f"the frozen weights are in bf16, and precision is {precision!r}: train in bf16, or "
            "make the adapter with frozen='fp32'"
        )
    return "bf16"


def _frozen(model: PeftModel) -> Iterator[nn.Parameter]:
    return (weight for _, weight in base_weights(model) if not weight.requires_grad)


def fits_bf16(weights: Iterable[torch.Tensor]) -> bool:
    """Whether all numbers are such that bf16 has, so that rounding to it changes nothing.

    >>> fits_bf16([torch.tensor([0.5, 3.0])]), fits_bf16([torch.tensor([0.1])])
    (True, False)
    """
    # In pieces: a copy of a whole vocabulary's embeddings would take much memory.
    pieces = (piece for weight in weights for piece in weight.detach().flatten().split(2**20))
    return all(torch.equal(piece.bfloat16().to(piece.dtype), piece) for piece in pieces)


def _hold_in(model: PeftModel, dtype: torch.dtype) -> None:
    for _, weight in base_weights(model):
        if not weight.requires_grad and weight.dtype is not dtype:
            weight.data = weight.data.to(dtype)


def merged(model: nn.Module) -> nn.Module:
    """A plain transformers model in fp32 with the adapter added to the weights, W + (alpha / R) BA.

    The adapted model does not change. The sum is computed in fp32 where the frozen weights are
    bf16, too, whose eight significant bits would lose most of a small change (peft #1035).

    Raises ValueError for a model without an adapter.
    """
    return _merged(fp32_copy(_adapted(model), shared=False)).requires_grad_(True)


def merged_view(model: nn.Module) -> nn.Module:
    """As ``merged``, but sharing memory: for reading alone, while the model is not trained."""
    return _merged(fp32_copy(_adapted(model)))


def fp32_copy(model: nn.Module, *, shared: bool = True) -> nn.Module:
    """A copy of a model with all weights in fp32; those that are share their memory by default."""
    copies = {}
    for weight in model.parameters():
        values = weight.detach().float()
        values = values if shared or values.dtype is not weight.dtype else values.clone()
        copies[id(weight)] = nn.Parameter(values, requires_grad=weight.requires_grad)
    return copy.deepcopy(model, copies)


def _adapted(model: nn.Module) -> nn.Module:
    if not is_adapted(model):
        raise ArgumentError(f"{type(model).__name__} has no adapter to merge: it is plain already")
    return model


def _merged(model: PeftModel) -> nn.Module:
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = (module for module in model.modules() if isinstance(module, BaseTunerLayer))
    if any(layer.disable_adapters for layer in layers):  # inside `with model.disable_adapter()`
        return model.unload()
    # A safe merge writes sums into new tensors: one in place would change shared memory.
    return model.merge_and_unload(safe_merge=True)


def settings(model: nn.Module) -> dict[str, Any]:
    """What decides the function of adapters besides their numbers; empty for other models."""
    if not is_adapted(model):
        return {}
    config = model.peft_config[ADAPTER]
    return {
        "lora": {
            "rank": config.r,
            "alpha": config.lora_alpha,
            "targets": sorted(config.target_modules),
            "layers": config.layers_to_transform,
        }
    }
