"""Thresholds for "no answer", against trying all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.errors import UnknownNameError
from ftlearn.evaluation import Report
from ftlearn.evaluation.answers import best_threshold, margins, risk_coverage
from ftlearn.tasks import question_answering
from ftlearn.tasks.references import Reference

CONTEXT = "The mill in Graz burned in 1812."
GRAZ, YEAR = (12, 16), (27, 31)
TASK = question_answering()
ROWS = st.lists(
    st.tuples(st.integers(-5, 5), st.sampled_from([GRAZ, YEAR, (12, 23)]), st.booleans()),
    min_size=1,
    max_size=12,
)


def report_of(rows: list[tuple[int, tuple[int, int], bool]]) -> Report:
    """A report on rows with a margin, a span, and whether the answer is Graz or none."""
    outputs = np.array([[margin + 2, 2, *span, 1.0, 2] for margin, span, _ in rows], dtype=float)
    references = [
        Reference(CONTEXT, ("Graz",), (12,)) if answerable else Reference(CONTEXT, (), ())
        for _, _, answerable in rows
    ]
    return Report(TASK, Dataset.from_dict({}), outputs, np.asarray(references, dtype=object))


def at(report: Report, threshold: float) -> dict[str, float]:
    return replace(report, task=replace(TASK, threshold=threshold)).scores


@given(ROWS, st.sampled_from(["f1", "exact_match"]))
def test_no_threshold_is_better_than_the_best(rows, metric):
    report = report_of(rows)
    best = best_threshold(report, metric)
    tried = [at(report, threshold)[metric] for threshold in np.arange(-7, 7, 0.5)]
    assert at(report, best)[metric] == pytest.approx(max(tried))
    assert best not in margins(report)


@given(ROWS)
def test_risk_and_coverage_are_those_of_the_rows_with_the_largest_margins(rows):
    report = report_of(rows)
    table = risk_coverage(report)
    always = replace(TASK, threshold=-100.0)
    matches, _ = always.row_scores(report.outputs, report.targets)
    order = sorted(range(len(rows)), key=lambda row: -rows[row][0])
    for count in range(1, len(rows) + 1):
        answered = order[:count]
        wrong = sum(1 - matches[row] for row in answered) / count
        assert table["risk"][count - 1] == pytest.approx(wrong)
        assert table["coverage"][count - 1] == count / len(rows)
        assert table["threshold"][count - 1] == rows[answered[-1]][0]


def test_the_threshold_separates_what_can_be_separated():
    report = report_of([(3, GRAZ, True), (1, GRAZ, False), (-2, GRAZ, False)])
    assert best_threshold(report) == 2.0
    assert at(report, 2.0)["f1"] == 1.0


def test_equal_margins_are_answered_or_withheld_together():
    report = report_of([(1, GRAZ, False), (1, GRAZ, True)])
    assert best_threshold(report) == 0.0  # both answered, as good as none


def test_an_unknown_metric_is_refused():
    with pytest.raises(UnknownNameError, match="no metric 'loss'"):
        best_threshold(report_of([(1, GRAZ, True)]), "loss")
