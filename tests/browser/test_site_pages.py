"""Pages of the website in a browser: legible, accessible, on a phone, in the dark, offline."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from urllib.parse import quote, urlsplit

import built_site
import pytest
from playwright.sync_api import Browser, Page, expect
from waiting import HANG

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[1] / "helpers" / "axe-core" / "axe.min.js.gz"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
PAGES = ["index", "lessons/02_loss", "reference/losses", "guides/serving", "commands/fit", "search"]
MISSING = "console: Failed to load resource: the server responded with a status of 404 (Not Found)"
PREFIXES = {"en": "", "zh": "zh/"}
MODES = list(product(["light", "dark"], [1280, 375]))
VIOLATIONS = """async rules => {
  const result = await axe.run(document, {runOnly: {type: "tag", values: rules}});
  const sentence = (rule, node) =>
    `${rule.id}: ${node.html.slice(0, 200)} (${node.any[0]?.message ?? rule.help})`;
  return result.violations.flatMap(rule => rule.nodes.map(node => sentence(rule, node)));
}"""
WIDTHS = "() => [document.documentElement.scrollWidth, window.innerWidth]"
SET = "() => document.readyState === 'complete' && (!window.MathJax || MathJax.startup?.promise)"
FORMULAS = """async () => {
  if (window.MathJax) await MathJax.startup.promise;
  return ["article .math", "article mjx-container", "mjx-merror"].map(
    name => document.querySelectorAll(name).length);
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with built_site.served(built_site.built(tmp_path_factory.mktemp("site"))) as address:
        yield address


class Visit:
    """A page of the site in a window of a given mode and width, and what it complains about."""

    def __init__(self, browser: Browser, url: str, mode: str, width: int) -> None:
        view = {"width": width, "height": 900}
        self.page: Page = browser.new_context(viewport=view, color_scheme=mode).new_page()
        self.page.set_default_timeout(1000 * HANG)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("request", lambda request: self._require_same_host(request.url, url))
        self.page.goto(url)
        self.page.wait_for_function(SET)

    def _note(self, message: object) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text}")

    def _require_same_host(self, requested: str, url: str) -> None:
        host = "/".join(url.split("/")[:3])
        if not requested.startswith((host, "data:", "blob:")):
            self.problems.append(f"a request to {requested}")

    def violations(self) -> list[str]:
        """What axe finds against WCAG 2.1, levels A and AA. No rule is left out."""
        self.page.evaluate(gzip.decompress(AXE.read_bytes()).decode())
        return self.page.evaluate(VIOLATIONS, RULES)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("language", PREFIXES)
def test_pages_are_accessible_narrow_and_quiet(
    browser: Browser, address: str, language: str, name: str
):
    problems = []
    for mode, width in MODES:
        visit = Visit(browser, f"{address}/{PREFIXES[language]}{name}.html", mode, width)
        formulas, rendered, failed = visit.page.evaluate(FORMULAS)
        content, window = visit.page.evaluate(WIDTHS)
        found = [*visit.problems, *visit.violations()]
        if content > window:
            found.append(f"{content} pixels wide")
        if failed or rendered < formulas:
            found.append(f"{formulas} formulas, {rendered} rendered, {failed} failed")
        problems += [f"{mode}, {width} pixels: {problem}" for problem in found]
        visit.page.context.close()
    assert problems == []


@pytest.mark.parametrize("language", PREFIXES)
def test_tables_and_code_fit_a_wide_page_and_scroll_on_a_phone(
    browser: Browser, address: str, language: str
):
    url = f"{address}/{PREFIXES[language]}lessons/20_multitask.html"
    wide, narrow = (Visit(browser, url, "light", width).page for width in (1280, 375))
    assert wide.locator(".output.text_html.crowded").count() > 0
    assert wide.locator(".scrolls").count() == 0
    assert narrow.locator(".output.text_html.scrolls").count() > 0
    assert narrow.locator("pre.scrolls").count() > 0
    for page in (wide, narrow):
        page.context.close()


@pytest.mark.parametrize("name", ["lessons/02_loss"])
def test_a_lesson_has_formulas(browser: Browser, address: str, name: str):
    visit = Visit(browser, f"{address}/{name}.html", "light", 1280)
    formulas, rendered, _ = visit.page.evaluate(FORMULAS)
    assert rendered >= formulas > 20
    visit.page.context.close()


@pytest.mark.parametrize(
    ("language", "query"), [("en", "entropy"), ("zh", "交叉熵"), ("zh", "微调语言模型")]
)
def test_search_finds_a_word(browser: Browser, address: str, language: str, query: str):
    url = f"{address}/{PREFIXES[language]}search.html?q={quote(query)}"
    visit = Visit(browser, url, "light", 1280)
    expect(visit.page.locator("#search-results li a").first).to_be_visible()
    assert visit.problems == []
    visit.page.context.close()


@pytest.mark.parametrize("place", ["gone.html", "zh/lessons/deeper/gone.html"])
def test_a_wrong_address_leads_on_in_both_languages(browser: Browser, address: str, place: str):
    visit = Visit(browser, f"{address}/{place}", "light", 375)
    assert visit.problems == [MISSING]  # what the browser says of the address itself
    assert visit.violations() == []
    for language, name in [("en", "lessons/index"), ("zh-CN", "zh/lessons/index")]:
        path = urlsplit(f"{address}/{name}.html").path
        visit.page.locator(f"article a[href='{path}']").click()
        expect(visit.page.locator("html")).to_have_attribute("lang", language)
        visit.page.go_back()
    visit.page.context.close()


@pytest.mark.parametrize("name", ["index", "lessons/02_loss", "guides/serving"])
def test_the_switch_leads_to_the_same_page_and_back(browser: Browser, address: str, name: str):
    visit = Visit(browser, f"{address}/{name}.html", "light", 375)
    for language, place in [("zh-CN", f"/zh/{name}.html"), ("en", f"/{name}.html")]:
        visit.page.locator(".languages a").click()
        expect(visit.page.locator("html")).to_have_attribute("lang", language)
        assert visit.page.url == f"{address}{place}"
    assert visit.problems == []
    visit.page.context.close()
