"""A finding: one relation between two components that does not hold, and how it is reported."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from ftlearn.data import DataError


class CompatibilityWarning(UserWarning):
    """Two components may not fit together; the message names the values and the remedy."""


@dataclass(frozen=True)
class Finding:
    """One relation that does not hold.

    about    labels, texts, vocabulary, window, head or files
    message  a sentence with the offending values and the remedy
    error    whether the result would be worthless; otherwise it may be intended

    >>> print(Finding("labels", "'Sport' (3) and 'sport' (9) are two classes"))
    note: 'Sport' (3) and 'sport' (9) are two classes
    """

    about: str
    message: str
    error: bool = False

    def __str__(self) -> str:
        return f"{'error' if self.error else 'note'}: {self.message}"


def settle(
    findings: Iterable[Finding],
    error: type[Exception] | None = DataError,
    *,
    stacklevel: int = 2,
) -> None:
    """Warn of each note, then raise ``error`` with all errors; with None those are warnings, too.

    >>> settle([Finding("labels", "no row of test has a label of train", error=True)])
    Traceback (most recent call last):
    ftlearn.data.errors.DataError: no row of test has a label of train
    """
    findings = list(findings)
    for finding in findings:
        if error is None or not finding.error:
            warnings.warn(finding.message, CompatibilityWarning, stacklevel=stacklevel + 1)
    errors = [finding.message for finding in findings if finding.error]
    if errors and error is not None:
        raise error("; ".join(errors))
