"""Quiz of lesson 06: a gap, a rare label, a temperature, the luck in an accuracy, the order."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 06."""
    return [_gap(), _rare(), _temperature(), _luck(), _choices()]


def _gap() -> Question:
    return single(
        "A model is right on 0.97 of its training articles and on 0.78 of the validation articles. "
        "What does this gap say?",
        Choice(
            "it should have been trained for a shorter time",
            why="not by itself: that begins where the *validation* curve turns",
        ),
        Choice(
            "its accuracy on new articles is about halfway between the two",
            why="on new articles only the validation score counts; the training score flatters",
        ),
        Choice(
            "the validation articles are harder than the training articles",
            why="both were drawn alike; the model has simply *seen* the training articles",
        ),
        Choice(
            "little by itself: a model does better on what it has studied",
            right=True,
            why="that is normal, and the reason why a training score is never a result",
        ),
    )


def _rare() -> Question:
    return multiple(
        "Of 1,000 letters 10 are complaints. A model gives every letter the same small probability "
        "of being one, and so never answers *complaint*. Which of these hold?",
        Choice(
            "its accuracy is 0.99",
            right=True,
            why="it is right on the 990 others: where a label is rare, accuracy comes for nothing",
        ),
        Choice(
            "its recall of complaints is 0",
            right=True,
            why="it finds none of the 10",
        ),
        Choice(
            "its balanced accuracy is 0.5",
            right=True,
            why="the mean of the two recalls, 0 and 1",
        ),
        Choice(
            "its AUC is 0.99",
            why="equal scores order nothing: every pair is a tie and counts half, so it is 0.5",
        ),
        Choice(
            "it beats a model that is right on 0.95 of the letters and finds 8 of the 10",
            why="in accuracy only; whether 8 found are worth the false alarms depends on the costs",
        ),
    )


def _temperature() -> Question:
    return multiple(
        "All logits of an overconfident model are divided by $T = 2$. What can change?",
        Choice(
            "the probabilities",
            right=True,
            why="they move towards each other",
        ),
        Choice(
            "the answers",
            why="the order of the classes stays, and so does the largest",
        ),
        Choice(
            "the log loss",
            right=True,
            why="it looks at probabilities, and they have changed",
        ),
        Choice(
            "the accuracy",
            why="it counts answers, and not one of them changes",
        ),
    )


def _luck() -> Question:
    return number(
        "A model is right on 0.8 of 400 articles. What is the standard deviation of this accuracy "
        "over other samples of 400?",
        truth=0.02,
        tolerance=0.0005,
        why="$\\sqrt{0.8 \\cdot 0.2 / 400} = 0.02$, so a 95 % interval reaches about four points "
        "to either side",
        mistakes=(
            (0.0004, "that is the variance; take the root"),
            (
                0.4,
                "that is the spread of one article, $\\sqrt{0.8 \\cdot 0.2}$; divide by the root "
                "of 400",
            ),
            (0.0392, "that is half of the 95 % interval, 1.96 standard deviations"),
            (0.025, "that takes the worst case, $a = 0.5$; here $a = 0.8$"),
        ),
    )


def _choices() -> Question:
    return order(
        "In which order does an honest evaluation go? First to last.",
        items=(
            "train several models on train",
            "choose among them, and fit the temperature, on valid",
            "stop changing anything: models, settings and temperature are fixed",
            "score on test, once",
        ),
        why="test measures what is fixed already: whoever goes on choosing after a look at it has "
        "chosen on test, and what is chosen there flatters itself",
    )
