"""Labels of one part against those of another, and labels that differ in spelling alone."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from ftlearn.compatibility.findings import Finding
from ftlearn.data.labels import natural_order, parse_number
from ftlearn.data.number_notation import MISSING

SHOWN = 5
"""Labels, or groups of them, that a message names."""
UNLIKELY = 1e-3
"""A missing label is reported if chance leaves it out of a part with a lower probability."""
QUOTES = str.maketrans(dict.fromkeys("\"'`´‘’‚‛“”„‟«»‹›", "'"))
MINUS = str.maketrans({"−": "-", "﹣": "-"})
TWINS = str.maketrans("авекмнорстухіјѕο", "abekmhopctyxijso")
"""Cyrillic letters (and Greek's o) whose small or capital form looks like a Latin letter."""
JOINED = re.compile(r"(?<=[^\W_])[-_‐‑‒–—]+(?=[^\W_])")


def spelling(label: str) -> str | Decimal:
    """A key that is the same for all spellings of a label; for a number, its value.

    Ignored are case, white space, Unicode form and invisible characters, letters of another
    alphabet that look the same, quotation marks around it, a full stop after it, whether words are
    joined by a hyphen, and how a number is written.

    >>> spelling(" Sci_Fi. ") == spelling("sci-fi") == spelling('"sci fi"')
    True
    >>> spelling("01") == spelling("1.0") == spelling("+1") != spelling("-1")
    True
    """
    folded = unicodedata.normalize("NFKC", label).casefold()
    visible = "".join(
        character
        for character in unicodedata.normalize("NFKC", folded)
        if unicodedata.category(character) != "Cf"
    )
    latin = visible.translate(TWINS)
    plain = " ".join(latin.translate(QUOTES).translate(MINUS).split()).strip(" '")
    if parse_number(plain) is not None:
        return Decimal(plain)
    return " ".join(JOINED.sub(" ", plain).rstrip(" .,;:'").split()) or label


def lookalikes(counts: Mapping[str, int]) -> list[Finding]:
    """A note on the labels that differ in nothing but their spelling.

    >>> print(*lookalikes({"garden": 9, "Garden": 3, "kitchen": 5}))
    note: 1 group of labels differs by spelling alone, and each spelling is a class of its own:
    'Garden' (3), 'garden' (9); where they mean the same, give them one spelling
    """
    by_spelling = defaultdict(list)
    for label in sorted(counts, key=natural_order):
        by_spelling[spelling(label)].append(label)
    groups = [group for group in by_spelling.values() if len(group) > 1]
    if not groups:
        return []
    named = [listed({label: counts[label] for label in group}) for group in groups[:SHOWN]]
    more = f" | and {len(groups) - SHOWN} more groups" if len(groups) > SHOWN else ""
    if len(groups) == 1:
        subject = "1 group of labels differs"
    else:
        subject = f"{len(groups)} groups of labels differ"
    message = (
        f"{subject} by spelling alone, and each spelling is a class of its own: "
        f"{' | '.join(named)}{more}; where they mean the same, give them one spelling"
    )
    return [Finding("labels", message)]


def placeholders(counts: Mapping[str, int]) -> list[Finding]:
    """A note on labels that are often written where a value is missing.

    >>> print(*placeholders({"1.0": 40, "2.0": 50, "NaN": 3}))
    note: 'NaN' (3) is a class like the others here, though many programs write it where a value is
    missing: if so, empty these cells, and their rows are left out
    """
    found = {
        label: count
        for label, count in counts.items()
        if label.strip().casefold() in MISSING - {""}
    }
    if not found:
        return []
    subject = "is a class" if len(found) == 1 else "are classes"
    message = (
        f"{listed(found)} {subject} like the others here, though many programs write it where a "
        "value is missing: if so, empty these cells, and their rows are left out"
    )
    return [Finding("labels", message)]


def unseen(
    part: str,
    counts: Mapping[str, int],
    known: Collection[str],
    *,
    by: str = "train",
    fate: str,
    error: bool = False,
) -> list[Finding]:
    """A finding on the unknown labels of a part; ``fate`` says what happens to their rows.

    It is an error where none of the part's labels is known, or where ``error`` says so. ``by``
    names the part or model whose labels are ``known``.

    >>> print(*unseen("test", {"0.0": 4, "1.0": 6}, ["0", "1"], fate="they are left out"))
    error: no row of test has a label that train has: test has '0.0' (4), '1.0' (6), train has '0',
    '1'; give both the same labels ('0.0' may mean '0', '1.0' may mean '1')
    """
    unknown = {label: count for label, count in counts.items() if label not in known}
    if not unknown:
        return []
    hint = suggest(unknown, known)
    if len(unknown) == len(counts):
        message = (
            f"no row of {part} has a label that {by} has: {part} has {listed(unknown)}, {by} has "
            f"{listed(known)}; give both the same labels{hint}"
        )
        return [Finding("labels", message, error=True)]
    rows = sum(unknown.values())
    total = sum(counts.values())
    message = (
        f"{rows} of {total} rows of {part} have labels that {by} does not have, "
        f"{listed(unknown)}{hint}: {fate}"
    )
    return [Finding("labels", message, error)]


def missing(part: str, counts: Counter[str], train: Counter[str]) -> list[Finding]:
    """A note on labels of train that a part lacks, where chance would hardly leave them out.

    >>> print(*missing("test", Counter(a=100), Counter(a=50, b=50)))
    note: test has no row with 'b' (50 in train), which chance alone would hardly leave out: its
    scores do not cover that
    """
    rows = counts.total()
    total = train.total()
    absent = {
        label: count
        for label, count in train.items()
        if label not in counts and (1 - count / total) ** rows < UNLIKELY
    }
    if not absent or len(absent) == len(train):  # if all are, ``unseen`` has an error
        return []
    named = ", ".join(f"{shown(label)} ({count} in train)" for label, count in _first(absent))
    more = f" and {len(absent) - SHOWN} more labels" if len(absent) > SHOWN else ""
    message = (
        f"{part} has no row with {named}{more}, which chance alone would hardly leave out: its "
        "scores do not cover that"
    )
    return [Finding("labels", message)]


def unknown_labels(column: str, unknown: Iterable[str], known: Collection[str]) -> str:
    """The error message on labels that a task does not know.

    >>> print(unknown_labels("topic", ["Sport"], ("health", "sport")))
    column 'topic' holds labels the task does not know: 'Sport'; it knows 'health', 'sport' ('Sport'
    may mean 'sport')
    """
    names = sorted(unknown, key=natural_order)
    return (
        f"column {column!r} holds labels the task does not know: {listed(names)}; it knows "
        f"{listed(known)}{suggest(names, known)}"
    )


def suggest(unknown: Iterable[str], known: Iterable[str]) -> str:
    """In brackets, the known labels that unknown ones differ from in spelling alone."""
    names = {spelling(name): name for name in known}
    pairs = [
        f"{shown(label)} may mean {shown(names[spelling(label)])}"
        for label in sorted(unknown, key=natural_order)
        if spelling(label) in names
    ]
    more = ", ..." if len(pairs) > SHOWN else ""
    return f" ({', '.join(pairs[:SHOWN])}{more})" if pairs else ""


def listed(labels: Mapping[str, int] | Collection[str]) -> str:
    """The first labels in natural order, with their counts if there are any, and how many more.

    >>> listed({"hot": 5, "cool": 2}), listed([str(number) for number in range(150)])
    ("'cool' (2), 'hot' (5)", "'0', '1', '2', '3', '4' and 145 more")
    """
    counts = labels if isinstance(labels, Mapping) else dict.fromkeys(labels)
    named = ", ".join(
        shown(label) + (f" ({count})" if count is not None else "")
        for label, count in _first(counts)
    )
    return named + (f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")


def _first(counts: Mapping[str, int | None]) -> list[tuple[str, int | None]]:
    return sorted(counts.items(), key=lambda item: natural_order(item[0]))[:SHOWN]


def shown(label: str) -> str:
    r"""A label in quotes; with code points where it could look like another one.

    >>> print(shown("café"), shown("cafe\u0301"), shown("s\u0440orts"))
    'café' 'cafe\u0301' 's\u0440orts'
    """
    folded = label.casefold()
    mixes_alphabets = folded.translate(TWINS) != folded and re.search("[a-z]", folded)
    is_plain = unicodedata.is_normalized("NFC", label) and not mixes_alphabets
    return repr(label) if is_plain else ascii(label)
