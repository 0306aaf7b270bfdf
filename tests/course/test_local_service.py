"""The service of a lesson: a process that starts, stands still on demand, and leaves nothing."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from ftlearn import models, tasks
from ftlearn.course.local_service import LocalService, ServiceError

HANG = 60
"""Seconds after which a wait has failed."""


@pytest.fixture(scope="module")
def folder(tiny_bert, tmp_path_factory) -> Path:
    task = tasks.Classification(labels=("cold", "hot"), max_length=16)
    model, tokenizer = models.load(tiny_bert, task, seed=0, device="cpu")
    return models.save(model, tokenizer, task, tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture(scope="module")
def service(folder):
    service = LocalService(folder, "--max-texts", "2")
    yield service
    service.stop()


def test_it_answers_and_names_what_it_cannot_use(service):
    assert service.get("/health/ready").json() == {"status": "ready"}
    reply = service.ask(["ball", "run"])
    assert reply.status == 200
    assert {row["label"] for row in reply.json()["predictions"]} <= {"cold", "hot"}
    assert float(reply.headers["x-compute-time-ms"]) >= 0
    refused = service.ask(["ball"] * 3)
    assert refused.status == 422
    assert refused.json()["error"]["field"] == "texts"


def test_it_knows_its_own_token_alone(service):
    assert service.post("/admin/rollback", {}).status == 409  # allowed, with nothing to go back to
    own, service.token = service.token, "another one of sixteen characters"
    try:
        assert service.ask(["ball"]).status == 401
    finally:
        service.token = own


def test_it_stands_still_during_a_run_and_goes_on(service):
    process = psutil.Process(service.process.pid)

    def run():
        service.ask(["ball"])
        until = time.monotonic() + HANG
        while time.monotonic() < until:
            if process.status() == psutil.STATUS_STOPPED:
                return "stood still"
            time.sleep(0.01)
        return "never stood still"

    assert service.stalled(run, 0.5) == "stood still"
    assert service.ask(["ball"]).status == 200


def test_another_value_of_its_name_ends_the_process(folder):
    service = LocalService(folder)
    process, files = service.process, Path(service._files.name)
    service = None
    assert process.poll() is not None
    assert not files.exists()


def test_a_folder_that_cannot_be_served_is_told_by_the_log(tmp_path):
    with pytest.raises(ServiceError, match="empty"):
        LocalService(tmp_path / "empty")
