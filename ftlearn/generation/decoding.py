"""How the next token is chosen, as one validated value in which nothing is left to a default."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import GenerationConfig

from ftlearn.errors import ArgumentError
from ftlearn.runtime.arguments import number, whole_number

SAMPLING = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
"""What only sampling reads, with the value that changes nothing."""

NEUTRAL = {
    "min_length": 0,
    "early_stopping": False,
    "use_cache": True,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "num_return_sequences": 1,
    "remove_invalid_values": False,
    "output_scores": False,
    "return_dict_in_generate": False,
}
"""Settings of transformers that are switched off. Those that are off when they are None are not
listed: ``inference.only_passed_settings`` keeps a model from filling them in."""


@dataclass(frozen=True)
class Decoding:
    """How texts are generated: greedily, unless told otherwise; impossible values raise ValueError.

    max_new_tokens      most tokens of an answer, its end token included
    sample              draw the next token at random instead of taking the most probable
    temperature         logits are divided by it: below 1 sharper, above 1 flatter
    top_k               draw among this many most probable tokens; 0 for all
    top_p               draw among the fewest tokens that have this probability together
    min_p               draw among tokens with this share of the largest probability
    repetition_penalty  logits of earlier tokens, prompt included, are divided by it (Keskar 2019,
                        arXiv 1909.05858); negative ones are multiplied
    beams               partial texts that a beam search keeps
    length_penalty      a beam's log-probability is divided by its length to this power

    >>> Decoding(temperature=0.7)
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: temperature is 0.7, and only sampling reads it: add sample=True
    """

    max_new_tokens: int = 64
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    beams: int = 1
    length_penalty: float = 1.0

    def __post_init__(self) -> None:
        for name, low in (("max_new_tokens", 1), ("top_k", 0), ("beams", 1)):
            self._set(name, whole_number(name, getattr(self, name), low))
        for name, low, high in (
            ("temperature", 0, math.inf),
            ("top_p", 0, 1),
            ("min_p", 0, 1),
            ("repetition_penalty", 0, math.inf),
            ("length_penalty", -math.inf, math.inf),
        ):
            self._set(name, number(name, getattr(self, name), low, high))
        self._check_positive()
        self._check_contradictions()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_positive(self) -> None:
        if self.temperature == 0:
            raise ArgumentError(
                "temperature is 0, and logits cannot be divided by it: leave it and sample out to "
                "take the most probable token"
            )
        for name, remedy in (("top_p", "leave it out"), ("repetition_penalty", "1 is none")):
            if getattr(self, name) == 0:
                raise ArgumentError(f"{name} is 0: it must be above 0 ({remedy})")
        for name in ("temperature", "repetition_penalty", "length_penalty"):
            if math.isinf(getattr(self, name)):
                raise ArgumentError(f"{name} is infinite: give a finite number")

    def _check_contradictions(self) -> None:
        if not isinstance(self.sample, bool):
            raise ArgumentError(f"sample is {self.sample!r}: it must be True or False")
        for name, unused in SAMPLING.items():
            if not self.sample and getattr(self, name) != unused:
                raise ArgumentError(
                    f"{name} is {getattr(self, name)}, and only sampling reads it: add sample=True"
                )
        if self.sample and self.beams > 1:
            raise ArgumentError(
                f"beams is {self.beams} beside sample=True: a beam search takes the most probable "
                "texts and draws none; leave one of them out"
            )
        if self.beams == 1 and self.length_penalty != 1:
            raise ArgumentError(
                f"length_penalty is {self.length_penalty}, and only a beam search reads it: "
                "add beams=4"
            )

    def settings(self) -> dict[str, Any]:
        """The same as arguments of transformers' ``generate``, its own defaults spelled out.

        >>> Decoding(sample=True).settings()["top_k"]  # transformers would take 50
        0
        """
        sampling = {name: getattr(self, name) for name in SAMPLING} if self.sample else {}
        return {
            **NEUTRAL,
            **sampling,
            "max_new_tokens": self.max_new_tokens,
            "do_sample": self.sample,
            "repetition_penalty": self.repetition_penalty,
            "num_beams": self.beams,
            "length_penalty": self.length_penalty,
        }

    def config(self, ends: Sequence[int], padding: int) -> GenerationConfig:
        """The settings for a model with these end tokens."""
        special = {"eos_token_id": list(ends) or None, "pad_token_id": padding}
        return GenerationConfig(**self.settings(), **special)


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end an answer: the tokenizer's and those of the model's generation settings.

    >>> from types import SimpleNamespace as Box
    >>> end_tokens(Box(generation_config=Box(eos_token_id=[7, 9])), Box(eos_token_id=7))
    [7, 9]
    """
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if configured is None or isinstance(configured, int):
        configured = [configured]
    ends = {*configured, tokenizer.eos_token_id} - {None}
    return sorted(ends)
