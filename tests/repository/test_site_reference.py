"""The reference of the website: what has a place in it, and how signatures and values are shown."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes

from ftlearn.course import class_page
from ftlearn.course.exercises.base import Exercise, ignore_event
from tools import site_reference


def test_exports_and_imported_modules_have_a_place_in_the_reference():
    pages = site_reference.modules(["from ftlearn.interpolation.predictions import em"])
    assert "ftlearn.training" in pages
    assert "ftlearn.interpolation.predictions.em" in pages["ftlearn.interpolation"]
    assert "ftlearn.serving" not in pages


def test_a_name_of_an_object_is_not_taken_for_a_module():
    assert sorted(site_reference.imports("from ftlearn.tasks import chat")) == ["ftlearn.tasks"]


def test_what_a_package_exports_is_documented_once():
    names = ["ftlearn.course", "ftlearn.course.explorers", "ftlearn.course.explorers.anchored"]
    assert "   :exclude-members: anchored\n" in site_reference.page(names)


def test_what_a_module_takes_from_another_is_documented_where_it_is_defined():
    names = ["ftlearn.models", "ftlearn.models.architecture", "ftlearn.models.pooling"]
    page = site_reference.page(names).partition("automodule:: ftlearn.models.architecture")[2]
    taken, defined = page.split("automodule:: ftlearn.models.pooling")
    assert re.search(r"   :exclude-members: .*\bPooledClassifier\b.*\bpool_mean\b", taken)
    assert "PooledClassifier" not in defined
    assert "PooledClassifier" not in site_reference.page(names[:2])


def test_a_function_as_default_of_a_field_is_no_method():
    def skipped(value: Any) -> bool | None:
        return site_reference.skip_member(None, "class", "member", value, False, None)

    assert skipped(ignore_event) is True
    assert skipped(Exercise.check) is None


def test_defaults_in_signatures_are_python():
    signature = "(a: dict[str, str] = <factory>, b: ~typing.Any = <function f>)"
    mended, _ = site_reference.mend_signature(None, "class", "C", None, None, signature, None)
    assert mended == "(a: dict[str, str] = ..., b: ~typing.Any = f)"


def test_aliases_of_types_have_their_names_within_unions():
    signature = "(policy: TypeAliasForwardRef('ArrayLike') | None = None)"
    mended, _ = site_reference.mend_signature(None, "function", "f", None, None, signature, None)
    assert mended == "(policy: ArrayLike | None = None)"


def described(name: str, value: str) -> addnodes.desc_signature:
    """The signature of a constant of ftlearn, after the hook has seen it."""
    module, _, last = name.rpartition(".")
    shown = addnodes.desc_annotation("", "", nodes.Text(" = "), nodes.Text(value))
    signature = addnodes.desc_signature("", "", shown, module=module, fullname=last)
    content = addnodes.desc_content()
    addnodes.desc("", signature, content)
    site_reference.mend_value(None, "py", "data", content)
    return signature


def test_dicts_are_shown_in_their_order():
    shown = described("ftlearn.course.class_page.ORDERS", "{'hints': '', 'inactive': ''}").astext()
    assert shown == f" = {class_page.ORDERS!r}"


def test_long_values_and_addresses_are_not_shown():
    assert described("ftlearn.markup.INVISIBLE", "{...}").astext() == ""
    assert described("ftlearn.models.pooling.POOLINGS", "{...}").astext() == ""
    assert described("ftlearn.models.partial.PARTS", "('bias',)").astext() == " = ('bias',)"
