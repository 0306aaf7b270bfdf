"""Clients of a service, in a process of their own so that nothing here delays them.

An open loop sends each request when it is due, as users do who know nothing of each other. In a
closed loop a client waits for its answer first, so a slow service is asked less often, and the
requests that would have waited are never sent: "coordinated omission" (Tene 2013).
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ftlearn.errors import ArgumentError, FtlearnError
from ftlearn.load import sender
from ftlearn.load.arrivals import arrival_times
from ftlearn.load.runs import LoadRun
from ftlearn.runtime.arguments import number, whole_number

PATH = "/predict"


class LoadError(FtlearnError, RuntimeError):
    """The process of the client has failed."""


def constant_rate(
    url: str,
    texts: Sequence[Any],
    rate: float,
    seconds: float,
    *,
    seed: int | None = None,
    token: str | None = None,
    timeout: float = 60.0,
    allow_host: str | None = None,
) -> LoadRun:
    """Send ``rate`` requests per second, of one text each, and wait for all answers.

    Latency counts from when a request was due, so a request that had to wait for the client counts
    its wait. With a ``seed`` arrivals are Poisson, without one they are evenly spaced. A text is
    what the service takes: a string, or a pair.

    Raises ValueError for a host that is not this machine unless ``allow_host`` names it, and
    LoadError where the client cannot run.

    Example: ``constant_rate("http://127.0.0.1:8000", texts, rate=20, seconds=10).percentile(99)``
    """
    due = arrival_times(rate, seconds, seed)
    if not len(due):
        raise ArgumentError(
            f"no request is due in {seconds:g} s at {rate:g} per second with the seed {seed}: "
            "choose a longer time"
        )
    plan = _plan(url, texts, token, timeout, allow_host)
    return _run(plan | {"due": due.tolist()}, rate, seconds)


def closed_loop(
    url: str,
    texts: Sequence[Any],
    clients: int,
    seconds: float,
    *,
    token: str | None = None,
    timeout: float = 60.0,
    allow_host: str | None = None,
) -> LoadRun:
    """Let some clients send one text after the other, each when it has its answer.

    How many answers come at most, but not how long users wait: see the module. Raises what
    ``constant_rate`` raises.
    """
    clients = whole_number("clients", clients, 1)
    seconds = number("seconds", seconds, 1e-3, 1e6)
    plan = _plan(url, texts, token, timeout, allow_host)
    return _run(plan | {"clients": clients, "seconds": seconds}, None, seconds)


def _plan(
    url: str, texts: Sequence[Any], token: str | None, timeout: float, allow_host: str | None
) -> dict[str, Any]:
    """What all clients have in common."""
    check_host(url, allow_host)
    if isinstance(texts, str) or not len(texts):
        raise ArgumentError(f"texts is {texts!r}: give a list with at least one text")
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return {
        "url": url.rstrip("/") + PATH,
        "headers": headers,
        "bodies": [json.dumps({"texts": [text]}) for text in texts],
        "timeout": number("timeout", timeout, 1e-3, 1e6),
    }


def check_host(url: str, allow_host: str | None) -> None:
    """Raise ValueError unless a URL leads to this machine, or ``allow_host`` repeats its host.

    >>> check_host("http://127.0.0.1:8000", None)
    >>> check_host("http://example.org", None)
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: url leads to 'example.org', another machine: load only a service \
of your own, and confirm it with allow_host='example.org'
    """
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ArgumentError(f"url is {url!r}: write it as http://127.0.0.1:8000")
    host = address.hostname
    if host == allow_host or is_loopback(host):
        return
    raise ArgumentError(
        f"url leads to {host!r}, another machine: load only a service of your own, and confirm it "
        f"with allow_host={host!r}"
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("127.0.0.1.example.org")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name


def _run(plan: dict[str, Any], rate: float | None, seconds: float) -> LoadRun:
    """Let a process carry out a plan, which ends by itself."""
    command = [sys.executable, "-I", str(Path(sender.__file__))]
    most = seconds + 2 * plan["timeout"] + 60
    try:
        process = subprocess.run(  # noqa: S603 - our own script; the plan goes to its input
            command, input=json.dumps(plan), capture_output=True, text=True, timeout=most
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"the client did not end within {most:.0f} s") from error
    if process.returncode:
        raise LoadError(f"the client failed: {process.stderr.strip()[-500:]}")
    due, sent, done, outcomes, answers = zip(*json.loads(process.stdout), strict=True)
    return LoadRun(rate, np.array(due), np.array(sent), np.array(done), outcomes, answers)
