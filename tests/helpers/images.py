"""The image of deploy/Dockerfile, running: in a container, or where its steps were carried out."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import dockerfiles
from deployments import DEPLOY
from hubs import free_ports
from waiting import HANG

from tools.notebooks import ROOT

TAG = "ftlearn-serve:test"
MOUNT = """\
mkdir -p "$0/model" && mount --bind "$1" "$0/model" && mount -o remount,ro,bind "$0/model"
touch "$0$3" && mount --bind "$2" "$0$3"
mount -t tmpfs -o mode=1777 tmpfs "$0/tmp"
mount -o remount,ro "$0"
"""


class Running(Protocol):
    """A running image."""

    url: str

    def healthy(self) -> bool:
        """Whether the image's own check of its health succeeds."""

    def user(self) -> int:
        """The number of the user that runs it."""

    def log(self) -> str:
        """What it has written so far."""

    def stopped(self) -> int:
        """The status with which it ends after SIGTERM."""


def docker(*words: object) -> str:
    """What a command of docker prints."""
    command = ["docker", *map(str, words)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return answer.stdout.strip()


def docker_answers() -> bool:
    """Whether a container engine runs here."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


@dataclass
class Container:
    """The image in a container."""

    name: str
    url: str

    def healthy(self) -> bool:
        return docker("inspect", "--format", "{{.State.Health.Status}}", self.name) == "healthy"

    def user(self) -> int:
        return int(docker("exec", self.name, "id", "-u"))

    def log(self) -> str:
        command = ["docker", "logs", self.name]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        return answer.stdout + answer.stderr

    def stopped(self) -> int:
        docker("stop", "--time", HANG, self.name)
        return int(docker("inspect", "--format", "{{.State.ExitCode}}", self.name))


@contextmanager
def container(model: Path, token: Path) -> Iterator[Container]:
    """The built image in a container that can write in memory only."""
    options = ["--detach", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    options += ["--publish", "127.0.0.1::8000", "--volume", f"{model}:/model:ro"]
    options += ["--volume", f"{token}:{token_place()}:ro"]
    name = docker("run", *options, TAG)
    try:
        yield Container(name, "http://" + docker("port", name, "8000/tcp"))
    finally:
        docker("rm", "--force", name)


@dataclass
class Process:
    """The image as a process in a root of its own."""

    process: subprocess.Popen
    url: str
    check: list[str]
    output: Path

    def healthy(self) -> bool:
        return subprocess.run(self.check, capture_output=True, check=False).returncode == 0

    def user(self) -> int:
        return os.stat(f"/proc/{self.process.pid}").st_uid

    def log(self) -> str:
        return self.output.read_text()

    def stopped(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(HANG)


@contextmanager
def process(
    stage: dockerfiles.Stage, steps: list[dockerfiles.Step], model: Path, token: Path
) -> Iterator[Process]:
    """The last stage's command, on a free port since there is no network of its own."""
    (port,) = free_ports(1)
    words = [
        word.replace("8000", str(port))
        for name in ("ENTRYPOINT", "CMD")
        for word in dockerfiles.last(steps, name).words()
    ]
    check = dockerfiles.last(steps, "HEALTHCHECK").value.partition("CMD ")[2]
    health = dockerfiles.Step("CMD", {}, check.replace("8000", str(port))).words()
    root = str(stage.folder / "root")
    stage.inside(MOUNT, root, str(model), str(token), token_place())
    output = model.parent / "log"
    with output.open("w") as log:
        running = subprocess.Popen(stage.command(words), stdout=log, stderr=subprocess.STDOUT)
    try:
        yield Process(running, f"http://127.0.0.1:{port}", stage.command(health), output)
    finally:
        running.kill()
        running.wait()


def token_place() -> str:
    """Where the image looks for the token."""
    steps = dockerfiles.steps((DEPLOY / "Dockerfile").read_text("utf-8"))
    return dockerfiles.last(steps, "CMD").words()[-1]


@contextmanager
def running(model: Path, token: Path, folder: Path) -> Iterator[Running]:
    """The image with a model and a token, built here and now."""
    index = os.environ.get("PIP_EXTRA_INDEX_URL")
    file = DEPLOY / "Dockerfile"
    if docker_answers():
        arguments = ["--build-arg", f"TORCH_INDEX={index}"] if index else []
        docker("build", "--file", file, "--tag", TAG, *arguments, ROOT)
        with container(model, token) as started:
            yield started
        return
    # pip then looks only where it is configured to, also on a machine that reaches no more.
    arguments = {"TORCH_INDEX": index or (folder / "none").as_uri()}
    layers = folder / "layers"
    with (
        dockerfiles.built(file.read_text("utf-8"), ROOT, layers, arguments) as (stage, steps),
        process(stage, steps, model, token) as started,
    ):
        yield started
