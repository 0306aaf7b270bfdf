"""``ftlearn serve`` in a process of its own, asked over the loopback device."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import psutil
from waiting import HANG


@dataclass
class Service:
    """A process that serves, what it said when it was ready, and a client of it."""

    process: subprocess.Popen
    said: str
    client: httpx.Client
    log: IO[bytes]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.client.base_url.host, self.client.base_url.port

    def ask(self, *texts: Any) -> httpx.Response:
        """The answer to some texts."""
        return self.client.post("/predict", json={"texts": list(texts)})

    def metric(self, pattern: str) -> float:
        """The sum of the measurements whose name and labels match a pattern."""
        text = self.client.get("/metrics").text
        return sum(map(float, re.findall(rf"^{pattern} (\S+)$", text, re.M)))

    def workers(self) -> set[int]:
        """The ids of the processes that have told their memory."""
        text = self.client.get("/metrics").text
        return {int(pid) for pid in re.findall(r'^ftlearn_memory_bytes{pid="(\d+)"}', text, re.M)}

    def entries(self) -> list[dict[str, Any]]:
        """The log so far, without what libraries wrote."""
        self.log.seek(0)
        lines = self.log.read().decode().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@contextmanager
def service(folder: Path, *options: str, stderr: str | None = None) -> Iterator[Service]:
    """A process that serves a folder; ``stderr`` names a file for its log, such as /dev/full."""
    command = [sys.executable, "-m", "ftlearn", "serve", str(folder), "--port", "0", *options]
    with open(stderr, "wb") if stderr else tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            said = process.stdout.readline()
            url = re.search(r"http://[^ ]+", said)
            if not url:
                process.wait(HANG)
                log.seek(0)
                raise AssertionError(f"it does not serve: {said} {log.read().decode()}")
            with httpx.Client(base_url=url.group().strip(), timeout=HANG) as client:
                yield Service(process, said, client, log)
        finally:
            _kill(process)
            process.stdout.close()


def _kill(process: subprocess.Popen) -> None:
    """End a process and those that it started."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]
    except psutil.NoSuchProcess:
        family = []
    for member in family:
        member.kill()
    process.wait(HANG)
