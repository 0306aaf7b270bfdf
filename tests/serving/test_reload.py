"""Another model takes over while requests come in; nothing is lost, and nothing is mixed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from ftlearn import models, tasks
from ftlearn.serving import ServeSettings, create_app

TOKEN = "a-token-of-some-length"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def client(predictor):
    settings = ServeSettings(token=TOKEN, max_wait_ms=0)
    with TestClient(create_app(predictor, settings), headers=HEADERS) as client:
        yield client


@pytest.fixture(scope="module")
def folders(tiny_bert, saved_models, tmp_path_factory):
    """Further models: other weights, other labels, and weights that are not finite."""
    root = tmp_path_factory.mktemp("models")
    same = tasks.Classification(labels=("kalt", "warm", "heiß"), max_length=16)
    other = tasks.Classification(labels=("cold", "warm", "hot"), max_length=16)
    for name, task in (("newer", same), ("other", other), ("broken", same)):
        model, tokenizer = models.load(tiny_bert, task, seed=1, device="cpu")
        if name == "broken":
            with torch.no_grad():
                next(model.parameters()).fill_(torch.nan)
        models.save(model, tokenizer, task, root / name)
    return {name: str(root / name) for name in ("newer", "other", "broken")} | {
        "pairs": str(saved_models["pairs"]),
        "nowhere": str(root / "nowhere"),
    }


def reload(client, folder, **more):
    return client.post("/admin/reload", json={"folder": folder} | more)


def ask(client, texts=("ball run",)):
    return client.post("/predict", json={"texts": list(texts)}).json()


def test_another_model_takes_over_and_the_old_one_comes_back(client, folders, predictor):
    before = ask(client)
    response = reload(client, folders["newer"])
    assert response.status_code == 200
    after = ask(client)
    assert after["model"] == response.json()["model"] != before["model"]
    assert after["model"].startswith("newer-")
    assert after["predictions"] != before["predictions"]
    assert client.post("/admin/rollback").json() == {"model": predictor.name}
    assert ask(client) == before


def test_under_load_every_request_is_answered_by_one_model(client, folders):
    texts = ["ball run", "code", "heart pulse"]
    before = ask(client, texts)
    assert reload(client, folders["newer"]).status_code == 200
    after = ask(client, texts)
    expected = {answer["model"]: shares(answer) for answer in (before, after)}
    assert abs(np.subtract(*expected.values())).max() > 1e-3  # a mixture would show
    stop = threading.Event()

    def load():
        answers = []
        while not stop.is_set():
            answers.append(ask(client, texts))
        return answers

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(load) for _ in range(3)]
        for _ in range(5):
            assert client.post("/admin/rollback").status_code == 200
            time.sleep(0.02)
        stop.set()
        answers = [answer for future in running for answer in future.result()]
    assert answers
    for answer in answers:
        np.testing.assert_allclose(shares(answer), expected[answer["model"]], atol=1e-5)


def shares(answer):
    """The probabilities of an answer, (texts, labels)."""
    return [list(row["probabilities"].values()) for row in answer["predictions"]]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", "cannot be served"),
        ("other", "cold"),
        ("broken", "not finite"),
        ("pairs", "question"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_and_the_present_one_stays(
    client, folders, name, words
):
    before = ask(client)
    response = reload(client, folders[name])
    assert response.status_code == 409
    assert words in response.json()["error"]["message"]
    assert ask(client) == before


def test_other_labels_may_be_allowed(client, folders):
    assert reload(client, folders["other"], allow_other_labels=True).status_code == 200
    assert set(ask(client)["predictions"][0]["probabilities"]) == {"cold", "warm", "hot"}


def test_there_is_nothing_to_go_back_to_at_first(client):
    assert client.post("/admin/rollback").status_code == 409


def test_without_a_token_no_model_is_replaced(predictor, folders):
    with TestClient(create_app(predictor)) as client:
        assert reload(client, folders["newer"]).status_code == 403
        assert client.post("/admin/rollback").status_code == 403


# models that write


@pytest.fixture(scope="module")
def rewritten(written_models, tmp_path_factory):
    """The model that chats with other weights."""
    folder = tmp_path_factory.mktemp("rewritten") / "newer"
    model, tokenizer, task = models.load_finetuned(written_models["chat"], "cpu")
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn(weights.shape, generator=random))
    models.save(model, tokenizer, task, folder)
    return folder


def write(client):
    body = {"messages": [{"role": "user", "content": "Good morning"}], "max_tokens": 8}
    answer = client.post("/v1/chat/completions", json=body).json()
    return answer["model"], answer["choices"][0]["message"]["content"]


def test_a_model_that_writes_is_replaced_too(chat_model, rewritten):
    with TestClient(create_app(chat_model, ServeSettings(token=TOKEN)), headers=HEADERS) as client:
        before = write(client)
        response = reload(client, str(rewritten))
        assert response.status_code == 200
        after = write(client)
        assert after[0] == response.json()["model"] != before[0]
        assert after[1] != before[1]
        assert client.get("/v1/models").json()["data"][0]["id"] == after[0]
        assert client.post("/admin/rollback").status_code == 200
        assert write(client) == before


def test_a_model_that_predicts_does_not_replace_one_that_writes(
    chat_model, written_models, saved_models
):
    with TestClient(create_app(chat_model, ServeSettings(token=TOKEN)), headers=HEADERS) as client:
        for folder, words in (
            (saved_models["classes"], "predicts"),
            (written_models["completion"], "task"),
        ):
            response = reload(client, str(folder))
            assert response.status_code == 409
            assert words in response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/admin/reload", "/admin/rollback"])
def test_no_model_is_replaced_in_one_of_several_workers(predictor, path):
    settings = ServeSettings(token=TOKEN, workers=3)
    with TestClient(create_app(predictor, settings), headers=HEADERS) as client:
        response = client.post(path, json={"folder": "newer"})
    assert response.status_code == 409
    assert "3 workers" in response.json()["error"]["message"]
