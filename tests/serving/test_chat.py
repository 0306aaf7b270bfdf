"""Dialogues over HTTP beside `generation.generate`, in the shapes that OpenAI documents."""

import functools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from ftlearn import models
from ftlearn.errors import ArgumentError
from ftlearn.generation import Decoding, generate
from ftlearn.serving import ChatModel, Predictor, ServeSettings, create_app, opened
from ftlearn.serving.stop_texts import StopTexts

URL = "/v1/chat/completions"
CHAT = [{"role": "user", "content": "Good morning"}]
TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def client(chat_model):
    with TestClient(create_app(chat_model)) as client:
        yield client


def post(client, messages=CHAT, **more):
    return client.post(URL, json={"messages": messages} | more)


loaded = functools.cache(lambda folder: models.load_finetuned(folder, "cpu"))


def truth(folder, prompt=CHAT, seed=0, **decoding):
    """What `generate` writes with the model of a folder."""
    model, tokenizer, _ = loaded(folder)
    return generate(model, tokenizer, [prompt], decoding=Decoding(**decoding), seed=seed)[0]


def events(response):
    """The objects of a stream, and its last line."""
    *parts, last, rest = response.text.split("\n\n")
    assert rest == ""
    assert all(part.startswith("data: ") for part in parts)
    return [json.loads(part.removeprefix("data: ")) for part in parts], last


def text_of(parts):
    return "".join(
        choice["delta"].get("content", "") for part in parts for choice in part["choices"]
    )


# answers


def test_an_answer_has_the_text_of_generate_and_the_shape_of_openai(
    client, chat_model, written_models
):
    response = post(client, max_tokens=8, model=chat_model.name)
    body = response.json()
    expected = truth(written_models["chat"], max_new_tokens=8)
    assert response.status_code == 200
    assert set(body) == {"id", "object", "created", "model", "choices", "usage"}
    assert body["object"] == "chat.completion"
    assert body["model"] == response.headers["X-Model-Id"] == chat_model.name
    (choice,) = body["choices"]
    assert choice["index"] == 0
    assert choice["message"] == {"role": "assistant", "content": expected.text, "refusal": None}
    ids = chat_model.tokenizer.apply_chat_template(CHAT, add_generation_prompt=True)["input_ids"]
    assert body["usage"] == {
        "prompt_tokens": len(ids),
        "completion_tokens": expected.tokens,
        "total_tokens": len(ids) + expected.tokens,
    }
    assert float(response.headers["X-Compute-Time-Ms"]) > 0


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_an_answer_that_is_cut_says_length(client, name):
    body = post(client, **{name: 1}).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 1


def test_an_answer_that_the_model_ends_says_stop(client, written_models):
    drawn = {"temperature": 2.0, "max_new_tokens": 100}
    answers = (truth(written_models["chat"], seed=n, sample=True, **drawn) for n in range(100))
    seed, expected = next((n, answer) for n, answer in enumerate(answers) if answer.ended)
    body = post(client, temperature=2.0, max_tokens=100, seed=seed).json()
    assert body["choices"][0]["message"]["content"] == expected.text
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] == expected.tokens


def test_draws_are_those_of_the_seed(client, written_models):
    drawn = {"temperature": 1.5, "top_p": 0.9}
    expected = truth(written_models["chat"], seed=3, sample=True, max_new_tokens=8, **drawn)
    bodies = [post(client, seed=3, max_tokens=8, **drawn).json() for _ in range(2)]
    assert [body["choices"][0]["message"]["content"] for body in bodies] == 2 * [expected.text]
    greedy = truth(written_models["chat"], max_new_tokens=8)
    body = post(client, temperature=0, top_p=0.9, max_tokens=8).json()
    assert body["choices"][0]["message"]["content"] == greedy.text


