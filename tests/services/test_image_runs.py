"""The image is built from its Dockerfile and started, with nothing that it can write to."""

from __future__ import annotations

import subprocess

import dockerfiles
import httpx
import images
import pytest
import tiny_models
from waiting import waited

from ftlearn import models

REASON = dockerfiles.unavailable()
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        REASON is not None and not images.docker_answers(),
        reason=f"no container engine runs here, and the steps cannot be carried out: {REASON}",
    ),
]
TOKEN = "a secret of some length"


@pytest.fixture(scope="module")
def image(tiny_bert, tmp_path_factory):
    """The running image, with a small model."""
    folder = tmp_path_factory.mktemp("image")
    model, tokenizer = models.load(tiny_bert, tiny_models.CLASSES, seed=0, device="cpu")
    models.save(model, tokenizer, tiny_models.CLASSES, folder / "model")
    subprocess.run(["chmod", "-R", "a+rX", folder / "model"], check=True)
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o444)
    with images.running(folder / "model", folder / "token", folder) as running:
        waited(running.healthy)
        yield running


def test_it_answers_whoever_has_the_token_and_nobody_else(image):
    body = {"texts": ["ball run"]}
    refused = httpx.post(f"{image.url}/predict", json=body)
    assert refused.status_code == 401
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.post(f"{image.url}/predict", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["label"] in tiny_models.CLASSES.labels
    assert httpx.get(f"{image.url}/health/ready").json() == {"status": "ready"}


def test_a_user_that_is_not_root_runs_it_and_finds_nothing_to_complain_of(image):
    assert image.user() == 10_001
    complaints = [word for word in ("Warning", "Errno", "denied") if word in image.log()]
    assert complaints == [], image.log()


def test_sigterm_ends_it_in_order(image):
    assert image.stopped() == 0
