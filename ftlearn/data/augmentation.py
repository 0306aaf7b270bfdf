"""Text augmentation: words deleted, swapped, inserted or replaced at random, from a seed.

After EDA (Wei and Zou 2019, arXiv 1901.11196). Where EDA takes synonyms from a dictionary, words
here are replaced by their neighbours in an embedding space, such as any encoder's vectors of
single words. A neighbour need not be a synonym: opposites are close together, too. So read some
results before you train on them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

Neighbours = Mapping[str, Sequence[str]]
"""For each word in lower case, the words that may replace it, the nearest first."""

_CORE = re.compile(r"\w(?:.*\w)?")


def augment(
    text: str,
    *,
    seed: int,
    epoch: int,
    index: int,
    share: float = 0.1,
    neighbours: Neighbours | None = None,
) -> str:
    """The text after one operation, drawn at random, on a share of its words.

    The operations are delete and swap, and with ``neighbours`` also insert and replace, where the
    text has a word with a neighbour. The result is a function of (seed, epoch, index) and of the
    text: row ``index`` varies from epoch to epoch, and a resumed run sees the same texts. Words
    are separated by white space; at least one is left.

    Raises ValueError for a share outside 0 to 1 or a text without words.

    >>> text = "the team won the final match of the season"
    >>> augment(text, seed=0, epoch=0, index=0)
    'the team won the match final of the season'
    >>> augment(text, seed=0, epoch=1, index=0)
    'the team won the final match of season the'
    """
    words = text.split()
    random = np.random.default_rng((seed, epoch, index))
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}: give a share of the words above 0 and up to 1")
    if not words:
        raise ValueError(f"the text of row {index} holds no words ({text!r}): drop the row")
    known = neighbours or {}
    names = list(OPERATIONS) if any(_core(word) in known for word in words) else ["delete", "swap"]
    operation = OPERATIONS[names[random.integers(len(names))]]
    return " ".join(operation(words, max(1, round(share * len(words))), random, known))


def delete(
    words: Sequence[str], count: int, random: np.random.Generator, neighbours: Neighbours
) -> list[str]:
    """Leave out ``count`` words; at least one is left.

    >>> len(delete("one two three four".split(), 3, np.random.default_rng(0), {}))
    1
    """
    left_out = set(random.permutation(len(words))[: min(count, len(words) - 1)].tolist())
    return [word for position, word in enumerate(words) if position not in left_out]


def swap(
    words: Sequence[str], count: int, random: np.random.Generator, neighbours: Neighbours
) -> list[str]:
    """Exchange the places of two different words, ``count`` times.

    >>> swap(["one", "two"], 1, np.random.default_rng(0), {})
    ['two', 'one']
    """
    result = list(words)
    for _ in range(count if len(result) > 1 else 0):
        first, second = random.choice(len(result), size=2, replace=False)
        result[first], result[second] = result[second], result[first]
    return result


def insert(
    words: Sequence[str], count: int, random: np.random.Generator, neighbours: Neighbours
) -> list[str]:
    """Insert neighbours of up to ``count`` words, each at a random position.

    >>> insert(["cold"], 1, np.random.default_rng(0), {"cold": ["chilly"]})
    ['cold', 'chilly']
    """
    result = list(words)
    for position in _sample_known(words, count, random, neighbours):
        place = int(random.integers(len(result) + 1))
        result.insert(place, _pick_neighbour(words[position], random, neighbours))
    return result


def replace(
    words: Sequence[str], count: int, random: np.random.Generator, neighbours: Neighbours
) -> list[str]:
    """Replace up to ``count`` words by neighbours, keeping punctuation and an initial capital.

    >>> replace(["Cold,", "today"], 2, np.random.default_rng(0), {"cold": ["chilly"]})
    ['Chilly,', 'today']
    """
    result = list(words)
    for position in _sample_known(words, count, random, neighbours):
        word = words[position]
        core = _CORE.search(word)
        neighbour = _pick_neighbour(word, random, neighbours)
        if core[0][0].isupper():
            neighbour = neighbour.capitalize()
        result[position] = word[: core.start()] + neighbour + word[core.end() :]
    return result


Operation = Callable[[Sequence[str], int, np.random.Generator, Neighbours], list[str]]

OPERATIONS: dict[str, Operation] = {
    "delete": delete,
    "swap": swap,
    "insert": insert,
    "replace": replace,
}


def _core(word: str) -> str:
    """A word in lower case without the punctuation around it.

    >>> _core('"Half-time!"')
    'half-time'
    """
    core = _CORE.search(word)
    return core[0].lower() if core else ""


def _sample_known(
    words: Sequence[str], count: int, random: np.random.Generator, neighbours: Neighbours
) -> list[int]:
    """Positions of up to ``count`` words that have a neighbour, in random order."""
    known = [position for position, word in enumerate(words) if neighbours.get(_core(word))]
    return random.permutation(known)[:count].astype(int).tolist()


def _pick_neighbour(word: str, random: np.random.Generator, neighbours: Neighbours) -> str:
    choices = neighbours[_core(word)]
    return choices[random.integers(len(choices))]


def vocabulary(texts: Iterable[str], *, most: int, least_letters: int = 4) -> list[str]:
    """The most frequent words of some texts in lower case; short ones are left out.

    >>> vocabulary(["Cold rain, cold wind", "the rain"], most=2)
    ['cold', 'rain']
    """
    counts = Counter(_core(word) for text in texts for word in text.split())
    words = [word for word in counts if len(word) >= least_letters and word.isalpha()]
    return sorted(words, key=lambda word: (-counts[word], word))[:most]


def neighbours(
    words: Sequence[str], vectors: np.ndarray, *, count: int = 3, least: float = 0.6
) -> dict[str, tuple[str, ...]]:
    """For each word the ``count`` others with the most similar vectors, the nearest first.

    vectors (N, D), one per word. Only words with a cosine of at least ``least`` count, and a word
    without such a neighbour is left out. Raises ValueError where the numbers of words and vectors
    differ or a vector has length 0.

    >>> neighbours(["cold", "chilly", "bank"], np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]))
    {'cold': ('chilly',), 'chilly': ('cold',)}
    """
    vectors = np.asarray(vectors, dtype=float)
    if vectors.ndim != 2 or len(vectors) != len(words):
        raise ValueError(
            f"{len(words)} words and vectors of shape {vectors.shape} do not fit: "
            "give one row of numbers for each word"
        )
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if len(words) and not lengths.min() > 0:
        raise ValueError(f"{words[int(lengths.argmin())]!r} has a vector of length 0: leave it out")
    cosine = (vectors / lengths) @ (vectors / lengths).T
    np.fill_diagonal(cosine, -1.0)
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
    result = {}
    for row, word in enumerate(words):
        others = tuple(words[other] for other in nearest[row] if cosine[row, other] >= least)
        if others:
            result[word] = others
    return result
