"""Exercises of lesson 17: ROUGE-L, novelty, TextRank, and three mistakes from public threads."""

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


def exercises() -> list[Exercise]:
    """Three exercises on measures and ranking, and three bugs to mend."""
    return [_by_hand(), _novelty(), _textrank(), _lines(), _settings(), _border()]


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


# --- q4: huggingface/evaluate#501 -----------------------------------------------------------------


def _scored(reference: str, summary: str, kind: str, *, stem: bool = False) -> float:
    from rouge_score.rouge_scorer import RougeScorer  # takes a second to import

    return RougeScorer([kind], use_stemmer=stem).score(reference, summary)[kind].fmeasure


def _verify_lines(answer: Callable[..., Any]) -> str:
    require_function(answer, "the sentences of a reference and of a summary")
    words = _words(15)
    reference = [" ".join(words[i : i + 5]) + "." for i in (0, 5, 10)]
    # The same sentences in another order, and without the last word of each.
    summary = [" ".join(words[i : i + 4]) + "." for i in (10, 0, 5)]
    share = float(answer(list(reference), list(summary)))
    truth = 2 * 12 / (15 + 12)  # all 12 words of the summary stand in order in a sentence
    if close(share, truth, tolerance=1e-6):
        return f"right: {truth:.3f}, where words in one long line would score less"
    if close(share, _scored(" ".join(reference), " ".join(summary), "rougeLsum"), tolerance=1e-6):
        raise NotYetError(
            f"rougeLsum is {share:.3f}, exactly rougeL: three sentences that only changed places "
            "are scored as if the texts had one sentence each"
        )
    if close(share, 12 / 15, tolerance=1e-6) or close(share, 1.0, tolerance=1e-6):
        raise NotYetError("return fmeasure, which takes precision and recall into account")
    raise NotYetError(f"rougeLsum of these sentences is {truth:.3f}, not {share:.3f}")


def _lsum(reference: Sequence[str], summary: Sequence[str]) -> float:
    return _scored("\n".join(reference), "\n".join(summary), "rougeLsum")


def _lines() -> Exercise:
    head = (
        "from rouge_score.rouge_scorer import RougeScorer\n\n\n"
        "def answer(reference, summary):\n"
        '    """ROUGE-Lsum (F) of two lists of sentences."""\n'
    )
    tail = '    return RougeScorer(["rougeLsum"]).score(*texts)["rougeLsum"].fmeasure\n\n'
    return Exercise(
        name="rougeLsum that equals rougeL",
        difficulty=1,
        minutes=5,
        verify=_verify_lines,
        hints=(
            "how does the scorer know where a sentence ends? It does not look for full stops",
            'the scorer cuts at line breaks alone, so join the sentences with "\\n"',
        ),
        broken=head + '    texts = " ".join(reference), " ".join(summary)\n' + tail,
        worked=(
            head
            + "    # a sentence ends where a line ends\n"
            + '    texts = "\\n".join(reference), "\\n".join(summary)\n'
            + tail
        ),
        example=_lsum,
        mistakes=(
            (lambda r, s: _scored(" ".join(r), " ".join(s), "rougeLsum"), "exactly rougeL"),
            (lambda r, s: _scored("\n".join(r), "\n".join(s), "rougeL"), "exactly rougeL"),
            (lambda r, s: 1.0, "return fmeasure"),
            (lambda r, s: 0.5, "not 0.500"),
            (0.5, "is a function"),
        ),
    )


# --- q5: google-research/google-research#168 ------------------------------------------------------


def _f_of_order(reference: str, summary: str) -> float:
    """ROUGE-L by dynamic programming, for texts of plain words in lower case."""
    first, second = reference.split(), summary.split()
    row = [0] * (len(second) + 1)
    for word in first:
        above = list(row)
        for at, other in enumerate(second, 1):
            row[at] = above[at - 1] + 1 if word == other else max(above[at], row[at - 1])
    return 2 * row[-1] / (len(first) + len(second))


