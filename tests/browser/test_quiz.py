"""Questions and exercises in JupyterLab: formulas render, errors are short, keys are enough."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.test_lab import stand_in
from playwright.sync_api import Locator, expect

from ftlearn.course import exercises

pytestmark = pytest.mark.browser

LOAD = "from ftlearn.course import exercises\n\nex = exercises.load('01')"
FAULTY = """def accuracy(truths, answers):
    right = truths / answers
    return right


exercises.load("00").q3.check(accuracy)
"""


def test_questions_are_clicked_or_answered_by_keys(lab, tmp_path: Path):
    multiple, number, single, order = exercises.load("01", record=False).questions
    sources = [LOAD, "ex.quiz1", "ex.quiz2", "ex.quiz3", "ex.quiz4", FAULTY, "ex.q1.hint()"]
    lab.run_all(stand_in(tmp_path, *sources))
    assert lab.problems() == []
    outputs = lab.page.locator(".jp-Cell-outputArea")
    boxes, field, choices, steps = (outputs.nth(index) for index in range(1, 5))
    expect(boxes.locator("mjx-container").first).to_be_visible()
    for letter in multiple.right:
        boxes.get_by_role("checkbox", name=letter, exact=True).check()
    boxes.get_by_role("button", name="Check answer").click()
    expect(boxes.get_by_role("status")).to_contain_text("passed")
    by_keys(field, str(number.right))
    expect(field.get_by_role("status")).to_contain_text("passed")
    wrong = next(letter for letter in "ab" if letter != single.right)
    choices.get_by_role("button", name=wrong, exact=True).click()
    expect(choices.get_by_role("status")).to_contain_text("not yet")
    choices.get_by_role("button", name=single.right, exact=True).press("Enter")
    expect(choices.get_by_role("status")).to_contain_text("passed")
    for letter in order.right:
        steps.get_by_role("button", name=letter, exact=True).press("Space")
    expect(steps.get_by_role("status")).to_contain_text("passed")
    expect(outputs.nth(5).locator("pre").last).to_have_text(
        "  line 2, in accuracy: right = truths / answers"
    )
    assert lab.screenshot("quiz").stat().st_size > 0


def by_keys(question: Locator, answer: str) -> None:
    """Type a number, go on to the button and press it."""
    field = question.get_by_placeholder("a number, such as 1.5")
    field.press_sequentially(answer)
    field.press("Tab")
    button = question.get_by_role("button", name="Check answer")
    expect(button).to_be_focused()
    button.press("Enter")
