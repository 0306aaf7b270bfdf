"""The report page: safe with hostile data, whole without a network, right in its numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from html_parsing import HOSTILE, Parsed
from report_examples import classified, history, regressed, summary
from sklearn.metrics import precision_recall_fscore_support

from ftlearn import figures
from ftlearn.config import TrainConfig
from ftlearn.evaluation import Report
from ftlearn.markup import visible
from ftlearn.tasks import Classification
from ftlearn.training.history import History
from ftlearn.workflows import html
from ftlearn.workflows.html import elements, overview, results
from ftlearn.workflows.html.style import STYLE

LONG_WORD = "w" * 3000
NASTY = [text for text in HOSTILE if "\ud800" not in text]  # no data set can hold half a pair
ELEMENTS = re.compile(
    "html|head|meta|title|style|body|main|section|h[12]|p|strong|ul|ol|li|div|table|caption|"
    "thead|tbody|tr|th|td|figure|img|figcaption|bdi|details|summary|dl|dt|dd"
)
ATTRIBUTES = {
    *("charset", "http-equiv", "content", "name", "lang", "class", "scope", "role", "aria-label"),
    *("tabindex", "alt", "src", "translate"),
}


def page_of(report: Report, content: dict[str, Any], title: str = "A run") -> str:
    return html.report_page(content, history(report.task.monitor), report, title=title)


@pytest.fixture(scope="module")
def plain() -> tuple[Report, dict[str, Any], str]:
    report = classified(["cold", "mild", "warm"], ["a fine day", "a grey day"])
    content = summary(report)
    return report, content, page_of(report, content)


def check_harmless(page: str) -> Parsed:
    """Only the template's elements and attributes are there, with harmless values."""
    parsed = Parsed(page.removeprefix("<!DOCTYPE html>"))
    assert parsed.open == []
    for name, attributes in parsed.elements:
        assert ELEMENTS.fullmatch(name)
        assert set(attributes) <= ATTRIBUTES, name
        source = attributes.get("src", "data:image/png;base64,")
        assert re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/=]*", source)
        assert re.fullmatch(r"[a-z0-9 ]+", attributes.get("class") or "a")
        assert ("http-equiv" in attributes) <= (attributes.get("content") == html.POLICY)
    styles = [name for name, _ in parsed.elements if name == "style"]
    assert styles == ["style"]
    assert parsed.text.count(STYLE) == 1
    page.encode()
    assert not set(page) & set("\0\u202e\u2066\u200f\u061c\x1b\x85")
    return parsed


@pytest.mark.parametrize("strange", NASTY, ids=range(len(NASTY)))
def test_hostile_data_stays_text_everywhere(strange: str):
    report = classified([strange, "other"], [strange, "a text"])
    content = summary(report, strange, **{strange: {strange: strange, "list": [strange, 1, None]}})
    parsed = check_harmless(page_of(report, content, title=strange))
    # title, heading, baseline, label (3), texts, versions, files, rows, refused, configuration...
    assert parsed.text.count(visible(strange)) >= 20


def test_hostile_texts_of_a_regression_stay_text():
    report = regressed(NASTY)
    parsed = check_harmless(page_of(report, summary(report, NASTY[0])))
    for text in NASTY:
        assert visible(text) in parsed.text


def test_all_hostile_labels_at_once_with_too_many_for_a_matrix():
    labels = [*NASTY, LONG_WORD, "a", "b", "c"]
    parsed = check_harmless(page_of(report := classified(labels, NASTY), summary(report)))
    for label in labels:
        assert visible(label) in parsed.text
    assert "most frequent confusions" in parsed.text


def test_pairs_of_texts_are_both_shown():
    report = classified(["a", "b"], ["first <i>"])
    both = report.dataset.add_column("second", ["second </i>"] * len(report.targets))
    task = Classification(labels=("a", "b"), text=("text", "second"))
    report = Report(task, both, report.outputs, report.targets)
    text = check_harmless(page_of(report, summary(report))).text
    assert text.count("first <i>") == text.count("second </i>") == min(20, (~report.correct).sum())


def test_headings_tables_and_pictures_can_be_read_aloud(plain):
    parsed = check_harmless(plain[2])
    names = [name for name, _ in parsed.elements]
    assert [name for name in names if re.fullmatch("h[1-6]", name)][:2] == ["h1", "h2"]
    assert names.count("h1") == names.count("main") == names.count("title") == 1
    assert names.count("table") == names.count("caption") > 5
    for name, attributes in parsed.elements:
        if name == "th":
            assert attributes["scope"] in ("col", "row")
        if name == "img":
            assert len(attributes["alt"]) > 40
        if attributes.get("role") == "region":
            assert attributes["aria-label"]
            assert attributes["tabindex"] == "0"
    assert dict(parsed.elements)["html"] == {"lang": "en"}


