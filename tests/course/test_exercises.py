"""Every sheet and quiz: right answers pass, starters are not attempted, mistakes are named."""

from types import FunctionType

import pytest

from ftlearn.course import exercises
from ftlearn.course.exercises import Outcome
from ftlearn.course.exercises.question import LETTERS
from ftlearn.course.exercises.quiz import Choice, multiple, number, order, single

SHEETS = {lesson: exercises.load(lesson) for lesson in exercises.numbers()}
EXERCISES = [
    pytest.param(exercise, id=f"{lesson}-q{number}")
    for lesson, sheet in SHEETS.items()
    for number, exercise in enumerate(sheet.exercises, start=1)
]
QUESTIONS = [
    pytest.param(question, id=f"{lesson}-quiz{number}")
    for lesson, sheet in SHEETS.items()
    for number, question in enumerate(sheet.questions, start=1)
]
ITEMS = EXERCISES + QUESTIONS
NONSENSE = [None, "", "seven", [], {}, -1, float("nan"), object(), max, [None], "zz", {1, "a"}]


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_example_passes(exercise):
    assert exercise.check(exercise.example).status == "passed"


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_right_answer_passes_with_its_reason(question):
    outcome = question.check(question.right)
    assert (outcome.status, outcome.message) == ("passed", question.why)


@pytest.mark.parametrize("item", ITEMS)
def test_the_starter_is_not_attempted(item):
    assert item.check(...).status == "not attempted"
    assert item.check().status == "not attempted"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_starter_runs_and_does_not_pass(exercise):
    namespace = {}
    exec(compile(exercise.starter, "starter", "exec"), namespace)
    status = "not yet" if exercise.broken else "not attempted"  # broken code runs, wrongly
    assert exercise.check(namespace["answer"]).status == status
    is_function = isinstance(exercise.example, FunctionType)
    assert exercise.broken or is_function == exercise.starter.startswith("def ")


def test_a_function_that_somebody_began_is_checked():
    def accuracy(truths, answers):
        truths.sort()
        return ...

    assert SHEETS["00"].q3.check(accuracy).status == "not yet"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_typical_mistakes_are_refused_with_their_reason(exercise):
    assert len(exercise.mistakes) >= 4
    for answer, fragment in exercise.mistakes:
        outcome = exercise.check(answer)
        assert outcome.status in {"not yet", "error"}, (answer, outcome)
        assert fragment in outcome.message, (answer, outcome)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_wrong_choice_gets_its_own_reason(question):
    reasons = [choice.why for choice in question.choices if choice.why]
    assert len(set(reasons)) == len(reasons)
    for letter, choice in zip(LETTERS, question.choices, strict=False):
        if question.kind != "order" and not choice.right:
            outcome = question.check(letter)
            assert outcome.status == "not yet"
            assert choice.why in outcome.message
    for answer, reason in question.mistakes:
        outcome = question.check(answer)
        assert (outcome.status, outcome.message) == ("not yet", reason)


@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize("nonsense", NONSENSE, ids=[str(number) for number in range(len(NONSENSE))])
def test_a_check_never_raises(item, nonsense):
    outcome = item.check(nonsense)
    assert isinstance(outcome, Outcome)
    assert outcome.message


@pytest.mark.parametrize("exercise", EXERCISES)
def test_hints_come_in_steps_and_the_solution_asks_once_more(exercise):
    first, second = exercise.hint(), exercise.hint()
    assert first != second or len(exercise.hints) == 1
    assert exercise.solution() != exercise.worked
    assert exercise.solution() == exercise.worked


@pytest.mark.parametrize("lesson", [name for name, sheet in SHEETS.items() if sheet.exercises])
def test_every_sheet_has_three_to_six_exercises(lesson):
    assert 3 <= len(SHEETS[lesson].exercises) <= 6


@pytest.mark.parametrize("lesson", [name for name, sheet in SHEETS.items() if sheet.questions])
def test_every_quiz_has_three_to_five_questions_of_three_kinds(lesson):
    questions = SHEETS[lesson].questions
    if lesson == "00":  # the first lesson asks less
        assert 2 <= len(questions) <= 3
    else:
        assert 3 <= len(questions) <= 5
        assert len({question.kind for question in questions}) >= 3


def test_an_unknown_sheet_is_named():
    with pytest.raises(ValueError, match=r"'99'.*00"):
        exercises.load("99")


RIGHT, WRONG = Choice("right", right=True, why="yes"), Choice("wrong", why="no")


@pytest.mark.parametrize("answer", ["b", "B", " b ", "b)", ["b"], ("b",), {"b"}])
def test_letters_are_read_in_many_forms(answer):
    assert single("?", WRONG, RIGHT).check(answer).status == "passed"


def test_a_multiple_choice_says_what_is_wrong_before_what_is_missing():
    question = multiple("?", RIGHT, WRONG, Choice("too", right=True, why="yes too"))
    assert question.check("ca").status == "passed"
    assert repr(question.check("abc")) == "not yet: b: no"
    assert "1 more" in question.check("a").message


def test_an_order_is_shown_shuffled_the_same_way_and_says_what_is_inverted():
    question = order("?", items=("one", "two", "three"), why="counting")
    again = order("?", items=("one", "two", "three"), why="counting")
    assert question.right == again.right != "abc"
    shown = dict(zip("abc", (choice.text for choice in question.choices), strict=True))
    assert [shown[letter] for letter in question.right] == ["one", "two", "three"]
    first, second, third = question.right
    message = question.check(first + third + second).message
    assert message == f"{third} does not come before {second}"


def test_padding_may_be_masked_before_or_after_the_logarithm():
    # Steps that can be swapped form one item, since either order is right.
    steps = [choice.text for choice in SHEETS["02"].questions[3].choices]
    (masking,) = [step for step in steps if "padding" in step]
    assert "log-probability" in masking


def test_a_number_may_be_text_but_not_a_truth_value():
    question = number("?", truth=1, tolerance=0.1, why="one")
    assert question.check("1.05").status == "passed"
    assert question.check(True).status == "not yet"


@pytest.mark.parametrize(
    "make",
    [
        lambda: single("?", RIGHT, RIGHT),
        lambda: single("?", RIGHT),
        lambda: single("?", RIGHT, Choice("silent")),
        lambda: multiple("?", WRONG, WRONG),
        lambda: number("?", truth=1, tolerance=0.5, why="one", mistakes=((1.2, "passes"),)),
        lambda: number("?", truth=1, tolerance=0.5, why=""),
        lambda: order("?", items=("a", "b"), why="few"),
        lambda: order("?", items=("a", "b", "b"), why="twice"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(make):
    with pytest.raises(ValueError, match=r"'\?'"):
        make()


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_worked_solution_runs_by_itself_and_passes(exercise):
    namespace = {}
    try:
        exec(compile(exercise.worked, "worked", "exec"), namespace)
    except (SyntaxError, NameError) as error:
        pytest.fail(f"worked must be code that runs by itself, imports included: {error}")
    assert "answer" in namespace, "worked must leave `answer`, with its reasons as comments"
    assert exercise.check(namespace["answer"]).status == "passed"
