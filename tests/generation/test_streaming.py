"""A stream's pieces are the text of ``generate``, and nothing is left behind."""

from __future__ import annotations

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_decoder import tiny_tokenizer

from ftlearn.errors import ArgumentError
from ftlearn.generation import Decoding, generate, stream
from ftlearn.generation.streaming import pieces

TOKENIZER = tiny_tokenizer()
CHAT = [{"role": "user", "content": "Good morning"}]
DECODINGS = [
    Decoding(max_new_tokens=24),
    Decoding(max_new_tokens=24, sample=True, temperature=3.0),
    Decoding(max_new_tokens=24, repetition_penalty=1.5),
]


@pytest.mark.parametrize("prompt", ["The user", CHAT], ids=["text", "chat"])
@pytest.mark.parametrize("decoding", DECODINGS, ids=["greedy", "sampled", "penalty"])
def test_pieces_joined_are_the_text_of_generate(writer, decoding, prompt):
    (answer,) = generate(*writer, [prompt], decoding=decoding, seed=4)
    found = list(stream(*writer, prompt, decoding=decoding, seed=4))
    assert "".join(found) == answer.text
    assert len(found) > 2
    assert all(found)


@given(st.text(max_size=30), st.lists(st.integers(3, len(TOKENIZER) - 1), max_size=20))
def test_pieces_are_the_text_whatever_the_tokens(text, tokens):
    ids = [*TOKENIZER(text)["input_ids"], *tokens]
    assert "".join(pieces(TOKENIZER, ids)) == TOKENIZER.decode(ids, skip_special_tokens=True)


def test_a_character_of_several_tokens_comes_whole():
    ids = TOKENIZER("日é")["input_ids"]
    assert len(ids) > 2
    assert list(pieces(TOKENIZER, ids)) == ["日", "é"]


def test_between_pieces_everything_global_is_the_callers(writer):
    model, tokenizer = writer
    model.train()
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    drawn = []
    settings = model.generation_config
    for _ in stream(model, tokenizer, CHAT, decoding=DECODINGS[1]):
        drawn.append(torch.rand(1))
        assert model.training
        assert model.generation_config is settings
        assert not torch.is_inference_mode_enabled()
        assert not model.lm_head._forward_pre_hooks
        if len(drawn) == 4:
            break
    assert torch.equal(torch.cat(drawn), expected)


def test_leaving_the_loop_ends_the_work(writer):
    model, tokenizer = writer
    calls = []
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    threads = threading.active_count()
    running = stream(model, tokenizer, CHAT, decoding=DECODINGS[0])
    assert not calls  # nothing is computed before it is asked for
    next(running)
    computed = len(calls)
    running.close()
    assert 0 < computed < 24
    assert len(calls) == computed
    assert threading.active_count() == threads


def test_an_error_reaches_the_caller(writer):
    model, tokenizer = writer

    def fail(*_):
        raise OSError("the disk is gone")

    model.model.layers[1].register_forward_pre_hook(fail)
    with pytest.raises(OSError, match="the disk is gone"):
        list(stream(model, tokenizer, CHAT))
    assert torch.is_grad_enabled()
    assert not model.lm_head._forward_pre_hooks


def test_what_cannot_be_streamed_is_refused_at_once(writer):
    with pytest.raises(ArgumentError, match="a beam search knows its text only at the end"):
        stream(*writer, CHAT, decoding=Decoding(beams=2))
    with pytest.raises(ArgumentError, match="the prompt cannot be used: it is empty"):
        stream(*writer, "")
