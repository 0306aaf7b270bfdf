"""Settings of decoding: impossible ones are refused, and none is left to somebody else."""

from __future__ import annotations

import re

import pytest
from transformers import GenerationConfig

from ftlearn.errors import ArgumentError
from ftlearn.generation import Decoding


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0: it must be a whole number of at least 1"),
        ({"top_k": -1, "sample": True}, "top_k is -1"),
        ({"beams": 0}, "beams is 0"),
        ({"top_p": 1.2, "sample": True}, "top_p is 1.2: it must lie between 0 and 1"),
        ({"top_p": 0, "sample": True}, "top_p is 0: it must be above 0 (leave it out)"),
        ({"min_p": -0.1, "sample": True}, "min_p is -0.1"),
        ({"temperature": 0, "sample": True}, "leave it and sample out"),
        ({"temperature": float("inf"), "sample": True}, "temperature is infinite"),
        ({"temperature": float("nan"), "sample": True}, "temperature is nan"),
        ({"repetition_penalty": 0}, "repetition_penalty is 0: it must be above 0 (1 is none)"),
        ({"temperature": 0.7}, "temperature is 0.7, and only sampling reads it: add sample=True"),
        ({"top_k": 5}, "top_k is 5, and only sampling"),
        ({"top_p": 0.9}, "top_p is 0.9, and only sampling"),
        ({"min_p": 0.1}, "min_p is 0.1, and only sampling"),
        ({"sample": True, "beams": 4}, "beams is 4 beside sample=True"),
        ({"length_penalty": 2}, "length_penalty is 2.0, and only a beam search reads it"),
        ({"sample": "yes"}, "sample is 'yes': it must be True or False"),
    ],
)
def test_impossible_and_contradicting_settings_are_refused(settings: dict, words: str):
    with pytest.raises(ArgumentError, match=re.escape(words)):
        Decoding(**settings)


def test_every_default_of_transformers_is_set_openly():
    """Those that concern assistants, or have moved out of the library, have no effect here."""
    defaults = GenerationConfig._get_default_generation_params()
    unused = {name for name in defaults if "assistant" in name or "lookbehind" in name}
    unused |= {"num_beam_groups", "diversity_penalty"}
    unused |= {"max_length"}  # which max_new_tokens takes the place of
    silent = {name for name, value in defaults.items() if value is not None} - unused
    assert silent - set(Decoding(sample=True).settings()) == set()
    greedy = silent - set(Decoding().settings())
    assert greedy == {"temperature", "top_k", "top_p"}  # read by sampling alone


def test_settings_that_change_nothing_are_neutral():
    config = Decoding(sample=True).config([2], padding=2)
    assert (config.top_k, config.top_p, config.temperature) == (0, 1.0, 1.0)
    assert config.repetition_penalty == 1.0
    assert config.no_repeat_ngram_size == 0


def test_a_setting_of_another_library_s_number_is_pythons():
    np = pytest.importorskip("numpy")
    decoding = Decoding(max_new_tokens=np.int64(3), sample=True, temperature=np.float32(0.5))
    assert type(decoding.max_new_tokens) is int
    assert type(decoding.temperature) is float
