"""What any fine-tuned model must beat: the most frequent label, word counts, a linear probe.

And in question answering: no answer at all, and the sentence that is most like the question.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from torch import nn

from ftlearn.compatibility.scripts import separates_words
from ftlearn.data.batching import Batch
from ftlearn.evaluation.predicting import map_batches
from ftlearn.evaluation.report import Report
from ftlearn.models.architecture import backbone
from ftlearn.models.pooling import pool_mean
from ftlearn.tasks import QuestionAnswering

SENTENCE = re.compile(r"\S.*?(?:[.!?…][\"'”’)]*(?=\s|$)|$)", re.DOTALL)
CERTAIN = 1e9
"""A score that is above every threshold."""


def majority(train: Dataset, dataset: Dataset, task: Any) -> Report:
    """Predict the label frequencies of the training data for every text."""
    counts = np.bincount(task.targets(train), minlength=len(task.labels)) + 1e-9
    logits = np.tile(np.log(counts / counts.sum()), (len(dataset), 1))
    return Report(task, dataset, logits, np.asarray(task.targets(dataset)))


def tfidf(train: Dataset, dataset: Dataset, task: Any) -> Report:
    """Logistic regression on TF-IDF weights of words: no pretraining, no word order.

    In scripts that put no space between words, one to three characters take the place of a word.
    """
    if unit(train[task.text]) == "word":
        vectorizer = TfidfVectorizer(sublinear_tf=True)
    else:
        vectorizer = TfidfVectorizer(sublinear_tf=True, analyzer="char", ngram_range=(1, 3))
    pipeline = make_pipeline(vectorizer, LogisticRegression(C=10.0, max_iter=1000))
    pipeline.fit(train[task.text], task.targets(train))
    return _report(pipeline, dataset[task.text], dataset, task)


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


def _answers(
    spans: list[tuple[int, int] | None], dataset: Dataset, task: QuestionAnswering
) -> Report:
    """The report on answers that stand at these characters, or nowhere."""
    rows = [
        [0, CERTAIN, 0, 0, math.nan, 1] if span is None else [CERTAIN, 0, *span, math.nan, 1]
        for span in spans
    ]
    return Report(task, dataset, np.array(rows), np.asarray(task.targets(dataset), dtype=object))
