"""Quiz of lesson 12: distances, angles never seen, squeezed positions, learned tables."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 12."""
    return [_distance(), _outside(), _squeezed(), _steps(), _learned()]


def _distance() -> Question:
    return single(
        "A query at position 30 and a key at position 20 have the rotary score 2.5. Which pair of "
        "positions gives the same two vectors the same score?",
        Choice("query at 20, key at 30", why="the distance changes its sign, and so does the sine"),
        Choice("query at 60, key at 40", why="that doubles the distance: it is 20, not 10"),
        Choice(
            "query at 130, key at 120",
            right=True,
            why="both arrows turn by the same further angle, and only $m - n = 10$ counts",
        ),
        Choice("query at 3, key at 2", why="the ratio of the positions means nothing; 3 - 2 is 1"),
    )


def _outside() -> Question:
    return multiple(
        "A rotary model was trained on windows of 64 tokens and reads 256. Which of these hold?",
        Choice(
            "slow pairs reach angles that never occurred in training",
            right=True,
            why="a pair that makes an eighth of a turn in 64 tokens makes half a turn in 256",
        ),
        Choice(
            "the model stops with an error at token 65",
            why="a table of learned positions would; an angle can be computed for any position",
        ),
        Choice(
            "fast pairs meet no angle that is new to them",
            right=True,
            why="they went round many times within the window, so they know the whole circle",
        ),
        Choice(
            "queries and keys grow longer with the position",
            why="turning keeps lengths: only directions change",
        ),
    )


def _squeezed() -> Question:
    return number(
        "A model was trained on 2,048 tokens and reads 8,192 by position interpolation. Which "
        "position does token 6,000 get?",
        truth=1500,
        tolerance=0.5,
        why="$m L / L' = 6000 \\cdot 2048 / 8192$, inside the window that training knew",
        mistakes=(
            (24000, "that is the other way round: positions are squeezed, not stretched"),
            (6000, "that is the true position, which is extrapolation"),
            (1904, "positions do not start again after a window: 6000 - 2·2048 squeezes nothing"),
            (2048, "only the last token gets to the end of the window"),
        ),
    )


def _steps() -> Question:
    return order(
        "Put the work in order that lets a rotary model read four times its window with YaRN.",
        items=(
            "count how often each pair turns within the trained window",
            "slow the pairs that turn rarely, leave those that turn often",
            "multiply cosines and sines of these pairs by the factor that sharpens attention",
            "fine-tune for a few steps on long texts",
            "measure the loss by position on long texts that it was not tuned on",
        ),
        why="turns decide which pairs are slowed; training repairs what is left; then one measures",
    )


def _learned() -> Question:
    return single(
        "Why can position interpolation not be applied to BERT as it is?",
        Choice("it has no attention", why="it has; it is the source of positions that differs"),
        Choice(
            "its positions are rows of a learned table, and position 63.75 has no row",
            right=True,
            why="one has to make such a row first, from its neighbours: that is resizing the table",
        ),
        Choice(
            "it reads in both directions",
            why="rotary positions work without a causal mask, too: ModernBERT has them",
        ),
        Choice(
            "its angles are learned",
            why="it has no angles at all: a vector is *added* to the word, nothing is turned",
        ),
    )
