"""The website as Sphinx builds it: both languages, without a warning, nothing missing."""

from __future__ import annotations

from pathlib import Path

import built_site
import pytest

from tools import notebooks, site_check, site_sources

NOT_FOUND = "404.html"

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> site_check.Site:
    folder = built_site.built(tmp_path_factory.mktemp("site"))
    return site_check.Site(folder, site_sources.base())


def english_pages(site: site_check.Site) -> set[str]:
    return {name for name in site.pages if not name.startswith("zh/")}


def test_nothing_is_broken(site: site_check.Site):
    assert site.complaints() == []


def test_every_page_exists_in_both_languages(site: site_check.Site):
    english = english_pages(site)
    assert english == {name.removeprefix("zh/") for name in site.pages if name not in english}


def test_every_page_links_to_the_other_language(site: site_check.Site):
    for name in english_pages(site) - {NOT_FOUND}:
        depth = name.count("/")
        assert f"{'../' * depth or './'}zh/{name}".removeprefix("./") in {
            link.removeprefix("./") for link in site.pages[name].links
        }, name


@pytest.mark.parametrize("prefix", ["", "zh/"])
def test_the_page_for_wrong_addresses_has_no_relative_link(site: site_check.Site, prefix: str):
    page = site.pages[prefix + NOT_FOUND]
    links = [link for link in [*page.links, *page.fetched] if not site_check.is_elsewhere(link)]
    assert f"{site.base}{prefix}lessons/02_loss.html" in links
    assert [link for link in links if not link.startswith((site.base, "#"))] == []


def test_every_command_has_a_page(site: site_check.Site):
    for name in ("fit", "serve", "capstone"):
        assert f"commands/{name}.html" in site.pages
    text = (site.folder / "zh" / "commands" / "fit.html").read_text("utf-8")
    assert 'id="cmdoption-ftlearn-fit-label"' in text
    assert "要学习的标签" in text


def test_every_lesson_and_guide_has_a_page(site: site_check.Site):
    lessons = {f"lessons/{path.stem}.html" for path in notebooks.find()}
    guides = {f"guides/{path.stem}.html" for path in (notebooks.ROOT / "docs").glob("*.md")}
    assert lessons | guides <= set(site.pages)


def test_examples_of_the_package_are_in_the_reference(site: site_check.Site):
    text = (site.folder / "reference" / "losses.html").read_text("utf-8")
    assert "cross_entropy" in text
    assert "tensor(1.0986)" in text


def test_formulas_are_set_by_the_copy_in_the_site(site: site_check.Site):
    page = site.pages["lessons/02_loss.html"]
    assert any("_static/mathjax/tex-chtml.js" in address for address in page.fetched)
    assert Path(site.folder / "_static" / "mathjax" / "LICENSE").is_file()
