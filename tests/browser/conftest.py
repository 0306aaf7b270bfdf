"""A JupyterLab server on loopback and a Chromium page, for tests that see what a learner sees."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from waiting import HANG

from tools import execute, notebooks

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
expect.set_options(timeout=1000 * HANG)  # tests wait until something is visible, however late
SCREENSHOTS = notebooks.ROOT / "artifacts"
# Draw all cells, not only those in view, and do not ask about news.
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
STATE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const code = panel.content.model.toJSON().cells.filter(cell => cell.cell_type === "code");
  const errors = code.flatMap(cell => cell.outputs).filter(o => o.output_type === "error");
  return {
    busy: panel.sessionContext.session?.kernel?.status !== "idle",
    counts: code.map(cell => cell.execution_count),
    errors: errors.map(error => `${error.ename}: ${error.evalue}`),
  };
}"""
FINISHED = f"""() => {{
  const state = ({STATE})();
  return !state.busy && (state.counts.at(-1) || state.errors.length);
}}"""
READY = """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady
  && window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === "idle\""""


class Lab:
    """JupyterLab in a browser: open a notebook, run all cells, and inspect the result."""

    def __init__(self, page: Page, address: str, token: str, folder: Path) -> None:
        self.page, self.address, self.token, self.folder = page, address, token, folder

    def run_all(self, path: Path) -> None:
        """Opens a copy of a notebook without its outputs and runs all cells to the end."""
        notebook = notebooks.read(path)
        execute.clear(notebook)
        notebooks.write(notebook, self.folder / path.name)
        self.page.goto(f"{self.address}/lab/tree/{path.name}?token={self.token}&reset")
        self.page.wait_for_function(READY)
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.page.wait_for_function(FINISHED)

    def problems(self) -> list[str]:
        """Error outputs and broken widgets on the page, and code cells that did not run."""
        state = self.page.evaluate(STATE)
        counts = state["counts"]
        problems = [f"code cell {n} did not run" for n, count in enumerate(counts) if not count]
        problems += state["errors"]
        text = self.page.locator(".jp-Notebook").inner_text()
        return problems + re.findall(
            r"Error (?:displaying|creating) widget.*|Loading widget.*", text
        )

    def screenshot(self, name: str) -> Path:
        """A picture of the whole notebook in artifacts/."""
        height = self.page.evaluate(
            "() => document.querySelector('.jp-WindowedPanel-outer').scrollHeight"
        )
        self.page.set_viewport_size({"width": 1200, "height": min(height + 120, 15000)})
        self.page.evaluate(
            "() => { document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0; }"
        )
        self.page.wait_for_timeout(500)
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")
        return SCREENSHOTS / f"{name}.png"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser: `$CHROMIUM`, else the first one on the path."""
    names = [os.environ.get("CHROMIUM"), *BROWSERS]
    path = next((shutil.which(name) for name in names if name and shutil.which(name)), None)
    assert path, f"no browser found; install Chromium or set CHROMIUM (tried {BROWSERS})"
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A browser for the tests of a module."""
    with launched(chromium) as browser:
        yield browser


@contextmanager
def launched(chromium: str) -> Iterator[Browser]:
    """A browser that asks nobody for updates, until the block ends."""
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if getattr(os, "geteuid", int)() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=[*QUIET, *sandbox])
        yield browser
        browser.close()


@pytest.fixture
def lab(chromium: str, tmp_path: Path) -> Iterator[Lab]:
    """A JupyterLab of its own for one test, opened in a browser."""
    with opened_lab(chromium, tmp_path) as lab:
        yield lab


@contextmanager
def opened_lab(chromium: str, tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab with its files in an empty folder, opened in a browser until the block ends."""
    folder, token, port = tmp_path / "notebooks", secrets.token_hex(16), free_port()
    folder.mkdir()
    server = start_server(tmp_path, folder, token, port)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(server, f"{address}/api/status?token={token}", tmp_path / "server.log")
        with launched(chromium) as browser:
            page = browser.new_page(viewport={"width": 1200, "height": 1000})
            page.set_default_timeout(1000 * HANG)
            yield Lab(page, address, token, folder)
    finally:
        server.terminate()
        try:
            server.wait(timeout=HANG)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def start_server(tmp_path: Path, folder: Path, token: str, port: int) -> subprocess.Popen:
    """JupyterLab on loopback with settings of its own, so that no personal ones interfere."""
    for name, values in SETTINGS.items():
        file = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    environment = {
        "HF_HUB_OFFLINE": "1",
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    command += [f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True"]
    with (tmp_path / "server.log").open("w") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def wait_for(server: subprocess.Popen, address: str, log: Path) -> None:
    """Returns when the server answers; fails with its log when it does not."""
    deadline = time.monotonic() + HANG
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(0.3)
        else:
            return
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
