"""The progress of a class as one HTML page: no script, no network, every name escaped.

The table of learners stands on the page once per order; a link shows one and hides the others.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ftlearn import language as languages
from ftlearn.course.class_progress import ClassProgress, Learner, read
from ftlearn.markup import Markup, join, tag
from ftlearn.runtime import files
from ftlearn.workflows.html import in_language, page
from ftlearn.workflows.html.style import STYLE

SHADES = 5
"""How many shades stand for the share of a lesson that is solved."""
SOLVED, TRIED = "✔", "✎"
ORDERS = {
    "hints": "most hints first",
    "solved": "fewest solved first",
    "inactive": "longest inactive first",
    "name": "by name",
}
"""The orders of the learners; the last one is shown first."""

CLASS_STYLE = Markup("""
body { max-width: none; }
.order { display: none; scroll-margin-top: 5rem; }
.order:target, #by-name { display: block; }
.order:target ~ #by-name:not(:target) { display: none; }
table.class { font-size: 0.86rem; font-variant-numeric: tabular-nums; }
table.class th, table.class td { padding: 0.2rem 0.35rem; text-align: center; white-space: nowrap;
  vertical-align: middle; }
table.class td { border: 1px solid var(--line); }
table.class tbody th, table.class thead th:first-child { text-align: left; position: sticky;
  left: 0; background: var(--paper); max-width: 14rem; overflow: hidden;
  text-overflow: ellipsis; }
table.class small { display: block; font-size: 0.74rem; }
table.class tfoot { font-weight: 600; }
a { color: var(--link); }
nav { margin: 0.8rem 0; }
@media print { .scroll { overflow: visible; } table.class { font-size: 6pt; }
  @page { size: landscape; } }