REFERENCES = (
    "the ferries stopped running at noon because the engines were failing",
    "two clinics opened in the hills and treated nine hundred farmers",
    "she rows alone and trains at night when the lights are dimmed",
)
BEFORE = (
    "the ferry stops running at noon since its engine fails",
    "a clinic opens in the hill treating farmers",
    "she is rowing alone and training nights when lights dim",
)
AFTER = (
    "ferries stopped running at noon because engines were failing badly",
    "two new clinics opened and treated farmers in the hills",
    "she trains alone at night and rows when it is dark",
)


def _verify_settings(answer: Callable[..., Any]) -> str:
    require_function(answer, "references, and the summaries before and after")
    same = float(answer(list(REFERENCES), list(BEFORE), list(BEFORE)))
    if not close(same, 0, tolerance=1e-9):
        raise NotYetError(
            f"the same summaries as before and as after: the gain must be 0, and is {same:+.3f}. "
            "Nothing changed but the scorer"
        )
    before, after = (
        np.mean([_f_of_order(*pair) for pair in zip(REFERENCES, texts, strict=True)])
        for texts in (BEFORE, AFTER)
    )
    gain = float(answer(list(REFERENCES), list(BEFORE), list(AFTER)))
    if close(gain, after - before, tolerance=1e-6):
        return f"right: the gain is {gain:+.3f}, both scored by one scorer, without stemming"
    if close(gain, before - after, tolerance=1e-6):
        raise NotYetError("the sign is turned round: a gain is after minus before")
    stemmed = [
        np.mean(
            [_scored(*pair, "rougeL", stem=True) for pair in zip(REFERENCES, texts, strict=True)]
        )
        for texts in (BEFORE, AFTER)
    ]
    if close(gain, stemmed[1] - stemmed[0], tolerance=1e-6):
        raise NotYetError("one scorer for both, good; the docstring asks for no stemming")
    raise NotYetError(f"the gain in mean ROUGE-L is {after - before:+.3f}, not {gain:+.3f}")


def _gain(references: Sequence[str], before: Sequence[str], after: Sequence[str]) -> float:
    means = [
        np.mean([_scored(*pair, "rougeL") for pair in zip(references, texts, strict=True)])
        for texts in (before, after)
    ]
    return float(means[1] - means[0])


def _gain_of_two_scorers(
    references: Sequence[str], before: Sequence[str], after: Sequence[str]
) -> float:
    old = [_scored(*pair, "rougeL", stem=True) for pair in zip(references, before, strict=True)]
    new = [_scored(*pair, "rougeL") for pair in zip(references, after, strict=True)]
    return float(np.mean(new) - np.mean(old))


def _gain_stemmed(references: Sequence[str], before: Sequence[str], after: Sequence[str]) -> float:
    old = [_scored(*pair, "rougeL", stem=True) for pair in zip(references, before, strict=True)]
    new = [_scored(*pair, "rougeL", stem=True) for pair in zip(references, after, strict=True)]
    return float(np.mean(new) - np.mean(old))


def _settings() -> Exercise:
    head = (
        "from rouge_score.rouge_scorer import RougeScorer\n\n\n"
        "def mean_rouge(scorer, references, summaries):\n"
        "    scores = [scorer.score(*pair) for pair in zip(references, summaries, strict=True)]\n"
        '    return sum(score["rougeL"].fmeasure for score in scores) / len(scores)\n'
        "\n\n"
        "def answer(references, before, after):\n"
        '    """The gain in mean ROUGE-L, without stemming."""\n'
    )
    return Exercise(
        name="a gain made by the scorer",
        difficulty=2,
        minutes=5,
        verify=_verify_settings,
        hints=(
            "call it with the same summaries twice: which line treats them differently?",
            "make one scorer, without use_stemmer, and give both lists to it",
        ),
        broken=(
            head
            + '    published = RougeScorer(["rougeL"], use_stemmer=True)\n'
            + '    ours = RougeScorer(["rougeL"])\n'
            + "    old = mean_rouge(published, references, before)\n"
            + "    return mean_rouge(ours, references, after) - old\n\n"
        ),
        worked=(
            head
            + '    scorer = RougeScorer(["rougeL"])  # one scorer, one setting, for both\n'
            + "    old = mean_rouge(scorer, references, before)\n"
            + "    return mean_rouge(scorer, references, after) - old\n\n"
        ),
        example=_gain,
        mistakes=(
            (_gain_of_two_scorers, "must be 0"),
            (lambda r, b, a: _gain(r, a, b), "turned round"),
            (_gain_stemmed, "no stemming"),
            (lambda r, b, a: 0.0, "gain in mean"),
            (0.5, "is a function"),
        ),
    )


