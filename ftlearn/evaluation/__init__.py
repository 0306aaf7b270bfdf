"""How good a fitted model is: predictions, a report with intervals, baselines, files of any size.

``predicting`` runs the model without gradients, ``report`` scores it and shows where it is wrong,
``baselines`` are what it has to beat, ``answers`` chooses when a reader gives no answer,
``reference`` keeps what a policy is compared with, ``off_policy`` estimates from a log what another
policy would earn, and ``streaming`` predicts files in bounded memory.
"""

from ftlearn.evaluation.answers import best_threshold, risk_coverage
from ftlearn.evaluation.off_policy import (
    Estimate,
    doubly_robust,
    effective_sample_size,
    ips,
    snips,
)
from ftlearn.evaluation.predicting import embed_texts, map_batches, outputs, predict
from ftlearn.evaluation.reference import reference_log_probabilities
from ftlearn.evaluation.report import JointReport, Report, evaluate, report_on, shown_as
from ftlearn.evaluation.streaming import predict_texts

__all__ = [
    "Estimate",
    "JointReport",
    "Report",
    "best_threshold",
    "doubly_robust",
    "effective_sample_size",
    "embed_texts",
    "evaluate",
    "ips",
    "map_batches",
    "outputs",
    "predict",
    "predict_texts",
    "reference_log_probabilities",
    "report_on",
    "risk_coverage",
    "shown_as",
    "snips",
]
