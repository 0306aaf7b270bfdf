"""Numbers about generated texts: variety, repetition, copies, stops, bits per byte."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence

from ftlearn.errors import ArgumentError, ArgumentTypeError
from ftlearn.generation.generating import Generated
from ftlearn.runtime.arguments import whole_number

Text = str | Sequence[Hashable]
"""A text, whose units are its words, or a list of units such as token ids."""


def ngrams(text: Text, n: int) -> Iterator[tuple[Hashable, ...]]:
    """All runs of n words of a text, or of n units of a list.

    >>> list(ngrams("to be or not", 3))
    [('to', 'be', 'or'), ('be', 'or', 'not')]
    """
    units = text.split() if isinstance(text, str) else list(text)
    n = whole_number("n", n, 1)
    return (tuple(units[start : start + n]) for start in range(len(units) - n + 1))


def distinct(texts: Sequence[Text], n: int = 2) -> float:
    """Different n-grams over all n-grams of the texts together (Li 2015, arXiv 1510.03055).

    NaN where no text has n units. It falls with the amount of text: compare equal amounts.

    >>> distinct(["a b a b"], n=2)
    0.6666666666666666
    """
    found = [ngram for text in _list(texts) for ngram in ngrams(text, n)]
    return len(set(found)) / len(found) if found else math.nan


def repetition(text: Text, n: int = 4) -> float:
    """The share of n-grams that stood in the same text before (Welleck 2019, arXiv 1908.04319).

    1 minus different n-grams over all of them; NaN for a text of fewer than n units.

    >>> repetition("a b a b a b", n=2)
    0.6
    """
    return 1 - distinct([text], n)


def copied(text: Text, sources: Sequence[Text], n: int = 8) -> float:
    """The share of a text's n-grams that stand in one of the sources; NaN without any n-gram.

    >>> copied("we went home late", ["then we went home"], n=3)
    0.5
    """
    known = {ngram for source in _list(sources) for ngram in ngrams(source, n)}
    found = list(ngrams(text, n))
    return sum(ngram in known for ngram in found) / len(found) if found else math.nan


def bits_per_byte(nats: float, texts: Sequence[str]) -> float:
    """Loss in nats, summed over all tokens of the texts, as bits per byte of their UTF-8.

    Comparable between tokenizers, as loss per token is not.

    >>> bits_per_byte(8 * math.log(2), ["ab", "é"])
    2.0
    """
    size = sum(len(text.encode()) for text in _list(texts))
    if size == 0:
        raise ArgumentError("texts have no byte: pass the texts that the loss was summed over")
    return nats / math.log(2) / size


def stop_rate(answers: Sequence[Generated]) -> float:
    """The share of answers that the model ended by itself; NaN without answers.

    >>> stop_rate([Generated("Paris.", 3, True), Generated("and so on and", 4, False)])
    0.5
    """
    return sum(answer.ended for answer in answers) / len(answers) if answers else math.nan


def _list(texts: Sequence[Text]) -> Sequence[Text]:
    if isinstance(texts, str):
        raise ArgumentTypeError(f"texts is one string, {texts[:40]!r}: pass a list, [text]")
    return texts