# --- q6: huggingface/transformers#43256 ---------------------------------------------------------


def _vocabulary(words: Sequence[str]) -> tuple[Callable[[Sequence[int]], str], dict[str, int]]:
    """A decoder of ids to words, as a tokenizer's, and the id of each word; id 0 ends a text."""
    ids = {word: number for number, word in enumerate(sorted(set(words)), 1)}
    texts = {number: word for word, number in ids.items()}

    def decode(tokens: Sequence[int]) -> str:
        return " ".join(texts[int(token)] for token in tokens if token)

    return decode, ids


def _verify_border(answer: Callable[..., Any]) -> str:
    require_function(answer, "decode, prompt_ids and output_ids")
    article, written = _words(6), _words(4)
    cases = {
        "plain": ([*article, "Summary:"], written),
        "marked": ([article[0], "Summary:", *article[1:], "Summary:"], written),
        "again": ([*article, "Summary:"], [*written[:2], "Summary:", *written[2:]]),
    }
    for name, (prompt, summary) in cases.items():
        decode, ids = _vocabulary([*prompt, *summary])
        prompt_ids = [ids[word] for word in prompt]
        output_ids = [*prompt_ids, *(ids[word] for word in summary), 0]
        text = str(answer(decode, list(prompt_ids), list(output_ids))).strip()
        _judge_border(name, text, " ".join(prompt), " ".join(summary))
    return "right: what the model wrote begins after the prompt's last token, whatever it says"


def _judge_border(name: str, text: str, prompt: str, summary: str) -> None:
    if text == summary:
        return
    if text.startswith(prompt):
        raise NotYetError("the prompt is still there: a decoder returns what it was given, too")
    if name == "marked":
        raise NotYetError(
            "an article that holds the word 'Summary:' itself (a press release does) gave "
            f"{text!r} in place of {summary!r}: the border must not depend on the text"
        )
    if name == "again":
        raise NotYetError(
            f"a model that writes the word 'Summary:' gave {text!r} in place of {summary!r}: the "
            "border must not depend on the text"
        )
    raise NotYetError(f"the model wrote {summary!r}, and you return {text!r}")


def _after_prompt(decode: Any, prompt_ids: Any, output_ids: Any) -> str:
    return decode(output_ids[len(prompt_ids) :])


def _border() -> Exercise:
    head = (
        "def answer(decode, prompt_ids, output_ids):\n"
        '    """The text that the model wrote after the prompt."""\n'
    )
    return Exercise(
        name="where the summary begins",
        difficulty=2,
        minutes=5,
        verify=_verify_border,
        hints=(
            "what happens if the article, too, holds the words at which the text is cut?",
            "output_ids begins with prompt_ids: cut the ids, not the text",
        ),
        broken=(
            head
            + "    text = decode(output_ids)  # article, 'Summary:', and what the model wrote\n"
            + '    return text.split("Summary:")[1].strip()\n\n'
        ),
        worked=(
            head
            + "    # ids cannot be mistaken for words of the article\n"
            + "    return decode(output_ids[len(prompt_ids) :]).strip()\n\n"
        ),
        example=_after_prompt,
        mistakes=(
            (lambda d, p, o: d(o).split("Summary:")[1], "the border must not depend"),
            (lambda d, p, o: d(o).split("Summary:")[-1], "the border must not depend"),
            (lambda d, p, o: d(o), "still there"),
            (lambda d, p, o: d(p), "still there"),
            (lambda d, p, o: d(o[len(d(p)) :]), "you return"),
            (0.5, "is a function"),
        ),
    )
