"""Whatever is shown comes out as text: parsed again, it is what went in and nothing else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pandas as pd
import pytest
from html_parsing import HOSTILE, Parsed
from hypothesis import example, given
from hypothesis import strategies as st
from source_code import docstrings, imported, name_of

from ftlearn import markup
from ftlearn.markup import Markup, escape, join, tag, visible
from tools.notebooks import ROOT

PACKAGE = ROOT / "ftlearn"
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "markup.py"]


@given(st.text(st.characters(codec=None)))
@example("\u202e<b>")
@example('"><b title="&quot;')
@example("' onload='1")
def test_any_text_comes_back_from_content_and_attribute(text: str):
    parsed = Parsed(tag("p", text, title=text))
    assert parsed.elements == [("p", {"title": visible(text)})]
    assert (parsed.text, parsed.open) == (visible(text), [])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(text: str):
    shown = escape(text)
    assert not set(shown) & set("<>\"'\0\ud800\u202e\u2066\u200f\u061c\x1b\x85")
    assert Parsed(shown).elements == []
    assert shown.encode()


def test_every_control_of_direction_is_named():
    codes = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0]
    for code in codes:
        assert visible(f"a{chr(code)}b") == f"a[U+{code:04X}]b"
    assert visible("a\tb\r\nc 👩‍👩‍👧 é") == "a\tb\r\nc 👩‍👩‍👧 é"


def test_what_is_made_from_markup_is_plain_again():
    mark = tag("b", "x")
    for text in (mark + "", "" + mark, f"{mark}", mark.upper(), mark[:9], "".join([mark])):
        assert type(text) is str
        assert escape(text).startswith("&lt;")


def test_content_is_escaped_once():
    assert tag("p", tag("b", "<"), "<") == "<p><b>&lt;</b>&lt;</p>"
    assert escape(escape("<")) == "&lt;"
    assert join(1, None, "&") == "1None&amp;"


def test_attributes_say_what_they_mean():
    cell = tag("td", class_="n", aria_label="a b", hidden=True, id_=None, colspan=2, lang=False)
    assert cell == '<td class="n" aria-label="a b" hidden colspan="2"></td>'


def test_a_drawing_has_its_one_attribute_with_a_capital():
    drawing = tag("svg", tag("path", d="M0 0", stroke_width=2), viewBox='0 0 1 1"', role="img")
    assert drawing == (
        '<svg viewBox="0 0 1 1&quot;" role="img"><path d="M0 0" stroke-width="2"></path></svg>'
    )


@pytest.mark.parametrize(
    "name", ["onclick", "onError", "style", "attributeName", "srcdoc", "a b", "x>", "", "_"]
)
def test_an_attribute_that_could_run_a_script_is_refused(name: str):
    with pytest.raises(ValueError, match="no attribute can be named"):
        tag("p", **{name: "1"})


@pytest.mark.parametrize("name", ["script", "SCRIPT", "p onclick", "b>", ""])
def test_an_element_that_could_run_a_script_is_refused(name: str):
    with pytest.raises(ValueError, match="no element can be named"):
        tag(name)


@pytest.mark.parametrize("name", ["href", "src"])
@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", " #", "//x", "http://x", "file:///x"]
)
def test_an_address_that_leaves_the_page_is_refused(name: str, address: str):
    with pytest.raises(ValueError, match="it must begin with one of"):
        tag("a", **{name: address})


def test_a_style_sheet_is_never_data():
    with pytest.raises(ValueError, match="must be Markup"):
        tag("style", "p { }")
    assert tag("style", Markup("p > b { }")) == "<style>p > b { }</style>"


def test_an_empty_element_holds_nothing():
    assert tag("br") == "<br>"
    with pytest.raises(ValueError, match="<br> holds nothing"):
        tag("br", "text")


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\ud800" not in text][:-1])
def test_a_table_of_pandas_is_escaped(text: str):
    table = pd.DataFrame({text: [text]}, index=pd.Index([text], name=text))
    parsed = Parsed(markup.frame(table))
    names = {name for name, _ in parsed.elements}
    assert names == {"table", "thead", "tbody", "tr", "th", "td"}
    attributes = {key for _, attributes in parsed.elements for key in attributes}
    assert attributes <= {"border", "class", "style"}
    assert parsed.text.count(visible(text)) >= 4


# The rules below read the source: outside markup.py nobody escapes, and nobody writes markup.

ELEMENTS = (
    "a|abbr|b|bdi|blockquote|body|br|button|canvas|code|details|div|dl|dt|dd|em|embed|figcaption|"
    "figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|label|li|link|main|"
    "meta|object|ol|option|p|path|pre|script|section|select|small|span|strong|style|sub|summary|"
    "sup|svg|table|tbody|td|textarea|tfoot|th|thead|title|tr|ul|video"
)
MARKUP = re.compile(rf"<[/!]?({ELEMENTS}|doctype)\b", re.IGNORECASE)
ESCAPERS = {"html", "markupsafe", "jinja2", "xml.sax.saxutils", "cgi", "mako", "bleach"}
CHATS = "tasks/chat_template.py"
"""Chat templates are written in Jinja and make no HTML; their errors are caught there."""
MAKERS = {"HTML", "HTMLMath", "Javascript", "SVG", "display_html", "display_javascript"}
SELF_SHOWN = {"_repr_html_", "_repr_mimebundle_", "_repr_svg_", "to_html", "Styler"}


def marked(tree: ast.AST) -> tuple[set[int], list[str]]:
    """The literals that are declared Markup, and each Markup made of anything else."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and name_of(n.func) == "Markup"]
    good = [
        call
        for call in calls
        if not call.keywords
        and [type(part) for part in call.args] == [ast.Constant]
        and isinstance(call.args[0].value, str)
    ]
    wrong = [f"line {call.lineno}: Markup of a value" for call in calls if call not in good]
    return {id(call.args[0]) for call in good}, wrong


