"""A model does not outlive its service: what FastAPI caches of the routes does not hold it."""

import gc
import weakref

import pytest
from starlette.testclient import TestClient

from ftlearn.serving import ChatModel, Predictor, ServeSettings, create_app

TOKEN = "a-token-of-some-length"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
PREDICTION = ("/predict", {"texts": ["ball"]})
DIALOGUE = ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]})
ADDRESSES = ("/", "/health/live", "/health/ready", "/metrics", "/openapi.json")


def serve(model, folder, path, body):
    """Run a service for a moment: it answers, changes to another model and back."""
    app = create_app(model, ServeSettings(token=TOKEN, max_new_tokens=2))
    with TestClient(app, headers=HEADERS) as client:
        replies = [client.get(address) for address in ADDRESSES]
        replies.append(client.post("/admin/reload", json={"folder": str(folder)}))
        replies.append(client.post(path, json=body))
        replies.append(client.post("/admin/rollback"))
        replies.append(client.post(path, json=body))
    assert [reply.status_code for reply in replies] == [200] * len(replies)


@pytest.mark.parametrize(
    ("kind", "models", "name", "asked"),
    [
        (Predictor, "saved_models", "classes", PREDICTION),
        (ChatModel, "written_models", "chat", DIALOGUE),
    ],
)
def test_a_model_is_collected_after_its_service_has_ended(kind, models, name, asked, request):
    folder = request.getfixturevalue(models)[name]
    model = kind(folder, "cpu")
    there = weakref.ref(model.model)
    serve(model, folder, *asked)
    del model
    gc.collect()  # an application and its model hold each other
    assert there() is None
