"""The report page in Chinese: every sentence of our own is translated, and nothing of the data."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from report_examples import classified, history, regressed, summary

from ftlearn.evaluation import Report
from ftlearn.training.history import History
from ftlearn.workflows import html
from ftlearn.workflows.html import elements, levels, overview

DATA = re.compile(r'<style.*?</style>|<bdi [^>]*translate="no".*?</bdi>', re.DOTALL)
WORDS = re.compile(r'>([^<]+)<|(?:alt|aria-label)="([^"]*)"')
ENGLISH = re.compile(r"[a-z]+ [a-z]+ [a-z]+")


def chinese(report: Report, told: History | None = None, **more: object) -> str:
    content = summary(report, **more)
    told = told or history(report.task.monitor)
    return html.report_page(content, told, report, title="A run", language="zh")


def english(page: str) -> list[str]:
    """What of a page reads as an English sentence, data left out."""
    found = ["".join(pair) for pair in WORDS.findall(DATA.sub("", page))]
    return [text for text in found if ENGLISH.search(text)]


@pytest.mark.parametrize("make", [lambda: classified(["a", "b", "c"], ["x y"]), None])
def test_no_sentence_of_the_page_is_left_in_english(make):
    report = make() if make else regressed(["x y"])
    stopped = replace(history(report.task.monitor), stopped="no better loss in 3 evaluations")
    assert english(chinese(report, stopped)) == []


def test_the_headline_is_one_chinese_sentence_around_the_score():
    report = classified(["a", "b", "c"], ["x y"])
    page = chinese(report, test={"accuracy": {"value": 0.75, "low": 0.5, "high": 0.875}})
    headline = re.search(r'<p class="headline">(.*?)</p>', page)[1]
    expected = (
        "模型答对标签的比例是 <strong>75.0\u00a0%</strong>（共 60 条测试记录，95\u00a0% 区间为"
    )
    assert headline.startswith(expected)
    assert "词频（TF-IDF）" in headline
    assert not re.search("[a-z]{2,}", headline.replace("strong", ""))


@pytest.mark.parametrize("count", [1, 2, overview.REFUSED + 1])
def test_refused_rows_are_counted_in_chinese(count):
    refused = [{"file": "train.csv", "line": 1, "reason": "'text' is empty"}] * count
    page = html.in_language(overview._refused(refused), "zh")
    assert f"<p>{count} 行被拒收，没有使用。" in page
    assert english(page) == []
    assert "<bdi>文件</bdi>" in page


def test_a_model_that_is_too_certain_or_not_certain_enough_is_told_so_in_chinese():
    report = classified(["a", "b", "c"], ["x y"])
    for scale in (0.1, 10):
        scaled = replace(report, outputs=report.outputs * scale)
        page = html.in_language(html.results.calibration(scaled, 0.1), "zh")
        assert ("不够自信" if scale < 1 else "过于自信") in page
        assert english(page) == []


@pytest.mark.parametrize("distance", [-2, -1, 0, 1, 2])
def test_distances_of_levels_are_chinese(distance):
    page = html.in_language(elements.words(levels._described(distance)), "zh")
    assert not re.search("[a-z]{2,}", page.replace("bdi", ""))
