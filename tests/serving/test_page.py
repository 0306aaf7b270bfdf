"""The page as it is sent: it allows itself and nothing else, and carries data as data."""

import base64
import hashlib
import html
import json
import re
import tomllib

import pytest
from starlette.testclient import TestClient

from ftlearn.serving import ChatModel, ServeSettings, create_app
from ftlearn.serving.page import page
from tools.notebooks import ROOT

TOKEN = "a-token-of-some-length"


def service_in(text):
    """What a page is told of its service."""
    return json.loads(html.unescape(re.search('data-service="([^"]*)"', text)[1]))


def test_the_page_knows_the_columns_and_is_open(pair_predictor):
    with TestClient(create_app(pair_predictor, ServeSettings(token=TOKEN))) as client:
        response = client.get("/")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert service_in(response.text) == {"columns": ["question", "answer"], "token": True}
    assert TOKEN not in response.text


@pytest.fixture(params=["predicts", "writes"])
def response(request, predictor, chat_model):
    """Either page as a service sends it."""
    model = {"predicts": predictor, "writes": chat_model}[request.param]
    with TestClient(create_app(model)) as client:
        return client.get("/")


@pytest.mark.parametrize(("kind", "is_dialogue"), [("chat", True), ("completion", False)])
def test_the_page_of_a_model_that_writes_knows_whether_it_is_a_dialogue(
    written_models, kind, is_dialogue
):
    model = ChatModel(written_models[kind], "cpu")
    with TestClient(create_app(model, ServeSettings(token=TOKEN))) as client:
        response = client.get("/")
    assert service_in(response.text) == {"dialogue": is_dialogue, "token": True}
    assert TOKEN not in response.text


def test_the_policy_allows_only_the_script_and_style_of_the_page(response):
    rules = dict(
        rule.split(" ", 1) for rule in response.headers["Content-Security-Policy"].split("; ")
    )
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", response.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert "unsafe" not in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ['"><script>alert(1)</script>', "a&quot;b", "问题"])
def test_names_of_columns_stay_names(name):
    text = page((name,), asks_token=False).text
    assert service_in(text)["columns"] == [name]
    assert text.count("<script>") == 1


def test_the_page_loads_nothing_and_writes_no_markup(response):
    text = response.text
    assert re.findall(r"""(?:src|href)=["'](?!data:,)""", text) == []
    assert "http" not in text.replace('http-equiv="', "")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(| on\w+=", text)


def test_a_wheel_holds_the_pages():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["ftlearn"]
    names = {path for pattern in patterns for path in (ROOT / "ftlearn").glob(pattern)}
    assert names >= set((ROOT / "ftlearn" / "serving").glob("*.html"))
