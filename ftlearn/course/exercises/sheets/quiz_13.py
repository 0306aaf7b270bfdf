"""Questions of lesson 13: perplexity, conditionals, bits per byte, temperature, topic."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 13."""
    return [_perplexity(), _no_joint(), _bits(), _temperatures(), _register()]


def _perplexity() -> Question:
    return number(
        "A model gives the four tokens of a text the probabilities 1/2, 1/8, 1/2 and 1/8. What is "
        "its perplexity on this text?",
        truth=4.0,
        tolerance=0.01,
        why="the mean loss is $(\\ln 2 + \\ln 8 + \\ln 2 + \\ln 8)/4 = \\ln 4$ nats, and "
        "$e^{\\ln 4} = 4$: on average as unsure as among four equal choices",
        mistakes=(
            (1.386, "that is the mean loss in nats: perplexity is $e$ to this power"),
            (2.0, "that is the mean loss in bits: perplexity is 2 to this power"),
            (256, "that is one over the probability of the whole text: take the fourth root"),
            (3.2, "that is one over the *mean* probability: logarithms are averaged"),
            (5.0, "that is the mean of 2, 8, 2 and 8: logarithms are averaged, not inverses"),
        ),
    )


def _no_joint() -> Question:
    return single(
        "A masked model has learned a probability for each word given all the others. You want "
        "the probability of a whole sentence, so you multiply these numbers. What have you got?",
        Choice(
            "The probability of the sentence, by the chain rule.",
            why="the chain rule conditions each word on the *earlier* ones only; here each word is "
            "also used to predict its neighbours",
        ),
        Choice(
            "The same up to a constant factor.",
            why="no constant repairs it: there may be no joint distribution at all that has these "
            "conditionals",
        ),
        Choice(
            "A score that can be useful, and not a probability: it need not add up to 1.",
            right=True,
            why="it is called a pseudo-likelihood; it can rank sentences, but no distribution "
            "over sentences has to belong to it",
        ),
        Choice(
            "Nothing: a masked model has no probabilities.",
            why="it has one distribution for every masked position; they just belong to no "
            "common joint distribution",
        ),
    )


def _bits() -> Question:
    return multiple(
        "Model A has 20 nats per token, B has 4, and their tokenizers differ. What follows? "
        "(several)",
        Choice(
            "B is the better model of the text.",
            why="A's tokens may be whole lines and B's single letters",
        ),
        Choice(
            "Nothing yet: the tokens of A may be longer.",
            right=True,
            why="a loss per token depends on how much text a token holds",
        ),
        Choice(
            "Divided by ln 2 and by the bytes of the same text, the summed losses can be compared.",
            right=True,
            why="both are then bits for the same bytes, whatever the tokens are",
        ),
        Choice(
            "Comparing perplexities would be fair.",
            why="perplexity is only $e$ to the loss per token, with the same fault",
        ),
    )


def _temperatures() -> Question:
    return order(
        "A next-token distribution has a clear favourite. Put the ways to draw from it in the "
        "order of their entropy, lowest first.",
        items=("greedy", "temperature 0.5", "temperature 1", "temperature 2", "a uniform draw"),
        why="along the geometric path from the favourite (T → 0) over p (T = 1) to the uniform "
        "distribution (T → ∞) the entropy only grows",
    )


def _register() -> Question:
    return single(
        "After fine-tuning on sports the loss per token fell by 0.5 on unseen sports articles, and "
        "by 0.5 on unseen health articles from the same magazine. What was learned?",
        Choice(
            "Sports: the loss on sports fell.",
            why="a model that learned nothing about sports would show the same two numbers",
        ),
        Choice(
            "What both have in common, such as format and style.",
            right=True,
            why="only the *difference* of the two changes can speak for the topic, and it is zero",
        ),
        Choice(
            "Health, by transfer from sports.",
            why="possible in principle, but the shared style explains it without any health; a "
            "model trained on health would show what health is worth",
        ),
        Choice(
            "Nothing, since both fell alike.",
            why="both did fall: something was learned that helps on either topic",
        ),
    )
