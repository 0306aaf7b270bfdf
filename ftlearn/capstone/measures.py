"""What a submission claims in numbers, measured from its files alone.

Each function takes a ``Submission`` and returns what JSON can hold. ``measure`` writes all of them
into ``capstone.json``; the rubric computes them again and compares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import softmax

from ftlearn import metrics
from ftlearn.capstone.submission import WEIGHTS, CapstoneError, Submission
from ftlearn.evaluation import Report
from ftlearn.workflows.summary import baseline_reports

BETTER, WORSE, SAME = "better", "worse", "no difference"
"""Verdicts on a gain over a baseline."""
OFF, WITHIN_CHANCE = "off", "within chance"
"""Verdicts on a calibration error."""
TARGET = 0.9
"""The accuracy that is asked of the answers given, unless ``capstone.json`` has a ``target``."""


def hashes(submission: Submission) -> dict[str, Any]:
    """SHA-256 of each data file, and of each run's weights."""
    return {
        "data": {part: submission.hash_of(path) for part, path in submission.files.items()},
        "weights": {
            run: submission.hash_of(submission.model_folder(run) / WEIGHTS)
            for run in submission.runs
        },
    }


def seeds(submission: Submission) -> dict[str, Any]:
    """Test accuracy over all runs: their number, mean, standard deviation, lowest and highest."""
    values = [accuracy_of(submission.report(run, "test")) for run in submission.runs]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    summary = {"runs": len(values), "mean": float(np.mean(values)), "deviation": spread}
    return summary | {"lowest": min(values), "highest": max(values)}


def served(submission: Submission) -> str:
    """The run whose model is served."""
    return submission.served


def accuracy(submission: Submission) -> dict[str, float]:
    """Test accuracy of the served model with its Wilson interval, and the number of rows."""
    return share(submission.report(submission.served, "test").correct)


def share(correct: np.ndarray) -> dict[str, float]:
    """A share of correct rows with its Wilson interval.

    >>> {name: round(value, 2) for name, value in share(np.array([True] * 9)).items()}
    {'rows': 9, 'value': 1.0, 'low': 0.7, 'high': 1.0}
    """
    interval = metrics.wilson(int(correct.sum()), len(correct))
    return {"rows": len(correct)} | {key: float(x) for key, x in interval._asdict().items()}


def accuracy_of(report: Report) -> float:
    """The share of correct rows."""
    return float(report.correct.mean())


def baselines(submission: Submission) -> dict[str, Any]:
    """Baselines retrained on the training rows, and what the served model gains over each."""
    return gains(submission, submission.report(submission.served, "test"))


def gains(submission: Submission, report: Report) -> dict[str, Any]:
    """The test accuracy of each baseline, and what a model gains over it on the same rows, with a
    paired bootstrap interval."""
    correct = report.correct.astype(float)
    compared = {}
    for name, baseline in baseline_reports(submission.parts, report.task).items():
        gain = metrics.bootstrap(np.mean, correct - baseline.correct)
        compared[name] = {
            "accuracy": accuracy_of(baseline),
            **{f"gain_{key}": float(value) for key, value in gain._asdict().items()},
            "verdict": BETTER if gain.low > 0 else WORSE if gain.high < 0 else SAME,
        }
    return compared


def calibration(submission: Submission) -> dict[str, Any]:
    """The test calibration error of the served model beside its null."""
    return calibrated(submission.report(submission.served, "test"))


def calibrated(report: Report) -> dict[str, Any]:
    """The calibration error, and the 95 % quantile of what chance gives a calibrated model."""
    error = metrics.calibration_error(report.outputs, report.targets)
    null = float(np.quantile(metrics.calibrated_errors(report.outputs), 0.95))
    return {"error": error, "null": null, "verdict": OFF if error > null else WITHIN_CHANCE}


def confidence(report: Report) -> np.ndarray:
    """The probability of the predicted label of each row, (N,)."""
    return softmax(report.outputs.astype(float), axis=-1).max(-1)


def smallest_threshold(confidences: np.ndarray, correct: np.ndarray, target: float) -> float:
    """The smallest confidence from which on at least the target share of answers is correct; 1.0
    where there is none.

    >>> smallest_threshold(np.array([0.6, 0.7, 0.9]), np.array([False, True, True]), 0.9)
    0.7
    """
    order = np.argsort(-confidences, kind="stable")
    shares = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    fitting = np.flatnonzero(shares >= target)
    return float(confidences[order][fitting[-1]]) if len(fitting) else 1.0


def threshold(submission: Submission) -> dict[str, Any]:
    """The threshold below which a text goes to a person, chosen on the validation rows, and the
    share of test rows answered with it and their accuracy."""
    target = submission.settings.get("target", TARGET)
    valid, test = (submission.report(submission.served, part) for part in ("valid", "test"))
    value = smallest_threshold(confidence(valid), valid.correct, target)
    answered = confidence(test) >= value
    result = {"target": target, "value": value, "answered": share(answered)}
    return result | {"accuracy": share(test.correct[answered]) if answered.any() else None}


def slices(submission: Submission) -> dict[str, Any]:
    """Test accuracy with rows and interval for each value of the column ``slice``, and label."""
    report = submission.report(submission.served, "test")
    groups = {"label": [report.task.labels[target] for target in report.targets]}
    column = submission.settings.get("slice")
    if column:
        groups[column] = column_of(submission, "test", column)
    return {
        name: {
            str(value): share(report.correct[np.array(values) == value])
            for value in sorted(set(values))
        }
        for name, values in groups.items()
    }


def drift(submission: Submission) -> dict[str, Any]:
    """What later traffic is compared with: the shares of the predicted labels on the validation
    rows, and the deciles of the confidence."""
    report = submission.report(submission.served, "valid")
    counts = Counter(report.task.class_ids(report.outputs).tolist())
    labels = report.task.labels
    deciles = np.quantile(confidence(report), np.linspace(0, 1, 11))
    shares = {label: counts[i] / len(report.targets) for i, label in enumerate(labels)}
    return {"shares": shares, "confidence_deciles": deciles.tolist()}


def column_of(submission: Submission, part: str, column: str) -> list[Any]:
    """A column of a part; CapstoneError where there is none of that name."""
    if column not in submission.parts[part].column_names:
        names = ", ".join(submission.parts[part].column_names)
        raise CapstoneError(f"{part} has no column {column!r}: there are {names}")
    return submission.parts[part][column][:]


MEASURES: dict[str, Callable[[Submission], Any]] = {
    function.__name__: function
    for function in (
        *(hashes, seeds, served, threshold, accuracy),
        *(baselines, calibration, slices, drift),
    )
}
"""All claims that can be measured, by name."""


def once(submission: Submission, name: str) -> Any:
    """One claim, measured when it is first asked for."""
    if name not in submission.measured:
        submission.measured[name] = MEASURES[name](submission)
    return submission.measured[name]


def measured(submission: Submission) -> dict[str, Any]:
    """Every claim, measured now."""
    return {name: once(submission, name) for name in MEASURES}
