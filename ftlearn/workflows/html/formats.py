"""The exports of a run, and how their answers compare with the model's."""

from __future__ import annotations

from collections.abc import Sequence

from ftlearn.formats.manifest import Manifest
from ftlearn.markup import Markup, tag
from ftlearn.workflows.html.elements import paragraph, percent, table, text

SECTION = "formats"
"""The id of the section, by which a later export finds and replaces it."""


def section_of(exports: Sequence[Manifest]) -> Markup:
    """A section with one row per export."""
    rows = [
        (
            export.name,
            f"{export.parity.equal} of {export.parity.rows}",
            percent(export.parity.at_least),
            f"{export.parity.difference:.2g} ({export.parity.unit})",
            export.texts,
        )
        for export in exports
    ]
    head = ("format", "answers equal", "at least", "largest difference", "compared on")
    note = "Answers of each export beside the model's in fp32; at least: with 95\u00a0% confidence."
    return tag(
        "section",
        tag("h2", text("Other formats")),
        paragraph(note),
        table("Exports and their parity", head, rows),
        id=SECTION,
    )
