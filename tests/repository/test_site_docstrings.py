"""Docstrings as reStructuredText: what stands in the source, and what Sphinx is to read."""

from __future__ import annotations

import pytest

from tools.site_docstrings import to_rst


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Mean of `x`s.", "Mean of ``x``\\ s."),
        ("a * b_ and |c|", "a \\* b\\_ and \\|c\\|"),
        (">>> f('*')\n'*'", ">>> f('*')\n'*'"),
        ("A\n\n    x ──▶ y", "A\n\n::\n\n    x ──▶ y"),
        ("- ``a``: b\n- c*", "- ``a``: b\n- c\\*"),
        ("R. Fisher", "\\R. Fisher"),
    ],
)
def test_docstrings_become_restructuredtext(docstring: str, expected: str):
    assert to_rst(docstring) == expected


@pytest.mark.parametrize(
    "docstring",
    [
        "rows         how many\nvalid, test  two `x`,\n             or one",
        "    rows         how many\n    valid, test  two `x`,\n        or one",
        "rows : how many\nvalid, test : two `x`,\n    or one",
        "Parameters\n----------\nrows : how many\nvalid, test : two `x`,\n    or one",
    ],
    ids=["columns", "indented", "colons", "heading"],
)
def test_meanings_of_names_become_a_list_of_definitions(docstring: str):
    expected = "``rows``\n    how many\n``valid``, ``test``\n    two ``x``, or one"
    assert to_rst(docstring) == expected


def test_a_name_as_wide_as_its_column_has_a_meaning_too():
    assert to_rst("a     one\nright two") == "``a``\n    one\n``right``\n    two"


def test_one_parameter_below_a_heading_is_a_list_and_a_sentence_is_none():
    assert to_rst("Parameters\n----------\nx : one") == "``x``\n    one"
    assert to_rst("Adam and\nSGD take x") == "Adam and\nSGD take x"


def test_columns_of_drawings_keep_their_places():
    drawing = "    a ──▶ b        c\n    d              e"
    assert to_rst(drawing) == f"::\n\n{drawing}"
    table = "    linear   log Σ p          mixture\n    slow     Σ log p          product"
    assert to_rst(table) == f"::\n\n{table}"
