"""Every sheet of exercises: solutions pass, starters are not attempted, mistakes are named."""

import pytest

from ftlearn import exercises
from ftlearn.exercises import Outcome
from ftlearn.exercises.base import SHEETS

EXERCISES = [
    pytest.param(exercise, id=f"{number}-q{at}")
    for number in SHEETS
    for at, exercise in enumerate(exercises.load(number).exercises, start=1)
]


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_example_passes(exercise):
    assert exercise.check(exercise.example).status == "passed"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_starter_is_not_attempted(exercise):
    assert exercise.check(...).status == "not attempted"
    assert exercise.check().status == "not attempted"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_typical_mistakes_are_refused_with_their_reason(exercise):
    assert len(exercise.mistakes) >= 4
    for answer, fragment in exercise.mistakes:
        outcome = exercise.check(answer)
        assert outcome.status in {"not yet", "error"}, (answer, outcome)
        assert fragment in outcome.message, (answer, outcome)


@pytest.mark.parametrize("exercise", EXERCISES)
@pytest.mark.parametrize("nonsense", [None, "", "seven", [], {}, -1, float("nan"), object(), max])
def test_a_check_never_raises(exercise, nonsense):
    outcome = exercise.check(nonsense)
    assert isinstance(outcome, Outcome)
    assert outcome.message


@pytest.mark.parametrize("exercise", EXERCISES)
def test_hints_come_in_steps_and_the_solution_asks_once_more(exercise):
    first, second = exercise.hint(), exercise.hint()
    assert first != second or len(exercise.hints) == 1
    assert exercise.solution() != exercise.worked
    assert exercise.solution() == exercise.worked


def test_every_sheet_has_three_to_six_exercises():
    assert all(3 <= len(exercises.load(number).exercises) <= 6 for number in SHEETS)


def test_an_unknown_sheet_is_named():
    with pytest.raises(ValueError, match=r"'99'.*00"):
        exercises.load("99")
