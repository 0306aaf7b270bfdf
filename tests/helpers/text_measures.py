"""Words of texts, how often a set of texts repeats itself, and what questions give away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from datasets import DatasetDict
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

FUNCTION_WORDS = (
    "a about after all an and any are as at be been before being but by can could did do does "
    "during each for from get had has have he her his how i if in into is it its just many may me "
    "might more most much must my no not of on one only or our out over own per she should so some "
    "such than that the their them then there these they this those through to too under until up "
    "was we were what when where which while who whom whose why will with would you your"
)


def words(text: str) -> list[str]:
    """The words of a text in lower case, numbers included."""
    return re.findall(r"[\w'’-]+", text.lower())


def names(text: str) -> set[str]:
    """Words with a capital letter or a digit, in lower case, and the first word with them."""
    return {word.lower() for word in re.findall(r"[\w'’-]+", text) if re.search("[A-Z0-9]", word)}


def content_words(text: str) -> set[str]:
    """Words that are neither function words nor names nor numbers."""
    return set(words(text)) - set(FUNCTION_WORDS.split()) - names(text)


def sentence_at(text: str, start: int, end: int) -> str:
    """The sentence of a text around the characters from start to end."""
    first = max(text.rfind(mark, 0, start) for mark in ".!?") + 1
    marks = [place for mark in ".!?" if (place := text.find(mark, end)) >= 0]
    return text[first : min(marks, default=len(text))]


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    """The word n-grams of a text."""
    sequence = words(text)
    return list(zip(*(sequence[i:] for i in range(n)), strict=False))


def share_once(texts: Sequence[str], n: int = 4) -> float:
    """The share of word n-grams of all texts that occur once: low for texts from templates."""
    counts = Counter(gram for text in texts for gram in ngrams(text, n))
    return sum(count == 1 for count in counts.values()) / counts.total()


def question_alone_auc(parts: DatasetDict) -> float:
    """How well a model of train that sees no text ranks the test questions without an answer."""
    count = CountVectorizer(ngram_range=(1, 2), min_df=2)
    features = count.fit_transform(parts["train"]["question"])
    model = LogisticRegression(C=0.3, max_iter=1000)
    model.fit(features, [not answer for answer in parts["train"]["answer"]])
    scores = model.decision_function(count.transform(parts["test"]["question"]))
    return roc_auc_score([not answer for answer in parts["test"]["answer"]], scores)
