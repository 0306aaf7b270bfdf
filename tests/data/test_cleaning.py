"""Repairs change what is broken and nothing else."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.data import DataError, normalise_label, repair_text


@pytest.mark.parametrize(
    ("broken", "text", "changes"),
    [
        ("cafÃ© culture", "café culture", ("mojibake",)),
        ("It wasnâ€™t a goal", "It wasn’t a goal", ("mojibake",)),
        ("<p>One.</p><p>Two.</p>", "One. Two.", ("html", "whitespace")),
        ("run <b>fast</b>er", "run faster", ("html",)),
        ("Fish &amp; chips&nbsp;&#39;25", "Fish & chips '25", ("html", "whitespace")),
        ("caf&Atilde;&copy;", "café", ("html", "mojibake")),
        ("a<script>if (x < y) alert('</p>')</script>b", "ab", ("html",)),
        ("a<STYLE type='x'>p > a {}</STYLE >b", "ab", ("html",)),
        ("a<!-- a <b>note</b> -->b", "ab", ("html",)),
        ('see <a href="x?a=1&copy=2">this</a>', "see this", ("html",)),
        (" two  \n spaces\t", "two spaces", ("whitespace",)),
        ("&lt;b&gt; is bold", "<b> is bold", ("html",)),
        ('<img src="x" onerror="alert(1)">seen', "seen", ("html", "whitespace")),
    ],
)
def test_broken_text_is_repaired_and_the_repairs_named(broken, text, changes):
    assert repair_text(broken) == (text, changes)


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "if x <y then y> z",
        "I <3 football",
        "<stdin> and <T>",
        "an open <b",
        "an open <script> stays",
        "an open <!-- comment",
        "Q&A, AT&T, rock&roll, ?a=1&copy=2",
        "“Curly quotes”, it’s fine — ½ ﬁ Ｆｕｌｌ",
        "插值法 means interpolation",
        "Müller, naïve, São Paulo, 5 °C, £3",
    ],
)
def test_good_text_passes_unchanged(text):
    assert repair_text(text) == (text, ())


@given(st.text(st.characters(max_codepoint=126, min_codepoint=32)))
def test_escaped_text_comes_back(text):
    folded = " ".join(text.split())
    assert repair_text(html.escape(folded)).text == folded


@pytest.mark.parametrize("value", [" Tech", "TECH", "tech.", "Technology", "technology\n", "I.T."])
def test_spellings_of_one_label(value):
    names, aliases = ["technology", "health"], {"tech": "technology", "i t": "technology"}
    assert normalise_label(value, names, aliases=aliases) == "technology"


@pytest.mark.parametrize("value", [None, "", " ", "cooking", "techno"])
def test_unknown_labels_are_none(value):
    assert normalise_label(value, ["technology"]) is None


def test_an_alias_of_nothing_is_an_error():
    with pytest.raises(DataError, match=r"'sport' stands for 'sprots'.*Did you mean 'sports'"):
        normalise_label("sport", ["sports"], aliases={"sport": "sprots"})
