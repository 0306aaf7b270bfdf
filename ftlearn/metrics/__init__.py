"""Scores of predictions, with confidence intervals and tests of pairs.

``scores`` judges classes, numbers and levels, ``probabilities`` what a model says about its own
certainty, ``answers`` words; ``intervals`` and ``paired`` tell an effect from the noise. The area
under the ROC curve and the average precision are scikit-learn's ``roc_auc_score`` and
``average_precision_score``.
"""

from ftlearn.metrics.answers import exact_match, normalised_answer, token_f1
from ftlearn.metrics.intervals import Interval, bootstrap, crossed, resample, wilson
from ftlearn.metrics.paired import McNemar, PairedTest, mcnemar, paired_test
from ftlearn.metrics.probabilities import (
    brier,
    calibrated_errors,
    calibration_error,
    log_losses,
    normalised_log_loss,
    reliability,
)
from ftlearn.metrics.scores import (
    classification,
    classification_of_rows,
    classified_rows,
    ordinal,
    regression,
)

__all__ = [
    "Interval",
    "McNemar",
    "PairedTest",
    "bootstrap",
    "brier",
    "calibrated_errors",
    "calibration_error",
    "classification",
    "classification_of_rows",
    "classified_rows",
    "crossed",
    "exact_match",
    "log_losses",
    "mcnemar",
    "normalised_answer",
    "normalised_log_loss",
    "ordinal",
    "paired_test",
    "regression",
    "reliability",
    "resample",
    "token_f1",
    "wilson",
]
