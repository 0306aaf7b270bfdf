"""The service beside `predict_rows`, and everything that it must refuse."""

import asyncio
import json
import logging
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import numpy as np
import pytest
from starlette.testclient import TestClient

from ftlearn.data.records import Record
from ftlearn.evaluation.streaming import predict_rows
from ftlearn.serving import Predictor, ServeSettings, create_app

TEXTS = ["ball run", "code", "heart pulse team server", "sleep", "chip code ball"]
TOKEN = "a-token-of-some-length"
JSON = {"Content-Type": "application/json"}


def post(client, texts, **more):
    return client.post("/predict", json={"texts": texts}, **more)


def expected(predictor, texts, names=("text",)):
    """What `ftlearn predict` says of the texts."""
    rows = []
    for line, text in enumerate(texts, 1):
        columns = [text] if isinstance(text, str) else text
        rows.append(Record(line, dict(zip(names, columns, strict=True))))
    return list(predict_rows(predictor.model, predictor.task, predictor.tokenizer, rows))


def agree(predictions, truths):
    """The same labels, and probabilities to the sixth digit."""
    assert [row["label"] for row in predictions] == [row["label"] for row in truths]
    for prediction, truth in zip(predictions, truths, strict=True):
        assert prediction["probabilities"] == pytest.approx(truth["probabilities"], abs=2e-6)


# answers


def test_answers_are_those_of_predict(client, predictor):
    response = post(client, TEXTS)
    assert response.status_code == 200
    agree(response.json()["predictions"], expected(predictor, TEXTS))
    assert response.json()["model"] == response.headers["X-Model-Id"] == predictor.name


def test_the_folder_of_a_model_may_have_any_name(saved_models, tmp_path):
    shutil.copytree(saved_models["classes"], tmp_path / "模型")
    with TestClient(create_app(Predictor(tmp_path / "模型", "cpu"))) as client:
        response = post(client, ["ball"])
    assert response.json()["model"].startswith("模型-")
    assert unquote(response.headers["X-Model-Id"]) == response.json()["model"]


@pytest.mark.parametrize(
    "form", [tuple, list, lambda pair: {"answer": pair[1], "question": pair[0]}]
)
def test_pairs_are_lists_or_objects(pair_predictor, form):
    pairs = [("ball", "run"), ("chip code", "heart")]
    with TestClient(create_app(pair_predictor)) as client:
        response = post(client, [form(pair) for pair in pairs])
    agree(response.json()["predictions"], expected(pair_predictor, pairs, ("question", "answer")))


def test_many_clients_at_once_get_their_own_answers(client, predictor):
    requests = [[TEXTS[index % 5], TEXTS[index % 3]] for index in range(40)]
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda texts: post(client, texts), requests))
    for texts, response in zip(requests, responses, strict=True):
        agree(response.json()["predictions"], expected(predictor, texts))


def test_times_are_in_headers_and_measurements(client):
    response = post(client, TEXTS)
    assert float(response.headers["X-Queue-Time-Ms"]) >= 0
    assert float(response.headers["X-Compute-Time-Ms"]) > 0
    post(client, ["ball"])
    post(client, [])
    client.get("/somewhere")
    metrics = client.get("/metrics").text
    assert 'ftlearn_requests_total{path="/predict",status="200"} 2.0' in metrics
    assert 'ftlearn_requests_total{path="/predict",status="422"} 1.0' in metrics
    assert 'ftlearn_requests_total{path="other",status="404"} 1.0' in metrics
    assert "ftlearn_texts_total 6.0" in metrics
    assert "ftlearn_compute_seconds_count 2.0" in metrics
    assert "ftlearn_queued_texts 0.0" in metrics


# refusals


@pytest.mark.parametrize(
    ("texts", "field", "words"),
    [
        ([], "texts", "1 to 8"),
        (["a"] * 9, "texts", "9 texts"),
        (["a", "b", "c", ""], "texts[3]", "empty"),
        (["a", 7], "texts[1]", "not a text"),
        (["a", None], "texts[1]", "empty"),
        (["a", ["b", "c"]], "texts[1]", "not a text"),
        ([{"body": "a"}], "texts[0]", "this model reads 'text'"),
        (["nul\0"], "texts[0]", "NUL"),
        ("ball", "texts", "list"),
    ],
)
def test_a_request_that_cannot_be_answered_names_the_field(client, texts, field, words):
    response = post(client, texts)
    assert response.status_code == 422
    assert response.json()["error"]["field"] == field
    assert words in response.json()["error"]["message"]


@pytest.mark.parametrize("pair", ["one text", ["one"], ["a", "b", "c"], {"question": "a"}])
def test_half_a_pair_is_refused(pair_predictor, pair):
    with TestClient(create_app(pair_predictor)) as client:
        response = post(client, [pair])
    assert response.status_code == 422
    assert "texts[0]" in response.json()["error"]["message"]
    assert "'question' and 'answer'" in response.json()["error"]["message"]


def test_unknown_fields_are_refused_by_name(client):
    response = client.post("/predict", json={"texts": ["a"], "temperature": 2})
    assert response.status_code == 422
    assert response.json()["error"]["field"] == "temperature"


