"""The one place where text becomes HTML: everything is escaped unless this module made it.

Other modules build pages and widgets from ``tag`` and ``escape`` and never write markup as text.
"""

from __future__ import annotations

import base64
import html
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

DIRECTION = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Invisible characters that change the writing direction, and so can disguise a text."""

_CONTROLS = [code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"]
INVISIBLE = {code: f"[U+{code:04X}]" for code in (*_CONTROLS, *DIRECTION, *range(0xD800, 0xE000))}
"""Invisible characters that control what is shown, each with its visible replacement."""

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_CASED = {"viewBox"}  # of SVG, where capitals matter
_VOID = {"br", "col", "hr", "img", "meta"}
_ADDRESSES = ("#", "https://", "data:image/")


class Markup(str):
    """Text that is HTML already. The result of joining or formatting it is plain text again.

    Outside this module it takes only a literal in the source, never a value.
    """

    __slots__ = ()


def visible(text: str) -> str:
    """The text with characters that HTML cannot hold, or that reverse text, replaced by their code.

    >>> visible("abc\\u202edef")
    'abc[U+202E]def'
    """
    return text.translate(INVISIBLE)


def plain(text: str) -> str:
    """The text for a terminal: as ``visible``, and carriage returns are replaced as well.

    >>> plain("12 % wrong\\r 2 % wrong")
    '12 % wrong[U+000D] 2 % wrong'
    """
    return visible(text).replace("\r", "[U+000D]")


def escape(value: object) -> Markup:
    """Any value as text that is safe inside an element and inside a quoted attribute.

    Characters that change the writing direction, other control characters and lone surrogates
    are shown by their code. ``Markup`` stays as it is.

    >>> escape('<img src=x onerror="alert(1)">')
    '&lt;img src=x onerror=&quot;alert(1)&quot;&gt;'
    >>> escape("\\u202eabc")
    '[U+202E]abc'
    """
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(visible(str(value))))


def tag(name: str, /, *content: object, **attributes: object) -> Markup:
    """An element with its content and attributes, all escaped.

    A trailing underscore is dropped from a keyword (``class_``) and others become hyphens
    (``aria_label``); an attribute that is None or False is left out, and True is written without a
    value. Raises ValueError for a script, for an attribute that would run one, for an address
    outside the page that is not https, and for a style sheet that is not Markup.

    >>> tag("p", "a < b", tag("br"), 3, class_="note", hidden=True)
    '<p class="note" hidden>a &lt; b<br>3</p>'
    >>> tag("a", "here", href="javascript:alert(1)")
    Traceback (most recent call last):
    ValueError: href is 'javascript:alert(1)': it must begin with one of # https:// data:image/
    """
    _check_element(name, content)
    start = name + "".join(_attribute(key, value) for key, value in attributes.items())
    rest = "" if name in _VOID else f"{join(*content)}</{name}>"
    return Markup(f"<{start}>{rest}")


def _check_element(name: str, content: tuple[object, ...]) -> None:
    if not _NAME.fullmatch(name) or name == "script":
        raise ValueError(f"no element can be named {name!r} here: use a plain HTML element")
    if name in _VOID and content:
        raise ValueError(f"<{name}> holds nothing, but got {content!r}")
    if name == "style" and not all(isinstance(part, Markup) for part in content):
        raise ValueError("a style sheet must be Markup: it is not read as escaped text")


def _attribute(key: str, value: object) -> str:
    name = key.removesuffix("_").replace("_", "-")
    known = name in _CASED or _NAME.fullmatch(name)
    if not known or name.startswith("on") or name in ("style", "srcdoc"):
        raise ValueError(f"no attribute can be named {name!r} here: it could run a script")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    if name in ("href", "src") and not str(value).startswith(_ADDRESSES):
        raise ValueError(f"{name} is {value!r}: it must begin with one of {' '.join(_ADDRESSES)}")
    return f' {name}="{html.escape(visible(str(value)))}"'


def join(*parts: object) -> Markup:
    """Parts one after the other, each escaped unless it is Markup.

    >>> join("a & b", tag("b", "c"))
    'a &amp; b<b>c</b>'
    """
    return Markup("".join(map(escape, parts)))


def image(png: bytes, alt: str) -> Markup:
    """An image that is embedded in the page, with its description in words.

    >>> image(b"...", "a dot")
    '<img alt="a dot" src="data:image/png;base64,Li4u">'
    """
    return tag("img", alt=alt, src=f"data:image/png;base64,{base64.b64encode(png).decode()}")


def frame(table: DataFrame) -> Markup:
    """A table as pandas writes it, which escapes every cell and name; a Styler would not.

    >>> import pandas as pd
    >>> "<td>&lt;b&gt;</td>" in frame(pd.DataFrame({"text": ["<b>"]}))
    True
    """
    written = table.to_html(escape=True, border=0, max_rows=60, max_cols=20)
    return Markup(visible(written))


class AsHtml:
    """Base class of objects that a notebook shows as HTML; a subclass writes ``as_html``.

    Anything but Markup is escaped; with None the notebook shows Markdown or text instead.

    >>> class Bold(AsHtml):
    ...     def as_html(self): return tag("b", "a < b")
    >>> Bold()._repr_html_()
    '<b>a &lt; b</b>'
    """

    __slots__ = ()

    def as_html(self) -> Markup | None:
        """The HTML, or None; a subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is shown as HTML")

    def _repr_html_(self) -> Markup | None:
        content = self.as_html()
        return None if content is None else escape(content)


class AsWidget:
    """Base class of objects that a notebook shows as a widget, and as Markdown without widgets.

    A subclass writes ``as_widget``, which returns a widget of ipywidgets, and ``as_markdown``.
    """

    def as_widget(self) -> Any:
        """The widget; a subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is shown as a widget")

    def as_markdown(self) -> str:
        """What a page without widgets shows; a subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is shown as text")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.as_widget().model_id}
        return {
            "text/plain": repr(self),
            "text/markdown": self.as_markdown(),
            "application/vnd.jupyter.widget-view+json": view,
        }
