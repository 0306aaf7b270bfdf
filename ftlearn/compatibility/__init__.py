"""Whether the components of a run fit together, checked before anything trains.

    labels of one part ── labels of another     a tokenizer ── the model, the texts
    one text ── its copies                      the requested window ── the available one
    a trained head ── the task                  a model's files ── their names

Each check is a small function that returns findings. ``check`` runs every check for which it has
the components; ``fit``, ``evaluate``, ``predict`` and ``models.load`` settle the findings on their
own: notes become warnings, which the report of a run lists, and errors are raised.
"""

from __future__ import annotations

from ftlearn.compatibility.checking import check, rows_and_labels, texts_and_tokenizer
from ftlearn.compatibility.findings import CompatibilityWarning, Finding, settle
from ftlearn.compatibility.heads import head_and_task
from ftlearn.compatibility.model_files import files_of
from ftlearn.compatibility.vocabulary import sample, tokenizer_and_model, tokenizer_and_texts
from ftlearn.compatibility.window import task_and_window

__all__ = [
    "CompatibilityWarning",
    "Finding",
    "check",
    "files_of",
    "head_and_task",
    "rows_and_labels",
    "sample",
    "settle",
    "task_and_window",
    "texts_and_tokenizer",
    "tokenizer_and_model",
    "tokenizer_and_texts",
]
