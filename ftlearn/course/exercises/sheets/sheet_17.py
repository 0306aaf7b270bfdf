"""Exercises of notebook 17: ROUGE-L, new n-grams, TextRank; three real bugs of scoring."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.course.exercises.sheets.museum_17 import exercises as museum


def exercises() -> list[Exercise]:
    """The six exercises of the sheet; the last three are the bug museum."""
    return [_by_hand(), _novelty(), _textrank(), *museum()]


def _words(count: int, taken: Sequence[str] = ()) -> list[str]:
    """Different invented words of five letters, none of which is a form of another."""
    words: set[str] = set()
    while len(words) < count:
        word = (
            "".join(random.choice("bdfgklmnprtv") + random.choice("aiou") for _ in range(2)) + "k"
        )
        if word not in taken:
            words.add(word)
    return random.sample(sorted(words), count)


# --- q1 -----------------------------------------------------------------------------------------


def _verify_by_hand(answer: Any) -> str:
    if close(answer, 0.625, tolerance=2e-3):
        return "right: the ferry stops at noon, 5 words in order; F = 2 · 5 / (7 + 9) = 0.625"
    reject_known(
        answer,
        (
            (14 / 16, "that is ROUGE-1: ROUGE-L wants the shared words in the same order"),
            (5 / 7, "that is the recall 5/7: take the precision into account, too"),
            (5 / 9, "that is the precision 5/9: take the recall into account, too"),
            (4 / 16, "gaps are allowed: a *subsequence* need not be a run of neighbours"),
            (5, "that is the length of the longest common subsequence: make it an F"),
        ),
        tolerance=2e-3,
    )
    raise NotYetError(
        "which words stand in both, in the same order? Then F = 2 · length / (7 + 9 words)"
    )


def _by_hand() -> Exercise:
    return Exercise(
        name="ROUGE-L of a ferry",
        difficulty=1,
        minutes=5,
        verify=_verify_by_hand,
        hints=(
            "cross out words until both texts read the same, and as few of them as possible",
            "five words are left; with precision 5/9 and recall 5/7, F is 2PR / (P + R)",
        ),
        worked=(
            "# the ferry stops at noon: 5 words; 7 in the reference, 9 in the summary\n"
            "precision, recall = 5 / 9, 5 / 7\n"
            "answer = 2 * precision * recall / (precision + recall)"
        ),
        example=0.625,
        mistakes=(
            (0.875, "in the same order"),
            (0.714, "the recall"),
            (0.556, "the precision"),
            (0.25, "gaps are allowed"),
            (5, "make it an F"),
            (0.4, "which words"),
        ),
    )


# --- q2 -----------------------------------------------------------------------------------------


def _verify_novelty(answer: Callable[..., Any]) -> str:
    require_function(answer, "article, summary and n")
    for n in (1, 2, 3):
        article = _words(12)
        copied, fresh = article[2 : 2 + n + 3], _words(4, taken=article)
        summary = [*copied, *fresh, *copied]
        # Runs of the article: two of n + 3 words, each with 4 n-grams; all others are new.
        grams = len(summary) - n + 1
        truth = 1 - 8 / grams
        share = float(answer(" ".join(article), " ".join(summary), n))
        _judge_novelty(share, truth, grams, n)
    capital = float(answer("the ferry stops", "The ferry stops", 2))
    if not close(capital, 0):
        raise NotYetError("a capital letter made a word new: compare in lower case")
    return "right: 0 for a copy, 1 for a text of which no n words in a row are the article's"


def _judge_novelty(share: float, truth: float, grams: int, n: int) -> None:
    if close(share, truth):
        return
    if close(share, 1 - truth):
        raise NotYetError("that is the share that is copied: novel are the *others*")
    if close(share, truth * grams):
        raise NotYetError("that is a number of n-grams: divide it by the summary's n-grams")
    if close(share, 1 - 4 / (grams - 4)):
        raise NotYetError("an n-gram that comes twice counts twice: a set forgets the second")
    raise NotYetError(
        f"with n = {n} the share is {truth:.3f}, not {share:.3f}: a text of w words has "
        "w − n + 1 n-grams"
    )


def _novel_share(article: str, summary: str, n: int) -> float:
    def grams(text: str) -> list[tuple[str, ...]]:
        words = text.lower().split()
        return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]

    known = set(grams(article))
    return float(np.mean([gram not in known for gram in grams(summary)]))


def _novel_set(article: str, summary: str, n: int) -> float:
    words, source = summary.lower().split(), f" {article.lower()} "
    grams = {" ".join(words[i : i + n]) for i in range(len(words) - n + 1)}
    return sum(f" {gram} " not in source for gram in grams) / len(grams)


def _novelty() -> Exercise:
    return Exercise(
        name="the share of new n-grams",
        difficulty=2,
        minutes=10,
        verify=_verify_novelty,
        hints=(
            "an n-gram is a tuple of n words in a row: words[i : i + n], for each i that fits",
            "put the article's n-grams into a set, and count the summary's that are not in it",
        ),
        worked=(
            "def answer(article, summary, n):\n"
            "    def grams(text):\n"
            "        words = text.lower().split()\n"
            "        return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]\n\n"
            "    known = set(grams(article))  # a set, because we only ask whether it is there\n"
            "    novel = [gram not in known for gram in grams(summary)]  # twice counts twice\n"
            "    return sum(novel) / len(novel)"
        ),
        example=_novel_share,
        mistakes=(
            (lambda a, s, n: 1 - _novel_share(a, s, n), "share that is copied"),
            (lambda a, s, n: _novel_share(a, s, n) * (len(s.split()) - n + 1), "a number of"),
            (_novel_set, "a set forgets"),
            (lambda a, s, n: _novel_share(a, s, 1), "n-grams"),
            (lambda a, s, n: _novel_share(a, s, n) if s.islower() else 1.0, "lower case"),
            (0.5, "is a function"),
        ),
    )


# --- q3 -----------------------------------------------------------------------------------------


def _google_matrix(similarity: np.ndarray, d: float) -> np.ndarray:
    links = np.array(similarity, dtype=float)
    np.fill_diagonal(links, 0)
    links /= links.sum(1, keepdims=True)
    return d * links.T + (1 - d) / len(links)  # column sums are 1


def _stationary(similarity: np.ndarray, d: float) -> np.ndarray:
    """An independent way: the eigenvector of the eigenvalue 1."""
    values, vectors = np.linalg.eig(_google_matrix(similarity, d))
    scores = np.real(vectors[:, np.argmax(np.real(values))])
    return scores / scores.sum()


def _walked(similarity: Any, d: float) -> Any:
    links = np.array(similarity, dtype=float)
    np.fill_diagonal(links, 0)
    links /= links.sum(1, keepdims=True)
    scores = np.full(len(links), 1 / len(links))
    for _ in range(300):
        scores = (1 - d) / len(links) + d * links.T @ scores
    return scores


def _walked_backwards(similarity: Any, d: float) -> Any:
    links = np.array(similarity, dtype=float)
    np.fill_diagonal(links, 0)
    links /= links.sum(1, keepdims=True)
    return np.linalg.solve(
        np.eye(len(links)) - d * links, np.full(len(links), (1 - d) / len(links))
    )


def _walked_to_itself(similarity: Any, d: float) -> Any:
    links = similarity / similarity.sum(1, keepdims=True)
    return np.linalg.solve(
        np.eye(len(links)) - d * links.T, np.full(len(links), (1 - d) / len(links))
    )


def _verify_textrank(answer: Callable[..., Any]) -> str:
    require_function(answer, "similarity and d")
    generator = np.random.default_rng()
    for d in (0.5, 0.85):
        similarity = generator.uniform(0.05, 1, size=(6, 6))
        similarity[:, 0] *= 4  # not symmetric, so that the direction of a link shows
        np.fill_diagonal(similarity, 1)
        scores = np.asarray(answer(similarity.copy(), d), dtype=float)
        if scores.shape != (6,):
            raise NotYetError(f"6 sentences have 6 scores; yours have the shape {scores.shape}")
        _judge_scores(scores, similarity, d)
    return "right: the eigenvector of the same walk agrees"


def _judge_scores(scores: np.ndarray, similarity: np.ndarray, d: float) -> None:
    if np.allclose(scores, _stationary(similarity, d), atol=1e-6):
        return
    if np.allclose(scores, _walked_to_itself(similarity, d), atol=1e-6):
        raise NotYetError("a sentence recommends itself: set the diagonal to 0 first")
    if np.allclose(scores, _walked_backwards(similarity, d), atol=1e-6):
        raise NotYetError("the walk runs backwards: scores arrive over the *transposed* W")
    if np.allclose(scores, _stationary(similarity, 1.0), atol=1e-6):
        raise NotYetError("there is no restart: a share 1 − d begins again at a random sentence")
    if abs(scores.sum() - 1) > 1e-6:
        raise NotYetError(f"the scores of a walk sum to 1, and yours to {scores.sum():.3g}")
    raise NotYetError("p must not change by one more step: p = (1 − d) / N + d · Wᵀ p")


def _textrank() -> Exercise:
    return Exercise(
        name="TextRank",
        difficulty=3,
        minutes=15,
        verify=_verify_textrank,
        hints=(
            "W has zeros on the diagonal, and each row is divided by its sum",
            "begin with p = 1/N for all, and repeat p = (1 − d) / N + d · Wᵀ p: the error shrinks "
            "by the factor d in each step, so 300 steps are plenty",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(similarity, d):\n"
            "    W = np.array(similarity, dtype=float)\n"
            "    np.fill_diagonal(W, 0)  # nobody recommends himself\n"
            "    W = W / W.sum(axis=1, keepdims=True)  # where the walk goes next\n"
            "    p = np.full(len(W), 1 / len(W))\n"
            "    for _ in range(300):  # 0.85 ** 300 is about 1e-21\n"
            "        p = (1 - d) / len(W) + d * W.T @ p\n"
            "    return p"
        ),
        example=_walked,
        mistakes=(
            (_walked_to_itself, "recommends itself"),
            (_walked_backwards, "runs backwards"),
            (lambda s, d: _walked(s, 1.0), "no restart"),
            (lambda s, d: 6 * _walked(s, d), "sum to 1"),
            (lambda s, d: s.mean(0) / s.mean(0).sum(), "one more step"),
            (lambda s, d: s, "have the shape"),
            (0.5, "is a function"),
        ),
    )
