"""The bug museum of notebook 17: lines, scorers and prompts of real threads, to be mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import Exercise, NotYetError, close, require_function


def exercises() -> list[Exercise]:
    """The three broken functions, which run and do the wrong thing."""
    return [_lines(), _settings(), _border()]


# --- q4: huggingface/evaluate#501 -----------------------------------------------------------------


def _scored(reference: str, summary: str, kind: str, *, stem: bool = False) -> float:
    from rouge_score.rouge_scorer import RougeScorer  # takes a second to import

    return RougeScorer([kind], use_stemmer=stem).score(reference, summary)[kind].fmeasure


SENTENCES = (
    "Ferries stop at noon today.",
    "Two buses replace them afterwards.",
    "Nobody pays a surcharge either.",
)
SHORTER = ("Nobody pays a surcharge.", "Ferries stop at noon.", "Two buses replace them.")
"""The same sentences in another order, and without the last word of each."""


def _verify_lines(answer: Callable[..., Any]) -> str:
    require_function(answer, "the sentences of a reference and of a summary")
    share = float(answer(list(SENTENCES), list(SHORTER)))
    truth = 2 * 12 / (15 + 12)  # all 12 words of the summary stand in order in a sentence
    if close(share, truth, tolerance=1e-6):
        return f"right: {truth:.3f}, where words in one long line would score less"
    if close(share, _scored(" ".join(SENTENCES), " ".join(SHORTER), "rougeLsum"), tolerance=1e-6):
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
        '    return sum(score["rougeL"].fmeasure for score in scores) / len(scores)\n\n\n'
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


ARTICLE = ("The", "ferry", "stops", "at", "noon", "today.")
WRITTEN = ("No", "ferry", "after", "noon.")


def _verify_border(answer: Callable[..., Any]) -> str:
    require_function(answer, "decode, prompt_ids and output_ids")
    cases = {
        "plain": ([*ARTICLE, "Summary:"], WRITTEN),
        "marked": ([ARTICLE[0], "Summary:", *ARTICLE[1:], "Summary:"], WRITTEN),
        "again": ([*ARTICLE, "Summary:"], [*WRITTEN[:2], "Summary:", *WRITTEN[2:]]),
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
