"""Questions of lesson 16: what counts, serving, hand-over, the order of steps, replay."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 16."""
    return [_counting(), _serving(), _handed(), _pipeline(), _replay()]


def _counting() -> Question:
    return number(
        "A dialogue has a system prompt of 12 tokens, two questions of 10, and two answers of 8, "
        "each message with 4 tokens around it: `<|im_start|>`, the role, a line break, and at its "
        "end `<|im_end|>`. How many tokens count in `tasks.chat`?",
        truth=18,
        tolerance=0.1,
        why="each answer counts with its end token, 8 + 1, and there are two",
        mistakes=(
            (16, "the end token of each answer counts, too: otherwise nothing teaches it to stop"),
            (24, "the header is given by the template: the model never has to write it"),
            (9, "every answer of the dialogue counts, not only the last"),
            (17, "both answers have an end token, not only the last"),
            (38, "the customer's words are read and do not count"),
            (68, "that is the whole dialogue: only what the assistant writes counts"),
        ),
    )


def _serving() -> Question:
    return single(
        "A model was tuned with the system prompt “You are the assistant of Hollin & Reed.” In the "
        "shop, somebody calls the published template on the customer's messages alone. What "
        "happens?",
        Choice(
            "Nothing special: without a system message there is no system prompt.",
            why="SmolLM2's template silently puts in its own, “You are a helpful AI assistant…”",
        ),
        Choice(
            "An error, since the prompt is missing.",
            why="nothing complains: that is what makes it hard to find",
        ),
        Choice(
            "The model is asked with a prompt that it was not tuned with, and nobody is told.",
            right=True,
            why="the template's default prompt takes its place; save the template *with* the "
            "prompt beside the model, as ftlearn does",
        ),
        Choice(
            "The prompt is remembered, since the model was tuned with it.",
            why="weights do not hold a prompt: what the model reads is what the template writes",
        ),
    )


def _handed() -> Question:
    return multiple(
        "A wrong answer costs 10 and a colleague 1, so Chow's rule hands over below p = 0.9. What "
        "does that threshold need to be the best one? (several)",
        Choice(
            "The probabilities are calibrated: of requests with p = 0.8, 80 % are right.",
            right=True,
            why="the rule compares 10 (1 − p) with 1, so p must mean what it says",
        ),
        Choice(
            "The classifier is right in at least 90 % of all cases.",
            why="a worse classifier only hands over more often",
        ),
        Choice(
            "Requests outside its classes get a low p.",
            right=True,
            why="softmax shares all of the probability among the known classes, so a strange "
            "request may still get a high p: that is why it is measured apart",
        ),
        Choice(
            "The threshold was chosen on the test set.",
            why="then its cost there is too good: choose on the validation set",
        ),
    )


def _pipeline() -> Question:
    return order(
        "A customer's question is answered. Put the steps in order.",
        items=(
            "control tokens typed by the customer are made harmless",
            "the template writes system prompt, turns and the header of the answer",
            "the model writes token by token",
            "the end token stops it",
            "the template writes the next question behind the answer",
        ),
        why="whatever is typed must be marked *before* the template writes control tokens of its "
        "own: afterwards nobody can tell them apart",
    )


def _replay() -> Question:
    return single(
        "After tuning on the shop's dialogues, the loss on magazine articles has risen. With a "
        "tenth of *other articles from the same magazine* in the training data, it falls below "
        "that of the pretrained model. What does this show?",
        Choice(
            "Replay restored what had been forgotten.",
            why="restored would be as before; it is *below*: something new was learned",
        ),
        Choice(
            "The model learned the magazine; a text of another source must tell about forgetting.",
            right=True,
            why="replayed and measured text share a style, which can be learned; reviews that were "
            "never replayed are the cleaner measure",
        ),
        Choice(
            "A tenth is the best share.",
            why="one share was tried, and the price in the shop's own loss is not named",
        ),
        Choice(
            "The dialogues were not learned.",
            why="their loss was not looked at: it may have fallen as before",
        ),
    )
