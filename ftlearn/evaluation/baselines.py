"""What any fine-tuned model must beat: the most frequent label, word counts, a linear probe.

And in question answering: no answer at all, and the sentence that is most like the question.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from torch import nn

from ftlearn.compatibility.scripts import separates_words
from ftlearn.data.batching import Batch
from ftlearn.evaluation.predicting import map_batches
from ftlearn.evaluation.report import Report
from ftlearn.models.architecture import backbone
from ftlearn.models.pooling import pool_mean
from ftlearn.tasks import Ordinal, QuestionAnswering, Ranking, RewardModelling
from ftlearn.tasks.ranking import ranked
from ftlearn.tasks.sequences import comparisons

SENTENCE = re.compile(r"\S.*?(?:[.!?…][\"'”’)]*(?=\s|$)|$)", re.DOTALL)
WORD = re.compile(r"\w+")
CERTAIN = 1e9
"""A score that is above every threshold."""


def majority(train: Dataset, dataset: Dataset, task: Any) -> Report:
    """Predict the label frequencies of the training data for every text."""
    counts = np.bincount(task.targets(train), minlength=len(task.labels)) + 1e-9
    logits = np.tile(np.log(counts / counts.sum()), (len(dataset), 1))
    return Report(task, dataset, logits, np.asarray(task.targets(dataset)))


def by_shares(train: Dataset, dataset: Dataset, task: Ordinal) -> dict[str, Report]:
    """Predict the most frequent and the median level of the training data for every text."""
    constant = majority(train, dataset, task)
    return {
        name: replace(constant, task=replace(task, decoding=decoding))
        for name, decoding in (("most frequent level", "mode"), ("median level", "median"))
    }


def tfidf(train: Dataset, dataset: Dataset, task: Any) -> Report:
    """Logistic regression on TF-IDF weights of words: no pretraining, no word order.

    In scripts that put no space between words, one to three characters take the place of a word.
    """
    texts = train[task.text][:]
    if unit(texts) == "word":
        vectorizer = TfidfVectorizer(sublinear_tf=True)
    else:
        vectorizer = TfidfVectorizer(sublinear_tf=True, analyzer="char", ngram_range=(1, 3))
    pipeline = make_pipeline(vectorizer, LogisticRegression(C=10.0, max_iter=1000))
    pipeline.fit(texts, task.targets(train))
    return _report(pipeline, dataset[task.text][:], dataset, task)


def overlap(train: Dataset, dataset: Dataset, task: Any) -> Report:
    """Logistic or ridge regression on how many words the two texts of a pair share."""
    features, targets = _overlaps(train, task), np.asarray(task.targets(train))
    if hasattr(task, "labels"):
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        return _report(pipeline.fit(features, targets), _overlaps(dataset, task), dataset, task)
    fitted = make_pipeline(StandardScaler(), Ridge()).fit(features, targets)
    outputs = fitted.predict(_overlaps(dataset, task))[:, None]
    return Report(task, dataset, outputs, np.asarray(task.targets(dataset)))


def _overlaps(dataset: Dataset, task: Any) -> np.ndarray:
    return np.array([word_overlap(*pair) for pair in _rows_of_texts(dataset, task)])


def _rows_of_texts(dataset: Dataset, task: Any) -> Iterable[tuple[str, ...]]:
    return zip(*(dataset[name][:] for name in task.text_columns), strict=True)


def word_overlap(first: str, second: str) -> tuple[float, float, float, float]:
    """Shared words by those of both texts, of the first, of the second; and log of their ratio.

    In scripts that put no space between words, pairs of characters take the place of a word.

    >>> word_overlap("Is it late?", "It is late, yes.")
    (0.75, 1.0, 0.75, 0.28768207245178085)
    """
    words = [set(WORD.findall(text.casefold())) for text in (first, second)]
    if not separates_words((first, second)):
        words = [{"".join(two) for two in pairwise(text)} for text in (first, second)]
    counts = [max(1, len(part)) for part in words]
    shared = len(words[0] & words[1])
    union = max(1, len(words[0] | words[1]))
    return (
        shared / union,
        shared / counts[0],
        shared / counts[1],
        math.log(counts[1] / counts[0]),
    )


def popularity(train: Dataset, dataset: Dataset, task: Ranking) -> Report:
    """Rank the items by how often they stand in the training data, for every text alike."""
    counts = Counter(task.readable_targets(train))
    items = list(dict.fromkeys(task.readable_targets(dataset)))
    scores = np.log([[counts[item] + 1 for item in items]]).repeat(len(dataset), axis=0)
    return _ranking_report(scores, items, dataset, task)


def similar_words(dataset: Dataset, task: Ranking) -> Report:
    """Rank the items by the cosine of their TF-IDF word counts with those of the text."""
    items = list(dict.fromkeys(task.readable_targets(dataset)))
    texts = dataset[task.text[0]][:]
    characters = {"analyzer": "char", "ngram_range": (1, 3)}
    settings = {} if unit([*texts, *items]) == "word" else characters
    words = TfidfVectorizer(sublinear_tf=True, **settings).fit([*texts, *items])
    cosines = (words.transform(texts) @ words.transform(items).T).toarray()
    return _ranking_report(cosines / task.temperature, items, dataset, task)


def _ranking_report(
    scores: np.ndarray, items: Sequence[str], dataset: Dataset, task: Ranking
) -> Report:
    """The report on scores (N, M) of the distinct items."""
    place = {item: number for number, item in enumerate(items)}
    own = np.array([place[item] for item in task.readable_targets(dataset)])
    return Report(task, dataset, ranked(scores, own), own)


def unit(texts: Iterable[str]) -> str:
    """What ``tfidf`` counts in texts: ``"word"``, or ``"character"`` where no space divides words.

    >>> unit(["The new phone"]), unit(["新的手机电池更耐用"]), unit(["โทรศัพท์ใหม่"])
    ('word', 'character', 'character')
    """
    return "word" if separates_words(texts) else "character"


def linear_probe(
    train_features: np.ndarray, train: Dataset, features: np.ndarray, dataset: Dataset, task: Any
) -> Report:
    """Logistic regression on frozen features (N, D) of a pretrained model, scaled to length 1."""
    pipeline = make_pipeline(Normalizer(), LogisticRegression(C=10.0, max_iter=1000))
    pipeline.fit(train_features, task.targets(train))
    return _report(pipeline, features, dataset, task)


def _report(pipeline: Any, inputs: Any, dataset: Dataset, task: Any) -> Report:
    """The report on what a fitted pipeline predicts for its inputs, one per row of the data."""
    logits = np.full((len(dataset), len(task.labels)), -50.0)  # labels absent from training
    logits[:, pipeline[-1].classes_] = pipeline.predict_log_proba(inputs)
    return Report(task, dataset, logits, np.asarray(task.targets(dataset)))


def embed(model: nn.Module, dataset: Dataset, task: Any, tokenizer: Any) -> np.ndarray:
    """The mean token vector of each text in the model's backbone, (N, D), without any training."""
    encoder = backbone(model)

    def pooled(batch: Batch) -> torch.Tensor:
        hidden = encoder(**batch.inputs).last_hidden_state
        return pool_mean(hidden, batch.inputs["attention_mask"]).float()

    return map_batches(model, task.encode(dataset, tokenizer), tokenizer, pooled)


