"""Data: strict reading, cleaning, splitting, and the course's own corpus.

`load` opens a data set by name or path, `read` opens one file and reports what it rejected,
`split`, `subset` and `drop_rare` select rows, `draw_log`, `draw_slates`, `relevance`, `seen`,
`softmax_policy` and `policy_value` are the law behind the clicks of `impressions`, `INTENTS`,
`FOLLOW_UP` and `OUT_OF_SCOPE` the intents of `service`, and the other functions find what is wrong
with rows.
"""

from __future__ import annotations

from ftlearn.data.bundled import FOLLOW_UP, INTENTS, OUT_OF_SCOPE
from ftlearn.data.cleaning import Repair, normalise_label, repair_text
from ftlearn.data.duplicates import Leak, exact_duplicates, leaks, near_duplicates
from ftlearn.data.errors import DataError
from ftlearn.data.impressions import (
    draw_log,
    draw_slates,
    policy_value,
    relevance,
    seen,
    softmax_policy,
)
from ftlearn.data.label_errors import label_errors
from ftlearn.data.labels import natural_order
from ftlearn.data.loading import load
from ftlearn.data.questions import read_questions
from ftlearn.data.rare_labels import drop_rare
from ftlearn.data.reading import ReadReport, read
from ftlearn.data.records import Rejected
from ftlearn.data.splitting import split, subset

__all__ = [
    "FOLLOW_UP",
    "INTENTS",
    "OUT_OF_SCOPE",
    "DataError",
    "Leak",
    "ReadReport",
    "Rejected",
    "Repair",
    "draw_log",
    "draw_slates",
    "drop_rare",
    "exact_duplicates",
    "label_errors",
    "leaks",
    "load",
    "natural_order",
    "near_duplicates",
    "normalise_label",
    "policy_value",
    "read",
    "read_questions",
    "relevance",
    "repair_text",
    "seen",
    "softmax_policy",
    "split",
    "subset",
]
