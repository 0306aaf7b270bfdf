"""A JupyterHub on loopback with two learners, each a user of the system with a home of its own.

Where the tests are root's, each learner's server runs under a number that is nobody else's, as on
a class's server; the learners need no accounts. Otherwise all run as the tester.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from accounts import is_root
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect
from waiting import HANG, waited

from tools.notebooks import ROOT

LEARNERS = {"ada": 20_001, "bob": 20_002}
BIN = Path(sys.executable).parent
CONFIG = """\
import os
from pathlib import Path
from jupyterhub.spawner import SimpleLocalProcessSpawner

class LearnerSpawner(SimpleLocalProcessSpawner):
    def make_preexec_fn(self, name):
        home, number = self.home_dir, {learners}[name]
        def become():
            os.makedirs(home, 0o700, exist_ok=True)
            os.chdir(home)
            if {apart}:
                os.chown(home, number, number)
                os.setgroups([])
                os.setgid(number)
                os.setuid(number)
        return become

c = get_config()
load_subconfig({config!r})
c.Spawner.environment.update({environment})
c.Spawner.cmd = {command}
c.Spawner.start_timeout = c.Spawner.http_timeout = {hang}
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r} + "/{{username}}"
c.JupyterHub.spawner_class = LearnerSpawner
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = set({learners})
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = {proxy}
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
"""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback device on which nothing listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


def interpreter() -> tuple[str, bool]:
    """A Python with the course that other users may start, and whether there is one.

    A virtual environment may lie, or have its Python, where only its owner may look: then the
    system's Python of the same version reads the environment's packages.
    """
    if not is_root():
        return sys.executable, False
    for python in (sys.executable, "/usr/bin/python3"):
        probe = "import sys, numpy, jupyterhub; print(sys.version_info[:2])"
        call = {"env": environment(), "cwd": "/", "capture_output": True, "text": True}
        try:
            answer = subprocess.run([python, "-c", probe], user=20_000, check=False, **call)
        except PermissionError:
            continue
        if answer.stdout.strip() == str(sys.version_info[:2]):
            return python, True
    return sys.executable, False


def environment() -> dict[str, str]:
    """What a server of a learner needs to find the packages of this environment."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    shared = {"PYTHONPATH": f"{packages}:{ROOT}", "JUPYTER_PATH": str(BIN.parent / "share/jupyter")}
    shared["JUPYTER_CONFIG_PATH"] = str(BIN.parent / "etc/jupyter")  # where extensions are named
    return shared | {"PATH": f"{BIN}:{os.environ['PATH']}", "LANG": "C.UTF-8"}


@dataclass
class Learner:
    """One learner, logged in, and what they can ask of the hub and of servers."""

    name: str
    hub: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What authorises a request to a server."""
        return {"Authorization": f"token {self.token}"}

    def ask(self, path: str, of: str | None = None, **options: object) -> httpx.Response:
        """GET from a learner's server, by default one's own."""
        url = f"{self.hub}/user/{of or self.name}/{path}"
        return httpx.get(url, headers=self.headers, timeout=HANG, **options)

    def run(self, kernel: str, code: str) -> str:
        """What a cell prints, or its error, in one line."""
        return asyncio.run(self._run(kernel, code))

    async def _run(self, kernel: str, code: str) -> str:
        address = f"{self.hub}/user/{self.name}/api/kernels/{kernel}/channels"
        request = HTTPRequest(address.replace("http", "ws", 1), headers=self.headers)
        connection = await websocket_connect(request)
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "test"}
        header |= {"username": self.name, "version": "5.3", "date": ""}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        await connection.write_message(json.dumps(message | {"channel": "shell", "buffers": []}))
        printed = ""
        # The reply and what is printed come over two channels, in any order: "idle" is the last
        # word of the channel that prints.
        awaited = {"execute_reply", "idle"}
        while awaited:
            answer = json.loads(await asyncio.wait_for(connection.read_message(), HANG))
            if answer["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            kind, content = answer["msg_type"], answer["content"]
            if kind == "stream" and content["name"] == "stdout":
                printed += content["text"]
            elif kind == "error":
                printed += f"{content['ename']}: {content['evalue']}"
            awaited -= {kind, content.get("execution_state")}
        connection.close()
        return printed.strip()

    def start_server(self) -> None:
        """Start the learner's server, and wait until it answers."""
        url = f"{self.hub}/hub/api/users/{self.name}/server"
        answer = httpx.post(url, headers=self.headers, timeout=HANG)
        assert answer.status_code in (201, 202), answer.text
        waited(lambda: self.ask("api/status").status_code == 200)

    def start_kernel(self) -> str:
        """The id of a new kernel."""
        url = f"{self.hub}/user/{self.name}/api/kernels"
        return httpx.post(url, headers=self.headers, json={}, timeout=HANG).json()["id"]


def logged_in(hub: str, name: str) -> Learner:
    """A learner who has come through the form, and has a token for requests."""
    with httpx.Client(timeout=HANG) as client:
        assert "<form" in client.get(f"{hub}/hub/login").text
        form = {"username": name, "password": "any", "_xsrf": client.cookies["_xsrf"]}
        answer = client.post(f"{hub}/hub/login", data=form)
        assert answer.status_code == 302, answer.text
        client.get(f"{hub}/hub/home")  # which renews the cookie against forged requests
        xsrf = {"X-XSRFToken": client.cookies["_xsrf"]}
        made = client.post(f"{hub}/hub/api/users/{name}/tokens", headers=xsrf, json={})
    return Learner(name, hub, made.json()["token"])


@contextmanager
def running(config: Path, settings: dict[str, str]) -> Iterator[tuple[str, bool]]:
    """The address of a hub with a configuration of ours, and whether its learners are apart.

    ``settings`` are variables for the servers of learners. All is stopped and removed at the end.
    """
    python, apart = interpreter()
    as_root = ["--allow-root"] if is_root() and not apart else []
    folder = Path(tempfile.mkdtemp(prefix="hub"))
    (folder / "homes").mkdir()
    folder.chmod(0o755)
    port, hub_port, api_port = free_ports(3)
    text = CONFIG.format(
        learners=LEARNERS,
        apart=apart,
        config=str(config),
        environment=environment() | settings,
        command=[python, "-m", "jupyterhub.singleuser", *as_root],
        hang=HANG,
        homes=str(folder / "homes"),
        port=port,
        hub_port=hub_port,
        api_port=api_port,
        proxy=[str(BIN / "configurable-http-proxy")],
    )
    (folder / "jupyterhub_config.py").write_text(text)
    log = folder / "hub.log"
    variables = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(16)}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub"],
            cwd=folder,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        waited(lambda: process.poll() is not None or answers(address))
        assert process.poll() is None, log.read_text()
        yield address, apart
    finally:
        process.terminate()
        process.wait(HANG)
        shutil.rmtree(folder, ignore_errors=True)


def answers(address: str) -> bool:
    """Whether a hub can be asked."""
    try:
        return httpx.get(f"{address}/hub/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
