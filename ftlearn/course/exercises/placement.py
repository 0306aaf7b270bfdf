"""The placement quiz: twelve questions that tell with which lesson to begin.

Two questions stand for each part of the course. One begins with the first part of which one does
not know both answers; answers count as they were first given.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ftlearn import language as languages
from ftlearn.course.exercises import outcome
from ftlearn.course.exercises.question import Question
from ftlearn.course.exercises.quiz import Choice, single
from ftlearn.course.exercises.sheet import ExerciseSheet
from ftlearn.course.translated import activate

BEGINNINGS = ("00", "03", "07", "13", "19", "23")
"""The lessons with which one may begin, each with two questions on what follows it."""
LAST = "25"
"""The lesson for those who know all answers: the project."""


class Placement(ExerciseSheet):
    """The quiz as attributes quiz1 to quiz12; ``lesson`` says where to begin."""

    def __init__(self) -> None:
        super().__init__([], questions())
        self.first: dict[str, bool] = {}
        for name, question in self.items():
            question.on_event = partial(self._note, name)

    def _note(self, name: str, event: str) -> None:
        if event != outcome.ERROR:
            self.first.setdefault(name, event == outcome.PASSED)

    def lesson(self) -> str:
        """The number of the lesson to begin with.

        >>> quiz = load("en")
        >>> for number in range(1, 5):
        ...     question = getattr(quiz, f"quiz{number}")
        ...     _ = question.check(question.right)
        >>> quiz.lesson()
        '07'
        """
        return first_lesson(self.first)


def first_lesson(passed: Mapping[str, bool]) -> str:
    """The lesson to begin with, from the questions by name and whether they were passed.

    >>> first_lesson({"quiz1": True, "quiz2": True, "quiz3": True, "quiz4": False})
    '03'
    >>> first_lesson({})
    '00'
    """
    for place, lesson in enumerate(BEGINNINGS):
        pair = (f"quiz{2 * place + 1}", f"quiz{2 * place + 2}")
        if not all(passed.get(name, False) for name in pair):
            return lesson
    return LAST


def load(language: str | None = None) -> Placement:
    """A new placement quiz; ``language`` is "en" or "zh", and without it FTLEARN_LANG decides.

    Nothing is written to the progress file.
    """
    quiz = Placement()
    catalogue = languages.load(language or languages.chosen())
    if len(catalogue):
        activate(catalogue)
    for _, question in quiz.items():
        question.translate = partial(languages.markdown, catalogue=catalogue)
    return quiz


def questions() -> list[Question]:
    """The twelve questions, two per beginning."""
    pairs = (_basics, _craft, _theory, _tasks, _methods, _scale)
    return [question for pair in pairs for question in pair()]


def _basics() -> tuple[Question, Question]:
    start = single(
        "With which weights does fine-tuning begin?",
        Choice("with random ones", why="then nothing of the pretraining would be left"),
        Choice(
            "with those of the pretrained model",
            right=True,
            why="fine-tuning moves them by gradient steps; only a new head is random",
        ),
        Choice(
            "with zeros",
            why="with zeros in all layers no gradient could tell two neurons apart",
        ),
    )
    first = single(
        "A classifier has a fresh head and three classes. Which cross-entropy do you expect before "
        "the first step?",
        Choice("about 1.1", right=True, why="a guess gives each class 1/3, and costs $\\ln 3$"),
        Choice("about 0", why="that would be the loss of a model which is certain and right"),
        Choice("about 3", why="the number of classes enters by its logarithm: $\\ln 3 = 1.1$"),
    )
    return start, first


def _craft() -> tuple[Question, Question]:
    leak = single(
        "Some test articles also stand in the training set. What does the test score say then?",
        Choice("as much as before", why="the model may know the labels of these articles by heart"),
        Choice("too little about new texts: it is too low", why="a leak makes a score look better"),
        Choice(
            "too much: it is higher than for new texts",
            right=True,
            why="what was seen in training is recognised; so copies are found before the split",
        ),
    )
    loop = single(
        "Which order of the lines in a training step is right?",
        Choice(
            "`loss.backward()`, `optimizer.step()`, `optimizer.zero_grad()`",
            right=True,
            why="gradients are computed, used, and cleared before the next batch",
        ),
        Choice(
            "`optimizer.step()`, `loss.backward()`, `optimizer.zero_grad()`",
            why="the step would use no gradient: it is cleared before any step sees it",
        ),
        Choice(
            "`loss.backward()`, `optimizer.zero_grad()`, `optimizer.step()`",
            why="the gradient is cleared just before the step that needs it",
        ),
    )
    return leak, loop


def _theory() -> tuple[Question, Question]:
    curse = single(
        "Sixty settings are compared on one validation set. How good is the best one really?",
        Choice("as good as its validation score", why="the best of sixty was also lucky"),
        Choice(
            "probably worse than its validation score",
            right=True,
            why="the winner's curse: the highest of many noisy scores is too high on average",
        ),
        Choice(
            "probably better than its validation score",
            why="choosing the maximum favours luck, never bad luck",
        ),
    )
    path = single(
        "Gradient descent on a quadratic loss starts at the pretrained weights and is stopped "
        "early, with a small learning rate. Where does it end?",
        Choice(
            "on the straight line to the minimum",
            why="only if the curvature is the same in all directions",
        ),
        Choice(
            "at the pretrained weights, except for noise",
            why="each step shortens the distance to the minimum",
        ),
        Choice(
            "between start and minimum, further along where the curvature is large",
            right=True,
            why="in each direction of curvature $\\lambda$ the distance left is "
            "$(1-\\eta\\lambda)^t$",
        ),
    )
    return curse, path


def _tasks() -> tuple[Question, Question]:
    bert = single(
        "Why does BERT not write a text from left to right as a decoder does?",
        Choice(
            "it was trained to fill gaps, seeing the words on both sides",
            right=True,
            why="it has no factorisation of the probability of a text into next words",
        ),
        Choice("it has too few weights", why="small decoders write, if not well"),
        Choice(
            "its vocabulary holds pieces of words", why="the vocabularies of decoders do so, too"
        ),
    )
    rouge = single(
        "A summary has a high ROUGE-1. What do you know?",
        Choice("that what it says is true", why="one wrong number hardly changes the score"),
        Choice(
            "that it shares many words with a reference",
            right=True,
            why="ROUGE counts words in common; order and truth are not counted",
        ),
        Choice("that readers prefer it", why="that has to be asked: ROUGE only counts words"),
    )
    return bert, rouge


def _methods() -> tuple[Question, Question]:
    lora = single(
        "LoRA adds $BA$ to a frozen matrix. $B$ starts at zero and $A$ at random. What does the "
        "model answer before the first step?",
        Choice("something random", why="the random $A$ is multiplied by zeros"),
        Choice(
            "what the pretrained model answers",
            right=True,
            why="$BA = 0$ at the start, so nothing has changed yet",
        ),
        Choice("always zero", why="the frozen matrix is still there: $W + BA = W$"),
    )
    dpo = single(
        "DPO lowers its loss on a pair. What is certain about the probability of the preferred "
        "answer?",
        Choice("it rises", why="only the margin to the rejected answer is in the loss"),
        Choice("it stays the same", why="nothing in the loss holds it where it is"),
        Choice(
            "nothing: it may fall, if the rejected answer falls more",
            right=True,
            why="the loss depends on the difference of two log-ratios alone",
        ),
    )
    return lora, dpo


def _scale() -> tuple[Question, Question]:
    memory = single(
        "All weights are trained with AdamW in fp32. How many bytes per weight are needed, without "
        "activations?",
        Choice("4", why="that is the weight alone"),
        Choice("8", why="weight and gradient; AdamW keeps two means more per weight"),
        Choice("16", right=True, why="weight, gradient and two moments of AdamW, four bytes each"),
    )
    queue = single(
        "A service with one worker is busy 95 % of the time, and requests come at random. Then 3 % "
        "more of them come. What happens to the mean wait?",
        Choice("it rises by about 3 %", why="that holds for the load, not for the queue"),
        Choice(
            "it more than doubles",
            right=True,
            why="the wait grows like $\\rho / (1-\\rho)$: from 19 to about 46",
        ),
        Choice("it stays, as long as the load is below 100 %", why="a queue grows long before"),
    )
    return memory, queue
