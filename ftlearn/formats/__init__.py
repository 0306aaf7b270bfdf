"""The formats in which a fitted model predicts: exports, their parity, the fastest of them."""

from ftlearn.formats.choosing import Choice, Trial, fastest
from ftlearn.formats.comparing import Parity, parity
from ftlearn.formats.exporting import Exported, check_export, export
from ftlearn.formats.loading import export_folder, load, task_of
from ftlearn.formats.names import CHOICES, EXPORTED, LEAST, FormatError, ParityError

__all__ = [
    "CHOICES",
    "EXPORTED",
    "LEAST",
    "Choice",
    "Exported",
    "FormatError",
    "Parity",
    "ParityError",
    "Trial",
    "check_export",
    "export",
    "export_folder",
    "fastest",
    "load",
    "parity",
    "task_of",
]