def unsafe_showing(tree: ast.AST) -> list[str]:
    """What a module does that belongs into markup.py alone."""
    allowed, problems = marked(tree)
    allowed |= docstrings(tree)
    for node in ast.walk(tree):
        where = f"line {getattr(node, 'lineno', 0)}"
        wrong = {name for name in imported(node) if name in ESCAPERS or _maker(name)}
        problems += [f"{where}: imports {name}" for name in sorted(wrong)]
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in allowed and MARKUP.search(node.value):
                problems.append(f"{where}: writes markup {node.value!r}")
            if node.value in SELF_SHOWN:
                problems.append(f"{where}: names {node.value}")
        if isinstance(node, ast.Attribute) and node.attr in SELF_SHOWN:
            problems.append(f"{where}: calls {node.attr}")
        if isinstance(node, ast.FunctionDef) and node.name in SELF_SHOWN:
            problems.append(f"{where}: defines {node.name}")
        if isinstance(node, ast.Call) and name_of(node.func) in MAKERS and _filled(node):
            problems.append(f"{where}: {name_of(node.func)} with a content of its own")
        problems += [f"{where}: {name} aliased" for name in _aliased(node)]
        if isinstance(node, ast.Assign) and _sets_value(node) and _is_composed(node.value):
            problems.append(f"{where}: a widget's value is put together from text")
    return problems


def _maker(name: str) -> bool:
    return name.rsplit(".", 1)[-1] in MAKERS


def _filled(call: ast.Call) -> bool:
    return bool(call.args) or any(key.arg in ("value", "data", None) for key in call.keywords)


def _aliased(node: ast.AST) -> list[str]:
    """Markup or a maker of HTML under another name would slip through the other rules."""
    if isinstance(node, ast.ImportFrom):
        names = [alias.name for alias in node.names if alias.asname]
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
        names = [name_of(node.value)] if node.value else []
    else:
        names = []
    return [name for name in names if name in {"Markup", *MAKERS}]


def _sets_value(node: ast.Assign) -> bool:
    return any(isinstance(at, ast.Attribute) and at.attr == "value" for at in node.targets)


def _is_composed(value: ast.expr) -> bool:
    joined = isinstance(value, ast.Call) and name_of(value.func) in ("format", "join", "str")
    escaping = isinstance(getattr(value, "func", None), ast.Name) and value.func.id == "join"
    return isinstance(value, ast.JoinedStr | ast.BinOp) or (joined and not escaping)  # markup.join


READERS_OF_HTML = {
    "capstone/preparing.py": {"writes markup"},  # dirties a text for the learner to clean
    # Translates between the tags of HTML, and escapes what it puts there.
    "language/texts.py": {"imports html", "writes markup"},
    "workflows/exporting.py": {"writes markup"},  # looks for a place in a page that markup made
}
"""Modules that read HTML, each with what it does that others may not."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_markup_makes_html(path: Path):
    problems = unsafe_showing(ast.parse(path.read_text(encoding="utf-8")))
    name = path.relative_to(PACKAGE).as_posix()
    if name == CHATS:
        (problem,) = problems
        assert problem.endswith("imports jinja2")
        return
    kinds = {" ".join(problem.split()[2:4]) for problem in problems}
    assert kinds == READERS_OF_HTML.get(name, set()), problems


@pytest.mark.parametrize(
    "code",
    [
        "import html",
        "from html import escape",
        "import html as h",
        "from markupsafe import escape",
        "from xml.sax.saxutils import escape",
        "from IPython.display import HTML",
        "IPython.display.HTML(text)",
        "ipywidgets.HTML(text)",
        "ipywidgets.HTML(value=f'{text}')",
        "ipywidgets.HTML(**options)",
        "display.HTML(data=text)",
        "show = ipywidgets.HTML",
        "f'<b>{text}</b>'",
        "'<p class=x>' + text",
        "'</td>'.join(cells)",
        "text = '<!DOCTYPE html>'",
        "Markup(text)",
        "Markup(f'{text}')",
        "Markup('<b>' + text)",
        "Markup('<b>%s</b>' % text)",
        "Markup('<b>{}</b>'.format(text))",
        "Markup(*parts)",
        "from ftlearn.markup import Markup as M",
        "M = Markup",
        "M = markup.Markup",
        "table.style.to_html()",
        "value._repr_html_()",
        "getattr(value, '_repr_html_')()",
        "class A:\n def _repr_html_(self): ...",
        "result.value = f'{text}'",
        "result.value = 'a' + text",
        "result.value = '{}'.format(text)",
    ],
)
def test_rule_bites(code: str):
    assert unsafe_showing(ast.parse(code)) != []


@pytest.mark.parametrize(
    "code",
    [
        "from html.parser import HTMLParser",
        "ipywidgets.HTML()",
        "STYLE = Markup('<hr>')",
        "def f():\n '''Writes <b>.'''",
        "result.value = tag('pre', f'{text}')",
        "START = '<s>'",
        "small = a < b > c",
    ],
)
def test_rule_lets_good_code_pass(code: str):
    assert unsafe_showing(ast.parse(code)) == []
