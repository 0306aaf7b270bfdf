"""How good a fitted model is: predictions, a report with intervals, baselines, files of any size.

``predicting`` runs the model without gradients, ``report`` scores it and shows where it is wrong,
``baselines`` are what it has to beat, ``answers`` chooses when a reader gives no answer,
``reference`` keeps what a policy is compared with, and ``streaming`` predicts files in bounded
memory.
"""

from ftlearn.evaluation.answers import best_threshold, risk_coverage
from ftlearn.evaluation.predicting import embed_texts, map_batches, outputs, predict
from ftlearn.evaluation.reference import reference_log_probabilities
from ftlearn.evaluation.report import Report, evaluate, report_on, shown_as

__all__ = [
    "Report",
    "best_threshold",
    "embed_texts",
    "evaluate",
    "map_batches",
    "outputs",
    "predict",
    "reference_log_probabilities",
    "report_on",
    "risk_coverage",
    "shown_as",
]
