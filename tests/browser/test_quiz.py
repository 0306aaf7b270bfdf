"""Questions and exercises in JupyterLab: formulas render, errors are short, keys are enough."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.test_lab import stand_in
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

LOAD = "from ftlearn.course import exercises, widgets\n\nex = exercises.load('01')"
FAULTY = """def accuracy(truths, answers):
    right = truths / answers
    return right


exercises.load("00").q3.check(accuracy)
"""


def test_questions_show_their_formulas_and_the_form_is_answered_by_keys(lab, tmp_path: Path):
    sources = [LOAD, "ex.quiz1.check(...)", 'ex.quiz1.check("b")', FAULTY, "ex.q1.hint()"]
    lab.run_all(stand_in(tmp_path, *sources, "widgets.quiz(ex)"))
    assert lab.problems() == []
    outputs = lab.page.locator(".jp-Cell-outputArea")
    expect(outputs.nth(1).locator("mjx-container").first).to_be_visible()
    expect(outputs.nth(1).locator("li")).to_have_count(4)
    expect(outputs.nth(2)).to_contain_text("not yet")
    expect(outputs.nth(3).locator("pre").last).to_have_text(
        "  line 2, in accuracy: right = truths / answers"
    )
    form = outputs.nth(5)
    expect(form.locator("mjx-container").first).to_be_visible()
    number = form.get_by_placeholder("a number, such as 1.5")
    number.press_sequentially("9")
    number.press("Tab")
    button = form.get_by_role("button", name="Check answer 2")
    expect(button).to_be_focused()
    button.press("Enter")
    expect(form.get_by_role("status").nth(1)).to_contain_text("passed")
    assert lab.screenshot("quiz").stat().st_size > 0
