"""Data: strict reading, cleaning, splitting, and the course's own corpus.

`load` opens a data set by name or path, `read` one file with a report, `split`, `subset` and
`drop_rare` divide it, and the rest finds what is wrong with it.
"""

from __future__ import annotations

from .cleaning import Repair, normalise_label, repair_text
from .confident import label_errors
from .duplicates import Leak, exact_duplicates, leaks, near_duplicates
from .errors import DataError
from .labels import natural_order
from .loading import load
from .rare import drop_rare
from .reading import ReadReport, read
from .records import Refusal
from .splitting import split, subset

__all__ = [
    "DataError",
    "Leak",
    "ReadReport",
    "Refusal",
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
    "repair_text",
    "split",
    "subset",
]
