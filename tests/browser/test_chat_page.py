"""The page of a model that writes, in a browser: it answers in pieces, stops, and begins anew."""

from __future__ import annotations

import threading

import pytest
from browser.test_panel import errors_of
from browser.test_service_page import PHONE, TOKEN, page, screenshot, served  # noqa: F401
from playwright.sync_api import expect
from tiny_decoder import tiny_decoder
from waiting import HANG

from ftlearn import models, tasks
from ftlearn.serving import ChatModel
from ftlearn.serving.chat_model import Finished, Piece

pytestmark = pytest.mark.browser


class Echo(ChatModel):
    """Repeats what it was sent, in two pieces; the second one waits until it is released."""

    def prompt(self, messages):
        self.messages = messages
        return super().prompt(messages)

    def write(self, order, is_stopped):
        yield Piece("<b>you said</b> ")
        while not self.released.wait(0.01):
            if is_stopped():
                self.stopped.set()
                return
        yield Piece(self.messages[-1]["content"])
        yield Finished("stop", 2)


@pytest.fixture
def echo(tmp_path_factory) -> Echo:
    root = tmp_path_factory.mktemp("echo")
    base = tiny_decoder(root / "base")
    models.save(*models.load(base, tasks.chat(), device="cpu"), tasks.chat(), root / "chat")
    model = Echo(root / "chat", "cpu")
    model.released, model.stopped = threading.Event(), threading.Event()
    return model


def test_a_dialogue_grows_in_pieces_and_is_sent_as_a_whole(page, echo):  # noqa: F811
    errors = errors_of(page)
    with served(echo, token=TOKEN, deadline=HANG) as url:
        page.goto(url)
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_label("Message").fill("Good\nmorning")
        page.get_by_label("Message").press("Enter")
        log = page.get_by_role("log", name="Dialogue")
        last = log.get_by_role("listitem").last
        expect(last).to_have_text("Model<b>you said</b> ")
        expect(page.get_by_role("status")).to_have_text("The model writes.")
        echo.released.set()
        expect(last).to_have_text("Model<b>you said</b> Good\nmorning")
        expect(page.get_by_role("status")).to_have_text("The answer is complete.")
        page.keyboard.type("And you?")
        page.keyboard.press("Enter")
        expect(last).to_have_text("Model<b>you said</b> And you?")
        assert [message["role"] for message in echo.messages] == ["user", "assistant", "user"]
        assert echo.messages[1]["content"] == "<b>you said</b> Good\nmorning"
        screenshot(page, "chat_wide")
        page.get_by_role("button", name="New dialogue").click()
        expect(log.get_by_role("listitem")).to_have_count(0)
        page.keyboard.type("Again")
        page.keyboard.press("Enter")
        expect(last).to_have_text("Model<b>you said</b> Again")
        assert len(echo.messages) == 1
    assert errors == []


def test_stop_ends_the_generation_and_keeps_what_is_there(page, echo):  # noqa: F811
    with served(echo, deadline=HANG) as url:
        page.goto(url)
        page.keyboard.type("Good morning")
        page.keyboard.press("Enter")
        last = page.get_by_role("listitem").last
        expect(last).to_have_text("Model<b>you said</b> ")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("status")).to_have_text("Stopped.")
        assert echo.stopped.wait(HANG)
        expect(last).to_have_text("Model<b>you said</b> ")


def test_a_question_without_an_answer_stands_in_the_field_again(page, echo):  # noqa: F811
    with served(echo, max_body=300) as url:
        page.goto(url)
        page.get_by_label("Message").fill("word " * 100)
        page.get_by_label("Message").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("300 bytes")
        expect(page.get_by_label("Message")).to_have_value("word " * 100)
        assert page.get_by_role("listitem").count() == 0


def test_a_phone_shows_all_of_it(browser, echo):
    echo.released.set()
    with served(echo) as url, browser.new_context(viewport=PHONE, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(url)
        page.get_by_label("Message").fill("x" * 200)
        page.get_by_label("Message").press("Enter")
        expect(page.get_by_role("listitem").last).to_contain_text("x" * 200)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        screenshot(page, "chat_phone_dark")
