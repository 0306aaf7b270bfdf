"""Runs a service with uvicorn until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Callable

import uvicorn

from ftlearn.errors import ArgumentError
from ftlearn.serving.app import create_app
from ftlearn.serving.chat_model import ChatModel
from ftlearn.serving.gate import LOG
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
    _log_to_stderr()
    config = uvicorn.Config(
        create_app(model, settings),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(settings.deadline) + GRACE,
    )
    # uvicorn raises the signal again when it is done, which would end the process as if killed.
    signal.signal(signal.SIGTERM, lambda *_: None)
    announce(address(listening))
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; connections wait in it until the service has started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
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


def _log_to_stderr() -> None:
    """One line per request, without decoration."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
