"""Slides and handouts in a browser: all fits, formulas are set, and no other host is asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from waiting import HANG

from tools import classroom, handout, notebooks, slides

pytestmark = pytest.mark.browser

DECKS = [("zh" if int(path.name[:2]) % 2 else "en", path.name[:2]) for path in notebooks.find()]
"""Each lesson in one of the two languages."""
LESSONS = [("en", "02"), ("en", "09"), ("en", "14"), ("zh", "02"), ("zh", "09"), ("zh", "13")]
SET = "() => window.MathJax?.startup?.promise.then(() => true)"
OVERFULL = """() => Reveal.getSlides().flatMap((slide, place) => {
  Reveal.slide(...Object.values(Reveal.getIndices(slide)));
  const height = slide.scrollHeight, width = slide.scrollWidth;
  const fits = height <= 700 && width <= 1120;
  return fits ? [] : [`${place + 1}: ${width} x ${height}, ${slide.innerText}`];
})"""
SHOWN = """() => {
  const {top, bottom, height} = Reveal.getCurrentSlide().getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight && height > 0 && Reveal.getScale() > 0.9;
}"""
FAILED = "() => [...document.querySelectorAll('mjx-merror')].map(formula => formula.textContent)"
CUT = """() => [...document.querySelectorAll(".page")].flatMap((page, place) =>
  page.scrollHeight > page.clientHeight + 1 ? [`page ${place + 1}: ${page.scrollHeight}`] : [])"""


def opened(browser: Browser, path: Path) -> tuple[Page, list[str]]:
    """A page whose formulas are set, and its complaints."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(1000 * HANG)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.on("request", lambda request: problems.extend(elsewhere(request.url)))
    page.goto(path.as_uri())
    page.wait_for_function(SET)
    return page, problems


def elsewhere(address: str) -> list[str]:
    return [] if address.startswith(("file:", "data:", "blob:")) else [address]


@pytest.mark.parametrize(("language", "number"), DECKS)
def test_every_slide_holds_what_is_on_it(browser, tmp_path, language, number):
    (path,) = classroom.lessons([number], language)
    page, problems = opened(browser, slides.build(path, language, tmp_path))
    assert page.evaluate(SHOWN)
    assert page.evaluate(OVERFULL) == []
    assert page.evaluate(FAILED) == []
    assert problems == []
    page.context.close()


@pytest.mark.parametrize(("language", "number"), LESSONS)
def test_a_handout_prints_on_two_pages(browser, tmp_path, language, number):
    (path,) = classroom.lessons([number], language)
    page, problems = opened(browser, handout.build(path, language, tmp_path))
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type /Page\b", printed)) == 2
    page.emulate_media(media="print")
    assert page.evaluate(CUT) == []
    assert page.evaluate(FAILED) == []
    assert problems == []
    page.context.close()
