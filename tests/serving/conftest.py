"""Small saved models, and a client that speaks to a service without a network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from ftlearn import models, tasks
from ftlearn.serving import Predictor, ServeSettings, create_app

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
