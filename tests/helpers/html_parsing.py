"""HTML as a reader finds it, and texts that try to become HTML."""

from __future__ import annotations

from html.parser import HTMLParser

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "<!-- --><![CDATA[",
    "&lt;b&gt; &#60; &amp;",
    "\u202eabc\u2066\u200f\u061c",
    "a\0b\x1b[31m\x85.",
    "half a pair \ud800",
    "文字 🙂 👩‍👩‍👧",
    "$a$ $",
    "x" * 5000,
]


class Parsed(HTMLParser):
    """What a reader of HTML finds: elements with attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in ("br", "col", "hr", "img", "meta"):
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")
