"""Several processes on one port: killed, replaced, counted together, and stopped."""

import os
import re
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import psutil
import pytest
from service_process import service
from waiting import HANG, waited

from ftlearn import cli, models
from ftlearn.errors import ArgumentError
from ftlearn.serving import Predictor, ServeSettings, opened
from ftlearn.serving.workers import WorkerError, run_workers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
TEXTS = ["ball run", "code", "heart pulse team server", "sleep", "chip code ball"]
TOKEN = "a-token-of-some-length"
BODY = {"texts": TEXTS}
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def link(saved_models, tmp_path_factory):
    """A link to the folder of a model, which can lead to another one later."""
    root = tmp_path_factory.mktemp("links")
    (root / "token").write_text(TOKEN)
    (root / "current").symlink_to(saved_models["classes"])
    return root / "current"


@pytest.fixture(scope="module")
def served(link):
    """Two workers that ask for a token."""
    token = str(link.parent / "token")
    with service(link, "--workers", "2", "--token-file", token) as running:
        running.client.headers.update(AUTHORIZED)
        waited(lambda: len(running.workers()) == 2)
        yield running


def labels(predictor):
    return [prediction["label"] for prediction in predictor.predict(TEXTS)]


def test_the_workers_say_what_memory_they_take(served):
    assert re.search(r"with 2 workers of \d+ MB, \d+ MB", served.said)
    for pid in served.workers():
        assert served.metric(f'ftlearn_memory_bytes{{pid="{pid}"}}') > 5e7


def test_both_answer_and_are_counted_together(served, predictor):
    sent = served.metric("ftlearn_texts_total")
    expected = labels(predictor)
    while served_by(served) != served.workers():
        # New connections, since each stays with the worker that accepted it.
        responses = [
            httpx.post(served.client.base_url.join("/predict"), json=BODY, headers=AUTHORIZED)
            for _ in range(10)
        ]
        for response in responses:
            answers = [row["label"] for row in response.json()["predictions"]]
            assert answers == expected
        sent += 10 * len(TEXTS)
    assert served.metric("ftlearn_texts_total") == sent


def served_by(served):
    """The workers that have answered texts."""
    return {entry["process"] for entry in served.entries() if entry["path"] == "/predict"}


@pytest.mark.parametrize("path", ["/admin/reload", "/admin/rollback"])
def test_no_request_replaces_the_model_of_one_worker_only(served, path):
    response = served.client.post(path, json={"folder": "other"})
    assert response.status_code == 409
    message = response.json()["error"]["message"]
    assert "2 workers" in message
    assert f"SIGHUP to process {served.process.pid}" in message


def test_a_killed_worker_breaks_its_own_requests_and_is_replaced(served, predictor):
    expected = labels(predictor)
    stop = threading.Event()
    answers, breaks = [], []

    def client():
        with httpx.Client(
            base_url=served.client.base_url, headers=AUTHORIZED, timeout=HANG
        ) as connection:
            while not stop.is_set():
                try:
                    response = connection.post("/predict", json=BODY)
                    answers.append((response.status_code, response.json()))
                except httpx.TransportError as error:
                    breaks.append(error)

    before = served.workers()
    victim = min(before)
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client) for _ in range(4)]
        waited(lambda: len(answers) > 20)
        os.kill(victim, signal.SIGKILL)
        replaced = lambda: len(living(served) - {victim}) == 2  # noqa: E731
        waited(replaced)
        reached = len(answers)
        waited(lambda: len(answers) > reached + 20)
        stop.set()
        for running in clients:
            running.result(HANG)
    assert {status for status, _ in answers} == {200}
    for _, answer in answers:
        assert [row["label"] for row in answer["predictions"]] == expected
    assert len(breaks) <= 4  # each client had at most one request at the victim
    assert len(living(served) & before) == 1


def living(served):
    """The workers, asked for until somebody answers: a connection to a dead one breaks."""
    try:
        return served.workers()
    except httpx.TransportError:
        return set()


def test_sighup_replaces_the_workers_by_those_of_the_folder_as_it_is_now(
    served, link, saved_models, predictor, tiny_bert, tmp_path
):
    model, tokenizer = models.load(tiny_bert, predictor.task, seed=5, device="cpu")
    newer = tmp_path / "newer"
    models.save(model, tokenizer, predictor.task, newer)
    before = served.workers()
    link.unlink()
    link.symlink_to(newer)
    served.process.send_signal(signal.SIGHUP)
    waited(lambda: len(living(served) - before) == 2 and not living(served) & before)
    response = served.ask(*TEXTS)
    assert response.json()["model"] == Predictor(newer, "cpu").name
    link.unlink()
    link.symlink_to(saved_models["classes"])


def test_sigterm_answers_what_was_accepted_and_ends_with_zero(served):
    served.client.close()
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(HANG) == 0


def test_workers_end_with_a_supervisor_that_was_killed(saved_models):
    with service(saved_models["classes"], "--workers", "2") as running:
        waited(lambda: len(running.workers()) == 2)
        processes = [psutil.Process(pid) for pid in running.workers()]
        running.client.close()
        running.process.kill()
        _, alive = psutil.wait_procs(processes, HANG)
        assert alive == []


def test_a_worker_that_cannot_start_ends_the_service(tmp_path, capfd):
    interrupting = signal.getsignal(signal.SIGINT)
    open_model = partial(opened, tmp_path / "none", "cpu")
    with pytest.raises(WorkerError, match="ended with status 1 before it was ready"):
        run_workers(open_model, ServeSettings(workers=2), port=0, announce=pytest.fail)
    assert "a worker cannot open the model: there is no folder" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is interrupting
    commands = [" ".join(child.cmdline()) for child in psutil.Process().children()]
    assert not any("spawn_main" in command for command in commands)


def test_a_folder_without_a_model_is_told_once(tmp_path, capfd):
    assert cli.main(["serve", str(tmp_path), "--workers", "2", "--port", "0"]) == 2
    assert capfd.readouterr().err.count("holds no model") == 1


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_an_impossible_number_of_workers_is_refused(workers):
    with pytest.raises(ArgumentError, match="workers is"):
        ServeSettings(workers=workers)
