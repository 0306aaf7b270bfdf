"""A real service and clients that misbehave: it goes on, leaks nothing, gives no wrong answer."""

import json
import random
import signal
import socket
import sys
from contextlib import ExitStack, suppress
from multiprocessing.connection import wait
from pathlib import Path

import psutil
import pytest
from service_process import service
from waiting import HANG, waited

DEADLINE = 3
MOST_SILENT = 80
"""Of the malformed requests, those that the service waits for because half a head may go on."""
TEXTS = ["ball run", "code", "heart pulse team server"]
BODY = json.dumps({"texts": TEXTS}).encode()
HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither")


def request(body=BODY, length=None):
    """A request as it stands on the wire; its length may be a lie."""
    return HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body


@pytest.fixture(scope="module")
def served(saved_models):
    with service(saved_models["classes"], "--deadline", str(DEADLINE)) as running:
        yield running


@pytest.fixture(autouse=True)
def goes_on(served, predictor):
    """After every test: the right answers, in the same process, and no further open files."""
    process = psutil.Process(served.process.pid)
    served.ask(*TEXTS)
    files = process.num_fds() if hasattr(process, "num_fds") else 0
    yield
    response = served.ask(*TEXTS)
    assert response.status_code == 200
    labels = [row["label"] for row in response.json()["predictions"]]
    assert labels == [row["label"] for row in predictor.predict(TEXTS)]
    assert served.process.poll() is None
    if files:
        waited(lambda: process.num_fds() <= files)
    assert served.metric("ftlearn_queued_texts") == 0


def connected(served):
    return socket.create_connection(served.address, timeout=HANG)


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


def answered(connection):
    """All that comes until the service closes, or until a whole answer is here."""
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
        head, found, body = answer.partition(b"\r\n\r\n")
        if found and b"content-length" in head.lower():
            (length,) = [
                int(line.split(b":")[1])
                for line in head.lower().splitlines()
                if line.startswith(b"content-length")
            ]
            if len(body) >= length:
                break
    return answer


def test_a_body_that_comes_byte_by_byte_is_given_up_and_delays_nobody(served):
    with connected(served) as slow:
        slow.sendall(request(b"{", length=1000))
        slow.settimeout(0.05)
        answer, others = b"", 0
        while not answer:
            try:
                answer = slow.recv(65536)
                break
            except TimeoutError:
                assert served.ask("code").status_code == 200
                others += 1
            slow.sendall(b" ")
        assert status_of(answer) == 408
        assert others > 0


def test_half_a_body_and_a_client_that_leaves(served):
    before = served.metric('ftlearn_requests_total{path="/predict",status="499"}')
    for body in (b"", b'{"texts": ["ball', BODY[:-1]):
        with connected(served) as client:
            client.sendall(request(body, length=len(BODY)))
    waited(
        lambda: served.metric('ftlearn_requests_total{path="/predict",status="499"}') == before + 3
    )


def test_clients_that_leave_while_they_wait_cost_nothing(saved_models):
    with service(saved_models["classes"], "--max-wait-ms", "600000") as patient:
        for _ in range(20):
            with connected(patient) as client:
                client.sendall(request())
        left = 'ftlearn_requests_total{path="/predict",status="499"}'
        waited(lambda: patient.metric(left) == 20)
        assert patient.metric("ftlearn_queued_texts") == 0
        assert patient.metric("ftlearn_compute_seconds_count") == 0


def test_connections_that_never_send_anything_delay_nobody(served):
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connected(served)).sendall(b"POST /predict HT")
        assert served.ask("code").status_code == 200


def malformed(seed):
    """Requests that are broken in all layers: bytes, HTTP, JSON and fields."""
    chance = random.Random(seed)
    yield from (bytes(chance.randbytes(chance.randrange(1, 400))) + b"\r\n\r\n" for _ in range(60))
    for _ in range(120):
        broken = bytearray(request())
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        yield bytes(broken)
    yield from (request(chance.randbytes(chance.randrange(200))) for _ in range(60))
    for value in (None, 3, "a", [], [[]], {}, [None] * 5, ["a"] * 300, ["\0"], [{"text": 7}]):
        yield request(json.dumps({"texts": value}).encode())
    yield b"GET / HTTP/9.9\r\n\r\n"
    yield b"POST /predict HTTP/1.1\r\nContent-Length: -5\r\n\r\n"
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\n"
    yield HEAD + b"X: " + b"x" * 200_000 + b"\r\n\r\n"


def test_malformed_requests_end_with_a_refusal(served, predictor):
    refused = 0
    for broken, answer in answers_to(served, malformed(seed=0)):
        status = status_of(answer)
        assert status < 500
        refused += status >= 400
        if status == 200 and broken.startswith(b"POST /predict "):
            # What was changed may still be a request, with other texts: then it is answered.
            texts = json.loads(broken.partition(b"\r\n\r\n")[2])["texts"]
            answers = json.loads(answer.partition(b"\r\n\r\n")[2])["predictions"]
            truth = [row["label"] for row in predictor.predict(texts)]
            assert [row["label"] for row in answers] == truth
    assert refused > MOST_SILENT
    assert [entry for entry in served.entries() if entry["status"] >= 500] == []


def answers_to(served, requests):
    """Requests that are sent at once and the beginning of their answers, where there is one.

    Half a head has none, so the last few are not waited for.
    """
    with ExitStack() as stack:
        sent = {}
        for content in requests:
            client = stack.enter_context(connected(served))
            with suppress(ConnectionError):  # refused before all of it was read
                client.sendall(content)
            sent[client] = content
        waited(lambda: len(wait(sent, timeout=0)) >= len(sent) - MOST_SILENT)
        for client in wait(sent, timeout=DEADLINE):
            with suppress(ConnectionError):
                if answer := answered(client):
                    yield sent[client], answer


def test_a_thousand_connections_at_once_are_answered_or_refused(served, predictor):
    count = min(1000, most_files() // 2)
    truth = [row["label"] for row in predictor.predict(TEXTS)]
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(served)) for _ in range(count)]
        for client in clients:
            client.sendall(request())
        statuses = {}
        for client in clients:
            answer = answered(client)
            status = status_of(answer)
            statuses[status] = statuses.get(status, 0) + 1
            if status == 200:
                answers = json.loads(answer.partition(b"\r\n\r\n")[2])["predictions"]
                assert [row["label"] for row in answers] == truth
    assert statuses.keys() <= {200, 429, 504}
    assert sum(statuses.values()) == count
    assert statuses[200] > 0


def most_files():
    """How many files, and so connections, this process may have open; raised as far as possible."""
    if sys.platform == "win32":
        return 1000
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    return min(most, 4096)


@unix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_a_full_disk_under_the_log_stops_nothing_and_is_told_once(saved_models):
    with service(saved_models["classes"], stderr="/dev/full") as running:
        for _ in range(20):
            assert running.ask(*TEXTS).status_code == 200
        waited(lambda: running.metric("ftlearn_lost_log_lines_total") >= 20)
        running.client.close()
        running.process.send_signal(signal.SIGTERM)
        said = running.process.stdout.read()
        running.process.wait(HANG)
    assert said.count("the log cannot be written (No space left on device)") == 1