def test_the_page_asks_nothing_of_the_network(plain):
    assert not re.search(r"https?:|//|url\(|@import", re.sub(r"base64,[^\"]+", "", plain[2]))
    assert "default-src 'none'" in html.POLICY


def test_the_headline_holds_accuracy_interval_and_baseline(plain):
    report, content, page = plain
    accuracy = content["test"]["accuracy"]
    value, low, high = (f"{100 * accuracy[key]:.1f}\xa0%" for key in ("value", "low", "high"))
    text = Parsed(page.removeprefix("<!DOCTYPE html>")).text
    assert (
        f"The model gives the right label to {value} of 60 test rows (95\xa0% interval {low} to "
        f"{high}). For comparison: word counts (TF-IDF) {value}."
    ) in text
    assert f"{report.scores['log_loss']:.3f} [" in text


@pytest.mark.parametrize(
    ("metric", "other", "doubt"),
    [
        ("accuracy", 0.5, ""),
        ("accuracy", 0.75, "The interval holds the value of “b”: the gain is not certain."),
        ("accuracy", 0.9, "The model does no better than the baseline “b”."),
        ("mae", 0.9, ""),
        ("mae", 0.85, "The interval holds the value of “b”: the gain is not certain."),
        ("mae", 0.5, "The model does no better than the baseline “b”."),
    ],
)
def test_the_headline_doubts_where_a_baseline_is_near(metric: str, other: float, doubt: str):
    report = SimpleNamespace(scores={metric: 0.8}, targets=[0] * 10)
    test = {metric: {"value": 0.8, "low": 0.7, "high": 0.88}}
    content = {"test": test, "baselines": {"b": {metric: {"value": other}}}}
    text = Parsed(overview.headline(content, report)).text
    assert text.endswith(f". {doubt}" if doubt else f"{written(metric, other)}.")


def written(metric: str, value: float) -> str:
    return elements.percent(value) if metric == "accuracy" else elements.number(value)


def test_scores_of_each_label_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    labels, predictions = random.integers(0, 5, size=(2, 300))
    labels[labels == 3] = 2  # a label without rows
    predictions[predictions == 4] = 1  # one that is never predicted
    every = range(5)
    counts = pd.crosstab(labels, predictions).reindex(index=every, columns=every, fill_value=0)
    expected = precision_recall_fscore_support(labels, predictions, labels=every, zero_division=0)
    np.testing.assert_allclose(results.per_class(counts).to_numpy().T, expected)


def test_each_label_stands_beside_its_own_scores():
    report = classified(["cold", "mild", "warm"], ["x"])
    right, predictions = report.correct, report.outputs.argmax(-1)
    section = results.labels(report)
    for at, label in enumerate(report.task.labels):
        precision, recall = right[predictions == at].mean(), right[report.targets == at].mean()
        row = re.search(rf'<bdi translate="no">{label}</bdi></th>(.*?)</tr>', section)[1]
        shown = re.findall(r">([^<]+)</td>", row)
        assert shown[:2] == [f"{precision:.3f}", f"{recall:.3f}"]
        assert shown[3] == "20"


def test_the_matrix_holds_every_count_with_labels_in_rows():
    counts = pd.DataFrame([[7, 2], [0, 1234]], index=["cold", "warm"], columns=["cold", "warm"])
    matrix = results.confusion_matrix(counts)
    rows = re.findall(
        r'<th scope="row"><bdi translate="no">(\w+)</bdi></th><td.*?>(.*?)</td><td.*?>(.*?)</td>',
        matrix,
    )
    assert rows == [("cold", "7", "2"), ("warm", "0", "1,234")]


def test_the_most_frequent_confusions_come_first():
    counts = pd.DataFrame(np.diag([5, 5, 5]), index=list("abc"), columns=list("abc"))
    counts.iloc[0, 1], counts.iloc[2, 0] = 2, 9
    text = Parsed(results.confused_pairs(counts)).text
    assert text.endswith("ca9ab2")
    none = results.confused_pairs(pd.DataFrame(np.eye(2, dtype=int)))
    assert "No label was taken for another" in none


def test_worst_errors_are_wrong_rows_by_loss():
    report = classified(["a", "b", "c"], [f"text {row}" for row in range(60)])
    shown = re.findall(r"text (\d+)", results.worst_errors(report))
    wrong = [row for row in np.argsort(-report.example_losses) if not report.correct[row]]
    assert shown == [str(row) for row in wrong[: len(shown)]]
    assert 0 < len(shown) == min(20, len(wrong))


