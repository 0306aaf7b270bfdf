"""What every request passes first: a request id, the token, the size of its body, and the log."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ftlearn.serving import errors
from ftlearn.serving.log import LOG
from ftlearn.serving.measurements import Measurements
from ftlearn.serving.settings import ServeSettings

OPEN = ("/", "/health/live", "/health/ready")
"""Paths that need no token: the page asks for it, and probes have none."""
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
UNKNOWN = "other"
"""What log and measurements call a path that is not ours, since anybody can invent some."""


class Gate:
    """ASGI middleware around the routes; ``paths`` are those that the measurements name."""

    def __init__(
        self,
        app: ASGIApp,
        settings: ServeSettings,
        measurements: Measurements,
        paths: frozenset[str],
    ) -> None:
        self.app = app
        self.settings = settings
        self.measurements = measurements
        self.paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it, and log what became of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = Headers(scope=scope)
        entry: dict[str, Any] = {"id": request_id(headers.get("x-request-id"))}
        scope.setdefault("state", {})["entry"] = entry

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = entry["id"]
            await send(message)

        try:
            answer = self._refusal(scope["path"], headers)
            if answer is None:
                answer, receive = await self._with_body(receive)
            await (answer or self.app)(scope, receive, send_marked)
        finally:
            self._record(scope, entry, time.perf_counter() - started)

    def _refusal(self, path: str, headers: Headers) -> JSONResponse | None:
        """The answer to a request that is refused by its headers alone."""
        if self.settings.token is not None and path not in OPEN:
            given = headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {self.settings.token}".encode()):
                message = "send the header Authorization: Bearer TOKEN with the service's token"
                return JSONResponse(errors.body(message), 401, {"WWW-Authenticate": "Bearer"})
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self.settings.max_body:
            return self._too_large()
        return None

    def _too_large(self) -> JSONResponse:
        message = f"the body has more than {self.settings.max_body:,} bytes: send fewer texts"
        return JSONResponse(errors.body(message), 413)

    async def _with_body(self, receive: Receive) -> tuple[JSONResponse | None, Receive]:
        """The whole body is read before anything else, so that size and time are limited here.

        Returns the answer to a body that is too large or too slow, and what to receive from.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(self.settings.deadline):
                more = True
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        return errors.left(
                            "the client left before its request was complete"
                        ), receive
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self.settings.max_body:
                        return self._too_large(), receive
        except TimeoutError:
            message = f"the body did not arrive within {self.settings.deadline:g} s: send it again"
            return JSONResponse(errors.body(message), 408), receive
        return None, _replayed(bytes(body), receive)

    def _record(self, scope: Scope, entry: dict[str, Any], seconds: float) -> None:
        """One line of the log, and the measurements."""
        path = scope["path"] if scope["path"] in self.paths else UNKNOWN
        status = entry.setdefault("status", 500)
        self.measurements.requests.labels(path, status).inc()
        self.measurements.request_seconds.observe(seconds)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "process": os.getpid(),
            "method": scope["method"],
            "path": path,
            "ms": round(1000 * seconds, 2),
        }
        LOG.info("%s", json.dumps(line | entry, ensure_ascii=True))


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, and after it what the server has to say."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def request_id(given: str | None) -> str:
    """The id that the client gave, if it can stand in a log, or a new one.

    >>> request_id("order-17"), len(request_id("two\\nlines"))
    ('order-17', 32)
    """
    if given is not None and SANE_ID.fullmatch(given):
        return given
    return uuid.uuid4().hex
