"""Runs a service with uvicorn until it is told to stop."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI

from ftlearn.errors import ArgumentError
from ftlearn.serving.app import create_app
from ftlearn.serving.chat_model import ChatModel
from ftlearn.serving.log import LOG, BackgroundHandler
from ftlearn.serving.predictor import Predictor
from ftlearn.serving.settings import ServeSettings

GRACE = 5
"""Seconds beyond the deadline of requests after which connections are closed all the same."""


def run(
    model: Predictor | ChatModel,
    settings: ServeSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve a model until SIGTERM or Ctrl-C, and answer what was accepted before that.

    ``announce`` gets the address, once requests can be sent to it; port 0 is any that is free. The
    log goes to standard error, one JSON object per request.

    Raises ValueError where the address cannot be used.
    """
    listening = listen(host, port)
    prepare()
    app = create_app(model, settings)
    log = log_to_stderr(app)
    # uvicorn raises the signal again when it is done, which would end the process as if killed.
    signal.signal(signal.SIGTERM, lambda *_: None)
    announce(address(listening))
    try:
        with listening:
            uvicorn.Server(uvicorn_config(app, settings)).run(sockets=[listening])
    finally:
        LOG.removeHandler(log)


def uvicorn_config(app: Any, settings: ServeSettings) -> uvicorn.Config:
    """How uvicorn runs an application: with our log instead of its own, and time to finish."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(settings.deadline) + GRACE,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; connections wait in it until the service has started.

    They send without delay: else the second packet of an answer, its body, would wait for the
    client to acknowledge the first, which on a kept connection takes 40 ms. asyncio sees to that
    by itself only for sockets that name their protocol, and those of `create_server` do not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
        return listening
    except (OSError, OverflowError) as error:
        raise ArgumentError(
            f"cannot listen on port {port} of {host} ({error}): choose another one, or 0 for any "
            "that is free"
        ) from error


def address(listening: socket.socket) -> str:
    """The URL of a socket.

    >>> with listen("127.0.0.1", 0) as listening:
    ...     address(listening).startswith("http://127.0.0.1:")
    True
    """
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def prepare() -> None:
    """Allow as many open files, and so connections, as the system lets a process have."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        return  # macOS names a limit that it does not grant: the present one remains


def log_to_stderr(app: FastAPI) -> BackgroundHandler:
    """Write the log of a service to standard error; where that fails, standard output says so."""
    destination = open(sys.stderr.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115
    handler = BackgroundHandler(
        destination, _note, count_lost=app.state.measurements.lost_log_lines.inc
    )
    LOG.addHandler(handler)
    LOG.setLevel("INFO")
    LOG.propagate = False
    return handler


def _note(sentence: str) -> None:
    try:
        print(f"note: {sentence}", flush=True)
    except OSError:
        return  # nobody is left to be told; the measurements count the lines
