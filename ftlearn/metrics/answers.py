"""Scores of short answers in words."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised_answer(text: str) -> str:
    """An answer as SQuAD compares it: lower case, without punctuation and articles.

    >>> normalised_answer("The  U.S.A., a country")
    'usa country'
    """
    words = text.lower().translate(WITHOUT_PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", words).split())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1 where the answer equals one of the references after ``normalised_answer``, else 0.

    Without references the right answer is none, "".

    >>> exact_match("the Eiffel Tower.", ["Eiffel tower"]), exact_match("", [])
    (1.0, 1.0)
    """
    answer = normalised_answer(answer)
    return float(any(answer == normalised_answer(text) for text in references or [""]))


def token_f1(answer: str, references: Sequence[str]) -> float:
    """The F1 of an answer's words against those of the reference that it fits best.

    A word counts as often as it occurs in both. Two empty answers have 1 (Rajpurkar et al. 2016,
    arXiv 1606.05250; 2018, arXiv 1806.03822).

    >>> token_f1("in March 1889", ["March 1889", "31 March 1889"])
    0.8
    """
    words = normalised_answer(answer).split()
    return max(_words_f1(words, normalised_answer(text).split()) for text in references or [""])


def _words_f1(words: list[str], truth: list[str]) -> float:
    if not words or not truth:
        return float(words == truth)
    shared = sum((Counter(words) & Counter(truth)).values())
    return 2 * shared / (len(words) + len(truth))