""")


def write_page(
    folder: str | Path,
    path: str | Path,
    *,
    overwrite: bool = False,
    language: str | None = None,
) -> ClassProgress:
    """Write the progress of a class, from a folder of exported files, as one HTML page.

    ``language`` is one of the course, such as ``"zh"``; by default that of FTLEARN_LANG, or of the
    lesson that calls this. Raises LanguageError for any other, FileNotFoundError for a folder
    without JSON files or a place that does not exist, ExistsError for a file that exists, unless
    ``overwrite``.
    """
    files.check_writable(path, overwrite=overwrite)
    progress = read(folder)
    written = class_page(progress, language=language or languages.chosen())
    files.write_text(path, written)
    return progress


def class_page(
    progress: ClassProgress, *, now: datetime | None = None, language: str = "en"
) -> str:
    """The page: what is wrong with files, learners by lessons, and each lesson by exercises.

    Names of learners, files and exercises stay as they are in every language.
    """
    when = (now or datetime.now(UTC)).strftime("%Y-%m-%d")
    learners, total = len(progress.learners), len(progress.keys)
    written = page(
        "Progress of a class",
        tag(
            "p",
            f"{learners} learners, {len(progress.lessons)} lessons with {total} exercises and "
            f"questions; put together on {when}. The files hold counts and times, no answers.",
            class_="headline",
        ),
        _faults(progress),
        _overview(progress),
        _details(progress),
        style=join(STYLE, CLASS_STYLE),
    )
    return in_language(written, language)


def _faults(progress: ClassProgress) -> Markup:
    if not progress.faults:
        return Markup("")
    lines = [
        tag("li", _untranslated(file), " ", tag("bdi", reason)) for file, reason in progress.faults
    ]
    return tag("section", tag("h2", "Files to look at"), tag("ul", *lines))


def _overview(progress: ClassProgress) -> Markup:
    links = [tag("a", words, href=f"#by-{name}") for name, words in reversed(ORDERS.items())]
    words = ("Order of the learners:", " ", *_separated(links))
    nav = tag("nav", *words, aria_label="Order of the learners")
    tables = [
        tag("div", _learners(progress, name), id=f"by-{name}", class_="order") for name in ORDERS
    ]
    return tag("section", tag("h2", "Learners by lessons"), nav, *tables)


def _separated(parts: list[Markup]) -> list[object]:
    return [element for part in parts for element in (" · ", part)][1:]


def sort_key(name: str, progress: ClassProgress) -> Callable[[Learner], Any]:
    """What an order sorts learners by; those that are equal stay sorted by name."""
    earliest = datetime.min.replace(tzinfo=UTC)
    return {
        "name": lambda learner: 0,
        "solved": lambda learner: learner.solved(progress.keys),
        "hints": lambda learner: -learner.hints(progress.keys),
        "inactive": lambda learner: learner.last or earliest,
    }[name]


def _learners(progress: ClassProgress, order: str) -> Markup:
    learners = sorted(progress.learners, key=sort_key(order, progress))
    rows = []
    for learner in learners:
        lessons = [_lesson_cell(learner, keys) for keys in progress.lessons.values()]
        totals = (
            f"{learner.solved(progress.keys)}/{len(progress.keys)}",
            learner.tries(progress.keys),
            learner.hints(progress.keys),
            learner.last.strftime("%Y-%m-%d") if learner.last else "–",
        )
        rows.append([_name(learner), *(tag("td", value) for value in totals), *lessons])
    caption = (
        f"Solved of all exercises and questions per lesson, {ORDERS[order]}; below it t: tries, "
        "h: hints and solutions shown"
    )
    return _table(
        caption,
        rows,
        columns=["learner", "solved", "tries", "hints", "last active", *progress.lessons],
    )


def _lesson_cell(learner: Learner, keys: tuple[str, ...]) -> Markup:
    tries, hints, solved = learner.tries(keys), learner.hints(keys), learner.solved(keys)
    if not tries and not hints:
        return tag("td", "–")
    shade = -(-SHADES * solved // len(keys))  # rounded up: one solved is not none
    used = tag("small", _counts(tries, hints))
    return tag("td", f"{solved}/{len(keys)}", used, class_=f"s{shade}" if shade else None)


def _counts(tries: int, hints: int) -> str:
    """Tries and hints in short.

    >>> _counts(12, 0), _counts(12, 3), _counts(0, 1)
    ('12t', '12t 3h', '1h')
    """
    return " ".join(f"{number}{unit}" for number, unit in ((tries, "t"), (hints, "h")) if number)


def _name(learner: Learner) -> Markup:
    return tag("th", _untranslated(learner.name, title=learner.name), scope="row")


def _untranslated(text: str, **attributes: object) -> Markup:
    """A name from the files: it keeps its direction, and no catalogue changes it."""
    return tag("bdi", text, translate="no", **attributes)


def _details(progress: ClassProgress) -> Markup:
    parts = [tag("h2", "Each lesson by exercises")]
    for number, keys in progress.lessons.items():
        solved = sum(learner.solved(keys) for learner in progress.learners)
        share = solved / (len(keys) * len(progress.learners) or 1)
        summary = tag("summary", f"Lesson {number}: {share:.0%} solved")
        parts.append(tag("details", summary, _lesson(progress, number, keys)))
    return tag("section", *parts)


def _lesson(progress: ClassProgress, number: str, keys: tuple[str, ...]) -> Markup:
    rows = [
        [_name(learner), *(_item_cell(learner, key) for key in keys)]
        for learner in progress.learners
    ]
    counts = [sum(learner.is_solved(key) for learner in progress.learners) for key in keys]
    foot = tag("tfoot", tag("tr", tag("th", "solved by", scope="row"), *_cells(counts)))
    caption = f"Lesson {number}: {SOLVED} solved, {TRIED} tried; t: tries, h: hints and solutions"
    names = (key.partition("/")[2] for key in keys)
    return _table(caption, rows, foot, columns=["learner", *names])


def _cells(values: list[int]) -> list[Markup]:
    return [tag("td", value) for value in values]


def _item_cell(learner: Learner, key: str) -> Markup:
    tries, hints = learner.tries([key]), learner.hints([key])
    if not tries and not hints:
        return tag("td", "–")
    solved = learner.is_solved(key)
    sign = SOLVED if solved else TRIED
    return tag("td", sign, tag("small", _counts(tries, hints)), class_="s3" if solved else None)


def _table(caption: str, rows: list[list[Markup]], *foot: Markup, columns: list[str]) -> Markup:
    top = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in columns)))
    body = tag("tbody", *(tag("tr", *cells) for cells in rows))
    table = tag("table", tag("caption", caption), top, body, *foot, class_="class")
    return tag("div", table, class_="scroll", role="region", aria_label=caption, tabindex=0)
