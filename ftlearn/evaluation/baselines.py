"""What any fine-tuned model must beat: the most frequent label, word counts, a linear probe."""

from __future__ import annotations

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
