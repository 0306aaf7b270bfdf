"""Windows: nothing is lost, neighbours share ``stride`` tokens, characters are where they were."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from ftlearn.data.errors import DataError
from ftlearn.data.windows import cut, tokens_of, whole_contexts

WORDS = ["the", "new", "phone", "a", "match,", "heart.", "Über", "x-ray", "3.14", "  ", "🙂"]
CONTEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map(" ".join)
SIZES = {"max_length": 24, "stride": 5}


@pytest.fixture(scope="module", params=["bert", "roberta"])
def tokenizer(request, tiny_checkpoints):
    return AutoTokenizer.from_pretrained(tiny_checkpoints[request.param])


def quoted(context: str, spans: list[tuple[int, int]]) -> list[str]:
    return [context[start:end].strip() for start, end in spans]


@given(st.data())
def test_windows_cover_the_context_and_share_stride_tokens(tokenizer, data):
    contexts = data.draw(st.lists(CONTEXTS, min_size=1, max_size=3))
    inputs, windows = cut(tokenizer, ["what is it?"] * len(contexts), contexts, **SIZES)
    whole = tokenizer(contexts, add_special_tokens=False, return_offsets_mapping=True)
    assert whole_contexts(windows) == whole["offset_mapping"]
    for number, window in enumerate(windows):
        part = whole["input_ids"][window.row][window.skipped :][: len(window.spans)]
        ids = inputs["input_ids"][number]
        assert ids[window.first :][: len(part)] == part
        assert len(ids) <= SIZES["max_length"]
        # RoBERTa's first token of a window keeps the space before it.
        context = contexts[window.row]
        characters = whole["offset_mapping"][window.row][window.skipped :][: len(part)]
        assert quoted(context, window.spans) == quoted(context, characters)
    for before, after in pairwise(windows):
        if before.row == after.row:
            assert before.skipped + len(before.spans) - after.skipped == SIZES["stride"]


@given(st.data())
def test_a_span_of_at_most_stride_tokens_is_whole_in_a_window(tokenizer, data):
    context = data.draw(CONTEXTS)
    _, windows = cut(tokenizer, ["what is it?"], [context], **SIZES)
    tokens = len(whole_contexts(windows)[0])
    first = data.draw(st.integers(0, max(0, tokens - 1)))
    last = min(tokens - 1, first + data.draw(st.integers(0, SIZES["stride"] - 1)))
    assert any(
        window.skipped <= first and last < window.skipped + len(window.spans) for window in windows
    )


@given(st.data())
def test_tokens_of_a_span_hold_its_characters_and_no_token_more(tokenizer, data):
    context = data.draw(CONTEXTS.filter(str.strip))
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    spans = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    of_characters = [
        token for token, span in enumerate(spans) if set(range(*span)) & set(range(start, end))
    ]
    expected = (of_characters[0], of_characters[-1]) if of_characters else None
    assert tokens_of(spans, start, end) == expected


def test_a_context_that_fits_is_one_window(tokenizer):
    pair = ["who?"], ["a new phone"]
    inputs, windows = cut(tokenizer, *pair, **SIZES)
    assert inputs == dict(tokenizer(*pair))
    assert len(windows) == 1


def test_a_question_that_leaves_no_room_is_refused(tokenizer):
    with pytest.raises(DataError, match=r"question of row 1 has \d+ tokens and leaves room for 0"):
        cut(tokenizer, ["who?", "phone " * 30], ["a phone"] * 2, **SIZES)
    with pytest.raises(DataError, match="not more than the stride of 23"):
        cut(tokenizer, ["phone"], ["a phone"], max_length=24, stride=23)


def test_a_tokenizer_without_a_first_token_of_its_own_is_refused(tiny_checkpoints):
    gpt2 = AutoTokenizer.from_pretrained(tiny_checkpoints["gpt2"])
    with pytest.raises(DataError, match="no token of its own before a question"):
        cut(gpt2, ["who?"], ["a phone"], **SIZES)
