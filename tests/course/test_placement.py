"""The placement quiz: one right answer per question, a reason per choice, and one lesson."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.course.exercises import placement
from ftlearn.course.exercises.question import LETTERS
from tools import notebooks
from tools import placement as paper

QUESTIONS = placement.questions()
NAMES = [f"quiz{number}" for number in range(1, 13)]


def answered(right: set[str], language: str = "en") -> placement.Placement:
    """A quiz in which exactly these questions are answered rightly."""
    quiz = placement.load(language)
    for name, question in quiz.items():
        wrong = next(letter for letter in LETTERS if letter != question.right)
        question.check(question.right if name in right else wrong)
    return quiz


@pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)
def test_a_question_has_one_right_answer_and_a_reason_per_choice(question):
    letters = LETTERS[: len(question.choices)]
    outcomes = {letter: question.check(letter) for letter in letters}
    assert [letter for letter in letters if outcomes[letter].status == "passed"] == [question.right]
    messages = [outcome.message for outcome in outcomes.values()]
    assert all(messages)
    assert len(set(messages)) == len(letters)


def test_right_answers_are_not_found_by_their_letter():
    assert {question.right for question in QUESTIONS} == {"a", "b", "c"}


def test_there_are_two_questions_per_beginning_and_the_lessons_exist():
    assert list(dict(placement.load("en").items())) == NAMES
    assert len(NAMES) == 2 * len(placement.BEGINNINGS)
    for number in (*placement.BEGINNINGS, placement.LAST):
        assert len(notebooks.find([number])) == 1


@given(st.sets(st.sampled_from(NAMES)))
def test_the_score_leads_to_one_lesson(right):
    lesson = placement.first_lesson(dict.fromkeys(right, True))
    expected = [
        beginning
        for beginning, *pair in zip(placement.BEGINNINGS, NAMES[::2], NAMES[1::2], strict=True)
        if not set(pair) <= right
    ]
    assert lesson == next(iter([*expected, placement.LAST]))


def test_nobody_begins_earlier_for_knowing_more():
    lessons = [placement.first_lesson(dict.fromkeys(NAMES[:known], True)) for known in range(13)]
    assert lessons == sorted(lessons)
    assert set(lessons) == {*placement.BEGINNINGS, placement.LAST}


def test_the_first_answer_counts():
    quiz = answered(set(NAMES) - {"quiz3"})
    assert quiz.lesson() == "03"
    quiz.quiz3.check(quiz.quiz3.right)
    assert quiz.lesson() == "03"
    assert answered(set(NAMES)).lesson() == "25"
    assert placement.load("en").lesson() == "00"


def test_it_is_translated():
    quiz = placement.load("zh")
    for _, question in quiz.items():
        for text in (question.text, *(choice.why for choice in question.choices)):
            assert question.translate(text) != text


def test_the_page_is_that_of_the_questions_with_its_answers_at_the_end():
    text = paper.PAGE.read_text(encoding="utf-8")
    assert text == paper.page()
    before, _, folded = text.partition("<details>")
    for number, question in enumerate(QUESTIONS, start=1):
        assert f"**{number}: {question.right}.**" in folded
        assert question.why not in before
