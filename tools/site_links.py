"""Relative links of the repository's Markdown, as the website needs them.

A link to a lesson, a guide or a figure becomes a link to its page; a link to any other file of the
repository gets the scheme `repo:`, which `docs/site/conf.py` turns into its address on GitHub.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath

from tools import notebooks

READMES = ("README.md", "README.zh.md")
"""The first page stands for them, but has other sections."""
_CODE = re.compile(r"(^```.*?^```|``[^\n]+?``|`[^`\n]*`)", re.DOTALL | re.MULTILINE)
_TARGET = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_ELSEWHERE = re.compile(r"[a-z]+:|#")


def pages() -> dict[str, str]:
    """The page of each lesson, guide and figure: path in the repository → path in the site."""
    root = notebooks.ROOT
    places = {"CONTRIBUTING.md": "guides/contributing.md"}
    places |= {f"docs/{path.name}": f"guides/{path.name}" for path in (root / "docs").glob("*.*")}
    for path in notebooks.find():
        for folder in ("notebooks", "notebooks/zh"):
            places[f"{folder}/{path.name}"] = f"lessons/{path.name}"
    return places | dict.fromkeys(READMES, "index.md")


def rewrite(text: str, source: str, places: dict[str, str]) -> str:
    """Markdown from the repository's file ``source`` with the links of the site.

    Code stays as it is. Raises ValueError for a link to nothing.

    >>> places = {"docs/speed.md": "guides/speed.md", "notebooks/02.ipynb": "lessons/02.ipynb"}
    >>> rewrite("[speed](../docs/speed.md#measured)", "notebooks/02.ipynb", places)
    '[speed](../guides/speed.md#measured)'
    >>> rewrite("the [licence](../LICENSE), `[a](b)`", "docs/speed.md", places)
    'the [licence](repo:LICENSE), `[a](b)`'
    """
    parts = _CODE.split(text)
    for at in range(0, len(parts), 2):  # the odd ones are code
        parts[at] = _TARGET.sub(lambda found: target(found[1], source, places), parts[at])
    return "".join(parts)


def target(link: str, source: str, places: dict[str, str]) -> str:
    """Where a link of the file ``source`` leads in the site. Raises ValueError for nothing."""
    if _ELSEWHERE.match(link):
        return link
    path, mark, anchor = link.partition("#")
    path = posixpath.normpath(str(PurePosixPath(source).parent / path))
    if path in places and not (anchor and path in READMES):
        page = posixpath.dirname(places[source]) if source in places else ""
        return posixpath.relpath(places[path], page or ".") + mark + anchor
    if not (notebooks.ROOT / path).exists():
        raise ValueError(f"{source} links to {link}, but there is no {path} in the repository")
    return f"repo:{path}"
