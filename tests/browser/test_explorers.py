"""The explorers in JupyterLab: each appears, has labelled controls, and works by keyboard.

A new explorer is one entry of ``EXPLORERS``. All stand in one notebook, of which the tests leave
pictures in artifacts/explorers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from browser.conftest import Lab, opened_lab
from browser.test_lab import stand_in
from browser.test_panel import errors_of
from playwright.sync_api import Locator, Page, expect
from tiny_decoder import tiny_tokenizer

from tools import notebooks

pytestmark = pytest.mark.browser

SETUP = """
import numpy as np, pandas as pd
from scipy.special import softmax
from transformers import AutoTokenizer
from ftlearn import data, load, tasks; from ftlearn.course import explorers, widgets
from ftlearn.capstone.grading import RUBRIC, Grade, Result
from ftlearn.evaluation import Report
from ftlearn.training.planning import Device

tokenizer = AutoTokenizer.from_pretrained({bert!r})
chat_tokenizer = AutoTokenizer.from_pretrained({chat!r})
dialogues, chat = data.load("service")["test"], tasks.chat()
rows = data.load("topics")["valid"]
task = tasks.classification(rows)
targets = np.array(task.targets(rows))
random = np.random.default_rng(0)
logits = 2 * np.eye(3)[targets] + random.normal(size=(len(rows), 3))
report = Report(task, rows, logits.astype(np.float32), targets)
raw = data.load("topics_raw")["raw"]
topics = ["technology", "health", "sports"]
records = explorers.CleaningReport(raw["text"][:300], raw["annotator_a"][:300], topics)
factors = {{
    name: np.linalg.svd(random.normal(size=(12, 8)), full_matrices=False)
    for name in ("query", "value")
}}
measure = lambda updates: {{"loss": np.mean([np.square(1 - u).mean() for u in updates.values()])}}
rewards = {{"proxy": [0, 0.5, 1, 3], "truth": [1, 0.8, 0.5, 0]}}
shares = {{"reference": [0.4, 0.3, 0.2, 0.1]}}
classes = np.arange(300) % 3
train = (np.eye(3)[classes] + random.normal(size=(300, 3)), classes)
first, second = ((random.normal(size=(40, 3)), random.normal(size=40)) for _ in range(2))
offers = {{"small": Device(1e14, 16e9, 70, 0.5), "large": Device(1e15, 80e9, 700, 3.0)}}
result = lambda check, fault: Result(check.name, check.name != fault, "it was run", check.remedy)
faults = ("none", "copies", "padding")
grades = {{fault: Grade(tuple(result(check, fault) for check in RUBRIC)) for fault in faults}}
answers = pd.DataFrame(shares | rewards, index=["No.", "Perhaps.", "Yes!", "Great question! Yes!"])
"""


class Move(NamedTuple):
    """What a learner does with one control: its role and name, and the keys typed."""

    role: str
    name: str
    typed: str


def choose(name: str, typed: str) -> Move:
    """Choose from a list by typing the beginning of a value."""
    return Move("combobox", name, typed)


def number(name: str, typed: str) -> Move:
    """Type a number into its field."""
    return Move("spinbutton", name, typed)


# The code that makes an explorer, and a move for each of its controls, in their order.
EXPLORERS = {
    "tokens": (
        'widgets.tokens(tokenizer, "the doctor ran to the hospital again", max_length=8)',
        [Move("textbox", "text", "the nurse ran"), choose("max length", "16")],
    ),
    "softmax": (
        "widgets.softmax(6.0, 0.0, 0.0)",
        [*(number(name, "-1.5") for name in ("first", "second", "third")), choose("truth", "th")],
    ),
    "decoding": (
        "widgets.decoding(tokenizer, np.linspace(0, 20, 200))",
        [
            number("temperature", "0.5"),
            choose("top k", "20"),
            choose("top p", "0.9"),
            choose("min p", "0.3"),
        ],
    ),
    "mask": (
        'widgets.mask(chat, dialogues, chat_tokenizer, numbers=(3, 0, 5), name="dialogues")',
        [choose("row", "5"), choose("count", "answers w")],
    ),
    "hand_over": (
        "widgets.hand_over(softmax(logits, 1), targets)",
        [number("human cost", "2.5"), number("error cost", "20")],
    ),
    "cleaning": (
        'widgets.cleaning(records, name="records")',
        [choose("reason", "whitespace"), choose("number", "3")],
    ),
    "thresholds": (
        "widgets.thresholds(report)",
        [
            choose("label", "sports"),
            number("threshold", "0.3"),
            choose("miss", "5"),
            number("temperature", "2"),
        ],
    ),
    "confusion": (
        "widgets.confusion(report)",
        [choose("label", "sports"), choose("prediction", "technology"), choose("count", "1")],
    ),
    "rates": (
        "widgets.rates(random.normal(size=(60, 8)), targets[:60])",
        [choose("rate", "100.0")],
    ),
    "batches": (
        'widgets.batches([len(text.split()) for text in rows["text"]])',
        [choose("batch size", "32"), Move("checkbox", "bucketed", " ")],
    ),
    "lora": ("widgets.lora(factors, measure)", [choose("rank", "4"), number("scale", "2")]),
    "anchored": ("widgets.anchored(answers)", [choose("beta", "0.5"), choose("reward", "truth")]),
    "few_labels": (
        "widgets.few_labels(train, train, prior=np.eye(3))",
        [choose("labels", "16"), number("kappa", "32")],
    ),
    "task_weights": ("widgets.task_weights(first, second)", [number("weight", "0.25")]),
    "position_bias": (
        "widgets.position_bias(random.uniform(0, 0.5, size=(50, 12)), random.normal(size=12))",
        [number("strength", "0.5"), choose("temperature", "1.0")],
    ),
    "queueing": (
        "widgets.queueing(load.batch_curve((1, 32), (0.012, 0.074)))",
        [number("rate", "200"), number("window ms", "20"), choose("largest", "1")],
    ),
    "planner": (
        "widgets.planner(offers)",
        [
            choose("billions", "7"),
            number("million tokens", "50"),
            choose("method", "LoRA"),
            choose("devices", "8"),
        ],
    ),
    "rubric": ("widgets.rubric(grades)", [choose("fault", "padding")]),
}
CELLS = {name: cell for cell, name in enumerate(EXPLORERS, start=1)}
PICTURES = notebooks.ROOT / "artifacts" / "explorers"
OPEN = "list => list.matches(':open')"


@pytest.fixture(scope="module")
def opened(chromium: str, tiny_checkpoints, tmp_path_factory) -> Iterator[Lab]:
    """One JupyterLab for all, with a notebook in which every explorer stands."""
    folder = tmp_path_factory.mktemp("explorers")
    tiny_tokenizer().save_pretrained(folder / "chat")
    setup = SETUP.format(bert=str(tiny_checkpoints["bert"]), chat=str(folder / "chat"))
    with opened_lab(chromium, folder) as lab:
        errors = errors_of(lab.page)
        lab.run_all(stand_in(folder, setup, *(code for code, _ in EXPLORERS.values())))
        assert lab.problems() == []
        assert errors == []
        yield lab


def by_keyboard(page: Page, control: Locator, move: Move) -> None:
    """Reach a control with Tab, from the one before it, and change it with keys alone."""
    for _ in range(3):  # a slider may stand between
        if not control.evaluate("element => element === document.activeElement"):
            page.keyboard.press("Tab")
    expect(control).to_be_focused()
    if move.role == "checkbox":
        page.keyboard.press("Space")
    elif move.role == "combobox":  # JupyterLab would take the keys of a closed list as shortcuts
        page.keyboard.press("Space")
        page.wait_for_function(OPEN, arg=control.element_handle())
        page.keyboard.type(move.typed)
        page.keyboard.press("Enter")
    else:
        page.keyboard.press("Control+A")
        page.keyboard.type(move.typed)
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


@pytest.mark.parametrize("name", EXPLORERS)
def test_an_explorer_is_named_and_answers_to_the_keyboard(opened: Lab, name: str):
    page, errors = opened.page, errors_of(opened.page)
    moves = EXPLORERS[name][1]
    output = page.locator(".jp-Cell-outputArea").nth(CELLS[name])
    status, code = output.get_by_role("status"), output.locator("code").first
    expect(status).to_be_visible()
    output.screenshot(path=PICTURES / f"{name}.png")
    assert unnamed(output) == []
    output.get_by_role(moves[0].role, name=moves[0].name, exact=True).focus()
    for move in moves:
        old_status, old_code = status.inner_text(), code.inner_text()
        by_keyboard(page, output.get_by_role(move.role, name=move.name, exact=True), move)
        expect(code, move.name).not_to_have_text(old_code)
        expect(status, move.name).not_to_have_text(old_status)
    output.screenshot(path=PICTURES / f"{name}_changed.png")
    expect(page.locator(".jp-Cell")).to_have_count(1 + len(EXPLORERS))  # no key was a shortcut
    assert errors == []