def no_answer(dataset: Dataset, task: QuestionAnswering) -> Report:
    """Say of every question that its context holds no answer; the loss is not defined."""
    return _answers([None] * len(dataset), dataset, task)


def best_sentence(dataset: Dataset, task: QuestionAnswering) -> Report:
    """Give the sentence of each context whose words are most like the question's (TF-IDF)."""
    question, context = task.text_columns
    spans = [best_span(*texts) for texts in zip(dataset[question], dataset[context], strict=True)]
    return _answers(spans, dataset, task)


def best_span(question: str, context: str) -> tuple[int, int]:
    """Where the sentence that is most like the question stands: its first character, and its end.

    >>> best_span("Where does it rain?", "The sun shines. It rains in Oslo, rain upon rain.")
    (16, 49)
    """
    spans = [match.span() for match in SENTENCE.finditer(context)]
    sentences = [context[start:end] for start, end in spans]
    words = TfidfVectorizer(token_pattern=r"\w+").fit([*sentences, question])  # noqa: S106
    similarity = words.transform(sentences) @ words.transform([question]).T
    return spans[int(similarity.toarray()[:, 0].argmax())]


def length_of_answer(train: Dataset, dataset: Dataset, task: RewardModelling) -> Report:
    """Score an answer by its number of characters, weighted as the training pairs suggest."""
    lengths = _lengths(train, task)
    gains = (lengths[:, :1] - lengths[:, 1:]) / lengths.std().clip(1.0)
    pairs = np.concatenate((gains, -gains))  # each pair in both orders
    order = np.repeat((1, 0), len(gains))
    fitted = LogisticRegression(fit_intercept=False).fit(pairs, order)
    outputs = _lengths(dataset, task) / lengths.std().clip(1.0) * fitted.coef_[0, 0]
    return Report(task, dataset, outputs, np.zeros(len(dataset)))


def _lengths(dataset: Dataset, task: RewardModelling) -> np.ndarray:
    """The characters of the chosen and of the rejected answer of each row, (N, 2)."""
    pairs = comparisons(dataset, (*task.text, task.target))
    return np.array([[len(pair.chosen), len(pair.rejected)] for pair in pairs], dtype=float)


def _answers(
    spans: list[tuple[int, int] | None], dataset: Dataset, task: QuestionAnswering
) -> Report:
    """The report on answers that stand at these characters, or nowhere."""
    rows = [
        [0, CERTAIN, 0, 0, math.nan, 1] if span is None else [CERTAIN, 0, *span, math.nan, 1]
        for span in spans
    ]
    return Report(task, dataset, np.array(rows), np.asarray(task.targets(dataset), dtype=object))