def test_broken_json_and_half_a_character_are_refused(client):
    for content in (b'{"texts": ["a"', b'{"texts": ["\\ud800"]}', b"\xff\xfe", b""):
        response = client.post("/predict", content=content, headers=JSON)
        assert response.status_code == 422, content


def test_a_body_that_is_not_declared_as_json_is_not_read(client):
    for headers in ({}, {"Content-Type": "text/plain"}):
        response = client.post("/predict", content=b'{"texts": ["ball"]}', headers=headers)
        assert response.status_code == 415
        assert "Content-Type: application/json" in response.json()["error"]["message"]


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_body_that_is_too_large_is_refused(client, chunked):
    body = json.dumps({"texts": ["ball " * 900]}).encode()
    content = iter([body[:3000], body[3000:]]) if chunked else body
    response = client.post("/predict", content=content)
    assert response.status_code == 413
    assert "4,000 bytes" in response.json()["error"]["message"]


def test_a_body_that_does_not_end_is_given_up(predictor):
    app = create_app(predictor, ServeSettings(deadline=0.05))
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
    messages = [{"type": "http.request", "body": b'{"texts": [', "more_body": True}]
    sent = []

    async def receive():
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 408
    assert b"0.05 s" in sent[1]["body"]


def test_other_paths_and_methods_answer_in_the_same_shape(client):
    for response, status in ((client.get("/nothing"), 404), (client.get("/predict"), 405)):
        assert response.status_code == status
        assert response.json()["error"]["message"]


def test_a_token_is_asked_for_everywhere_but_at_the_probes(predictor):
    with TestClient(create_app(predictor, ServeSettings(token=TOKEN))) as client:
        for header in (None, "Bearer wrong", TOKEN, f"bearer {TOKEN}", f"Bearer {TOKEN}x"):
            headers = {"Authorization": header} if header else {}
            response = post(client, ["ball"], headers=headers)
            assert response.status_code == 401, header
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert client.get("/metrics", headers=headers).status_code == 401
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert post(client, ["ball"], headers=right).status_code == 200
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 200


# faults


class Faulty(Predictor):
    """Fails on one word, like a model whose outputs are not finite."""

    def predict(self, items):
        if "crash" in items:
            raise RuntimeError("secret details")
        return super().predict(items)


def test_a_fault_is_a_500_without_details_and_the_service_goes_on(saved_models):
    app = create_app(Faulty(saved_models["classes"], "cpu"))
    with TestClient(app, raise_server_exceptions=False) as client:
        response = post(client, ["crash"])
        assert response.status_code == 500
        assert "secret" not in response.text
        assert post(client, ["ball"]).status_code == 200


class Held(Predictor):
    """Computes nothing until it is released."""

    released: threading.Event

    def predict(self, items):
        assert self.released.wait(30)
        return super().predict(items)


def test_a_deadline_ends_with_504(saved_models):
    predictor = Held(saved_models["classes"], "cpu")
    predictor.released = threading.Event()
    with TestClient(create_app(predictor, ServeSettings(deadline=0.05))) as client:
        response = post(client, ["ball"])
        predictor.released.set()
    assert response.status_code == 504
    assert "0.05 s" in response.json()["error"]["message"]


def test_a_service_that_stops_is_not_ready(predictor):
    app = create_app(predictor)
    with TestClient(app) as client:
        assert client.get("/health/ready").json() == {"status": "ready"}
    client = TestClient(app)  # without its lifespan: the queue is drained
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200
    assert post(client, ["ball"]).status_code == 503


# log


def lines(caplog):
    return [json.loads(record.getMessage()) for record in caplog.records]


def test_the_log_has_no_texts_unless_asked(predictor, caplog):
    with caplog.at_level(logging.INFO, "ftlearn.serving"):
        with TestClient(create_app(predictor, ServeSettings())) as client:
            post(client, ["ball run", "code"])
            post(client, ["heart", ""])
        with TestClient(create_app(predictor, ServeSettings(log_texts=True))) as client:
            post(client, ["sleep"])
    served, refused, with_texts = lines(caplog)
    assert (served["status"], served["texts"], served["path"]) == (200, 2, "/predict")
    assert served["ms"] >= served["compute_ms"] > 0
    assert refused["status"] == 422
    assert with_texts["inputs"] == ["sleep"]
    assert not re.search("ball|code|heart", json.dumps([served, refused]))


def test_request_ids_are_kept_if_they_can_stand_in_a_log(client):
    response = client.get("/health/live", headers={"X-Request-Id": "order-17"})
    assert response.headers["X-Request-Id"] == "order-17"
    for strange in ("two words", "x" * 65, '"}'):
        response = client.get("/health/live", headers={"X-Request-Id": strange})
        assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-Id"])


def test_answers_are_finite_numbers(client):
    probabilities = [row["probabilities"] for row in post(client, TEXTS).json()["predictions"]]
    assert np.isfinite([list(row.values()) for row in probabilities]).all()
