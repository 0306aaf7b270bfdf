"""What explorers show, against numbers that were computed another way."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from transformers import (
    AutoTokenizer,
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from ftlearn import language, tasks
from ftlearn.course.explorers import (
    CleaningReport,
    View,
    batches,
    confusion,
    decoding,
    rates,
    softmax,
    thresholds,
    tokens,
)
from ftlearn.course.explorers.decoding import decoded
from ftlearn.course.explorers.rates import descend
from ftlearn.course.explorers.view import table
from ftlearn.data import batching
from ftlearn.evaluation import Report

HOSTILE = '<img src=x onerror="alert(1)">'
TEXTS = ["a cat", "a dog", HOSTILE, "two cats", "two dogs", "no cat"]
TASK = tasks.Classification(labels=("cat", "dog"))
TARGETS = np.array([0, 1, 1, 0, 1, 0])
LOGITS = np.array([[2, 0], [0, 3], [1, 0], [1, 0], [0, 0.5], [0, 4]], dtype=np.float32)


@pytest.fixture
def report() -> Report:
    """Six texts; the predictions for the third and the last are wrong."""
    labels = [TASK.labels[target] for target in TARGETS]
    return Report(TASK, Dataset.from_dict({"text": TEXTS, "label": labels}), LOGITS, TARGETS)


@pytest.fixture
def tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


def test_a_view_is_a_sentence_and_escaped_tables_and_closed_figures(report):
    view = confusion(report, "dog", "cat")
    shown = view._repr_html_()
    assert shown.startswith('<p role="status" aria-live="polite">1 of 3 texts on dog were')
    assert "<img src=x" not in shown
    assert "&lt;img src=x" in shown
    picture = shown.split("base64,")[1].split('"')[0]
    assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert plt.get_fignums() == []
    assert HOSTILE in repr(view)


# tokens


def test_pieces_are_the_tokenizers_own(tokenizer):
    text = "the doctor ran unbelievablyqq fast"
    (table,) = tokens(tokenizer, text, max_length=64).elements
    assert table["id"].tolist() == tokenizer(text)["input_ids"]
    assert tokenizer.convert_tokens_to_ids(table["piece"].tolist()) == table["id"].tolist()
    assert table["note"].tolist()[0] == table["note"].tolist()[-1] == "special"
    assert (table.index.name, table.index[0]) == ("position", 1)


@given(window=st.integers(3, 12))
def test_what_is_cut_off_is_what_a_longer_window_would_have(tokenizer_of, window):
    text = "a team ran to the doctor and back to the match"
    view = tokens(tokenizer_of, text, max_length=window)
    (table,) = view.elements
    window_ids = table[table["note"] != "cut off"]["id"].tolist()
    assert window_ids == tokenizer_of(text, truncation=True, max_length=window)["input_ids"]
    inner = table[table["note"] != "special"]["id"].tolist()
    assert inner == tokenizer_of(text, add_special_tokens=False)["input_ids"]
    assert ("nothing is cut off" in view.sentence) == (len(table) == len(window_ids))


@pytest.fixture(scope="module")
def tokenizer_of(tiny_checkpoints):
    return AutoTokenizer.from_pretrained(tiny_checkpoints["bert"])


def test_a_window_without_room_is_refused(tokenizer):
    with pytest.raises(ValueError, match="max_length is 2: no piece of the text would fit in"):
        tokens(tokenizer, "the doctor", max_length=2)


def test_unknown_pieces_are_named(tokenizer):
    (table,) = tokens(tokenizer, "☃").elements
    assert table["note"].tolist() == ["special", "unknown", "special"]


# softmax


@given(st.lists(st.floats(-8, 8), min_size=3, max_size=3), st.integers(0, 2))
def test_loss_and_gradient_are_autograds(logits, truth):
    leaf = torch.tensor([logits], dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(leaf, torch.tensor([truth]))
    loss.backward()
    view = softmax(*logits, truth=("first", "second", "third")[truth])
    table, _ = view.elements
    np.testing.assert_allclose(table["gradient p − y"], leaf.grad[0], atol=5.1e-5)
    assert f"Loss {loss.item():.3f} nats" in view.sentence
    plt.close("all")


def test_an_unknown_truth_is_named():
    with pytest.raises(ValueError, match="the truth is 'fourth': use first, second, third"):
        softmax(truth="fourth")


# decoding


@given(
    st.integers(0, 2**16),
    st.floats(0.2, 3),
    st.integers(1, 60),
    st.floats(0.05, 0.99),
    st.floats(0.001, 0.9),
)
def test_cut_offs_are_those_of_transformers(seed, temperature, top_k, top_p, min_p):
    logits = np.random.default_rng(seed).normal(0, 3, size=50)
    processors = LogitsProcessorList(
        [
            TemperatureLogitsWarper(temperature),
            TopKLogitsWarper(top_k),
            TopPLogitsWarper(top_p),
            MinPLogitsWarper(min_p),
        ]
    )
    theirs = processors(
        torch.zeros(1, 1, dtype=torch.long), torch.from_numpy(logits[None])
    ).softmax(-1)[0]
    ours = decoded(logits, temperature, top_k, top_p, min_p)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_without_a_change_the_distribution_is_the_models(tokenizer):
    logits = np.random.default_rng(0).normal(size=20)
    view = decoding(tokenizer, logits)
    table, _ = view.elements
    assert view.sentence.startswith("20 of 20 tokens can be drawn; the model gave them 1.000")
    assert (table["p"] == table["p as drawn"]).all()
    plt.close("all")


def test_a_low_temperature_and_one_token_take_the_most_probable(tokenizer):
    logits = np.random.default_rng(1).normal(size=20)
    for changes in ({"temperature": 0.001}, {"top_k": 1}, {"top_p": 1e-9}, {"min_p": 1.0}):
        assert decoded(logits, **changes).argmax() == logits.argmax()
        assert decoded(logits, **changes).max() == pytest.approx(1)
    with pytest.raises(ValueError, match=r"temperature is 0: .* above 0"):
        decoding(tokenizer, logits, temperature=0)


# cleaning


def test_every_row_has_a_reason_and_records_are_shown_before_and_after():
    texts = ["<p>one</p>", "two", "two", HOSTILE + "three", "  four  "]
    report = CleaningReport(texts, ["A", "a ", "a", "?", None], ["A", "B"])
    rows = sorted({row for rows in report.reasons.values() for row in rows})
    assert rows == list(range(5))
    assert report.reasons["copy of an earlier record"] == [2]
    assert report.reasons["label unknown"] == [3]
    assert report.reasons["label missing"] == [4]
    view = report.show("html", 2)
    counts, table = view.elements
    assert table.loc["text"].tolist() == [HOSTILE + "three", "three"]
    assert counts.loc["html", "records"] == 2
    assert report.show("html", 4).sentence == view.sentence  # wraps around
    assert "<img" not in view._repr_html_()
    with pytest.raises(ValueError, match=r"no record has the reason 'zeal': use \['html'"):
        report.show("zeal")


def test_the_first_difference_is_shown_even_far_inside_a_text():
    start, end = "word " * 20, " and so on" * 20
    texts = [start + "a cafÃ©" + end, "four  \n", "four"]
    report = CleaningReport(texts, ["A", "a", "A"], ["A"])
    view = report.show("mojibake")
    before, after = view.elements[1].loc["first difference"]
    assert "a cafÃ© and" in before
    assert "a café and" in after
    assert before.startswith("'…")
    assert after.endswith("…'")
    assert "cafÃ©" in repr(view)  # a plain terminal cuts long cells, but not this one
    _, table = report.show("whitespace").elements
    assert table.loc["first difference"].tolist() == ["'four  \\n'", "'four'"]


def test_an_unchanged_text_has_no_difference():
    report = CleaningReport(["one"], [" a"], ["a"])
    _, table = report.show("label respelled").elements
    assert table.index.tolist() == ["text", "label"]


def test_clean_records_are_reported_as_clean():
    report = CleaningReport(["one", "two"], ["a", "b"], ["a", "b"])
    assert report.counts()["records"].to_dict() == {"nothing to do": 2}


# thresholds, confusion


def test_threshold_scores_are_those_counted_by_hand(report):
    chance = np.exp(LOGITS[:, 1]) / np.exp(LOGITS).sum(1)
    predicted, truth = chance >= 0.6, TARGETS == 1
    hits, alarms = (predicted & truth).sum(), (predicted & ~truth).sum()
    misses = (~predicted & truth).sum()
    sentence = thresholds(report, "dog", threshold=0.6, miss=5).sentence
    precision, recall = hits / (hits + alarms), hits / truth.sum()
    assert f"precision {precision:.2f}, recall {recall:.2f}, cost {alarms + 5 * misses}" in sentence
    with pytest.raises(ValueError, match="no label 'cow': use cat, dog"):
        thresholds(report, "cow")


def test_texts_behind_a_cell_are_the_confused_ones(report):
    _, table = confusion(report, "cat", "dog").elements
    assert table["text"].tolist() == ["no cat"]
    assert confusion(report, "cat", "cat", count=1).elements[1]["text"].tolist() == ["two cats"]
    (figure,) = confusion(report, "dog", "dog", count=5).elements[:1]
    assert figure.patches[0].get_xy() == (0.5, 0.5)
    with pytest.raises(ValueError, match="no label 'cow'"):
        confusion(report, "cow", "cat")


@pytest.mark.parametrize(
    ("label", "prediction", "end"),
    [("dog", "cat", "；下面是错得最远的一条。"), ("dog", "dog", "；下面是损失最大的 2 条。")],
)
def test_the_whole_sentence_about_a_cell_is_translated(report, label, prediction, end):
    sentence = confusion(report, label, prediction).sentence
    assert language.load("zh").translate(sentence).endswith(f"被判为 {prediction}{end}")


def test_texts_in_a_column_called_probability_are_shown_beside_it():
    data = Dataset.from_dict({"probability": TEXTS, "label": [TASK.labels[t] for t in TARGETS]})
    task = tasks.Classification(labels=TASK.labels, text="probability")
    _, table = confusion(Report(task, data, LOGITS, TARGETS), "cat", "dog").elements
    assert table["probability (data)"].tolist() == ["no cat"]
    assert table["probability"].tolist() == pytest.approx([0.98])  # of logits 0 and 4


# rates


def test_descent_is_autograds():
    random = np.random.default_rng(0)
    features, targets = random.normal(size=(12, 4)), np.arange(12) % 3
    weight = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    curve = []
    for _ in range(6):
        loss = F.cross_entropy(torch.tensor(features) @ weight, torch.tensor(targets))
        curve.append(loss.item())
        (slope,) = torch.autograd.grad(loss, weight)
        weight = (weight - 0.7 * slope).detach().requires_grad_()
    np.testing.assert_allclose(descend(features, targets, 0.7, 5), curve, rtol=1e-12)
    assert "falls" in rates(features, targets, 0.1).sentence
    assert "does not fall" in rates(features, targets, 1e4, steps=5).sentence


# batches


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 9), st.booleans())
def test_padding_is_that_of_the_plan(lengths, size, bucketed):
    order = batching.plan(lengths, size, seed=0, epoch=0, bucketed=bucketed)
    cells = sum(max(lengths[row] for row in rows) * len(rows) for rows in order)
    view = batches(lengths, size, bucketed=bucketed)
    assert f"{1 - sum(lengths) / cells:.0%}".replace("%", " %") in view.sentence
    plt.close("all")


def test_a_bare_view_needs_no_table():
    assert repr(View("nothing to see")) == "nothing to see"


def test_tables_name_rows_and_columns_and_set_texts_left():
    frame = pd.DataFrame({"a": [1.5, 2.0], "b": [HOSTILE, "c"], "d": [3, 4]}, index=["x", "y"])
    shown = table(frame)
    assert shown.count('scope="col"') == 3
    assert shown.count('scope="row"') == 2
    assert shown.count('align="left"') == 3  # the name of the column and its two texts
    assert "<td>1.5</td>" in shown
    assert "<td>2.0</td>" in shown  # as many decimals as the others
    assert "<td>3</td>" in shown
    assert "<img" not in shown


def test_a_label_that_is_never_predicted_has_no_precision(report):
    sentence = thresholds(report, "dog", threshold=1.0).sentence
    assert "never predicted, recall 0.00" in sentence


def test_one_is_singular(report):
    assert confusion(report, "cat", "cat", count=1).sentence.endswith("; the worst is shown.")
