"""Exact and near duplicates, and what leaks from one part to another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from datasets import Dataset
from datasketch import MinHash, MinHashLSH
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ftlearn.data.errors import DataError, need_columns

PERMUTATIONS = 128
MISS = 1e-6


class Leak(NamedTuple):
    """Rows that belong together but are in different parts, as (part, row) pairs."""

    reason: str
    rows: tuple[tuple[str, int], ...]


def exact_duplicates(texts: Sequence[str]) -> list[list[int]]:
    """Groups of rows whose texts are equal character by character.

    >>> exact_duplicates(["a", "b", "a", "A"])
    [[0, 2]]
    """
    return _group_equal(texts)


def near_duplicates(
    texts: Sequence[str], *, threshold: float = 0.7, ngram: int = 5, seed: int = 0
) -> list[list[int]]:
    """Groups of rows connected by a Jaccard similarity of at least `threshold`.

    The similarity of two texts is |A ∩ B| / |A ∪ B| of their sets of character n-grams (case and
    whitespace folded). MinHash with locality-sensitive hashing (Broder 1997; Indyk and Motwani
    1998) proposes pairs; it misses a pair at the threshold with a probability below 1e-6. Each
    proposed pair is then verified exactly, so chance never adds a pair.

    >>> near_duplicates(["The match was a draw.", "Sleep well.", "the match was  a draw!"])
    [[0, 2]]
    """
    if not 0 < threshold <= 1 or ngram < 1:
        raise DataError(
            f"threshold={threshold} must lie in (0, 1] and ngram={ngram} be at least 1."
        )
    sets = [shingles(text, ngram) for text in texts]
    pairs = [
        (i, j)
        for i, j in _candidates(sets, threshold, seed)
        if jaccard(sets[i], sets[j]) >= threshold
    ]
    if not pairs:
        return []
    first, second = np.array(pairs).T
    links = coo_array((np.ones(len(pairs)), (first, second)), shape=(len(sets), len(sets)))
    _, components = connected_components(links, directed=False)
    return _group_equal(components.tolist())


def shingles(text: str, ngram: int = 5) -> frozenset[str]:
    """The set of character n-grams of a text, case and whitespace folded.

    A text shorter than `ngram` is its own only n-gram.

    >>> sorted(shingles("An  Ant", 5))
    ['an an', 'n ant']
    """
    folded = " ".join(text.casefold().split())
    return frozenset(folded[i : i + ngram] for i in range(max(1, len(folded) - ngram + 1)))


def jaccard(a: frozenset, b: frozenset) -> float:
    """|a ∩ b| / |a ∪ b|, the share of common elements.

    >>> jaccard(frozenset("abc"), frozenset("bcd"))
    0.5
    """
    common = len(a & b)
    return common / (len(a) + len(b) - common)


def leaks(
    parts: dict[str, Dataset],
    *,
    text: str = "text",
    group: str | None = None,
    threshold: float = 0.7,
    seed: int = 0,
) -> list[Leak]:
    """Near-duplicates, and equal values of the `group` column, that are in more than one part.

    >>> train = Dataset.from_dict({"text": ["The match ended in a draw.", "Sleep well."]})
    >>> test = Dataset.from_dict({"text": ["The match ended in a draw!"]})
    >>> leaks({"train": train, "test": test})
    [Leak(reason='near-duplicate', rows=(('train', 0), ('test', 0)))]
    """
    places = [(name, i) for name, part in parts.items() for i in range(len(part))]
    for name, part in parts.items():
        need_columns([text, *([group] if group else [])], part.column_names, f"part {name!r}")
    texts = [value for part in parts.values() for value in part[text][:]]
    groups = [
        ("near-duplicate", rows) for rows in near_duplicates(texts, threshold=threshold, seed=seed)
    ]
    if group:
        values = [value for part in parts.values() for value in part[group][:]]
        equal = _group_equal(values, without=(None, ""))
        groups += [(f"{group}={values[rows[0]]!r}", rows) for rows in equal]
    candidates = [Leak(reason, tuple(places[i] for i in rows)) for reason, rows in groups]
    return [leak for leak in candidates if len({name for name, _ in leak.rows}) > 1]


def _candidates(
    sets: Sequence[frozenset[str]], threshold: float, seed: int
) -> Iterable[tuple[int, int]]:
    """Pairs (i, j), i < j, that share a band of their MinHash signatures."""
    index = MinHashLSH(num_perm=PERMUTATIONS, params=_bands(threshold))
    for j, grams in enumerate(sets):
        signature = MinHash(num_perm=PERMUTATIONS, seed=seed)
        signature.update_batch([gram.encode() for gram in grams])
        yield from ((i, j) for i in index.query(signature))
        index.insert(j, signature)


def _bands(threshold: float) -> tuple[int, int]:
    """Bands b and rows r with the longest r for which (1 - threshold^r)^b stays below `MISS`."""
    for rows in range(8, 1, -1):
        bands = PERMUTATIONS // rows
        if (1 - threshold**rows) ** bands < MISS:
            return bands, rows
    return PERMUTATIONS, 1


def _group_equal(values: Sequence[Hashable], without: tuple = ()) -> list[list[int]]:
    """Row numbers of each value that occurs at least twice, in order of first appearance."""
    rows = defaultdict(list)
    for i, value in enumerate(values):
        rows[value].append(i)
    return [group for value, group in rows.items() if len(group) > 1 and value not in without]
