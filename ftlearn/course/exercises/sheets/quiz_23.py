"""Quiz of lesson 23: hours of a run, what keeps the gradient, a batch of texts, a plan in order."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 23."""
    return [_hours(), _same_gradient(), _eight_texts(), _planning()]


def _hours() -> Question:
    return number(
        "Seven billion weights that multiply, all of them trained on ten million tokens. The "
        "device has a peak of 1e14 operations per second, of which training reaches 0.3. How many "
        "hours does it take?",
        truth=3.889,
        tolerance=0.05,
        why="6 · 7e9 · 1e7 = 4.2e17 operations at 3e13 per second are 14,000 seconds",
        mistakes=(
            (1.1667, "that is at the full peak, which nothing reaches: use 0.3 of it"),
            (1.2963, "that is 2ND, reading alone: training takes three times as much"),
            (2.5926, "that is 4ND, with frozen weights: here all learn"),
            (14_000.0, "those are seconds"),
            (233.3, "those are minutes"),
        ),
    )


def _same_gradient() -> Question:
    return multiple(
        "A batch does not fit into memory. Which of these change the memory and leave the gradient "
        "of the batch the same, to rounding?",
        Choice(
            "activation checkpointing",
            right=True,
            why="what was not kept is computed again, with the same numbers",
        ),
        Choice(
            "micro-batches whose summed losses are divided by the tokens of the whole batch",
            right=True,
            why="the parts' mean gradients get the weights n_k / n",
        ),
        Choice(
            "micro-batches of one text each, whose mean losses are averaged",
            why="that gives every text the same weight, so a token of a short text counts more",
        ),
        Choice(
            "LoRA",
            why="other weights learn, so there is another gradient, of fewer numbers",
        ),
        Choice(
            "half as large a batch",
            why="that is the gradient of other rows: noisier, and with more updates per epoch",
        ),
    )


def _eight_texts() -> Question:
    return single(
        "A decoder writes one text at 40 ms per token. The roof of the machine bends at a batch of "
        "about 20. It now writes eight texts side by side. What does one step take, at best?",
        Choice(
            "hardly more than 40 ms",
            right=True,
            why="below the bend the time is that of fetching the weights, which eight texts share",
        ),
        Choice("320 ms", why="eight times the operations, but they are not what a step waits for"),
        Choice("5 ms", why="that is the time per token of all texts; a step does not get shorter"),
        Choice(
            "about 113 ms, √8 times as long",
            why="no root is involved: below the bend it is flat, above it proportional",
        ),
    )


def _planning() -> Question:
    return order(
        "Put the steps of planning a training run in order.",
        items=(
            "count the weights that multiply and the tokens to train on",
            "compute operations and bytes, and drop the devices on which it does not fit",
            "time a few updates on the device, after a warm-up",
            "multiply by the updates, watts and prices, each with its bounds",
            "start the run, and compare its first minutes with the plan",
        ),
        why="the first two cost nothing, the third a minute; whoever starts with the price list "
        "rents what is too small",
    )
