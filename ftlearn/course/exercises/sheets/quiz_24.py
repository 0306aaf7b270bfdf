"""Quiz of lesson 24: an int8 export, Little's law, a test in a closed loop, a roll-out's order."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 24."""
    return [_formats(), _little(), _closed_loop(), _rollout()]


def _little() -> Question:
    return number(
        "A service gets 30 requests per second, and its dashboard shows 12 requests in the system "
        "on average. How many milliseconds does a request stay in it?",
        truth=400,
        tolerance=0.5,
        why="W = L / λ = 12 / 30 s; no assumption about the service is needed",
        mistakes=(
            (0.4, "that is in seconds"),
            (2.5, "that is λ / L: divide the other way"),
            (360, "a product has no meaning here: L = λW, so W = L / λ"),
            (33.33, "that is the time between two arrivals; twelve are in the system at once"),
        ),
    )


def _closed_loop() -> Question:
    return multiple(
        "One client asks a service in a closed loop for a minute; p99 is 12 ms. In this minute the "
        "service stood still once, for two seconds. What follows?",
        Choice(
            "the client sent nothing in those two seconds, except one request that waited",
            right=True,
            why="a closed loop waits for its answer before it asks again",
        ),
        Choice(
            "users who come on their own schedule would have seen more slow answers",
            right=True,
            why="all who came within the two seconds would have waited, not only one",
        ),
        Choice(
            "p99 is right: fewer than one request in a hundred was slow",
            why="of those that were sent, yes; the slow ones were those that were not sent",
        ),
        Choice(
            "with a hundred clients in closed loops the problem is gone",
            why="then a hundred requests wait, and all that would have come after them are missing",
        ),
        Choice(
            "the mean would have shown the stop",
            why="one request of two seconds among thousands of 10 ms hardly moves the mean",
        ),
    )


def _formats() -> Question:
    return single(
        "An int8 export gives the same label as fp32 on 96 of 100 articles, and the paired "
        "difference of the log loss is 0.01 [−0.01, 0.03] nats. What may be said?",
        Choice(
            "the loss may be worse by up to 0.03 nats or not at all; four answers in a hundred "
            "differ, and whether they differ for the worse cannot be told",
            right=True,
            why="an interval that holds 0 is no proof of equality, but it bounds the cost",
        ),
        Choice(
            "int8 is as good as fp32",
            why="the interval reaches 0.03 nats: equality was not shown, only a bound",
        ),
        Choice(
            "int8 is worse by 0.01 nats",
            why="0 lies within the interval: the sign cannot be told",
        ),
        Choice(
            "int8 is four points less accurate",
            why="four answers differ; some of them may be right now and wrong before",
        ),
        Choice(
            "int8 is faster",
            why="nothing here was timed, and speed depends on the instructions of the processor",
        ),
    )


def _rollout() -> Question:
    return order(
        "A new model is to replace the one that answers. Put the steps in order.",
        items=(
            "compare its answers with those of the present model on the same held-out texts",
            "from its errors there, compute how many requests per arm show a rise that would hurt",
            "with that number fixed, let the service load it beside the present one and try it",
            "send it a small share of the traffic until that many requests are there",
            "send it everything, and keep the old model in memory",
        ),
        why="what can be known without users is known first; the size of the test is fixed before "
        "its result; the way back stays open",
    )
