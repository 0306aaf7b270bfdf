"""The built website for tests, and a server of it on loopback.

The environment variable FTLEARN_SITE names a site that is built already, as `make site` leaves it
in build/site; without it the site is built, which takes minutes.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tools import site


def built(folder: Path) -> Path:
    """The folder of the built site; it is built below ``folder`` if no other is named."""
    named = os.environ.get("FTLEARN_SITE")
    return Path(named).resolve() if named else site.build(folder)


class _Quiet(SimpleHTTPRequestHandler):
    """A server of files that logs nothing."""

    def log_message(self, *args: object) -> None:
        """Nothing: a test reads what the browser says."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder on loopback, until the block ends."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
