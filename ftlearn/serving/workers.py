"""Several processes on one port, each with a model of its own; one that dies is replaced.

uvicorn's supervisor starts and watches them. They accept from the same socket, so a request goes to
one that is free, and what arrives while one is replaced goes to the others.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryDirectory

import psutil
import torch
import uvicorn
from fastapi import FastAPI
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.supervisors.multiprocess import SIGNALS, Multiprocess

from ftlearn.errors import FtlearnError
from ftlearn.serving.app import create_app
from ftlearn.serving.chat_model import ChatModel
from ftlearn.serving.measurements import SHARED_FOLDER
from ftlearn.serving.predictor import Predictor
from ftlearn.serving.server import address, listen, log_to_stderr, prepare, uvicorn_config
from ftlearn.serving.settings import ServeSettings

OpenModel = Callable[[], Predictor | ChatModel]
START_LIMIT = 300
"""Seconds in which a worker must have loaded its model."""
HEALTH_LIMIT = 60
"""Seconds in which a worker must give a sign of life; importing torch alone may take ten."""
STOPPING = (signal.SIGINT, signal.SIGTERM)


class WorkerError(FtlearnError, RuntimeError):
    """A worker did not start; it has written why."""


def run_workers(
    open_model: OpenModel,
    settings: ServeSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    announce: Callable[[str, list[int]], None],
) -> None:
    """Serve a model with ``settings.workers`` processes until SIGTERM or Ctrl-C.

    ``open_model`` must be picklable, such as a partial of ``opened``; each worker calls it.
    ``announce`` gets the address and the bytes of memory of each worker, once all are ready. SIGHUP
    replaces the workers one after the other, each once the new one is ready.

    Raises ValueError where the address cannot be used, and WorkerError where a worker does not
    start.
    """
    threads = max(1, torch.get_num_threads() // settings.workers)
    app = partial(worker_app, open_model, settings, threads)
    config = uvicorn_config(app, settings)
    config.workers = settings.workers
    config.factory = True
    config.timeout_worker_healthcheck = HEALTH_LIMIT
    with (
        listen(host, port) as listening,
        _shared_measurements() as folder,
        _signal_handlers_restored(),
    ):
        supervisor = Supervisor(config, listening, folder)
        supervisor.announce = partial(announce, address(listening))
        supervisor.run()
    if supervisor.is_interrupted:
        raise KeyboardInterrupt


@contextmanager
def _shared_measurements() -> Iterator[str]:
    """A context in which new processes put their measurements into one folder."""
    with TemporaryDirectory(prefix="ftlearn-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        try:
            yield folder
        finally:
            del os.environ[SHARED_FOLDER]


@contextmanager
def _signal_handlers_restored() -> Iterator[None]:
    """A context after which signals do what they did before; uvicorn's supervisor keeps them."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)


class Supervisor(Multiprocess):
    """Starts the workers, says when all are ready, and replaces those that die."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket, folder: str) -> None:
        super().__init__(config, [listening])
        self.announce: Callable[[list[int]], None] = print
        self.is_interrupted = False
        self._folder = folder
        self._pids: set[int] = set()

    def init_processes(self) -> None:
        """Start all workers; raises WorkerError if one ends before it is ready."""
        super().init_processes()
        self._pids = self._living()
        for process in self.processes:
            while not process.wait_until_ready(1):
                if any(number in self.signal_queue for number in STOPPING):
                    return
                if process.process.is_alive():
                    continue
                for other in self.processes:
                    other.kill()
                    other.join()
                raise WorkerError(
                    f"a worker ended with status {process.exitcode} before it was ready: what it "
                    "wrote above says why"
                )
        self.announce([psutil.Process(pid).memory_info().rss for pid in self._living()])

    def keep_subprocess_alive(self) -> None:
        """Replace dead workers, and no longer count what they had waiting."""
        super().keep_subprocess_alive()
        living = self._living()
        for pid in self._pids - living:
            mark_process_dead(pid, self._folder)
        self._pids = living

    def handle_int(self) -> None:
        """Ctrl-C."""
        self.is_interrupted = True
        super().handle_int()

    def _living(self) -> set[int]:
        return {process.pid for process in self.processes if process.pid is not None}


def worker_app(open_model: OpenModel, settings: ServeSettings, threads: int) -> FastAPI:
    """The service of one worker, which uvicorn calls for in the new process."""
    torch.set_num_threads(threads)
    _end_with_parent()
    prepare()
    try:
        model = open_model()
    except (FtlearnError, OSError) as error:
        print(f"error: a worker cannot open the model: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    app = create_app(model, settings)
    log_to_stderr(app)
    return app


def _end_with_parent() -> None:
    """Stop as after SIGTERM when the supervisor is no more, which may have been killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
