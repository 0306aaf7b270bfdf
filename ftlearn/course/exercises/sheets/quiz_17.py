"""Quiz of lesson 17: order in ROUGE-L, settings, a walk's error, lead bias, what checkers miss."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, single


def quiz() -> list[Question]:
    """The questions of lesson 17."""
    return [_reversed(), _settings(), _contraction(), _shuffled(), _checker()]


def _reversed() -> Question:
    return number(
        "A reference has five different words. A summary consists of the same five words in "
        "reverse order. Its ROUGE-1 is 1. What is its ROUGE-L (F)?",
        truth=0.2,
        tolerance=0.005,
        why="the longest common subsequence is a single word, so P = R = F = 1/5",
        mistakes=(
            (1.0, "that is ROUGE-1, which does not see the order"),
            (0.0, "each single word is a common subsequence of length 1"),
            (0.4, "that is 2 · 1 / 5: the lengths are added below, 2 · 1 / (5 + 5)"),
            (0.1, "that is 1 / (5 + 5): F is 2 · 1 / (5 + 5)"),
        ),
    )


def _settings() -> Question:
    return multiple(
        "Which of these can change a mean rougeLsum although no summary was changed in a way that "
        "a reader would notice?",
        Choice(
            "a space in place of a line break between two sentences",
            right=True,
            why="rougeLsum cuts at line breaks alone, and without them it equals rougeL",
        ),
        Choice(
            "`use_stemmer=True`",
            right=True,
            why="*stops* and *stopped* become the same word",
        ),
        Choice(
            "another `tokenizer`",
            right=True,
            why="it decides what a word is: the standard one drops all but a–z and 0–9",
        ),
        Choice(
            "capital letters",
            why="the scorer lowers all letters first",
        ),
        Choice(
            "another seed",
            why="nothing in ROUGE is random; only intervals by bootstrap have a seed",
        ),
    )


def _contraction() -> Question:
    return number(
        "TextRank with $d = 0.85$ begins with an error of 1. After how many steps is the error "
        "guaranteed to be at most 0.01?",
        truth=29,
        tolerance=0.5,
        why="$0.85^{28} = 0.0106$ and $0.85^{29} = 0.0090$; in practice far fewer are needed",
        mistakes=(
            (28, "almost: $0.85^{28}$ is still 0.0106"),
            (100, "1/0.01 would be an error that falls like 1/t: this one falls like $d^t$"),
            (3, "$0.15^3$ is small, but the factor is $d = 0.85$, not $1 - d$"),
            (7, "that is 1/(1 − d), after which the error is about a third, not a hundredth"),
        ),
    )


def _shuffled() -> Question:
    return single(
        "The sentences of each article are shuffled. Lead loses ROUGE, and centroid loses "
        "nothing. What does this show?",
        Choice(
            "centroid is the better summariser",
            why="it says nothing on which is better on articles as they are: there lead may win",
        ),
        Choice(
            "lead owes a part of its score to where writers put the news",
            right=True,
            why="lead sees nothing but positions, so what it loses is what positions told it",
        ),
        Choice(
            "ROUGE-1 depends on the order of sentences",
            why="it counts words and forgets their order; lead changed, because *other* sentences "
            "now come first",
        ),
        Choice(
            "the sentence vectors know the order of the sentences",
            why="the opposite: each sentence is embedded alone, so centroid cannot notice",
        ),
    )


def _checker() -> Question:
    return multiple(
        "A checker flags each summary with a number that does not stand in the article. Which "
        "errors does it let through?",
        Choice(
            "*did not close* in place of *closed*",
            right=True,
            why="a negation adds no number",
        ),
        Choice(
            "twelve goals and nine saves, where the article has nine goals and twelve saves",
            right=True,
            why="both numbers stand in the article, at other places",
        ),
        Choice(
            "another player's name",
            right=True,
            why="it looks at numbers only; a checker of names may see it",
        ),
        Choice(
            "40 goals, where the article has 14 and no 40",
            why="that is the one error it is made for",
        ),
    )
