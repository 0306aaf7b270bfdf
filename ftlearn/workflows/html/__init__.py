"""Pages to keep and to send: one HTML file each, without network access and without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftlearn.evaluation import Report
from ftlearn.language import html as translate
from ftlearn.language import html_code, load
from ftlearn.language.files import COMMANDS
from ftlearn.markup import Markup, join, tag
from ftlearn.training.history import History
from ftlearn.workflows.html import overview, results, writing
from ftlearn.workflows.html.style import STYLE

__all__ = ["in_language", "page", "report_page"]

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load for a page: nothing but what the page itself contains."""


def report_page(
    summary: Mapping[str, Any],
    history: History,
    report: Report,
    *,
    title: str,
    language: str = "en",
) -> str:
    """The report of a run as one self-contained HTML file, in a language of the course.

    ``summary`` is the content of report.json; keys that are not known here are shown as they
    are. ``report`` is the evaluation of the test rows. Every text in them is escaped.
    """
    written = page(
        title,
        overview.headline(summary, report),
        overview.notes(summary),
        overview.scores(summary),
        writing.section_of(summary),
        results.test_rows(report, summary.get("test", {})),
        overview.curves(history, report),
        overview.data(summary),
        overview.settings(summary),
    )
    return in_language(written, language)


def in_language(written: str, language: str) -> str:
    """A page with our own words translated; what comes from the data is marked, and stays.

    >>> in_language('<html lang="en"><p>so it is</p></html>', "en")
    '<html lang="en"><p>so it is</p></html>'
    """
    if language == "en":
        return written
    tagged = written.replace('lang="en"', f'lang="{html_code(language)}"', 1)
    return translate(tagged, load(language, COMMANDS))


def page(title: str, *content: object, style: Markup = STYLE) -> str:
    """A whole HTML document with its style, one first heading, and the content.

    >>> page("a < b", tag("p", "so it is")).endswith("<p>so it is</p></main></body></html>")
    True
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", style),
    )
    body = tag("body", tag("main", tag("h1", tag("bdi", title)), *content))
    return str(join(Markup("<!DOCTYPE html>"), tag("html", head, body, lang="en")))
