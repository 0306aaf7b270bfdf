"""Adapters by name: the methods that train a few numbers beside frozen weights.

    lora       W + (alpha / R) BA (Hu et al. 2021, arXiv 2106.09685), as ``with_lora`` adds
    rslora     W + (alpha / √R) BA (Kalajdzievski 2023, arXiv 2312.03732)
    dora       m ⊙ (W + BA) / ‖W + BA‖, the norm of each output's weights (Liu et al. 2024,
               arXiv 2402.09353, whose columns are the rows of torch's W)
    pissa      lora that begins as the largest singular values (Meng et al. 2024, arXiv 2404.02948)
    ia3        keys, values and feed-forward inputs times a vector (Liu et al. 2022,
               arXiv 2205.05638)
    layernorm  gains and shifts of the norms (Zhao et al. 2023, arXiv 2312.11420)
    prefix     ``tokens`` keys and values before the text's (Li & Liang 2021, arXiv 2101.00190)
    prompt     ``tokens`` embeddings before the text's (Lester et al. 2021, arXiv 2104.08691)

Bottleneck adapters (Houlsby et al. 2019, arXiv 1902.00751) are not in peft.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from ftlearn.errors import ArgumentError
from ftlearn.models import lora, pissa, places, virtual_tokens
from ftlearn.models.activation_checkpointing import checkpoints_activations, require_no_prefix
from ftlearn.models.fingerprints import fingerprint

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

LOW_RANK: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "pissa": {"init_lora_weights": pissa.INITIALISATION},
}
"""The methods that add a matrix of a rank to each weight, and what they change in peft's LoRA."""
VIRTUAL = ("prefix", "prompt")
"""The methods that learn tokens before the text."""
METHODS = (*LOW_RANK, "ia3", "layernorm", *VIRTUAL)
"""All methods of ``with_adapter``."""
BOTTLENECKS = ("adapter", "bottleneck", "houlsby", "pfeiffer")
SETTINGS = {
    "rank": tuple(LOW_RANK),
    "alpha": tuple(LOW_RANK),
    "targets": tuple(LOW_RANK),
    "layers": (*LOW_RANK, "ia3", "layernorm"),
    "tokens": VIRTUAL,
}
"""The methods that each setting belongs to."""


def with_adapter(
    model: nn.Module,
    method: str,
    *,
    rank: int | None = None,
    alpha: float | None = None,
    targets: str | Sequence[str] | None = None,
    layers: int | None = None,
    tokens: int | None = None,
    seed: int = 0,
) -> PeftModel:
    """The model with an adapter of a method; only the adapter and a classifier's head are trained.

    ``method`` is one of ``METHODS``, which the module describes. ``rank`` (8), ``alpha`` (2 * rank)
    and ``targets`` ("all-linear") are for lora, rslora, dora and pissa, ``tokens`` (16) is for
    prefix and prompt, and ``layers``, how many from the top, for all but these two. ``model``
    itself gets the adapter: go on with the result alone. Learned tokens cannot be merged, and
    take positions of the model: texts must be so much shorter than its window.

    Raises ValueError for an unknown method, a setting of another one, and a place there is none of.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> size = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 2}
    >>> model = BertForSequenceClassification(BertConfig(**size))
    >>> adapted = with_adapter(model, "ia3")
    >>> scales = [weight for name, weight in adapted.named_parameters() if "ia3" in name]
    >>> sum(weight.numel() for weight in scales) == 2 * (8 + 8 + 3072)
    True
    """
    _check(method, rank=rank, alpha=alpha, targets=targets, layers=layers, tokens=tokens)
    lora.check_plain(model)
    if method in VIRTUAL:
        return _with_virtual_tokens(model, method, 16 if tokens is None else tokens, seed)
    config = _config(model, method, rank, alpha, targets, layers)
    adapt = _with_pissa if method == "pissa" else lora.adapted
    return adapt(model, config, seed=seed)


def _with_pissa(model: nn.Module, config: PeftConfig, *, seed: int) -> PeftModel:
    pissa.require_fp32(model)
    base = fingerprint(lora.rounded_base(model))  # of the weights that peft is about to change
    adapted = lora.adapted(model, config, seed=seed)
    adapted.base_fingerprint = base
    pissa.remember_start(adapted)
    return adapted


def _check(method: str, **settings: Any) -> None:
    if method in BOTTLENECKS:
        raise ArgumentError(
            f"method is {method!r}: peft has no bottleneck adapters (Houlsby et al. 2019); the "
            f"adapters package of AdapterHub has them. Use one of {', '.join(METHODS)}"
        )
    if method not in METHODS:
        raise ArgumentError(f"unknown method {method!r}: use {', '.join(METHODS)}")
    for name, value in settings.items():
        if value is not None and method not in SETTINGS[name]:
            raise ArgumentError(
                f"{name} is {value!r}, and {method} has no {name}, which is for "
                f"{', '.join(SETTINGS[name])}: leave it out"
            )


def _config(
    model: nn.Module,
    method: str,
    rank: int | None,
    alpha: float | None,
    targets: str | Sequence[str] | None,
    layers: int | None,
) -> PeftConfig:
    """peft's configuration of a method that changes weights."""
    from peft import IA3Config, LNTuningConfig, LoraConfig  # see models.wrapping

    if method == "ia3":
        return IA3Config(**places.scaled_layers(model, layers))
    if method == "layernorm":
        return LNTuningConfig(**places.norms(model, layers))
    places_of_lora = places.ALL_LINEAR if targets is None else targets
    settings = lora.low_rank(model, 8 if rank is None else rank, alpha, layers, places_of_lora)
    return LoraConfig(**settings, **LOW_RANK[method])


def _with_virtual_tokens(model: nn.Module, method: str, tokens: int, seed: int) -> PeftModel:
    from peft import PrefixTuningConfig, PromptTuningConfig  # see models.wrapping

    if tokens < 1:
        raise ArgumentError(f"tokens is {tokens}: choose 1 or more, such as 16")
    if places.task_type(model) not in ("SEQ_CLS", "CAUSAL_LM"):
        raise ArgumentError(
            f"peft cannot put a {method} before the texts of {type(model).__name__}: load a "
            "classifier with pooling='pretrained' or a language model, or use method='lora'"
        )
    if checkpoints_activations(model):
        require_no_prefix(method)
    if method == "prefix":
        config = PrefixTuningConfig(num_virtual_tokens=tokens)
    else:
        config = PromptTuningConfig(num_virtual_tokens=tokens, prompt_tuning_init="SAMPLE_VOCAB")
    adapted = lora.adapted(model, config, seed=seed)
    if method == "prefix":
        virtual_tokens.start_from_words(adapted, seed=seed)
    virtual_tokens.hide_virtual_tokens(adapted)
    return adapted
