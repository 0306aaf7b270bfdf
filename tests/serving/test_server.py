"""The command in a process of its own, asked over the loopback device."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from ftlearn.errors import ArgumentError
from ftlearn.serving.server import address, listen

unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")


@contextmanager
def service(folder, *options):
    """A process that serves a folder, and a client of it."""
    command = [sys.executable, "-m", "ftlearn", "serve", str(folder), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        url = re.search(r"http://\S+", line)
        assert url, process.communicate()
        with httpx.Client(base_url=url.group(), timeout=60) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def queued(client):
    return re.search(r"^ftlearn_queued_texts (\S+)$", client.get("/metrics").text, re.M)[1]


@unix
def test_sigterm_ends_the_service_after_the_last_answer(saved_models):
    with service(saved_models["classes"], "--max-wait-ms", "700") as (process, client):
        assert client.get("/health/ready").status_code == 200
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(client.post, "/predict", json={"texts": ["ball run"]})
            while queued(client) != "1.0" and not request.done():
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            response = request.result(timeout=60)
        assert response.status_code == 200
        assert response.json()["predictions"][0]["label"] in ("kalt", "warm", "heiß")
        assert process.wait(timeout=60) == 0
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    predictions = [line for line in lines if line["path"] == "/predict"]
    assert [line["status"] for line in predictions] == [200]


def test_an_address_that_is_taken_is_named():
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(ArgumentError, match=rf"port {port} of 127\.0\.0\.1"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("no.such.host.invalid", 0)])
def test_an_address_that_does_not_exist_is_refused(host, port):
    with pytest.raises(ArgumentError, match="choose another"):
        listen(host, port)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_address_of_ipv6_stands_in_brackets():
    with listen("::1", 0) as listening:
        assert re.fullmatch(r"http://\[::1\]:\d+", address(listening))
