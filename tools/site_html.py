"""What Sphinx and MyST-NB write that a screen reader stumbles over, put right in the pages."""

from __future__ import annotations

import re
from typing import Any

_SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
_BLOCKS = {
    "<dl>": '<div class="parameters">',
    "</dl>": "</div>",
    "<dd>": "<div>",
    "</dd>": "</div>",
}
_HIDING_LABEL = ' aria-label="Toggle hidden content"'


def mend_page(
    app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Sphinx' hook `html-page-context`: changes the body of a page, and the 404 page's links."""
    if pagename == app.config.notfound_pagename:
        context["content_root"] = app.config.notfound_urls_prefix
    if "body" in context:
        context["body"] = mended(context["body"])


def mended(body: str) -> str:
    """The HTML of a page in which lists have terms, and what is folded has its visible name.

    Sphinx writes the parameters of a long signature as a list of definitions without terms.

    >>> mended('<dt class="sig x"><dl><dd>y</dd></dl></dt>')
    '<dt class="sig x"><div class="parameters"><div>y</div></div></dt>'
    >>> mended('<summary aria-label="Toggle hidden content">Checks</summary>')
    '<summary>Checks</summary>'
    """
    return _SIGNATURE.sub(lambda found: blocks(found[0]), body.replace(_HIDING_LABEL, ""))


def not_found(words: dict[str, Any], other: dict[str, Any], base: str) -> str:
    """The body of the 404 page, in both languages: a host has one such page for the whole site."""
    texts = [said["not_found_text"].format(base + said["prefix"]) for said in (words, other)]
    code = other["sphinx"].replace("_", "-")
    return f'<h1>{words["not_found"]}</h1><p>{texts[0]}</p><p lang="{code}">{texts[1]}</p>'


def blocks(signature: str) -> str:
    """The HTML of a signature with blocks in place of lists."""
    for old, new in _BLOCKS.items():
        signature = signature.replace(old, new)
    return signature
