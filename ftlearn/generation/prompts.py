"""From prompts, plain texts or dialogues, to token ids: checked, and as the model was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ftlearn.data.chats import fault
from ftlearn.errors import ArgumentError, ArgumentTypeError
from ftlearn.tasks.chat_template import token_ids
from ftlearn.tasks.completion import prompt_ids

Prompt = str | Sequence[Mapping[str, Any]]
"""A plain text that the model continues, or a list of messages that it answers."""


def encode(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], new_tokens: int
) -> list[list[int]]:
    """The token ids of each prompt, which leave room for an answer of so many new tokens.

    Raises TypeError for one prompt in place of a list, and ValueError for a prompt that cannot be
    used, which it names by its number.
    """
    _check_list(prompts)
    encoded = []
    for number, prompt in enumerate(prompts, 1):
        try:
            encoded.append(encode_one(model, tokenizer, prompt, new_tokens))
        except (ArgumentError, ArgumentTypeError) as error:
            raise type(error)(f"prompt {number}: {error}") from error
    return encoded


def encode_one(model: Any, tokenizer: Any, prompt: Prompt, new_tokens: int) -> list[int]:
    """The token ids of a prompt, as ``tasks.chat`` and ``tasks.completion`` read it in training.

    A dialogue is rendered by the tokenizer's own chat template, up to where the answer begins; a
    plain text is encoded as it is. A control token that somebody typed is plain text.
    """
    if isinstance(prompt, str):
        ids = prompt_ids(tokenizer, prompt)
    elif isinstance(prompt, Sequence):
        ids = _encode_messages(tokenizer, prompt)
    else:
        raise ArgumentTypeError(
            f"{type(prompt).__name__} is no prompt: give a text or a list of messages"
        )
    if not ids:
        raise ArgumentError("it is empty, and the model needs a token to start from")
    check_room(model, len(ids), new_tokens)
    return ids


def _check_list(prompts: Any) -> None:
    if isinstance(prompts, str | Mapping):
        raise ArgumentTypeError(
            f"prompts is one prompt, {str(prompts)[:40]!r}: pass a list, [prompt]"
        )
    if not isinstance(prompts, Sequence):
        raise ArgumentTypeError(f"prompts is a {type(prompts).__name__}: pass a list")
    if prompts and all(isinstance(message, Mapping) for message in prompts):
        raise ArgumentTypeError("prompts is one list of messages: pass a list of them, [messages]")


def _encode_messages(tokenizer: Any, messages: Sequence[Any]) -> list[int]:
    reason = fault(messages, answered=False)
    if reason:
        raise ArgumentError(f"{reason}; a message is {{'role': 'user', 'content': text}}")
    if tokenizer.chat_template is None:
        raise ArgumentError(
            "it is a dialogue, and the tokenizer has no chat template: give a plain text, or load "
            "a model that was trained to chat"
        )
    return token_ids(tokenizer, messages, add_generation_prompt=True)


def check_room(model: Any, prompt_tokens: int, new_tokens: int) -> None:
    """Raise ValueError where a prompt and its answer do not fit into the model's positions.

    >>> from types import SimpleNamespace as Box
    >>> config = Box(max_position_embeddings=8, get_text_config=lambda: config)
    >>> check_room(Box(config=config), 5, new_tokens=4)
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: it has 5 tokens, and the model reads 8 in all, 4 new ones ...
    """
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 0
    if 0 < positions < prompt_tokens + new_tokens:
        raise ArgumentError(
            f"it has {prompt_tokens} tokens, and the model reads {positions} in all, {new_tokens} "
            "new ones included: shorten it, or ask for fewer new tokens"
        )
