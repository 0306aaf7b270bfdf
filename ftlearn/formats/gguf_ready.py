"""A plain folder of a model that writes, as llama.cpp's convert_hf_to_gguf.py reads it.

    folder/   config.json  model.safetensors (16 bits)  tokenizer.json  tokenizer_config.json
              chat_template.jinja  generation_config.json

The script reads the architecture from config.json, the special tokens and the chat template from
the tokenizer's files, and knows merged weights alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ftlearn import models
from ftlearn.formats.comparing import DEVIATION, Loaded, Parity
from ftlearn.formats.names import GGUF_READY, FormatError
from ftlearn.formats.onnx_files import plain
from ftlearn.models import lora
from ftlearn.models.folders import write_task
from ftlearn.models.parity import Answer, Prompt
from ftlearn.models.verbosity import quiet
from ftlearn.tasks import Chat, LanguageModelling

PROMPTS = 8
"""The most prompts whose greedy texts are compared."""
NEW_TOKENS = 24
HALF_RANGE = torch.finfo(torch.float16).max


def write(loaded: Loaded, folder: Path) -> None:
    """Write the merged model in 16 bits, its tokenizer with the chat template, and the task.

    bf16 where the weights are such numbers, which loses nothing; otherwise fp16, whose eleven
    significant bits keep more of what training changed than bf16's eight.
    Raises FormatError for a model that does not write, or has numbers that fp16 does not hold.
    """
    model, tokenizer, task = loaded
    if not isinstance(task, LanguageModelling):
        raise FormatError(
            f"{GGUF_READY} is for models that write texts, and this one predicts "
            f"({type(task).__name__}): export it as onnx or int8"
        )
    model = plain(model)
    dtype = torch.bfloat16 if lora.fits_bf16(model.parameters()) else torch.float16
    largest = max(float(weight.abs().max()) for weight in model.parameters())
    if dtype is torch.float16 and largest > HALF_RANGE:
        raise FormatError(
            f"the model has a weight of {largest:.3g}, and fp16 holds up to {HALF_RANGE:,.0f}: "
            "save it with models.save in fp32 and convert that folder"
        )
    with quiet():
        _in(model, dtype).save_pretrained(folder)
    if isinstance(task, Chat):
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.chat_template = task.template_for(tokenizer)
    tokenizer.save_pretrained(folder)
    write_task(folder, task)


def _in(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of a model in a number format."""
    copies = {id(weight): nn.Parameter(weight.detach().to(dtype)) for weight in model.parameters()}
    copied = copy.deepcopy(model, copies)
    copied.config.dtype = dtype
    return copied


def compare(source: Loaded, folder: Path, prompts: Sequence[Prompt]) -> Parity:
    """Read a written folder back, and compare greedy texts with the source's.

    A prompt is equal where the same tokens are read and the same are written.
    """
    if not prompts:
        raise FormatError("there are no prompts to compare texts on: give some")
    model, tokenizer, task = source
    prompts = [_as_prompt(prompt, task) for prompt in list(prompts)[:PROMPTS]]
    settings: dict[str, Any] = {"max_new_tokens": NEW_TOKENS}
    before = models.greedy_answers(model, tokenizer, prompts, task=task, **settings)
    reopened, its_tokenizer, _ = models.load_finetuned(folder, "cpu")
    after = models.greedy_answers(reopened, its_tokenizer, prompts, **settings)
    pairs = list(zip(before, after, strict=True))
    equal = sum(
        ours.read == theirs.read and ours.written == theirs.written for ours, theirs in pairs
    )
    difference = max(_difference(ours, theirs) for ours, theirs in pairs)
    return Parity(equal, len(pairs), difference, f"{DEVIATION} of logits")


def _as_prompt(prompt: Prompt, task: LanguageModelling) -> Prompt:
    """A bare text as what the user says, where the task is a conversation."""
    if isinstance(prompt, str) and isinstance(task, Chat):
        return [{"role": "user", "content": prompt}]
    return prompt


def _difference(ours: Answer, theirs: Answer) -> float:
    """The difference of the first token's logits, which both models compute from the prompt."""
    first, other = ours.logits[0], theirs.logits[0]
    return float((first - other).abs().max() / first.std().clamp_min(1e-6))
