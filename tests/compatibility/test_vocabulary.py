"""Tokenizers that do not belong to the model, or do not know the texts."""

from __future__ import annotations

import string

import pytest
from tiny_models import byte_tokenizer, word_tokenizer
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from torch import nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from ftlearn.compatibility.vocabulary import read, sample, tokenizer_and_model, tokenizer_and_texts

ENGLISH = ["The team won the match after a long evening in the rain", "The phone has a battery"]
CHINESE = ["新的手机电池更耐用", "比赛以平局结束了", "天气很好我们去公园"]
RUSSIAN = ["Новый телефон работает дольше", "Матч закончился вничью вчера вечером"]


def wrapped(tokenizer: Tokenizer, **special: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", **special)


@pytest.fixture(scope="module")
def words() -> PreTrainedTokenizerFast:
    """One token per word; words of other texts are unknown."""
    return wrapped(word_tokenizer(ENGLISH), unk_token="[UNK]")


@pytest.fixture(scope="module")
def octets() -> PreTrainedTokenizerFast:
    """Pairs of bytes that are frequent in English: nothing is ever unknown."""
    return wrapped(byte_tokenizer(ENGLISH * 20, ["[PAD]"]))


@pytest.fixture(scope="module")
def letters() -> PreTrainedTokenizerFast:
    """English words whole, other alphabets letter by letter, as in BERT's English vocabulary."""
    alphabet = string.ascii_lowercase + "абвгдежзийклмнопрстуфхцчшщъыьэюя"
    known = {word for text in ENGLISH for word in text.lower().split()}
    tokens = ["[PAD]", "[UNK]", *sorted(known | set(alphabet) | {f"##{a}" for a in alphabet})]
    vocab = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return wrapped(tokenizer, unk_token="[UNK]")


def model(rows: int) -> BertModel:
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    return BertModel(BertConfig(vocab_size=rows, intermediate_size=8, **small))


def test_a_reading_counts_tokens_unknown_ones_and_characters(words):
    reading = read(["The team lost", "zzz won"], words)
    assert (reading.tokens, reading.unknown, reading.characters) == (5, 2, 17)
    assert sorted(reading.examples) == ["lost", "zzz"]


def test_texts_in_the_language_of_the_vocabulary_are_no_finding(words, octets, letters):
    for tokenizer in (words, octets, letters):
        assert tokenizer_and_texts(tokenizer, ENGLISH * 3) == []


def test_many_unknown_tokens_are_a_note_with_share_examples_and_remedy(words):
    (finding,) = tokenizer_and_texts(words, [*ENGLISH, *CHINESE], "the texts of train")
    assert not finding.error
    share = 25 / (25 + 12 + 5)  # each Chinese character is a word to BERT
    assert f"{share:.0%} of the tokens of the texts of train are unknown" in finding.message
    for part in ("新", "multilingual-e5-small", "xlm-roberta-base"):
        assert part in finding.message


def test_nothing_but_unknown_tokens_is_an_error(words):
    (finding,) = tokenizer_and_texts(words, CHINESE)
    assert finding.error
    assert "100% of the tokens" in finding.message


def test_a_share_of_a_few_tokens_is_not_reported(words):
    assert tokenizer_and_texts(words, CHINESE[:1]) == []


@pytest.mark.parametrize(
    ("name", "texts"), [("octets", CHINESE), ("octets", RUSSIAN), ("letters", RUSSIAN)]
)
def test_a_language_that_falls_into_pieces_is_a_note(name: str, texts: list[str], request):
    (finding,) = tokenizer_and_texts(request.getfixturevalue(name), texts)
    assert not finding.error
    assert "pieces of a character or less" in finding.message
    assert "xlm-roberta-base" in finding.message


def test_a_chinese_vocabulary_of_single_characters_is_no_finding():
    tokenizer = wrapped(word_tokenizer(CHINESE), unk_token="[UNK]")
    assert tokenizer_and_texts(tokenizer, CHINESE * 3) == []


def test_a_tokenizer_without_a_vocabulary_makes_nothing_of_texts():
    empty = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordPiece({}, unk_token="[UNK]")))
    empty.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    empty.backend_tokenizer.model = byte_tokenizer([""], []).model.__class__()
    (finding,) = tokenizer_and_texts(empty, ENGLISH)
    assert finding.error
    assert "makes 0 tokens of" in finding.message


def test_a_sample_is_small_and_evenly_spaced():
    assert list(sample(5)) == [0, 1, 2, 3, 4]
    rows = sample(10_001)
    assert len(rows) <= 200
    assert rows[-1] > 9_900


# Against the model


@pytest.mark.parametrize(("spare", "error"), [(0, None), (3, None), (-1, True), (300, False)])
def test_every_token_needs_a_row_of_the_word_table(words, spare: int, error: bool | None):
    findings = tokenizer_and_model(words, model(len(words) + spare), "there")
    assert [finding.error for finding in findings] == ([] if error is None else [error])
    for finding in findings:
        assert f"{len(words) + spare} rows" in finding.message
        assert str(len(words) - (error is True)) in finding.message
        assert "in 'there'" in finding.message


def test_an_empty_vocabulary_is_an_error_that_names_the_files():
    specials = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "<s>NOTUSED": 3}
    tokenizer = wrapped(Tokenizer(WordPiece(specials, unk_token="[UNK]")), unk_token="[UNK]")
    (finding,) = tokenizer_and_model(tokenizer, model(1000))
    assert finding.error
    assert "knows 4 tokens and not one word" in finding.message
    assert "tokenizer.json" in finding.message


def test_a_vocabulary_may_be_as_small_as_that_of_dna():
    bases = {"[PAD]": 0, "[UNK]": 1, "A": 2, "C": 3, "G": 4, "T": 5}
    tokenizer = wrapped(Tokenizer(WordPiece(bases, unk_token="[UNK]")), unk_token="[UNK]")
    assert tokenizer_and_model(tokenizer, model(6)) == []


def test_custom_networks_and_tokenizers_are_not_examined(words):
    assert tokenizer_and_model(str.split, nn.Linear(2, 2)) == []
    assert tokenizer_and_model(words, nn.Linear(2, 2)) == []
    assert tokenizer_and_texts(str.split, ENGLISH) == []
