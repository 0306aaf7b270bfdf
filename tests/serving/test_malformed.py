"""Bodies that nobody should send: whatever arrives, the service refuses it and goes on."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from ftlearn.serving import create_app

JSON = {"Content-Type": "application/json"}
CHAT = [{"role": "user", "content": "Good morning"}]
DIALOGUES = "/v1/chat/completions"
FIELDS = ["messages", "stop", "n", "tools", "model", "temperature", "seed", "stream_options"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def predicting(predictor):
    with TestClient(create_app(predictor)) as client:
        yield client


@pytest.fixture(scope="module")
def chatting(chat_model):
    with TestClient(create_app(chat_model)) as client:
        yield client


@given(st.binary(max_size=200))
@example(b"[" * 100_000)
@example(b'{"texts": ' * 5000)
@example(b'{"texts": [' + b"9" * 5000 + b"]}")
def test_no_body_makes_the_service_fail(predicting, chatting, content):
    assert predicting.post("/predict", content=content, headers=JSON).status_code in (400, 422)
    assert chatting.post(DIALOGUES, content=content, headers=JSON).status_code in (400, 422)


@given(values)
@example(["ball run"])
def test_no_json_makes_the_service_fail(predicting, value):
    response = predicting.post("/predict", content=json.dumps({"texts": value}), headers=JSON)
    if response.status_code == 200:
        assert len(response.json()["predictions"]) == len(value)
    else:
        assert response.status_code == 422
        assert response.json()["error"]["field"].startswith("texts")
    readable = isinstance(value, list) and value and all(is_readable(text) for text in value)
    assert (response.status_code == 200) == bool(readable)


def is_readable(text) -> bool:
    """Whether a value is a text that the model can read, as it is or under the column's name."""
    if isinstance(text, dict) and set(text) == {"text"}:
        text = text["text"]
    return isinstance(text, str) and bool(text.strip()) and "\0" not in text


@given(st.dictionaries(st.sampled_from(FIELDS), values))
@example({})
def test_no_dialogue_makes_the_service_fail(chatting, body):
    content = json.dumps({"messages": CHAT, "max_tokens": 1} | body)
    response = chatting.post(DIALOGUES, content=content, headers=JSON)
    assert response.status_code in (200, 404, 422)
    assert response.status_code == 200 or response.json()["error"]["message"]
