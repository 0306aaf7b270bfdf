"""``ftlearn serve`` as a process of its own on this machine, for lessons that load and break it."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import psutil  # comes with accelerate

from ftlearn.errors import FtlearnError

TIMEOUT = 120
"""Seconds until an answer, or the readiness of a service that starts on a busy machine."""


class ServiceError(FtlearnError, RuntimeError):
    """The service has not started; the message ends with its log."""


class Reply(NamedTuple):
    """What the service answered: a status, headers in lower case, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as an object."""
        return json.loads(self.body)


class LocalService:
    """A folder of ``models.save``, served on a free port of 127.0.0.1 until ``stop``.

    ``options`` are those of ``ftlearn serve``. The process ends with this object at the latest:
    when its name gets another value, and when the interpreter ends. Raises ServiceError where the
    service does not start.
    """

    def __init__(self, folder: str | Path, *options: str) -> None:
        self._files = tempfile.TemporaryDirectory(prefix="ftlearn-service-")
        self._log = Path(self._files.name) / "log"
        secret = Path(self._files.name) / "token"
        self.token = secrets.token_urlsafe()  # other users of this machine reach the port, too
        secret.write_text(self.token)
        command = [sys.executable, "-m", "ftlearn", "serve", str(folder), "--port", "0", *options]
        command += ["--device", "cpu", "--token-file", str(secret)]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.stop = weakref.finalize(self, _end, self.process, self._files)
        self._opener = build_opener(ProxyHandler({}))  # a proxy could not reach this machine
        self.url = self._address()

    def _address(self) -> str:
        """The URL that the service announces, once it is ready."""
        url = re.search(r"http://\S+", self.process.stdout.readline())
        until = time.monotonic() + TIMEOUT
        while url and time.monotonic() < until:
            if self._send(Request(url.group() + "/health/ready")).status == 200:  # noqa: S310
                return url.group()
            time.sleep(0.05)
        end = self._log.read_text()[-500:]
        self.stop()
        raise ServiceError(f"the service has not started; the end of its log:\n{end}")

    def get(self, path: str) -> Reply:
        """GET a path such as ``/metrics``."""
        return self._send(self._request(path))

    def post(self, path: str, body: Any) -> Reply:
        """POST a body as JSON."""
        return self._send(self._request(path, json.dumps(body).encode()))

    def ask(self, texts: Sequence[Any]) -> Reply:
        """The predictions for some texts, or why there are none."""
        return self.post("/predict", {"texts": list(texts)})

    def stalled(self, run: Callable[[], Any], seconds: float = 1.0) -> Any:
        """Carry out a run while the process stands still once, from its first answer on."""
        before = self._log.stat().st_size
        pausing = threading.Thread(target=self._pause, args=(before, seconds))
        pausing.start()
        try:
            return run()
        finally:
            pausing.join()

    def _pause(self, before: int, seconds: float) -> None:
        until = time.monotonic() + TIMEOUT
        while self._log.stat().st_size == before and time.monotonic() < until:
            time.sleep(0.005)
        process = psutil.Process(self.process.pid)
        process.suspend()
        time.sleep(seconds)
        process.resume()

    def _request(self, path: str, body: bytes | None = None) -> Request:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return Request(self.url + path, body, headers)  # noqa: S310 - always http

    def _send(self, request: Request) -> Reply:
        try:
            response = self._opener.open(request, timeout=TIMEOUT)
        except HTTPError as error:  # a status of 400 and above is an answer, too
            response = error
        with response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, headers, response.read())


def _end(process: subprocess.Popen[str], files: tempfile.TemporaryDirectory[str]) -> None:
    process.kill()  # a process that stands still ends, too
    process.wait()
    process.stdout.close()
    files.cleanup()
