"""Small saved models, and a client that speaks to a service without a network."""

from __future__ import annotations

from collections.abc import Iterator

import lora_models
import pytest
from starlette.testclient import TestClient
from tiny_decoder import tiny_decoder

from ftlearn import models, tasks
from ftlearn.serving import ChatModel, Predictor, ServeSettings, create_app

CLASSES = tasks.Classification(labels=("kalt", "warm", "heiß"), max_length=16)
PAIRS = tasks.Classification(labels=("no", "yes"), text=("question", "answer"), max_length=32)


@pytest.fixture(scope="session")
def saved_models(tiny_bert, tmp_path_factory):
    """Folders of a classifier of texts and one of pairs."""
    folders = {}
    for name, task in (("classes", CLASSES), ("pairs", PAIRS)):
        model, tokenizer = models.load(tiny_bert, task, seed=0, device="cpu")
        folders[name] = tmp_path_factory.mktemp("saved") / name
        models.save(model, tokenizer, task, folders[name])
    return folders


@pytest.fixture(scope="session")
def predictor(saved_models) -> Predictor:
    return Predictor(saved_models["classes"], "cpu")


@pytest.fixture(scope="session")
def pair_predictor(saved_models) -> Predictor:
    return Predictor(saved_models["pairs"], "cpu")


@pytest.fixture
def client(predictor) -> Iterator[TestClient]:
    """A service of the classifier with small limits."""
    settings = ServeSettings(max_texts=8, max_body=4000, max_wait_ms=0)
    with TestClient(create_app(predictor, settings)) as client:
        yield client


@pytest.fixture(scope="session")
def written_models(tmp_path_factory):
    """Folders of a model that chats, of an adapter for one, and of one that continues texts."""
    base = tiny_decoder(tmp_path_factory.mktemp("decoder"))
    root = tmp_path_factory.mktemp("written")
    for name, task in (("chat", tasks.chat()), ("completion", tasks.completion())):
        model, tokenizer = models.load(base, task, device="cpu")
        models.save(model, tokenizer, task, root / name)
    model, tokenizer = models.load(base, lora_models.TASK, device="cpu")
    adapted = lora_models.trained(models.with_lora(model))
    models.save_adapter(adapted, tokenizer, lora_models.TASK, root / "adapter")
    return {name: root / name for name in ("chat", "completion", "adapter")}


@pytest.fixture(scope="session")
def chat_model(written_models) -> ChatModel:
    return ChatModel(written_models["chat"], "cpu")
