"""Data: strict reading, cleaning, splitting, and the course's own corpus.

`load` opens a data set by name or path, `read` opens one file and reports what it rejected,
`split`, `subset` and `drop_rare` select rows, and the other functions find what is wrong with them.
"""

from __future__ import annotations

from ftlearn.data.cleaning import Repair, normalise_label, repair_text
from ftlearn.data.duplicates import Leak, exact_duplicates, leaks, near_duplicates
from ftlearn.data.errors import DataError
from ftlearn.data.label_errors import label_errors
from ftlearn.data.labels import natural_order
from ftlearn.data.loading import load
from ftlearn.data.questions import read_questions
from ftlearn.data.rare_labels import drop_rare
from ftlearn.data.reading import ReadReport, read
from ftlearn.data.records import Rejected
from ftlearn.data.splitting import split, subset

__all__ = [
    "DataError",
    "Leak",
    "ReadReport",
    "Rejected",
    "Repair",
    "drop_rare",
    "exact_duplicates",
    "label_errors",
    "leaks",
    "load",
    "natural_order",
    "near_duplicates",
    "normalise_label",
    "read",
    "read_questions",
    "repair_text",
    "split",
    "subset",
]
