"""What the explorers of dialogues show, against templates written by hand and slow loops."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from tiny_decoder import END, tiny_tokenizer

from ftlearn import language, tasks
from ftlearn.course.explorers import hand_over, mask

TOKENIZER = tiny_tokenizer()
HOSTILE = "<img src=x>"
TURNS = ["Where is my lamp?", "It is on its way.", HOSTILE, "Thank you"]
ROLES = ["user", "assistant", "user", "assistant"]
MESSAGES = [{"role": role, "content": said} for role, said in zip(ROLES, TURNS, strict=True)]
ROWS = [{"messages": MESSAGES[:2]}, {"messages": MESSAGES}]


# mask


@pytest.mark.parametrize(
    ("count", "parts"),
    [
        ("answers", [TURNS[1] + END, TURNS[3] + END]),
        ("last answer", [TURNS[3] + END]),
        ("answers without end", [TURNS[1], TURNS[3]]),
    ],
)
def test_what_counts_is_between_brackets_and_marked(count: str, parts: list[str]):
    view = mask(tasks.chat(), ROWS, TOKENIZER, row=1, count=count)
    assert re.findall(r"\[\[(.*?)\]\]", repr(view)) == parts
    page = view._repr_html_()
    marked = unescape("".join(re.findall("<mark>(.*?)</mark>", page)))
    assert marked.replace("·", " ") == "".join(parts)
    number = sum(len(TOKENIZER(part)["input_ids"]) for part in parts)
    assert view.sentence.startswith(f"{number} of ")
    assert page.count('role="status"') == 1
    assert "<img" not in page


def test_if_all_counts_only_the_first_token_is_left_out():
    view = mask(tasks.chat(), ROWS, TOKENIZER, count="all")
    (tokens,) = view.elements
    assert repr(view).split("\n\n", 1)[1].startswith("<|im_start|>[[")
    targets = tasks.chat(count="all").encode_texts([MESSAGES[:2]], TOKENIZER).targets
    assert sum(tokens.counts) == tasks.chat().count_targets(torch.tensor(targets))
    assert view.sentence.startswith(f"{len(tokens.ids) - 1} of {len(tokens.ids)} tokens count")


@pytest.mark.parametrize("answer", ["a", "a b c"])
def test_what_counts_is_said_in_chinese(answer: str):
    """One token or several: the sentence above the tokens, and the one below them."""
    messages = [MESSAGES[0], {"role": "assistant", "content": answer}]
    view = mask(tasks.chat(), [{"messages": messages}], TOKENIZER, count="answers without end")
    chinese = language.load("zh")
    for sentence in (view.sentence, view.elements[0].sentence):
        assert not re.search("[A-Za-z]", chinese.translate(sentence))


def test_completions_are_shown_as_well():
    rows = [{"prompt": "Good", "answer": " morning"}]
    view = mask(tasks.completion(), rows, TOKENIZER, count="answers without end")
    assert "Good[[ morning]]" in repr(view)


@pytest.mark.parametrize("row", [-1, 2])
def test_a_row_that_is_not_there_is_refused(row: int):
    with pytest.raises(ValueError, match=f"row is {row}: use a number from 0 to 1"):
        mask(tasks.chat(), ROWS, TOKENIZER, row=row)


# hand_over


def slow_cost(probabilities, truths, human_cost: float, error_cost: float, cut: float) -> float:
    """The cost per request, counted request by request."""
    total = 0.0
    for row, truth in zip(probabilities, truths, strict=True):
        if max(row) < cut:
            total += human_cost
        elif list(row).index(max(row)) != truth:
            total += error_cost
    return total / len(truths)


@given(st.integers(0, 2**16), st.floats(0, 10), st.floats(0.5, 50))
def test_costs_are_those_of_a_slow_loop(seed: int, human_cost: float, error_cost: float):
    random = np.random.default_rng(seed)
    probabilities, truths = random.dirichlet(np.ones(3), size=12), random.integers(0, 3, 12)
    view = hand_over(probabilities, truths, human_cost=human_cost, error_cost=error_cost)
    table, ax = view.elements
    threshold = 1 - human_cost / error_cost
    cuts = {"never hand over": -np.inf, "Chow": threshold, "always hand over": np.inf}
    for name, cut in cuts.items():
        cost = slow_cost(probabilities, truths, human_cost, error_cost, cut)
        assert table.loc[name, "cost per request"] == pytest.approx(cost, abs=5.1e-4)
        assert table.loc[name, "handed over"] == pytest.approx(
            sum(max(row) < cut for row in probabilities) / 12, abs=5.1e-4
        )
    curve = ax.lines[0]
    for cut, cost in list(zip(*curve.get_data(), strict=True))[::40]:
        slow = slow_cost(probabilities, truths, human_cost, error_cost, cut)
        assert cost == pytest.approx(slow)
    plt.close("all")


def test_the_policies_are_named_in_chinese():
    view = hand_over(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]))
    table, ax = view.elements
    chinese = language.load("zh")
    shown = {chinese.translate(name) for name in (*table.index, *ax.get_legend_handles_labels()[1])}
    plt.close("all")
    assert {name for name in shown if re.search("[A-Za-z]", name)} == {"Chow"}


@given(st.integers(1, 20), st.integers(1, 40))
def test_no_threshold_is_cheaper_than_chows_if_the_probabilities_are_true(human: int, error: int):
    """Each row stands there ten times, and its classes are true as often as it says."""
    tenths = np.array([[7, 3], [9, 1], [4, 6], [5, 5], [0, 10], [8, 2]])
    probabilities = np.repeat(tenths / 10, 10, axis=0)
    truths = np.concatenate([np.repeat([0, 1], row) for row in tenths])
    view = hand_over(probabilities, truths, human_cost=human, error_cost=error)
    cost = view.elements[0].loc["Chow", "cost per request"]
    cuts = np.linspace(0, 1.05, 22)
    least = min(slow_cost(probabilities, truths, human, error, cut) for cut in cuts)
    assert cost == pytest.approx(least, abs=5.1e-4)
    plt.close("all")


def test_the_sentence_says_threshold_share_and_costs():
    view = hand_over(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]), error_cost=4)
    assert view.sentence == (
        "Hand over where p_max < 1 − 1/4 = 0.75: 50 % of 2 requests. A request costs 0.50; "
        "2.00 if none is handed over, 1.00 if all are."
    )


@pytest.mark.parametrize(
    ("probabilities", "truths", "costs", "message"),
    [
        ([[2.0, -1.0]], [0], {}, "row 0 of the probabilities adds up to 1 with a minimum of -1"),
        ([[0.5, 0.5], [3.0, 1.0]], [0, 0], {}, "row 1 .* up to 4 .*: give probabilities, the soft"),
        ([[0.5, 0.5]], [0, 1], {}, r"the shape \(1, 2\) and truths \(2,\): use \(N, C\)"),
        ([0.5, 0.5], [0, 1], {}, r"the shape \(2,\) and truths \(2,\): use \(N, C\)"),
        ([[0.5, 0.5]], [0], {"error_cost": 0}, "error_cost 0: an error must cost more than 0"),
        ([[0.5, 0.5]], [0], {"human_cost": -1}, "human_cost is -1 .* a person at least 0"),
    ],
)
def test_what_is_no_probability_and_no_cost_is_refused(probabilities, truths, costs, message):
    with pytest.raises(ValueError, match=message):
        hand_over(np.array(probabilities), np.array(truths), **costs)
