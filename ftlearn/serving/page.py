"""The pages on which somebody tries a model in a browser: each a file that loads nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from typing import Any, NamedTuple

from ftlearn import markup

PLACE = 'data-service="{}"'
"""Where the page learns what the service is like."""
SHARED = {"/* page.css */\n": "page.css", "// page.js\n": "page.js"}
"""What both pages have in common, by the line that it replaces."""


class Page(NamedTuple):
    """A page, and the headers with which it is sent."""

    text: str
    headers: dict[str, str]


def page(columns: tuple[str, ...], *, asks_token: bool) -> Page:
    """The page for a model that reads these columns; with a field for the token if one is asked.

    >>> page(("question", "context"), asks_token=False).headers["Referrer-Policy"]
    'no-referrer'
    """
    return _page("page.html", {"columns": columns, "token": asks_token})


def chat_page(*, dialogue: bool, asks_token: bool) -> Page:
    """The page for a model that writes: a dialogue, or texts that it continues.

    >>> "Talk to the model" in chat_page(dialogue=True, asks_token=False).text
    True
    """
    return _page("chat_page.html", {"dialogue": dialogue, "token": asks_token})


def _page(name: str, service: dict[str, Any]) -> Page:
    """A file with what it must know of the service."""
    source = _read(name)
    for mark, shared in SHARED.items():
        source = source.replace(mark, _read(shared))
    text = source.replace(PLACE, f'data-service="{markup.escape(json.dumps(service))}"')
    headers = {
        "Content-Security-Policy": policy(source),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return Page(text, headers)


def _read(name: str) -> str:
    return resources.files("ftlearn.serving").joinpath(name).read_text(encoding="utf-8")


def policy(source: str) -> str:
    """A Content-Security-Policy with which a page runs its own script and style, and nothing else.

    >>> policy("<style>p {}</style><script>1</script>")[:42]
    "default-src 'none'; script-src 'sha256-a4a"
    """
    rules: dict[str, Any] = {
        "default-src": "'none'",
        "script-src": _hash(source, "script"),
        "style-src": _hash(source, "style"),
        "connect-src": "'self'",
        "img-src": "data:",  # the empty icon
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(source: str, tag: str) -> str:
    """The hash of what stands in a tag that occurs once."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", source, re.DOTALL)
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
