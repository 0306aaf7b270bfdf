"""Explorers run when made, follow their controls, and print code that gives the same result."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest
from datasets import Dataset
from scipy.special import softmax
from tiny_decoder import tiny_tokenizer

from ftlearn import tasks
from ftlearn.course import explorers, widgets
from ftlearn.course.explorers import CleaningReport
from ftlearn.course.widgets import Drag, explore
from ftlearn.evaluation import Report

TASK = tasks.Classification(labels=("cat", "dog", "cow"))
LOGITS = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
TARGETS = np.arange(30) % 3
ROWS = Dataset.from_dict({"text": [f"text {row}" for row in range(30)], "label": TARGETS.tolist()})
FEATURES = np.random.default_rng(1).normal(size=(30, 4))
RAW = (["<b>a</b>", "b"], ["cat", None], ["cat"])
TURN = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Good morning!"}]


@pytest.fixture
def named() -> dict:
    """The objects of a lesson, by the names that the printed code uses."""
    return {
        "explorers": explorers,
        "tokenizer": tiny_tokenizer(),
        "report": Report(TASK, ROWS, LOGITS, TARGETS),
        "ledger": CleaningReport(*RAW),
        "features": FEATURES,
        "targets": TARGETS,
        "lengths": [3, 9, 4, 8],
        "logits": 4 * LOGITS[0],
        "task": tasks.chat(),
        "chats": [{"messages": TURN}, {"messages": 2 * TURN}],
        "probabilities": softmax(LOGITS, axis=1),
        "truths": TARGETS,
    }


MAKE = {
    "tokens": lambda n: widgets.tokens(n["tokenizer"], "the doctor ran"),
    "softmax": lambda n: widgets.softmax(1.0, 0.0, -1.0),
    "decoding": lambda n: widgets.decoding(n["tokenizer"], n["logits"]),
    "mask": lambda n: widgets.mask(n["task"], n["chats"], n["tokenizer"], name="chats"),
    "hand_over": lambda n: widgets.hand_over(n["probabilities"], n["truths"]),
    "cleaning": lambda n: widgets.cleaning(n["ledger"], name="ledger"),
    "thresholds": lambda n: widgets.thresholds(n["report"]),
    "confusion": lambda n: widgets.confusion(n["report"]),
    "rates": lambda n: widgets.rates(n["features"], n["targets"]),
    "batches": lambda n: widgets.batches(n["lengths"], batch_size=2),
}


def controls(box) -> list:
    """The controls that hold values, in their order."""
    return [getattr(widget, "children", [widget])[0] for widget in box.children[0].children]


def other(control):
    """A value that the control does not have."""
    if hasattr(control, "options"):
        return control.options[-1][1]
    return not control.value if isinstance(control.value, bool) else (
        control.value + control.step if hasattr(control, "step") else control.value + " again"
    )  # fmt: skip


def printed(box) -> str:
    return html.unescape(re.sub(r"</?code>", "", box.children[1].value))


@pytest.mark.parametrize("kind", MAKE)
def test_every_control_is_named_changes_the_result_and_the_code(kind, named):
    box = MAKE[kind](named)
    for control in controls(box):
        assert control.description
        before = box.children[1].value
        control.value = other(control)
        assert box.children[1].value != before
        assert 'role="status"' in box.children[2].value, box.children[2].value


@pytest.mark.parametrize("kind", MAKE)
def test_the_printed_code_gives_the_same(kind, named):
    box = MAKE[kind](named)
    for control in controls(box):
        control.value = other(control)
    view = eval(printed(box), named)
    assert view._repr_html_() == box.children[2].value


def test_the_cell_with_the_most_errors_comes_first(named):
    counts = named["report"].confusion().to_numpy().copy()
    np.fill_diagonal(counts, 0)
    label, prediction = (control.value for control in controls(MAKE["confusion"](named))[:2])
    assert counts[TASK.labels.index(label), TASK.labels.index(prediction)] == counts.max()


def test_a_number_can_be_dragged_and_typed():
    box = explore(lambda at: at, at=Drag(0.0, -1, 1, 0.5))
    number, slider = box.children[0].children[0].children
    slider.value = 0.5
    assert (number.value, box.children[2].value) == (0.5, "<pre>0.5</pre>")
    number.value = -1
    assert slider.value == -1


def test_a_box_is_ticked():
    box = explore(lambda on: on, on=True)
    box.children[0].children[0].value = False
    assert box.children[2].value == "<pre>False</pre>"
