"""The same text with two labels, and the same text in two parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from datasets import Dataset

from ftlearn.compatibility.findings import Finding

EXCERPT = 40
"""Characters of a text that a message quotes."""


class Rows(NamedTuple):
    """Rows of one part: their texts as ``same_texts`` gives them, labels, and the place of each.

    ``labels`` is None where the targets are not classes.
    """

    texts: Sequence[str]
    labels: Sequence[str] | None
    places: Sequence[str]


def same_texts(dataset: Dataset, text: Sequence[str]) -> list[str]:
    """Each row's text, or pair of texts, without differences in case and white space.

    >>> same_texts(Dataset.from_dict({"text": ["A  fine day", "a fine DAY "]}), ("text",))
    ['a fine day', 'a fine day']
    """
    return same_columns([dataset[name] for name in text])


def same_columns(columns: Sequence[Sequence[str]]) -> list[str]:
    """As ``same_texts``, for one or two columns of texts."""
    rows = zip(*columns, strict=True)
    return ["\n".join(" ".join(str(value).split()).casefold() for value in row) for row in rows]


def contradictions(parts: Mapping[str, Rows]) -> list[Finding]:
    """A note on the texts that occur in the parts with more than one label.

    >>> rows = Rows(["a fine day", "rain", "a fine day"], ["warm", "cold", "cold"],
    ...             ["on line 2", "on line 3", "on line 4"])
    >>> print(*contradictions({"train": rows}))
    note: 1 text stands there with two labels or more, first 'a fine day' on line 2 ('warm') and
    on line 4 ('cold'): a model can be right about one of them only; keep the right label
    """
    ambiguous = _labelled_twice(parts)
    if not ambiguous:
        return []
    text, first_places = next(iter(ambiguous.items()))
    places = [f"{place} ({label!r})" for label, place in first_places.items()]
    subject = "1 text stands" if len(ambiguous) == 1 else f"{len(ambiguous)} texts stand"
    message = (
        f"{subject} there with two labels or more, first {excerpt(text)} {places[0]} and "
        f"{places[1]}: a model can be right about one of them only; keep the right label"
    )
    return [Finding("texts", message)]


def _labelled_twice(parts: Mapping[str, Rows]) -> dict[str, dict[str, str]]:
    """For each text with several labels, the first place of each label."""
    first: dict[str, dict[str, str]] = defaultdict(dict)
    for rows in parts.values():
        for text, label, place in zip(rows.texts, rows.labels or (), rows.places, strict=False):
            first[text].setdefault(label, place)
    return {text: places for text, places in first.items() if len(places) > 1}


def leaks(parts: Mapping[str, Rows]) -> list[Finding]:
    """A note on each part whose texts also occur in a part from which it must be independent.

    >>> parts = {"train": Rows(["a", "b"], None, []), "test": Rows(["b", "c"], None, [])}
    >>> print(*leaks(parts))
    note: 1 of 2 texts of test also stand in train: what was learnt by heart counts as a right
    answer there, so the scores flatter the model
    """
    findings = []
    for part, other in (("valid", "train"), ("test", "train"), ("test", "valid")):
        if part not in parts or other not in parts:
            continue
        texts = parts[part].texts
        other_texts = set(parts[other].texts)
        shared = sum(text in other_texts for text in texts)
        if shared:
            message = (
                f"{shared} of {len(texts)} texts of {part} also stand in {other}: what was learnt "
                "by heart counts as a right answer there, so the scores flatter the model"
            )
            findings.append(Finding("texts", message))
    return findings


def excerpt(text: str) -> str:
    """The beginning of a text in quotes.

    >>> excerpt("word " * 20)
    "'word word word word word word word w...'"
    """
    return repr(text if len(text) <= EXCERPT else f"{text[: EXCERPT - 3]}...")
