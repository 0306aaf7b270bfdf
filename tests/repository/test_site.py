"""The sources of the website, without building it: links, lessons, and the checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from project import read

from tools import (
    notebooks,
    site_check,
    site_html,
    site_lessons,
    site_links,
    site_sources,
)
from tools.site_lessons import Lesson

EN, ZH = site_sources.words("en"), site_sources.words("zh")
PLACES = {
    "docs/speed.md": "guides/speed.md",
    "notebooks/02_loss.ipynb": "lessons/02_loss.ipynb",
    "notebooks/zh/02_loss.ipynb": "lessons/02_loss.ipynb",
    "README.md": "index.md",
}


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    return Lesson(notebooks.find(["02"])[0], "en")


@pytest.fixture(scope="module")
def page(lesson: Lesson) -> NotebookNode:
    return site_lessons.page(lesson, "en", EN, site_links.pages())


def texts(notebook: NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@pytest.mark.parametrize(
    ("source", "link", "expected"),
    [
        ("notebooks/02_loss.ipynb", "../docs/speed.md", "../guides/speed.md"),
        ("notebooks/zh/02_loss.ipynb", "../../docs/speed.md#a", "../guides/speed.md#a"),
        ("docs/speed.md", "../notebooks/02_loss.ipynb", "../lessons/02_loss.ipynb"),
        ("docs/speed.md", "../examples/train_many.py", "repo:examples/train_many.py"),
        ("docs/speed.md", "#measured", "#measured"),
        ("docs/speed.md", "https://arxiv.org/abs/1", "https://arxiv.org/abs/1"),
        ("README.md", "docs/speed.md", "guides/speed.md"),
        ("docs/speed.md", "../README.md", "../index.md"),
        ("docs/speed.md", "../README.md#layout", "repo:README.md"),
    ],
)
def test_links_lead_to_pages_or_to_the_repository(source: str, link: str, expected: str):
    assert site_links.rewrite(f"a [b]({link}).", source, PLACES) == f"a [b]({expected})."


def test_code_keeps_its_brackets():
    text = "`[a](b)`\n\n```python\nx[0](y)\n```\n"
    assert site_links.rewrite(text, "docs/speed.md", PLACES) == text


def test_a_link_to_nothing_is_an_error():
    with pytest.raises(ValueError, match=r"docs/speed\.md links to gone\.md"):
        site_links.rewrite("[a](gone.md)", "docs/speed.md", PLACES)


def test_no_link_of_a_guide_or_lesson_leads_to_nothing():
    places = site_links.pages()
    for source in places:
        path = notebooks.ROOT / source
        if path.suffix == ".md":
            site_links.rewrite(read(source), source, places)
        elif path.suffix == ".ipynb" and path.exists():
            site_links.rewrite(texts(notebooks.read(path)), source, places)


def test_a_lesson_has_no_colab_cell_and_no_badges(page: NotebookNode):
    assert not any("colab" in cell.metadata.get("tags", []) for cell in page.cells)
    assert "<!--" not in texts(page)
    assert "![" not in page.cells[0].source


def test_a_lesson_has_buttons_that_run_it(page: NotebookNode, lesson: Lesson):
    first = page.cells[0].source
    assert "{.launch}\n[Run on Binder](https://mybinder.org/" in first
    assert f"labpath=notebooks%2F{lesson.name})" in first
    assert f"/notebooks/{lesson.name})" in first


def test_images_are_described_and_checks_are_folded():
    figure = new_code_cell("plot()", metadata={"alt": "A line falls."})
    guards = new_code_cell("assert x", metadata={"tags": ["guards"]})
    for cell in (figure, guards):
        site_lessons.prepare(cell)
    assert figure.metadata["mystnb"] == {"image": {"alt": "A line falls."}}
    assert "hide-cell" in guards.metadata["tags"]


def test_displayed_formulas_are_blocks():
    assert site_lessons.set_apart("is\n$$x$$\nand $y$") == "is\n\n$$x$$\n\nand $y$"
    assert site_lessons.set_apart("of $y$ and $$ in one line $$ too") == (
        "of $y$ and $$ in one line $$ too"
    )


def test_a_lesson_without_a_translation_points_to_the_english_page(lesson: Lesson):
    page = site_lessons.page(lesson, "zh", ZH, {})
    assert page.cells[0].source.startswith(f"# 02 · {lesson.title[1]}")
    assert 'href="../../lessons/02_loss.html"' in page.cells[0].source
    assert ZH["missing"] in page.cells[0].source


def test_the_list_of_lessons_marks_what_is_not_translated(lesson: Lesson):
    translated = Lesson(lesson.path, "zh")
    note = ZH["untranslated"]
    assert note in site_sources.row(lesson, "zh", ZH)
    assert note not in site_sources.row(translated, "zh", ZH)


def test_every_lesson_is_in_one_part():
    lessons = site_lessons.find("en")
    members = [lesson for part in site_sources.parts(lessons, EN).values() for lesson in part]
    assert members == lessons


@pytest.mark.parametrize("words", [EN, ZH], ids=["en", "zh"])
def test_every_lesson_has_a_short_name(words: dict):
    assert set(words["short"]) == {path.name[:2] for path in notebooks.find()}
    assert set(words["parts"]) == set(EN["parts"])


def test_both_languages_have_the_same_words():
    assert set(EN) == set(ZH)


def test_the_navigation_names_every_lesson_and_guide():
    text = site_sources.navigation(site_lessons.find("en"), EN)
    for path in notebooks.find():
        assert f"<lessons/{path.stem}>" in text
    for path in (notebooks.ROOT / "docs").glob("*.md"):
        assert f"guides/{path.stem}" in text.split()


def test_first_pages_fill_in_what_they_name(tmp_path: Path):
    for language in site_sources.LANGUAGES:
        folder = tmp_path / language
        folder.mkdir()
        site_sources.write_first_page(site_lessons.find(language), language, folder)
        text = (folder / "index.md").read_text("utf-8")
        assert "{{" not in text
        assert (folder / "shrinkage.png").read_bytes().startswith(b"\x89PNG")
        assert len(re.findall(r"\{container\} door$", text, re.MULTILINE)) == 3


def test_every_page_has_the_switch_of_languages():
    template = read("docs/site/_templates/components/view-this-page.html")
    assert "{{ content_root }}{{ other }}{{ pagename }}.html" in template
    assert '"top_of_page_buttons": ["view"]' in read("docs/site/conf.py")


def test_the_page_for_wrong_addresses_speaks_both_languages_and_links_from_the_host():
    body = site_html.not_found(ZH, EN, "/course/")
    assert body.startswith(f"<h1>{ZH['not_found']}</h1>")
    assert '<p lang="en">' in body
    links = re.findall('href="([^"]+)"', body)
    assert "/course/zh/index.html" in links
    assert "/course/index.html" in links
    assert all(link.startswith("/course/") for link in links)


def test_links_from_the_host_are_followed_below_the_base(tmp_path: Path):
    (tmp_path / "404.html").write_text('<a href="/course/b.html">b</a><a href="/b.html">c</a>')
    (tmp_path / "b.html").write_text("")
    pages = site_check.Site(tmp_path, "/course/")
    assert pages.complaints() == ["404.html: /b.html leads to nothing"]


def site(folder: Path, **files: str) -> site_check.Site:
    for name, text in files.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return site_check.Site(folder)


def test_a_sound_site_has_no_complaints(tmp_path: Path):
    image = '<img src="data:image/png;base64," alt="A line falls.">'
    pages = site(tmp_path, a='<a href="b.html#x">b</a>', b=f'<p id="x">{image}</p>')
    assert pages.complaints() == []


@pytest.mark.parametrize(
    ("html", "complaint"),
    [
        ('<a href="gone.html">x</a>', "a.html: gone.html leads to nothing"),
        ('<a href="#gone">x</a>', "a.html: there is no place #gone"),
        ('<img src="data:,">', "a.html: no description of the image data:,"),
        ('<script src="//cdn.org/x.js"></script>', "//cdn.org/x.js from another host"),
        ('<link rel="stylesheet" href="https://x.org/a.css">', "https://x.org/a.css from another"),
        ("<p>It is **bold。**so</p>", "markup is left in the text: It is **bold"),
        (r"<li>of $-\infty$</li>", "markup is left in the text: of $-"),
        ("x" * (site_check.LARGEST_PAGE + 1), "a.html: 1,000,001 bytes"),
    ],
)
def test_the_checks_bite(tmp_path: Path, html: str, complaint: str):
    assert any(complaint in found for found in site(tmp_path, a=html).complaints())


def test_an_empty_folder_is_not_a_sound_site(tmp_path: Path):
    assert site_check.Site(tmp_path / "site").complaints() == ["site: there are no pages"]


def test_styles_that_fetch_from_another_host_are_found(tmp_path: Path):
    (tmp_path / "a.css").write_text("@font-face { src: url('https://fonts.org/a.woff') }")
    assert site(tmp_path, a="").complaints() == [
        "a.css: fetches https://fonts.org/a.woff from another host"
    ]


def test_addresses_outside_are_listed_once(tmp_path: Path):
    pages = site(tmp_path, a='<a href="https://x.org/#1">1</a><a href="https://x.org/#2">2</a>')
    assert pages.addresses() == ["https://x.org/"]


def test_the_workflow_publishes_what_make_site_builds():
    workflow = yaml.safe_load(read(".github/workflows/site.yml"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert "make site" in [step.get("run") for step in steps]
    upload = next(step for step in steps if "upload-pages-artifact" in step.get("uses", ""))
    assert upload["with"]["path"] == "build/site"