@pytest.mark.parametrize("name", ["label", "prediction", "loss", "confidence"])
@pytest.mark.parametrize("kind", [classified, regressed])
def test_worst_errors_show_the_text_of_a_column_of_any_name(kind, name: str):
    texts = [f"text {row}" for row in range(60)]
    plain = kind(["a", "b", "c"], texts) if kind is classified else kind(texts)
    task = replace(plain.task, text=name, target="target")
    data = plain.dataset.rename_columns({plain.task.target: "target", "text": name})
    odd = Report(task, data, plain.outputs, plain.targets)
    assert results.worst_errors(odd) == results.worst_errors(plain)


def test_a_perfect_model_has_no_errors():
    report = classified(["a", "b"], ["x"])
    perfect = Report(report.task, report.dataset, np.eye(2)[report.targets] * 9, report.targets)
    assert "No test row was answered wrongly." in results.worst_errors(perfect)


def test_a_long_text_unfolds_to_the_whole():
    text = "word " * 500
    shown = Parsed(elements.text(text, 100))
    assert [name for name, _ in shown.elements] == ["details", "summary", "bdi", "bdi"]
    assert shown.text == "word " * 19 + "word …" + text


def test_nothing_of_a_summary_is_lost(plain):
    report = plain[0]
    more = {"surprise": {"deep": {"er": 1.5}}, "flag": True, "nothing": None, "empty": []}
    text = check_harmless(page_of(report, summary(report, **more))).text
    for shown in ("surprise: deep: er1.50", "flagyes", "nothingnone", "emptynone", "0.000123456"):
        assert shown in text
    assert "peak memory: process1.21 GB" in text
    assert "seconds: training12.3" in text


@pytest.mark.parametrize("content", [{}, {"test": {"accuracy": 0.5}, "data": {}, "valid": None}])
def test_a_summary_with_holes_still_gives_a_page(content: dict[str, Any]):
    report = classified(["a", "b"], ["x"])
    empty = History(TrainConfig(), "log_loss")
    page = html.report_page(content, empty, report, title="holes")
    assert "No update was recorded." in check_harmless(page).text


def test_a_score_without_a_value_is_said_to_be_undefined():
    assert elements.scored({"value": float("nan"), "low": float("nan"), "high": 1}) == "not defined"
    assert elements.scored(None) == "not defined"
    assert elements.scored({"value": -0.25, "low": -1, "high": 0.5}) == "−0.250 [−1, 0.500]"


def test_many_refused_rows_are_counted_and_cut():
    report = classified(["a", "b"], ["x"])
    refused = [{"file": "f.csv", "line": n, "reason": "blank"} for n in range(1234)]
    text = check_harmless(page_of(report, summary(report, data={"refused": refused}))).text
    assert "1,234 rows were refused and took no part. The first 50 are shown" in text
    assert text.count("f.csv") == 50


def test_a_regression_is_drawn_in_the_units_of_its_data(monkeypatch: pytest.MonkeyPatch):
    report, drawn = regressed(["x"]), {}

    def record(name: str):
        draw = getattr(figures, name)

        def drawing(*args, **kwargs):
            drawn[name] = args
            return draw(*args, **kwargs)

        return drawing

    for name in ("training", "predicted"):
        monkeypatch.setattr(figures, name, record(name))
    text = check_harmless(page_of(report, summary(report))).text
    losses = [step.loss for step in drawn["training"][0].steps]
    np.testing.assert_allclose(losses, [100 / n for n in range(1, 9)])
    predictions, truths = drawn["predicted"]
    np.testing.assert_allclose(predictions, report.outputs[:, 0] * 10 + 50)
    np.testing.assert_allclose(truths, report.dataset["label"])
    off = np.abs(predictions - truths)
    assert f"100\xa0%{elements.number(float(off.max()))}" in text
    assert f"is off by {elements.number(float(off.mean()))} on average over 40 test rows" in text
    assert "certainty" not in text


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts_ = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts_]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: int):
    ink, faint, paper, panel = (
        re.findall(rf"--{name}: (#\w{{6}})", STYLE)[scheme]
        for name in ("ink", "faint", "paper", "panel")
    )
    red, green, blue = map(int, re.findall(r"--shade: (\d+), (\d+), (\d+)", STYLE)[scheme])
    strongest = max(map(float, re.findall(r"var\(--shade\), ([\d.]+)\)", STYLE)))
    ground = [int(paper[at : at + 2], 16) for at in (1, 3, 5)]
    mixed = [
        round(strongest * top + (1 - strongest) * under)
        for top, under in zip((red, green, blue), ground, strict=True)
    ]
    shaded = "#" + "".join(f"{channel:02x}" for channel in mixed)
    assert contrast(ink, paper) > 7
    assert min(contrast(ink, shaded), contrast(faint, paper), contrast(faint, panel)) > 4.5
