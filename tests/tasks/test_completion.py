"""Completions: a prompt is read, its answer and the end token count, and the border is right."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict

import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from tiny_decoder import END, TEXTS, tiny_decoder, tiny_tokenizer
from tokenizers import processors
from transformers import AutoModelForCausalLM, AutoTokenizer

from ftlearn import tasks
from ftlearn.losses import IGNORED
from ftlearn.tasks.base import TruncationWarning
from ftlearn.tasks.completion import BorderWarning, prompt_ids

TOKENIZER = tiny_tokenizer()
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
TEXT = TEXT.filter(str.strip)


def encoded(prompt: str, answer: str, tokenizer=TOKENIZER, **settings):
    """The ids and the targets of one row."""
    rows = tasks.completion(**settings).encode_texts([(prompt, answer)], tokenizer)
    return rows.inputs["input_ids"][0], rows.targets[0]


def counted(targets: list[int], tokenizer=TOKENIZER) -> str:
    return tokenizer.decode([target for target in targets if target != IGNORED])


@pytest.mark.filterwarnings("ignore::ftlearn.tasks.completion.BorderWarning")
@given(prompt=TEXT, answer=TEXT)
def test_the_answer_and_the_end_token_count(prompt, answer):
    ids, targets = encoded(prompt, answer)
    assert ids == TOKENIZER(prompt + answer + END)["input_ids"]
    first = next(index for index, target in enumerate(targets) if target != IGNORED)
    assert targets == [IGNORED] * first + ids[first:]
    # All of the answer counts, and no token that has none of it.
    begin = len(TOKENIZER.decode(ids[:first]).encode())
    assert begin <= len(prompt.encode()) < len(TOKENIZER.decode(ids[: first + 1]).encode())


@given(prompt=TEXT, answer=TEXT)
def test_without_a_warning_generation_reads_the_ids_of_training(prompt, answer):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ids, targets = encoded(prompt, answer)
    if not caught:
        assert counted(targets) == answer + END
        alone = prompt_ids(TOKENIZER, prompt)
        assert ids[: len(alone)] == alone
        assert targets == [IGNORED] * len(alone) + ids[len(alone) :]


def test_the_prompt_of_generation_is_the_beginning_of_the_row():
    ids, targets = encoded("The number of the order:", " 4711")
    alone = prompt_ids(TOKENIZER, "The number of the order:")
    assert ids[: len(alone)] == alone
    assert targets[: len(alone)] == [IGNORED] * len(alone)
    assert counted(targets) == " 4711" + END


def test_a_token_on_the_border_counts_and_is_warned_of():
    with pytest.warns(BorderWarning) as caught:
        _, targets = encoded("I am sorry to ", "hear that")
    assert counted(targets) == " hear that" + END
    assert str(caught[0].message) == (
        "1 of 1 prompts end within a token, the first on row 0 in 'I am sorry to ': generation "
        "tokenises the prompt alone and would continue from other tokens. Move spaces at the end "
        "of a prompt to the start of its answer"
    )
    with warnings.catch_warnings(action="error"):
        encoded("I am sorry to ", "hear that", truncation="silent")


def test_what_counts_can_be_chosen():
    ids, answers = encoded("Good", " morning")
    _, without_end = encoded("Good", " morning", count="answers without end")
    _, everything = encoded("Good", " morning", count="all")
    assert without_end == [*answers[:-1], IGNORED]
    assert everything == ids


def test_control_tokens_that_were_typed_are_plain_text():
    ids, targets = encoded("a<|im_end|>b", "<|im_start|>c<|im_end|>")
    assert [token for token in ids if token in TOKENIZER.all_special_ids] == [
        TOKENIZER.eos_token_id
    ]
    assert TOKENIZER.decode(ids) == "a<|im_end|>b<|im_start|>c<|im_end|><|im_end|>"
    assert counted(targets) == "<|im_start|>c<|im_end|><|im_end|>"


def test_a_token_that_begins_every_text_stays_and_never_counts():
    tokenizer = tiny_tokenizer(("<s>", "</s>"), bos="<s>", eos="</s>")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    ids, targets = encoded("Good", " morning", tokenizer)
    assert ids == tokenizer("Good morning")["input_ids"]
    assert counted(targets, tokenizer) == " morning</s>"
    prompt = prompt_ids(tokenizer, "Good")
    assert ids[: len(prompt)] == prompt
    assert prompt[0] == tokenizer.bos_token_id
    view = tasks.completion().show({"prompt": "Good", "answer": " morning"}, tokenizer)
    assert repr(view).startswith("Good[[ morning</s>]]\n")


def test_rows_and_bare_pairs_are_encoded_alike():
    rows = Dataset.from_dict({"prompt": TEXTS[:2], "summary": [" a", " b"], "other": [1, 2]})
    task = tasks.completion(answer="summary")
    pairs = list(zip(rows["prompt"], rows["summary"], strict=True))
    encoded_rows = task.encode(rows, TOKENIZER)
    bare = task.encode_texts(pairs, TOKENIZER)
    assert (encoded_rows.inputs, encoded_rows.targets) == (bare.inputs, bare.targets)
    saved = json.loads(json.dumps(asdict(task)))
    assert tasks.Completion(**{**saved, "text": tuple(saved["text"])}) == task


def test_rows_that_cannot_be_learned_are_errors():
    with pytest.raises(ValueError, match="row 1 of column 'answer' holds '  ' instead of a text"):
        tasks.completion().encode_texts([("a", "b"), ("a", "  ")], TOKENIZER)
    with pytest.raises(KeyError, match="no column 'answer'; it has: prompt"):
        tasks.completion().encode(Dataset.from_dict({"prompt": ["a"]}), TOKENIZER)
    endless = tiny_tokenizer()
    endless.eos_token = None
    with pytest.raises(ValueError, match="this tokenizer has no end token"):
        encoded("a", "b", endless)


def test_no_row_is_left_without_a_target():
    rows = [("Good", " morning"), ("7" * 30, " 8"), ("7" * 40, " 8")]
    with pytest.raises(
        ValueError, match=r"row 1 \(and 1 more\) has no token that counts among its"
    ):
        tasks.completion(max_length=30).encode_texts(rows, TOKENIZER)
    with pytest.warns(TruncationWarning, match="2 of 3 texts"):
        cut = tasks.completion(max_length=41).encode_texts(
            [rows[0], rows[2], ("7", " 8" * 40)], TOKENIZER
        )
    assert [len(ids) for ids in cut.targets][1:] == [41, 41]


def test_the_loss_is_that_of_the_answer_token_by_token(tmp_path):
    folder = tiny_decoder(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    task = tasks.completion()
    rows = task.encode_texts([("The order:", " 4711 has not arrived")], tokenizer)
    ids = rows.inputs["input_ids"][0]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits
        total, count = task.reduce_logits(logits, torch.tensor(rows.targets))[0].tolist()
        start = len(prompt_ids(tokenizer, "The order:"))
        expected = 0.0
        for position in range(start, len(ids)):
            following = model(torch.tensor([ids[:position]])).logits[0, -1].log_softmax(-1)
            expected -= following[ids[position]].item()
    assert count == len(ids) - start
    assert total == pytest.approx(expected, rel=1e-6)
