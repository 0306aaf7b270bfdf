"""All checks together: data, task, model and tokenizer, pair by pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from datasets import ClassLabel, Dataset
from torch import nn

from ftlearn.compatibility import labels
from ftlearn.compatibility.findings import Finding
from ftlearn.compatibility.texts import Rows, contradictions, leaks, same_columns
from ftlearn.compatibility.vocabulary import sample, tokenizer_and_model, tokenizer_and_texts
from ftlearn.compatibility.window import task_and_window

COUNTED = "the model cannot learn them, and each of these rows counts as an error"
UNKNOWN_TO_TASK = "the task does not know them: relabel these rows, or leave them out"


def check(
    data: Dataset | Mapping[str, Dataset],
    task: Any,
    model: nn.Module | None = None,
    tokenizer: Any = None,
) -> list[Finding]:
    """What does not fit together among data, task and, if passed, model and tokenizer.

    Nothing is raised and no warning is issued: ``fit`` and ``evaluate`` do that with ``settle``. A
    data set without parts counts as ``train``.

    >>> from ftlearn import tasks
    >>> rows = Dataset.from_dict({"text": ["a", "b", "A "], "label": ["warm", "cold", "cold"]})
    >>> for finding in check(rows, tasks.classification(rows)):
    ...     print(finding)
    note: 1 text stands there with two labels or more, first 'a' in row 0 of train ('warm') and in
    row 2 of train ('cold'): a model can be right about one of them only; keep the right label
    """
    parts = data if isinstance(data, Mapping) else {"train": data}
    rows = {part: rows_of(dataset, task, part) for part, dataset in parts.items()}
    known = set(getattr(task, "labels", ()))
    unknown = any(label not in known for part in rows.values() for label in part.labels or ())
    findings = rows_and_labels(rows, fate=UNKNOWN_TO_TASK if unknown else COUNTED, error=unknown)
    findings += contexts_apart(parts, task)
    findings += tokenizer_and_model(tokenizer, model)
    findings += task_and_window(task, model, tokenizer)
    findings += texts_and_tokenizer(parts, task, tokenizer)
    return findings


def rows_and_labels(parts: Mapping[str, Rows], *, fate: str, error: bool = False) -> list[Finding]:
    """What does not fit together among the rows of several parts.

    ``fate`` says what happens to rows whose label the part train does not have, and ``error``
    whether that is an error.
    """
    train = parts.get("train")
    findings = contradictions(parts) + leaks(parts)
    if train is None or train.labels is None:
        return findings
    known = Counter(train.labels)
    for part in ("valid", "test"):
        if part in parts:
            counts = Counter(parts[part].labels or ())
            findings += labels.unseen(part, counts, known, fate=fate, error=error)
            findings += labels.missing(part, counts, known)
    return labels.lookalikes(known) + labels.placeholders(known) + findings


def contexts_apart(parts: Mapping[str, Dataset], task: Any) -> list[Finding]:
    """A note on contexts of questions that stand in train and in another part, too.

    >>> from ftlearn import tasks
    >>> rows = Dataset.from_dict({"question": ["Who?"], "context": ["A mill burned."]})
    >>> for finding in contexts_apart({"train": rows, "test": rows}, tasks.question_answering()):
    ...     print(finding)
    note: 1 of 1 contexts of test also stand in train: the model has learnt from them, so the scores
    do not tell how it reads new ones; split by context, not by question
    """
    if getattr(task, "head", None) != "question answering":
        return []
    name = task.text_columns[1]
    contexts = {
        part: set(same_columns([dataset[name]]))
        for part, dataset in parts.items()
        if name in dataset.column_names
    }
    findings = []
    for part in ("valid", "test"):
        shared = len(contexts.get(part, set()) & contexts.get("train", set()))
        if shared:
            message = (
                f"{shared} of {len(contexts[part])} contexts of {part} also stand in train: the "
                "model has learnt from them, so the scores do not tell how it reads new ones; "
                "split by context, not by question"
            )
            findings.append(Finding("texts", message))
    return findings


def texts_and_tokenizer(parts: Mapping[str, Dataset], task: Any, tokenizer: Any) -> list[Finding]:
    """Whether the tokenizer knows the script and the words of the texts of all parts.

    Only the first part with a finding is reported: the others are usually in the same language.
    """
    for part, dataset in parts.items():
        texts = _sample_texts(dataset, task)
        findings = tokenizer_and_texts(tokenizer, texts, f"the texts of {part}")
        if findings:
            return findings
    return []


def rows_of(dataset: Dataset, task: Any, part: str) -> Rows:
    """The rows of a data set for comparison, each named by its number.

    Cells that are not texts, and invalid labels, are not checked here but where they are used.
    """
    places = [f"in row {row} of {part}" for row in range(len(dataset))]
    names = [name for name in _columns(task) if name in dataset.column_names]
    texts = same_columns([dataset[name][:] for name in names]) if names else []
    return Rows(texts, _label_names(dataset, task), places)


def _label_names(dataset: Dataset, task: Any) -> list[str] | None:
    """The label name of each row; None where the task has no classes, or the data no labels."""
    target = getattr(task, "target", None)
    if not getattr(task, "labels", None) or target not in dataset.column_names:
        return None
    feature = dataset.features[target]
    names = dict(enumerate(feature.names)) if isinstance(feature, ClassLabel) else {}
    label_name = getattr(task, "label_name", str)
    names[None] = ""  # no label, and not one that is called None
    values = dataset[target][:]
    return [names[value] if value in names else label_name(value) for value in values]


def _columns(task: Any) -> list[str]:
    text = getattr(task, "text", ())
    return [text] if isinstance(text, str) else list(text)


def _sample_texts(dataset: Dataset, task: Any) -> list[str]:
    """Texts evenly spaced over a part; of pairs, all first texts and then all second ones."""
    names = [name for name in _columns(task) if name in dataset.column_names]
    rows = dataset.select(sample(len(dataset)))
    return [value for name in names for value in rows[name] if isinstance(value, str)]