@pytest.mark.parametrize("more", [{}, {"temperature": 1.5, "seed": 5}])
def test_streamed_pieces_join_to_the_same_text(client, more):
    whole = post(client, max_tokens=30, **more).json()
    options = {"include_usage": True}
    response = post(client, max_tokens=30, stream=True, stream_options=options, **more)
    parts, last = events(response)
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert last == "data: [DONE]"
    assert {part["object"] for part in parts} == {"chat.completion.chunk"}
    assert len({part["id"] for part in parts}) == 1
    assert parts[0]["choices"][0]["delta"]["role"] == "assistant"
    assert len(parts) > 5
    assert text_of(parts) == whole["choices"][0]["message"]["content"]
    *_, end, usage = parts
    assert end["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert usage["usage"] == whole["usage"]


def test_a_stop_text_ends_the_answer_and_does_not_stand_in_it(client):
    full = post(client, max_tokens=30).json()["choices"][0]["message"]["content"]
    stop = full[8:11]
    whole = post(client, max_tokens=30, stop=stop).json()
    assert whole["choices"][0]["message"]["content"] == full.split(stop)[0]
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["usage"]["completion_tokens"] < 30
    parts, _ = events(post(client, max_tokens=30, stop=["never", stop], stream=True))
    assert text_of(parts) == full.split(stop)[0]


@given(st.text("ab#", max_size=12), st.text("ab#", min_size=1, max_size=3), st.data())
def test_stop_texts_are_found_however_a_text_is_cut(text, stop, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    stops = StopTexts([stop])
    shown = ""
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        shown += stops.add(text[start:end])
        if stops.found:
            break
    assert shown + stops.rest() == text.split(stop)[0]
    assert stops.found == (stop in text)


def test_an_adapter_is_merged_and_answers(written_models):
    model = opened(written_models["adapter"], "cpu")
    assert not any("lora" in name for name, _ in model.model.named_parameters())
    with TestClient(create_app(model)) as client:
        body = post(client, max_tokens=8).json()
    expected = truth(written_models["adapter"], max_new_tokens=8)
    assert body["choices"][0]["message"]["content"] == expected.text


def test_a_model_that_continues_texts_takes_one_of_them(written_models):
    with TestClient(create_app(opened(written_models["completion"], "cpu"))) as client:
        body = post(client, max_tokens=8).json()
        refused = post(client, [{"role": "system", "content": "Be brief."}, *CHAT])
    expected = truth(written_models["completion"], "Good morning", max_new_tokens=8)
    assert body["choices"][0]["message"]["content"] == expected.text
    assert refused.status_code == 422
    assert "one message of the user" in refused.json()["error"]["message"]


def test_without_a_number_an_answer_takes_what_is_left_of_the_window(chat_model, client):
    used = post(client, max_tokens=1).json()["usage"]["prompt_tokens"]
    long = [{"role": "user", "content": "Good morning" + " 7" * ((500 - used) // 2)}]
    usage = post(client, long).json()["usage"]
    assert 0 < 512 - usage["prompt_tokens"] < 40
    assert usage["total_tokens"] <= 512
    refused = post(client, long, max_tokens=200)
    assert refused.status_code == 422
    assert refused.json()["error"]["field"] == "max_tokens"


# what the service says of itself


def test_models_are_listed_and_pages_of_predictions_are_not_there(client, chat_model):
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [entry["id"] for entry in listed["data"]] == [chat_model.name]
    assert client.post("/predict", json={"texts": ["a"]}).status_code == 404


def test_metrics_count_tokens(chat_model):
    with TestClient(create_app(chat_model)) as client:
        post(client, max_tokens=3)
        post(client, max_tokens=4, stream=True)
        metrics = client.get("/metrics").text
    assert "ftlearn_generated_tokens_total 7.0" in metrics
    assert "ftlearn_texts_total 2.0" in metrics
    assert "ftlearn_compute_seconds_count 2.0" in metrics


def test_the_task_decides_what_is_served(saved_models, written_models):
    assert isinstance(opened(saved_models["classes"], "cpu"), Predictor)
    assert isinstance(opened(written_models["chat"], "cpu"), ChatModel)
    with pytest.raises(ArgumentError, match="ChatModel"):
        Predictor(written_models["chat"], "cpu")
    with pytest.raises(ArgumentError, match="Predictor"):
        ChatModel(saved_models["classes"], "cpu")


# refusals


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"logit_bias": {"7": 1}}, "logit_bias"),
        ({"reasoning_effort": "low"}, "reasoning_effort"),
        ({"top_k": 5}, "top_k"),
        ({"top_p": 0.5}, "top_p"),
        ({"top_p": 0}, "top_p"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"seed": -1}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_tokens"),
        ({"max_tokens": 512}, "max_tokens"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"usage": True}}, "stream_options.usage"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages"),
        ({"messages": [{**CHAT[0], "tool_calls": [1]}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "user", "content": "a 7" * 600}]}, "messages"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(client, more, field):
    for stream in (None, True):
        response = client.post(URL, json={"messages": CHAT, "stream": stream} | more)
        if field == "stream_options" and stream:
            continue
        assert response.status_code == 422, more
        assert response.json()["error"]["field"] == field


def test_what_changes_nothing_is_ignored(client):
    harmless = {"user": "u", "n": 1, "logprobs": False, "tools": [], "store": True, "audio": None}
    harmless |= {"response_format": {"type": "text"}, "presence_penalty": 0, "stop": None}
    said = [{**CHAT[0], "name": None}]
    answers = [post(client, said, max_tokens=5, **more).json() for more in ({}, harmless)]
    assert answers[0]["choices"] == answers[1]["choices"]


def test_another_model_is_not_found(client, chat_model):
    response = post(client, model="gpt-4")
    assert response.status_code == 404
    assert chat_model.name in response.json()["error"]["message"]
    assert post(client, model="chat", max_tokens=1).status_code == 200


def test_a_token_is_asked_for(chat_model):
    with TestClient(create_app(chat_model, ServeSettings(token=TOKEN))) as client:
        assert post(client).status_code == client.get("/v1/models").status_code == 401
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert post(client, max_tokens=1).status_code == 200
