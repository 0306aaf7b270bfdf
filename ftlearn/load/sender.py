"""The process that sends requests. It needs the standard library only, so that it starts at once.

It reads a plan as JSON from standard input: ``url``, ``headers``, ``bodies`` (sent in turn),
``timeout`` and either ``due``, the seconds at which requests are due, or ``clients`` and
``seconds``. It writes one list per request: due, sent, done, outcome, answer.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any, NamedTuple
from urllib.parse import urlsplit

LEAD = 0.1
"""Seconds until the first request is due."""
MOST_IDLE = 2.0
"""Seconds after which an idle connection is replaced: servers close them, uvicorn after 5 s, and a
request that is on its way at that moment would be lost."""
MOST_THREADS = 4096
"""Requests under way at once; beyond it they are sent late, and the times say so."""


class Outcome(NamedTuple):
    """What became of a request; times in seconds since the start."""

    due: float
    sent: float
    done: float
    outcome: str
    answer: str


class Sender:
    """Sends requests; each thread keeps a connection of its own."""

    def __init__(self, plan: dict[str, Any]) -> None:
        address = urlsplit(plan["url"])
        kind = http.client.HTTPConnection
        if address.scheme == "https":
            kind = http.client.HTTPSConnection
        self._connect: Callable[[], http.client.HTTPConnection] = lambda: kind(
            address.hostname, address.port, timeout=plan["timeout"]
        )
        self._path = address.path
        self._headers = plan["headers"]
        self._bodies = [body.encode() for body in plan["bodies"]]
        self._kept = threading.local()
        self._start = time.monotonic() + LEAD

    def now(self) -> float:
        """Seconds since the start, negative before it; wall clocks may jump, this one does not."""
        return time.monotonic() - self._start

    def send(self, index: int, due: float | None = None) -> Outcome:
        """Send the request with a number, which was due some time ago or is due now."""
        sent = self.now()
        try:
            outcome, answer = self._exchange(self._bodies[index % len(self._bodies)])
        except (OSError, http.client.HTTPException) as error:
            self._close()
            outcome, answer = type(error).__name__, ""
        return Outcome(sent if due is None else due, sent, self.now(), outcome, answer)

    def _exchange(self, body: bytes) -> tuple[str, str]:
        connection = self._connection()
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        content = response.read()
        self._kept.used = time.monotonic()
        return str(response.status), _answer(content) if response.status == 200 else ""

    def _connection(self) -> http.client.HTTPConnection:
        """This thread's connection, or a new one if the server has closed it, or soon will."""
        connection = getattr(self._kept, "connection", None)
        if connection is not None and connection.sock is not None:
            idle = time.monotonic() - self._kept.used
            if idle < MOST_IDLE and not wait([connection.sock], timeout=0):
                return connection
            self._close()
        self._kept.connection = self._connect()
        return self._kept.connection

    def _close(self) -> None:
        self._kept.connection.close()


def _answer(content: bytes) -> str:
    """The first prediction of an answer: its label, or else all of it."""
    try:
        prediction = json.loads(content)["predictions"][0]
    except (ValueError, LookupError, TypeError):
        return content.decode(errors="replace")
    label = prediction.get("label") if isinstance(prediction, dict) else None
    return label if isinstance(label, str) else json.dumps(prediction)


def open_loop(sender: Sender, due: list[float]) -> list[Outcome]:
    """Send each request when it is due, whether or not the ones before it were answered."""
    with ThreadPoolExecutor(min(len(due), MOST_THREADS)) as pool:
        futures = []
        for index, moment in enumerate(due):
            time.sleep(max(0.0, moment - sender.now()))
            futures.append(pool.submit(sender.send, index, moment))
        return [future.result() for future in futures]


def closed_loop(sender: Sender, clients: int, seconds: float) -> list[Outcome]:
    """Some clients, each of which sends its next request when it has its answer."""

    def client(first: int) -> list[Outcome]:
        time.sleep(max(0.0, -sender.now()))
        outcomes: list[Outcome] = []
        while sender.now() < seconds:
            outcomes.append(sender.send(first + clients * len(outcomes)))
        return outcomes

    with ThreadPoolExecutor(clients) as pool:
        parts = list(pool.map(client, range(clients)))
    return sorted(outcome for part in parts for outcome in part)


def _allow_connections() -> None:
    """Allow as many open files, and so connections, as the system lets a process have."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Carry out the plan."""
    _allow_connections()
    plan = json.load(sys.stdin)
    sender = Sender(plan)
    if "due" in plan:
        outcomes = open_loop(sender, plan["due"])
    else:
        outcomes = closed_loop(sender, plan["clients"], plan["seconds"])
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
