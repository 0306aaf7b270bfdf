"""The clients beside a small service that counts, holds back, and breaks off."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from waiting import HANG

from ftlearn import cli, load
from ftlearn.errors import ArgumentError

TEXTS = ["zero", "one", "two"]


class Service(ThreadingHTTPServer):
    """Answers with the text it got, as soon as ``ready(count)`` says so."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, behave):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave = behave
        self.lock = threading.Lock()
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            number = len(self.server.requests)
            self.server.requests.append((self.path, body, self.headers.get("Authorization")))
        status = self.server.behave(number)
        if status is None:
            self.close_connection = True
            return
        content = json.dumps({"predictions": [{"label": body["texts"][0]}]}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextmanager
def service(behave=lambda number: 200):
    with Service(behave) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(HANG)


def test_each_request_is_sent_once_and_its_answer_kept():
    with service() as server:
        run = load.constant_rate(server.url, TEXTS, 100, 0.5, token="secret")
    assert run.statuses == {"200": 50}
    assert list(run.answers) == [TEXTS[index % 3] for index in range(50)]
    assert sorted(body["texts"][0] for _, body, _ in server.requests) == sorted(run.answers)
    assert {(path, token) for path, _, token in server.requests} == {("/predict", "Bearer secret")}
    np.testing.assert_allclose(run.due, np.arange(50) / 100)
    assert (run.due <= run.sent).all()
    assert (run.sent < run.done).all()


def test_an_open_loop_sends_whether_or_not_it_is_answered_and_a_closed_one_does_not():
    """Nothing is answered before ten requests are here: only an open loop gets there."""
    everybody = threading.Barrier(10)

    def behave(number):
        everybody.wait(HANG)
        return 200

    with service(behave) as server:
        run = load.constant_rate(server.url, TEXTS, 1000, 0.01)
    assert run.statuses == {"200": 10}
    # All were done after the last was due, and the first ones count their whole wait.
    assert run.done.min() >= run.due.max()
    assert run.in_flight > 1

    release = threading.Event()
    with service(lambda number: 200 if release.wait(HANG) else None) as server:
        runs = []
        client = threading.Thread(
            target=lambda: runs.append(load.closed_loop(server.url, TEXTS, 2, 0.3))
        )
        client.start()
        while len(server.requests) < 2:
            assert client.is_alive()
        client.join(1.0)  # longer than the run: nothing more is sent meanwhile
        assert len(server.requests) == 2
        release.set()
        client.join(HANG)
    assert runs[0].statuses == {"200": 2}
    assert np.array_equal(runs[0].due, runs[0].sent)


def test_a_stall_is_in_every_latency_that_it_caused_and_in_few_response_times_of_a_closed_loop():
    """Coordinated omission: of a stall of 0.4 s, two clients report two long times."""
    stall = threading.Event()

    def behave(number):
        if number >= 20 and not stall.is_set():
            with server.lock:
                threading.Event().wait(0.4)
                stall.set()
        return 200

    with service(behave) as server:
        run = load.constant_rate(server.url, TEXTS, 100, 1.0)
    slow = run.latencies > 0.1
    assert slow.sum() >= 20  # those due in the first 0.3 s of the stall, and it lasts 0.4 s
    stall.clear()
    with service(behave) as server:
        closed = load.closed_loop(server.url, TEXTS, 2, 1.0)
    waited = (closed.response_times > 0.35).sum()
    assert waited <= 2 or closed.response_times[:20].max() > 0.35  # a machine that stalls itself


def test_refusals_and_broken_connections_are_named_and_have_no_latency():
    statuses = {0: 429, 1: None, 2: 503}
    with service(lambda number: statuses.get(number, 200)) as server:
        run = load.constant_rate(server.url, TEXTS, 20, 0.5)
    assert run.statuses == {"200": 7, "429": 1, "503": 1, "RemoteDisconnected": 1}
    assert len(run.latencies) == len(run.response_times) == 7
    assert [run.answers[index] == "" for index in range(10)] == list(~run.answered)


def test_nobody_at_the_address_is_an_outcome_too():
    with service() as server:
        url = server.url
    run = load.constant_rate(url, TEXTS, 10, 0.3)
    assert run.statuses == {"ConnectionRefusedError": 3}
    assert np.isnan(run.percentile(50).value)
    assert run.row()["answered"] == 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.org", "allow_host='example.org'"),
        ("http://127.0.0.1.example.org", "another machine"),
        ("http://10.0.0.7:8000", "another machine"),
        ("127.0.0.1:8000", "write it as"),
        ("file:///etc/passwd", "write it as"),
    ],
)
def test_only_this_machine_is_loaded_unless_another_one_is_named(url, words):
    with pytest.raises(ArgumentError, match=words):
        load.constant_rate(url, TEXTS, 1, 1)


def test_impossible_arguments_are_refused():
    url = "http://127.0.0.1:1"
    with pytest.raises(ArgumentError, match="at least one text"):
        load.constant_rate(url, [], 1, 1)
    with pytest.raises(ArgumentError, match="at least one text"):
        load.constant_rate(url, "one text", 1, 1)
    with pytest.raises(ArgumentError, match="clients is 0"):
        load.closed_loop(url, TEXTS, 0, 1)
    with pytest.raises(ArgumentError, match="choose a longer time"):
        load.constant_rate(url, TEXTS, 0.01, 1, seed=0)


def test_the_command_writes_a_table(tmp_path, capsys):
    (tmp_path / "texts.jsonl").write_text('"one"\n["a", "b"]\n', encoding="utf-8")
    out = tmp_path / "figures.csv"
    with service(lambda number: 429 if number == 0 else 200) as server:
        files = ["--texts", str(tmp_path / "texts.jsonl"), "--output", str(out)]
        code = cli.main(["load", server.url, "--rate", "20,40", "--seconds", "0.25", *files])
    assert code == 0
    lines = capsys.readouterr().out.splitlines()
    assert "p99 ms" in lines[0]
    assert "1 x 429" in lines[1]
    header, *rows = out.read_text("utf-8").splitlines()
    assert header.startswith("rate,requests,answered,answered per second,p50 ms,p50 low")
    assert [row.split(",")[:3] for row in rows] == [["20.0", "5", "4"], ["40.0", "10", "10"]]
    assert [body["texts"][0] for _, body, _ in server.requests[:2]] == ["one", ["a", "b"]]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--rate", "5,x"], "--rate is '5,x'"),
        (["--rate", "0"], "--rate is '0'"),
        (["--texts", "no/such/file"], "no/such/file"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(more, words, capsys):
    assert cli.main(["load", "http://127.0.0.1:1", *more]) == 2
    assert words in capsys.readouterr().err


def test_the_command_asks_for_another_host_by_its_option(capsys):
    assert cli.main(["load", "http://example.org"]) == 2
    assert "--allow-host example.org" in capsys.readouterr().err
