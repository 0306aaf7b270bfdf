"""What cleaning would change in raw records, and the records behind each reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ftlearn.course.explorers.view import View
from ftlearn.data import Repair, exact_duplicates, normalise_label, repair_text

UNCHANGED = "nothing to do"
BEFORE, AROUND = 16, 44  # characters shown before the first difference, and in all


@dataclass(frozen=True)
class CleaningReport:
    """Raw texts and labels, and what the repairs of ``ftlearn.data`` turn them into.

    ``names`` are the labels of the task, ``aliases`` their other spellings (see
    ``normalise_label``).

    >>> report = CleaningReport(["<b>a</b>", "b", "b"], ["Tech", "tech", None], ["tech"])
    >>> report.reasons
    {'html': [0], 'label respelled': [0], 'label missing': [2], 'copy of an earlier record': [2],
    'nothing to do': [1]}
    """

    texts: Sequence[str]
    labels: Sequence[str | None]
    names: Sequence[str]
    aliases: Mapping[str, str] | None = None

    @cached_property
    def repairs(self) -> list[Repair]:
        """Every text after its repairs, with their names."""
        return [repair_text(text) for text in self.texts]

    @cached_property
    def known(self) -> list[str | None]:
        """Every label in its canonical spelling; None if it names no class."""
        return [normalise_label(label, self.names, aliases=self.aliases) for label in self.labels]

    @cached_property
    def reasons(self) -> dict[str, list[int]]:
        """The rows that each reason applies to; a row may have several reasons."""
        reasons: dict[str, list[int]] = {}
        for row, repair in enumerate(self.repairs):
            for reason in (*repair.changes, *self._label_reasons(row)):
                reasons.setdefault(reason, []).append(row)
        groups = exact_duplicates([repair.text for repair in self.repairs])
        copies = [row for group in groups for row in sorted(group)[1:]]
        if copies:
            reasons["copy of an earlier record"] = sorted(copies)
        touched = {row for rows in reasons.values() for row in rows}
        untouched = [row for row in range(len(self.texts)) if row not in touched]
        if untouched:
            reasons[UNCHANGED] = untouched
        return reasons

    def _label_reasons(self, row: int) -> list[str]:
        label = self.labels[row]
        canonical = self.known[row]
        if canonical is None:
            return ["label unknown" if (label or "").strip() else "label missing"]
        return [] if label == canonical else ["label respelled"]

    def counts(self) -> pd.DataFrame:
        """The number of records per reason."""
        counts = {reason: len(rows) for reason, rows in self.reasons.items()}
        return pd.DataFrame({"records": counts}).rename_axis("reason")

    def show(self, reason: str | None = None, number: int = 1) -> View:
        """One record of a reason, before and after; of the first reason by default.

        Numbers start at 1 and wrap around after the last record. Where the repairs changed the
        text, the first row shows it around the first difference.
        """
        reason = next(iter(self.reasons)) if reason is None else reason
        if reason not in self.reasons:
            raise ValueError(f"no record has the reason {reason!r}: use {list(self.reasons)}")
        rows = self.reasons[reason]
        index = (number - 1) % len(rows)
        row = rows[index]
        label = self.labels[row]
        table = pd.DataFrame(
            {
                "before": [self.texts[row], "(none)" if label is None else label],
                "after": [self.repairs[row].text, self.known[row] or "(names no class)"],
            },
            index=["text", "label"],
        )
        if self.texts[row] != self.repairs[row].text:
            difference = _first_difference(self.texts[row], self.repairs[row].text)
            table = pd.concat([pd.DataFrame(difference, index=["first difference"]), table])
        sentence = f"{reason}: record {index + 1} of {len(rows)}, row {row} of {len(self.texts)}."
        return View(sentence, (self.counts(), table))


def _first_difference(before: str, after: str) -> dict[str, str]:
    """Both texts around the first character that differs, in quotation marks.

    >>> _first_difference("a cafÃ©", "a café")
    {'before': "'a cafÃ©'", 'after': "'a café'"}
    """
    pairs = enumerate(zip(before, after, strict=False))
    ends = min(len(before), len(after))  # where the shorter text is the beginning of the longer
    start = max(next((at for at, (old, new) in pairs if old != new), ends) - BEFORE, 0)
    return {"before": _excerpt(before, start), "after": _excerpt(after, start)}


def _excerpt(text: str, start: int) -> str:
    end = start + AROUND
    # repr makes a line break or an outer space visible
    return repr("…" * (start > 0) + text[start:end] + "…" * (end < len(text)))
