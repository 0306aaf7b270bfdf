"""Questions of lesson 07: scales, importance, grids and luck, the order of an honest search."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The four questions of the lesson."""
    return [_scale(), _importance(), _grid(), _order()]


def _scale() -> Question:
    return number(
        "Somebody draws 100 learning rates *uniformly* between 0.00001 and 1, not on a logarithmic "
        "scale. How many of them do you expect below 0.01?",
        truth=1,
        tolerance=0.05,
        why="The part of the range below 0.01 is a hundredth of it. So 99 of 100 draws fall into "
        "the upper two of the five factors of ten, and most trials are wasted.",
        mistakes=(
            (60, "that would be right on a logarithmic scale: three of five factors of ten"),
            (50, "half of the draws lie below 0.5, not below 0.01"),
            (99, "the other way round: 99 lie above"),
            (0.01, "that is the share; the question asks for the number among 100"),
            (10, "a tenth of the draws lie below 0.1"),
        ),
    )


def _importance() -> Question:
    return multiple(
        "The learning rate explains 90 % of the variance of the losses in a search. Which of "
        "these follow? (several)",
        Choice(
            "The share would be different for another range of learning rates.",
            right=True,
            why="it is a property of the knob *and* of its range: a narrow range leaves little "
            "to explain",
        ),
        Choice(
            "The batch size never matters.",
            why="it explains little *beside a huge range of learning rates*; once the rate is "
            "about right, others may lead",
        ),
        Choice(
            "A few trials with terrible rates can make up most of the variance.",
            right=True,
            why="variance counts squares, so losses of 4 or 5 outweigh all differences among the "
            "good trials",
        ),
        Choice(
            "The best learning rate is known.",
            why="importance says how much the knob moves the loss, not where it is lowest",
        ),
    )


def _grid() -> Question:
    return single(
        "Three knobs, 27 trials; only one of the knobs matters, and nobody knows which. Why does "
        "a random search usually find better settings than a $3 \\times 3 \\times 3$ grid?",
        Choice(
            "Random settings are spread more evenly than those of a grid.",
            why="in all three dimensions together the grid is the more even one; look at a single "
            "knob instead",
        ),
        Choice(
            "The random search tries 27 values of the knob that matters, the grid three.",
            right=True,
            why="seen from the one knob that matters, the grid repeats each of its three "
            "values nine times.",
        ),
        Choice(
            "It learns from earlier trials where to look.",
            why="that is what TPE and the Gaussian process do; random search learns nothing",
        ),
        Choice(
            "It may be repeated with another seed.",
            why="trying several seeds and keeping the best one only means more trials",
        ),
    )


def _order() -> Question:
    return order(
        "Put an honest search in order, first to last.",
        items=(
            "split off train, valid and test",
            "choose ranges, scale and budget",
            "search, with the valid loss as objective",
            "train the winner again with several seeds",
            "measure once on test",
        ),
        why="The split comes before everything, the budget before the results, and the test set "
        "is opened when nothing is left to be chosen.",
    )
