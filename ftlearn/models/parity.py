"""The parity gate: a model that was saved and reopened answers as the one that was trained.

What goes wrong when adapters are saved shows here: an adapter merged twice or with another alpha, a
base model of another version, a chat template that stayed behind, a token that no longer ends an
answer. Both models answer the same prompts, and what they read, compute and write is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from ftlearn.models import lora, virtual_tokens
from ftlearn.models.hub import ModelError
from ftlearn.models.units import in_units
from ftlearn.models.verbosity import quiet
from ftlearn.models.wrapping import unwrapped
from ftlearn.runtime import device_of
from ftlearn.tasks import Chat

TOLERANCE = {"fp32": 1e-3, "bf16": 0.5}
"""The difference of logits that is rounding, in their standard deviations, by what was written."""

Prompt = str | Sequence[Mapping[str, str]]
"""A text, or the messages of a conversation that the assistant is to answer."""


class Answer(NamedTuple):
    """What a model reads, computes and writes for a prompt."""

    read: list[int]
    """The token ids of the prompt."""
    logits: torch.Tensor
    """Of a classifier (C,), of a language model those of each token that it wrote, (T, V)."""
    written: list[int]
    """The ids of greedy decoding, or the one class."""


class Parity(NamedTuple):
    """How far two models agree: the largest difference of logits, in standard deviations."""

    difference: float
    allowed: float
    prompts: int


def greedy_answers(
    model: nn.Module,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    *,
    task: Any = None,
    max_new_tokens: int = 16,
) -> list[Answer]:
    """A model's answers to prompts, computed in fp32: classes, or texts by greedy decoding.

    Pass the ``task`` beside a model that was trained, not beside one that was saved, which holds
    it: the prompts are then rendered as in training, and a regression answers in the data's units.
    A model with frozen weights in bf16 is copied for the time being.

    Raises ModelError for messages where there is no chat template.
    """
    template = task.template_for(tokenizer) if isinstance(task, Chat) else tokenizer.chat_template
    was_training = model.training
    reader = model
    if any(weight.dtype is not torch.float32 for weight in reader.parameters()):
        reader = lora.fp32_copy(model)
    reader.eval()
    with torch.no_grad(), quiet(), in_units(unwrapped(reader), task):
        inputs = [_tokenised(tokenizer, prompt, template) for prompt in prompts]
        result = [_answer(reader, tokens, max_new_tokens) for tokens in inputs]
    model.train(was_training)
    return result


def _answer(model: nn.Module, inputs: Any, max_new_tokens: int) -> Answer:
    inputs = inputs.to(device_of(model))
    read = inputs["input_ids"][0].tolist()
    if not getattr(model, "can_generate", bool)():
        logits = model(**inputs).logits[0].cpu()
        return Answer(read, logits, [int(logits.argmax())])
    inputs = virtual_tokens.generation_inputs(model, inputs)
    result = unwrapped(model).generate(
        **inputs,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        output_logits=True,
        return_dict_in_generate=True,
    )
    written = result.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    return Answer(read, torch.stack([step[0] for step in result.logits]).float().cpu(), written)


def _tokenised(tokenizer: Any, prompt: Prompt, template: str | None) -> Any:
    if isinstance(prompt, str):
        return tokenizer(prompt, return_tensors="pt")
    if not template:
        raise ModelError("the tokenizer has no chat template, so it cannot read conversations")
    return tokenizer.apply_chat_template(
        list(prompt),
        chat_template=template,
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )


def parity(before: Sequence[Answer], after: Sequence[Answer], *, precision: str = "fp32") -> Parity:
    """Compare the answers of a model with those of its saved copy; ``precision`` is the copy's.

    They must read the same tokens, compute the same logits but for rounding, and write the same
    text. Where rounding decided between two tokens, what follows is not compared.

    Raises ModelError, which says what differs at which prompt.

    >>> said = [Answer([5, 7], torch.tensor([[0.0, 3.0]]), [1])]
    >>> parity(said, said).difference
    0.0
    """
    allowed, largest = TOLERANCE[precision], 0.0
    if len(before) != len(after) or not before:
        raise ModelError(f"{len(before)} answers cannot be compared with {len(after)}")
    for number, (first, second) in enumerate(zip(before, after, strict=True), start=1):
        if first.read != second.read:
            raise ModelError(
                f"prompt {number}: the saved model reads {len(second.read)} other tokens than the "
                f"{len(first.read)} of the trained one: its tokenizer or chat template is another"
            )
        difference, tied = _difference(first, second)
        if not difference <= allowed:  # NaN, too
            raise ModelError(
                f"prompt {number}: logits differ by {difference:.2g} standard deviations, and "
                f"rounding allows {allowed:g}: what was saved is not the model that was trained"
            )
        if first.written != second.written and not tied:
            raise ModelError(
                f"prompt {number}: the saved model writes {second.written} where the trained one "
                f"writes {first.written}, from the same logits: its end token is another"
            )
        largest = max(largest, difference)
    return Parity(largest, allowed, len(before))


def _difference(first: Answer, second: Answer) -> tuple[float, bool]:
    """The largest difference of logits while the texts agree, and whether rounding parted them."""
    if first.logits.ndim == 1:
        shared, tied = None, True  # the classes may be a tie
    else:
        pairs = zip(first.written, second.written, strict=False)
        parted = [step for step, (ours, theirs) in enumerate(pairs) if ours != theirs]
        tied = bool(parted)
        shared = parted[0] + 1 if tied else min(len(first.logits), len(second.logits))
    ours, theirs = first.logits[:shared], second.logits[:shared]
    if ours.shape != theirs.shape:
        return float("inf"), False
    spread = max(float(ours.std()) if ours.numel() > 1 else 0.0, float(ours.abs().mean()))
    return float((ours - theirs).abs().max()) / max(spread, 1e-6), tied
