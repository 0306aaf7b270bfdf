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

from tools import site, site_sources


def built(folder: Path) -> Path:
    """The folder of the built site; it is built below ``folder`` if no other is named."""
    named = os.environ.get("FTLEARN_SITE")
    return Path(named).resolve() if named else site.build(folder)


class _Pages(SimpleHTTPRequestHandler):
    """A server of files below a base, like GitHub Pages: 404.html answers for what is missing."""

    def __init__(self, *args: object, base: str, **named: object) -> None:
        self.base = base
        super().__init__(*args, **named)

    def log_message(self, *args: object) -> None:
        """Nothing: a test reads what the browser says."""

    def translate_path(self, path: str) -> str:
        """The file of a path below the base."""
        return super().translate_path("/" + path.removeprefix(self.base))

    def send_error(self, code: int, *args: object) -> None:
        """The page of the site for a wrong address."""
        body = Path(self.directory, "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a site's folder on loopback, until the block ends."""
    base = site_sources.base()
    handler = functools.partial(_Pages, directory=str(folder), base=base)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{base}".removesuffix("/")
        finally:
            server.shutdown()
            thread.join()
