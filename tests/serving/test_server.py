"""The command in a process of its own, asked over the loopback device."""

import re
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from service_process import service
from waiting import HANG, waited

from ftlearn.errors import ArgumentError
from ftlearn.serving.server import address, listen

unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")


@unix
def test_sigterm_ends_the_service_after_the_last_answer(saved_models):
    with service(saved_models["classes"], "--max-wait-ms", "700") as served:
        assert served.client.get("/health/ready").status_code == 200
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(served.ask, "ball run")
            waited(lambda: served.metric("ftlearn_queued_texts") == 1 or request.done())
            served.process.send_signal(signal.SIGTERM)
            response = request.result(HANG)
        assert response.status_code == 200
        assert response.json()["predictions"][0]["label"] in ("kalt", "warm", "heiß")
        assert served.process.wait(HANG) == 0
        entries = served.entries()
    predictions = [entry for entry in entries if entry["path"] == "/predict"]
    assert [entry["status"] for entry in predictions] == [200]


def test_an_address_that_is_taken_is_named():
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(ArgumentError, match=rf"port {port} of 127\.0\.0\.1"):
            listen("127.0.0.1", port)


def test_connections_send_the_second_packet_of_an_answer_at_once():
    """Without it each answer on a kept connection takes 40 ms more; see `listen`."""
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("no.such.host.invalid", 0)])
def test_an_address_that_does_not_exist_is_refused(host, port):
    with pytest.raises(ArgumentError, match="choose another"):
        listen(host, port)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_address_of_ipv6_stands_in_brackets():
    with listen("::1", 0) as listening:
        assert re.fullmatch(r"http://\[::1\]:\d+", address(listening))
