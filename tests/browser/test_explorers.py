"""The explorers in JupyterLab: each appears, has labelled controls, and works by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.test_lab import stand_in
from browser.test_panel import errors_of
from playwright.sync_api import Locator, Page, expect

from tools import notebooks

pytestmark = pytest.mark.browser

SETUP = """
import numpy as np
from transformers import AutoTokenizer
from ftlearn import data, tasks; from ftlearn.course import explorers, widgets
from ftlearn.evaluation import Report

tokenizer = AutoTokenizer.from_pretrained({folder!r})
rows = data.load("topics")["valid"]
task = tasks.classification(rows)
targets = np.array(task.targets(rows))
random = np.random.default_rng(0)
logits = 2 * np.eye(3)[targets] + random.normal(size=(len(rows), 3))
report = Report(task, rows, logits.astype(np.float32), targets)
raw = data.load("topics_raw")["raw"]
topics = ["technology", "health", "sports"]
records = explorers.CleaningReport(raw["text"][:300], raw["annotator_a"][:300], topics)
"""
MAKE = {
    "tokens": 'widgets.tokens(tokenizer, "the doctor ran to the hospital again", max_length=8)',
    "softmax": "widgets.softmax(6.0, 0.0, 0.0)",
    "decoding": "widgets.decoding(tokenizer, np.linspace(0, 20, 200))",
    "cleaning": 'widgets.cleaning(records, name="records")',
    "thresholds": "widgets.thresholds(report)",
    "confusion": "widgets.confusion(report)",
    "rates": "widgets.rates(random.normal(size=(60, 8)), targets[:60])",
    "batches": 'widgets.batches([len(text.split()) for text in rows["text"]])',
}
# The actions of a learner in each explorer, one per control: role, name, and the keys typed.
DO = {
    "tokens": [("textbox", "text", "the nurse ran"), ("combobox", "max length", "16")],
    "softmax": [
        *(("spinbutton", name, "-1.5") for name in ("first", "second", "third")),
        ("combobox", "truth", "third"),
    ],
    "decoding": [
        ("spinbutton", "temperature", "0.5"),
        ("combobox", "top k", "20"),
        ("combobox", "top p", "0.9"),
        ("combobox", "min p", "0.3"),
    ],
    "cleaning": [("combobox", "reason", "whitespace"), ("combobox", "number", "3")],
    "thresholds": [
        ("combobox", "label", "sports"),
        ("spinbutton", "threshold", "0.3"),
        ("combobox", "miss", "5"),
        ("spinbutton", "temperature", "2"),
    ],
    "confusion": [
        ("combobox", "label", "sports"),
        ("combobox", "prediction", "technology"),
        ("combobox", "count", "1"),
    ],
    "rates": [("combobox", "rate", "100.0")],
    "batches": [("combobox", "batch size", "32"), ("checkbox", "bucketed", " ")],
}


OPEN = "list => list.matches(':open')"


def by_keyboard(page: Page, control: Locator, role: str, typed: str) -> None:
    """Reach a control with Tab, from the one before it, and change it with keys alone."""
    for _ in range(3):  # a slider may stand between
        if not control.evaluate("element => element === document.activeElement"):
            page.keyboard.press("Tab")
    expect(control).to_be_focused()
    if role == "checkbox":
        page.keyboard.press("Space")
    elif role == "combobox":  # JupyterLab would take the keys of a closed list as shortcuts
        page.keyboard.press("Space")
        page.wait_for_function(OPEN, arg=control.element_handle())
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
    else:
        page.keyboard.press("Control+A")
        page.keyboard.type(typed)
        page.keyboard.press("Enter")


def unnamed(output: Locator) -> list[str]:
    """Controls that Tab can reach and that have no name.

    ipywidgets cannot name the handle of a slider; the number beside it has the name.
    """
    return output.evaluate(
        """output => [...output.querySelectorAll("input, select, textarea, [tabindex='0']")]
          .filter(control => control.getAttribute("role") !== "slider")
          .filter(control => !control.labels?.length && !control.ariaLabel)
          .map(control => control.outerHTML.slice(0, 200))"""
    )


def test_every_explorer_is_named_and_answers_to_the_keyboard(lab, tmp_path: Path, tiny_bert: Path):
    page, errors = lab.page, errors_of(lab.page)
    sources = [SETUP.format(folder=str(tiny_bert)), *MAKE.values()]
    lab.run_all(stand_in(tmp_path, *sources))
    assert lab.problems() == []
    pictures = notebooks.ROOT / "artifacts" / "explorers"
    outputs = page.locator(".jp-Cell-outputArea")
    for number, (kind, moves) in enumerate(DO.items(), start=1):
        output = outputs.nth(number)
        status = output.get_by_role("status")
        expect(status, kind).to_be_visible()
        output.screenshot(path=pictures / f"{kind}.png")
        assert unnamed(output) == [], kind
        code = output.locator("code")
        output.get_by_role(moves[0][0], name=moves[0][1], exact=True).focus()
        for role, name, typed in moves:
            old_status, old_code = status.inner_text(), code.inner_text()
            by_keyboard(page, output.get_by_role(role, name=name, exact=True), role, typed)
            expect(code, f"{kind}: {name}").not_to_have_text(old_code)
            expect(status, f"{kind}: {name}").not_to_have_text(old_status)
        output.screenshot(path=pictures / f"{kind}_changed.png")
    expect(page.locator(".jp-Cell")).to_have_count(len(sources))  # no key triggered a shortcut
    assert errors == []
