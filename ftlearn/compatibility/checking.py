"""All checks at one door: what is known of data, task, model and tokenizer, each pair of them."""

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
REFUSED = "the task does not know them: relabel these rows, or leave them out"


def check(
    data: Dataset | Mapping[str, Dataset],
    task: Any,
    model: nn.Module | None = None,
    tokenizer: Any = None,
) -> list[Finding]:
    """What does not fit together in data, task, and, where given, model and tokenizer.

    Nothing is raised or warned of: ``fit`` and ``evaluate`` do that, by ``settle``. A data set
    that is not divided into parts is taken as ``train``.

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
    refused = any(label not in known for part in rows.values() for label in part.labels or ())
    found = rows_and_labels(rows, fate=REFUSED if refused else COUNTED, error=refused)
    found += tokenizer_and_model(tokenizer, model)
    found += task_and_window(task, model, tokenizer)
    return found + texts_and_tokenizer(parts, task, tokenizer)


def rows_and_labels(parts: Mapping[str, Rows], *, fate: str, error: bool = False) -> list[Finding]:
    """What does not fit together in the rows of several parts.

    ``fate`` says what becomes of rows whose label the part train does not have, and ``error``
    whether that is an error.
    """
    train = parts.get("train")
    found = contradictions(parts) + leaks(parts)
    if train is None or train.labels is None:
        return found
    known, together = Counter(train.labels), Counter(train.labels)
    for part in (name for name in ("valid", "test") if name in parts):
        counts = Counter(parts[part].labels or ())
        together.update(counts)
        found += labels.unseen(part, counts, known, fate=fate, error=error)
        found += labels.missing(part, counts, known)
    return labels.lookalikes(together) + found


def texts_and_tokenizer(parts: Mapping[str, Dataset], task: Any, tokenizer: Any) -> list[Finding]:
    """Whether the tokenizer knows what the texts of the parts are written with.

    Only the first part with a finding is told of: most often the others are in the same language.
    """
    for part, dataset in parts.items():
        found = tokenizer_and_texts(tokenizer, _sampled(dataset, task), f"the texts of {part}")
        if found:
            return found
    return []


def rows_of(dataset: Dataset, task: Any, part: str) -> Rows:
    """The rows of a data set for comparison, each named by its number.

    Cells that are no texts, and labels that are none, are left to whoever uses them.
    """
    places = [f"in row {row} of {part}" for row in range(len(dataset))]
    names = [name for name in _columns(task) if name in dataset.column_names]
    texts = same_columns([dataset[name] for name in names]) if names else []
    return Rows(texts, _label_names(dataset, task), places)


def _label_names(dataset: Dataset, task: Any) -> list[str] | None:
    """The label of each row by its name; None where the task has no classes, or the data none."""
    target = getattr(task, "target", None)
    if not getattr(task, "labels", None) or target not in dataset.column_names:
        return None
    feature, values = dataset.features[target], dataset[target]
    names = dict(enumerate(feature.names)) if isinstance(feature, ClassLabel) else {}
    return [names.get(value, str(value)) for value in values]


def _columns(task: Any) -> list[str]:
    text = getattr(task, "text", ())
    return [text] if isinstance(text, str) else list(text)


def _sampled(dataset: Dataset, task: Any) -> list[str]:
    """Texts from all over a part, those of a pair one after the other."""
    names = [name for name in _columns(task) if name in dataset.column_names]
    rows = dataset.select(sample(len(dataset)))
    return [value for name in names for value in rows[name] if isinstance(value, str)]
