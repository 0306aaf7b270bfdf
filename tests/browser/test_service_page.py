"""The page of a service in a browser: type, press Enter, read; with errors, tokens and a phone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from browser.conftest import SCREENSHOTS
from browser.test_panel import errors_of
from playwright.sync_api import Browser, Page, expect
from waiting import HANG, joined

from ftlearn import models, tasks
from ftlearn.serving import Predictor, ServeSettings, create_app
from ftlearn.serving.server import address, listen

pytestmark = pytest.mark.browser

TOKEN = "a-token-of-some-length"
LABELS = ("kalt", "<b>warm</b>", "heiß und in einer langen Beschreibung")
PHONE = {"width": 360, "height": 740}


class Faulty(Predictor):
    """Fails on one word."""

    def predict(self, items):
        if "crash" in items:
            raise RuntimeError("a fault")
        return super().predict(items)


@pytest.fixture(scope="module")
def predictors(tiny_bert, tmp_path_factory) -> dict[str, Predictor]:
    """Models of texts, of pairs, and of numbers."""
    kinds = {
        "texts": tasks.Classification(labels=LABELS, max_length=16),
        "pairs": tasks.Classification(labels=("no", "yes"), text=("question", "context")),
        "numbers": tasks.Regression(max_length=16),
    }
    made = {}
    for name, task in kinds.items():
        folder = tmp_path_factory.mktemp("saved") / name
        models.save(*models.load(tiny_bert, task, seed=0, device="cpu"), task, folder)
        made[name] = Faulty(folder, "cpu")
    return made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(1000 * HANG)
        yield page


@contextmanager
def served(predictor: Predictor, **settings) -> Iterator[str]:
    """The address of a service that runs in a thread."""
    app = create_app(predictor, ServeSettings(**settings))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield address(listening)
        finally:
            server.should_exit = True
            joined(thread)


def screenshot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def label_of(predictor: Predictor, item) -> str:
    return predictor.predict([item])[0]["label"]


def test_a_text_and_enter_give_label_probabilities_and_times(page, predictors):
    errors = errors_of(page)
    with served(predictors["texts"]) as url:
        page.goto(url)
        expect(page.get_by_label("text")).to_be_focused()
        page.keyboard.type("ball run")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text(label_of(predictors["texts"], "ball run"))
        truth = predictors["texts"].predict(["ball run"])[0]["probabilities"]
        rows = page.get_by_role("table", name="Probabilities").get_by_role("row")
        expect(rows).to_have_count(3)
        for label, probability in truth.items():
            expect(rows.filter(has_text=label)).to_contain_text(f"{probability:.3f}")
        expect(page.get_by_label("Probabilities and times")).to_contain_text("ms in the queue")
        assert page.locator("b").count() == 0  # a label with markup is text
        screenshot(page, "service_wide")
    assert errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(browser, predictors, scheme):
    with (
        served(predictors["pairs"], token=TOKEN) as url,
        browser.new_context(viewport=PHONE, color_scheme=scheme) as context,
    ):
        page = context.new_page()
        page.goto(url)
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_label("question").fill("ball " * 30)
        page.get_by_label("context").fill("x" * 200)
        page.get_by_role("button", name="Predict").click()
        expect(page.get_by_role("row")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        screenshot(page, f"service_phone_{scheme}")


def test_two_texts_are_sent_as_a_pair_and_shift_enter_is_a_new_line(page, predictors):
    with served(predictors["pairs"]) as url:
        page.goto(url)
        assert page.get_by_label("Token").count() == 0
        page.keyboard.type("ball")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("run")
        page.keyboard.press("Tab")
        page.keyboard.type("heart")
        page.keyboard.press("Enter")
        expected = label_of(predictors["pairs"], ("ball\nrun", "heart"))
        expect(page.get_by_role("status")).to_have_text(expected)


def test_a_number_is_shown_without_bars(page, predictors):
    with served(predictors["numbers"]) as url:
        page.goto(url)
        page.keyboard.type("ball run")
        page.keyboard.press("Enter")
        value = predictors["numbers"].predict(["ball run"])[0]["value"]
        expect(page.get_by_role("status")).to_have_text(str(value))
        assert page.get_by_role("row").count() == 0


def test_errors_are_shown_and_go_away(page, predictors):
    with served(predictors["texts"], max_body=2000) as url:
        page.goto(url)
        field = page.get_by_label("text")
        for text, words in (
            ("crash", "the service failed on this request"),
            ("ball " * 900, "2,000 bytes"),
        ):
            field.fill(text)
            field.press("Enter")
            expect(page.get_by_role("alert")).to_contain_text(words)
            expect(page.get_by_role("status")).to_be_empty()
        field.fill("ball run")
        field.press("Enter")
        expect(page.get_by_role("status")).not_to_be_empty()
        expect(page.get_by_role("alert")).to_be_empty()
    field.press("Enter")  # the service is gone
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")


def test_the_token_is_asked_for_and_sent(page, predictors):
    with served(predictors["texts"], token=TOKEN) as url:
        page.goto(url)
        page.get_by_label("text").fill("ball run")
        for token, shown in (("wrong", "alert"), (TOKEN, "status")):
            page.get_by_label("Token").fill(token)
            page.get_by_role("button", name="Predict").click()
            expect(page.get_by_role(shown)).not_to_be_empty()


def test_the_focus_is_visible_at_every_control(page, predictors):
    with served(predictors["texts"], token=TOKEN) as url:
        page.goto(url)
        page.get_by_label("Token").focus()
        for role in ("INPUT", "TEXTAREA", "BUTTON"):
            focus = "document.activeElement"
            assert page.evaluate(f"{focus}.tagName") == role
            assert page.evaluate(f"getComputedStyle({focus}).outlineStyle") == "solid"
            page.keyboard.press("Tab")
