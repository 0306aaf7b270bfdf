"""Quiz of lesson 18: a model of identities, sampled negatives, what a log allows, sample sizes."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 18."""
    return [_identities(), _sampled(), _log(), _sizes()]


def _identities() -> Question:
    return single(
        "A logistic regression has one weight per reader and one per ad. For Ana, who loves music, "
        "it puts the headphones before the seeds. What does it do for Ben, who loves his garden?",
        Choice(
            "it puts the seeds first, if Ben has clicked on seeds before",
            why="those clicks raise Ben's weight and that of the seeds, for all readers alike",
        ),
        Choice(
            "it puts the headphones first, too",
            right=True,
            why="Ben's weight moves all ads by the same amount, so the order is that of the ads' "
            "weights, for everybody",
        ),
        Choice(
            "that depends on how often Ben clicks",
            why="how often he clicks is Ben's own weight, which is added to every ad",
        ),
        Choice(
            "it cannot score an ad that Ben has not seen",
            why="it adds two weights that it has learned, whether or not the two have met",
        ),
    )


def _sampled() -> Question:
    return number(
        "All clicks and one in ten of the other rows were kept for training. The model promises a "
        "click with probability 0.5. What is the honest probability? (To three digits.)",
        truth=1 / 11,
        tolerance=0.001,
        why="the odds 1 : 1 become 1 : 10, so one in eleven",
        mistakes=(
            (0.05, "a tenth of the probability; it is the odds that shrink to a tenth"),
            (0.5, "rows without a click were thrown away, so clicks look too frequent"),
            (0.1, "those are the odds, 1 : 10; the probability is 1 in 11"),
            (10 / 11, "clicks are rarer than in training, not more frequent"),
        ),
    )


def _log() -> Question:
    return multiple(
        "Inverse propensity scoring gives a new policy's value without bias. What does it need?",
        Choice(
            "the probabilities with which the logged ads were chosen",
            right=True,
            why="the weights divide by them",
        ),
        Choice(
            "a model of who clicks on what",
            why="that is what doubly robust adds; the weights do without",
        ),
        Choice(
            "that the old policy gave a chance to every ad that the new one may show",
            right=True,
            why="what was never shown has no row in the log that could be weighed",
        ),
        Choice(
            "that the new policy has already been tried on some readers",
            why="it is an estimate from the old log alone; a trial would make it unnecessary",
        ),
        Choice(
            "that the old policy chose uniformly",
            why="any known probabilities do; uniform ones only make the weights easy to compute",
        ),
    )


def _sizes() -> Question:
    return order(
        "In a log, every ad was chosen uniformly. Four policies are evaluated on it. Sort them by "
        "effective sample size, the largest first.",
        items=(
            "the uniform policy itself",
            "the softmax of a model's scores at temperature 1",
            "the softmax of the same scores at temperature 0.2",
            "always the ad with the highest score",
        ),
        why="weights are equal for the policy that made the log, and the more a policy "
        "concentrates on few ads, the fewer rows carry all the weight",
    )
