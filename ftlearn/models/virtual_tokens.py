"""Virtual tokens: keys and values (prefix), or embeddings (prompt), that are learned before a text.

Prefix tuning puts P keys and values before those of the text in each layer's attention, which mixes
two attentions: (1 − λ) Attn(q; X) + λ Attn(q; P), where λ is the share of exp(q·k) that falls on
the prefix (Li & Liang 2021, arXiv 2101.00190). Prompt tuning puts P vectors before the embeddings
(Lester et al. 2021, arXiv 2104.08691). No weight of the model changes, so there is nothing to
merge. peft computes both; here they get a start, logits for the text alone, and a cache to write
from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import DynamicCache

from ftlearn.compatibility import window
from ftlearn.models import architecture
from ftlearn.models.wrapping import ADAPTER, method_of, unwrapped, virtual_token_count

if TYPE_CHECKING:
    from peft import PeftModel


def start_from_words(model: PeftModel, *, seed: int) -> None:
    """Let a prefix begin as the keys and values of words drawn from the vocabulary.

    A random prefix disturbs the model much more (Li & Liang 2021, section 7.5).
    """
    vocabulary = unwrapped(model).get_input_embeddings().num_embeddings
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(vocabulary, (1, virtual_token_count(model)), generator=generator)
    weight = model.prompt_encoder[ADAPTER].embedding.weight
    with torch.no_grad():
        cache = _cache_of(unwrapped(model), input_ids=ids.to(weight.device))
        parts = [part for layer in cache.layers for part in (layer.keys, layer.values)]
        vectors = [part[0].transpose(0, 1).flatten(1) for part in parts]  # (P, K·E) each
        weight.copy_(torch.cat(vectors, dim=1))


def hide_virtual_tokens(model: PeftModel) -> None:
    """Have a language model with a learned prompt give logits (B, T, V) for the text alone."""
    if method_of(model) == "prompt":
        model.register_forward_hook(_for_text_alone)


def _for_text_alone(model: nn.Module, _: Any, output: Any) -> Any:
    logits = getattr(output, "logits", None)
    if logits is not None and logits.ndim == 3 and not model._adapters_disabled:
        output.logits = logits[:, virtual_token_count(model) :]
    return output


def shorten_window(model: nn.Module, tokenizer: Any) -> None:
    """Let a tokenizer leave the positions free that a model's learned tokens take."""
    positions = window.positions(model) if virtual_token_count(model) else None
    if positions is not None:
        tokenizer.model_max_length = min(tokenizer.model_max_length, positions)


def generation_inputs(
    model: nn.Module, inputs: Mapping[str, torch.Tensor], *, beams: int = 1
) -> dict[str, Any]:
    """What ``unwrapped(model).generate`` must get to write as the model does.

    Ids and mask (B, T) become (B, P + T), with a cache of the P virtual tokens; they stay as they
    are for other models. Positions count from the virtual tokens, and padding, on the left of a
    text, takes none.
    """
    count = virtual_token_count(model)
    if not count:
        return dict(inputs)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    cache = _virtual_cache(model, len(ids))
    cache.batch_repeat_interleave(beams)
    stand_ins = ids[:, :1].expand(-1, count)  # their ids are never read, only counted
    return {
        "input_ids": torch.cat([stand_ins, ids], dim=1),
        "attention_mask": torch.cat([torch.ones_like(stand_ins), mask], dim=1),
        "past_key_values": cache,
    }


def _virtual_cache(model: nn.Module, rows: int) -> DynamicCache:
    """Keys and values of the virtual tokens in all layers, for so many rows."""
    prompt = model.get_prompt(rows)
    if method_of(model) == "prefix":
        return prompt
    return _cache_of(unwrapped(model), inputs_embeds=prompt.to(unwrapped(model).dtype))


def _cache_of(model: nn.Module, **inputs: torch.Tensor) -> DynamicCache:
    """The keys and values that a text leaves in a model's layers."""
    cache = DynamicCache()
    was_training = model.training
    model.eval()
    architecture.backbone(model)(**inputs, past_key_values=cache, use_cache=True)
    model.train(was_training)
    return cache
