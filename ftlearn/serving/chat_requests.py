"""The body of a chat request: what is read of it, what may be ignored, and what is refused."""

from __future__ import annotations

import secrets
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ftlearn.generation import Decoding
from ftlearn.serving.predictor import FieldError

STOPS = 4
"""The most stop texts."""
IGNORED = {
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
}
"""Fields that change nothing of an answer."""
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "modalities": (["text"],),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
}
"""Fields that are not supported, and the values of them that ask for nothing."""


class StreamOptions(BaseModel):
    """What a stream tells beside its text."""

    model_config = ConfigDict(extra="forbid", strict=True)

    include_usage: bool = False
    include_obfuscation: bool = False


class ChatBody(BaseModel):
    """The body of ``POST /v1/chat/completions``, in OpenAI's shape; null is as if left out."""

    model_config = ConfigDict(extra="allow", strict=True)

    messages: list[Any]
    model: str | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(None, gt=0, le=1, allow_inf_nan=False)
    seed: int | None = Field(None, ge=0, lt=2**63)
    stop: Any = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    def check(self) -> None:
        """Raise FieldError for a field that would change the answer and is not supported."""
        for name, value in (self.model_extra or {}).items():
            if value is None or name in IGNORED:
                continue
            if name not in NEUTRAL:
                raise FieldError(name[:80], "is not supported: leave it out")
            if value not in NEUTRAL[name]:
                raise FieldError(name, f"only {NEUTRAL[name][0]!r} is supported: leave it out")
        for number, message in enumerate(self.messages):
            _check_message(message, f"messages[{number}]")
        if self.stream_options is not None and not self.stream:
            raise FieldError("stream_options", "only a stream has them: add stream, or leave them")

    def wanted_tokens(self) -> int | None:
        """The most tokens of the answer, which has an older and a newer name."""
        names = {self.max_tokens, self.max_completion_tokens} - {None}
        if len(names) > 1:
            raise FieldError("max_tokens", "differs from max_completion_tokens: send one of them")
        return next(iter(names), None)

    def decoding(self, max_new_tokens: int) -> Decoding:
        """How tokens are chosen: greedily, unless a temperature above 0 is given."""
        if self.temperature:
            return Decoding(
                max_new_tokens=max_new_tokens,
                sample=True,
                temperature=self.temperature,
                top_p=1.0 if self.top_p is None else self.top_p,
            )
        if self.temperature is None and self.top_p not in (None, 1):
            raise FieldError("top_p", "tokens are drawn only with a temperature above 0: add one")
        return Decoding(max_new_tokens=max_new_tokens)

    def seed_or_new(self) -> int:
        """The seed of the draws; without one, each request draws anew."""
        return secrets.randbits(32) if self.seed is None else self.seed

    def stops(self) -> tuple[str, ...]:
        """The texts at which the answer ends; they do not stand in it."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        texts = isinstance(stops, list) and all(isinstance(text, str) and text for text in stops)
        if not texts or len(stops) > STOPS:
            raise FieldError("stop", f"must be a text, or a list of at most {STOPS} texts")
        return tuple(stops)


def _check_message(message: Any, field: str) -> None:
    """Raise FieldError for a part of a message that the model would not see."""
    if not isinstance(message, dict):
        return  # the check of the dialogue says it
    for name, value in message.items():
        if name not in ("role", "content") and value:
            raise FieldError(f"{field}.{name[:80]}", "is not supported: leave it out")
