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
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ftlearn.errors import ArgumentError
from ftlearn.losses import at_least_fp32
from ftlearn.models import architecture, hub, places
from ftlearn.models.places import ALL_LINEAR
from ftlearn.models.wrapping import (
    ADAPTER,
    base_name,
    in_adapter,
    is_adapted,
    method_of,
    saved_head,
    virtual_token_count,
)
from ftlearn.runtime import sharding

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

FORMATS = ("auto", "fp32", "bf16")


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
    from peft import LoraConfig  # see models.wrapping

    check_plain(model)
    if not 0 <= dropout < 1:
        raise ArgumentError(f"dropout is {dropout}: choose at least 0 and less than 1")
    if frozen not in FORMATS:
        raise ArgumentError(f"frozen is {frozen!r}: use {', '.join(FORMATS)}")
    settings = low_rank(model, rank, alpha, layers, targets)
    result = adapted(model, LoraConfig(**settings, lora_dropout=dropout), seed=seed, frozen=frozen)
    if frozen == "bf16":
        _hold_in(result, torch.bfloat16)
    return result


def low_rank(
    model: nn.Module,
    rank: int,
    alpha: float | None,
    layers: int | None,
    targets: str | Sequence[str],
) -> dict[str, Any]:
    """peft's settings for adapters of a rank; ValueError for ranks and places there are none of."""
    if rank < 1:
        raise ArgumentError(f"rank is {rank}: choose 1 or more, such as 8")
    return {
        "r": rank,
        "lora_alpha": 2 * rank if alpha is None else alpha,
        **places.linear_layers(model, targets, layers),
    }


def adapted(model: nn.Module, config: PeftConfig, *, seed: int, frozen: str = "auto") -> PeftModel:
    """The model as peft adapts it; the head learns too, the global generator stays as it is."""
    from peft import get_peft_model  # see models.wrapping

    check_plain(model)
    config.task_type = places.task_type(model)
    config.modules_to_save = places.head_parts(model) or None
    with torch.random.fork_rng(devices=[]), quiet_peft():  # A is drawn on the CPU
        torch.manual_seed(seed)
        result = get_peft_model(model, config)
    for weight in result.parameters():
        if weight.requires_grad:  # beside a base in bf16, which would round most updates off
            weight.data = at_least_fp32(weight.data)
    _name_base(result)
    result.frozen_format = frozen
    return result


@contextmanager
def quiet_peft() -> Iterator[None]:
    """A context without peft's warnings of what is meant: norms as layers, an old name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it asks transformers by an old name
        warnings.filterwarnings("ignore", message="Unsupported layer type")
        yield


def check_plain(model: nn.Module) -> None:
    """Raise ValueError for a model that has an adapter."""
    if is_adapted(model):
        raise ArgumentError("the model has an adapter already: pass models.merged(model), or train")


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
        plain = base_name(model, name)
        in_head = architecture.is_head(plain) and not plain.startswith("lm_head")
        if not (in_adapter(name) or "original_module" in name or in_head):
            yield plain, parameter


def rounded_base(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The base weights in bf16, in which they may be frozen, one after the other."""
    for name, weight in base_weights(model):
        yield name, weight.detach().bfloat16()


def settle_frozen(model: nn.Module, dtype: torch.dtype) -> None:
    """Hold the frozen weights of ``frozen="auto"`` in the format that the run computes in.

    In place; bf16 only if no weight changes by it. Does nothing for other models and formats, and
    for a sharded model, whose shards keep the format in which they were made.
    """
    if not is_adapted(model) or getattr(model, "frozen_format", "auto") != "auto":
        return
    if sharding.is_sharded(model):
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

    With other methods the weights change as they do: (IA)³ multiplies them, new norms replace the
    old ones. Learned tokens of a prefix or prompt are no weights, and cannot be merged.

    Raises ValueError for a model without an adapter, and with learned tokens.
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
    if virtual_token_count(model):
        raise ArgumentError(
            f"a {method_of(model)} is read before each text and is part of no weight, so it cannot "
            "be merged: write it with models.save_adapter, and open it with models.load_finetuned"
        )
    return model


def can_be_merged(model: nn.Module) -> bool:
    """Whether a model has an adapter that can become part of its weights."""
    return is_adapted(model) and not virtual_token_count(model)


def _merged(model: PeftModel) -> nn.Module:
    from peft.tuners.tuners_utils import BaseTunerLayer

    _keep_trained_head(model)
    layers = (module for module in model.modules() if isinstance(module, BaseTunerLayer))
    if any(layer.disable_adapters for layer in layers):  # inside `with model.disable_adapter()`
        return model.unload()
    # A safe merge writes sums into new tensors: one in place would change shared memory.
    return model.merge_and_unload(safe_merge=True)


def _keep_trained_head(model: PeftModel) -> None:
    """Put the trained copy of a head in its place, which peft cannot with each of its methods."""
    for name, module in list(model.named_modules()):
        if saved_head(module):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.modules_to_save[ADAPTER])


def settings(model: nn.Module) -> dict[str, Any]:
    """What decides the function of adapters besides their numbers; empty for other models."""
    if not is_adapted(model):
        return {}
    method, config = method_of(model), model.peft_config[ADAPTER]
    if virtual_token_count(model):
        return {"adapter": {"method": method, "tokens": config.num_virtual_tokens}}
    places = {"targets": sorted(config.target_modules)}
    if config.peft_type.value != "LORA":
        return {"adapter": {"method": method, **places}}
    low_rank = {
        "rank": config.r,
        "alpha": config.lora_alpha,
        **places,
        "layers": config.layers_to_transform,
    }
    return {"lora": low_rank} if method == "lora" else {"adapter": {"method": method, **low_rank}}
