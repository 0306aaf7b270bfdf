"""Dockerfiles without a container engine: their steps, carried out in a root file system.

A layer of memory lies over this machine's own file system, so that a step writes nothing outside
it, and ``chroot`` makes the result the root. The base image is this machine with its own Python.
All mounts belong to one process and end with it. Needs Linux and root.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from accounts import is_root

SYSTEM_PYTHON = "/usr/bin/python3"
BASE_PATH = "/usr/local/bin:/usr/bin:/bin"
HOLD = """\
set -e
mkdir -p "$0" && mount -t tmpfs tmpfs "$0"
echo mounted
exec sleep 3600
"""
LAYER = f"""\
set -e
cd "$0" && mkdir -p upper/usr/local/bin work root
ln -sf {SYSTEM_PYTHON} upper/usr/local/bin/python
mount -t overlay overlay -o lowerdir=/,upperdir="$0/upper",workdir="$0/work" root
mkdir -p root/run/secrets && mount -t proc proc root/proc && mount --rbind /dev root/dev
"""


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile, its flags and the rest of it."""

    instruction: str
    flags: Mapping[str, str]
    value: str

    def words(self) -> list[str]:
        """The words of an instruction in the exec form; raises ValueError for the shell form."""
        return json.loads(self.value)


def steps(text: str) -> list[Step]:
    """The instructions of a Dockerfile, without comments, on one line each.

    >>> steps("# none\\nCOPY --from=build a \\\\\\n  b\\n")
    [Step(instruction='COPY', flags={'from': 'build'}, value='a b')]
    """
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = []
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        if line.strip():
            instruction, _, rest = line.strip().partition(" ")
            flags = re.match(r"(--[a-z-]+=\S+\s+)*", rest)[0]
            pairs = dict(flag[2:].split("=", 1) for flag in flags.split())
            found.append(Step(instruction.upper(), pairs, " ".join(rest[len(flags) :].split())))
    return found


def last(found: list[Step], instruction: str) -> Step:
    """The instruction that holds in the finished image."""
    return next(step for step in reversed(found) if step.instruction == instruction)


def unavailable() -> str | None:
    """Why the steps cannot be carried out here; None where they can."""
    if not is_root():
        return "only root may mount and chroot"
    if not all(map(shutil.which, ("unshare", "nsenter", "chroot"))):
        return "util-linux is not installed"
    probe = [SYSTEM_PYTHON, "-c", "import ensurepip, sys; assert (3, 11) <= sys.version_info[:2]"]
    if not Path(SYSTEM_PYTHON).exists() or subprocess.run(probe, check=False).returncode:
        return f"{SYSTEM_PYTHON} is not a Python 3.11 or newer with venv"
    return None


@dataclass
class Stage:
    """One stage of an image: its folder of layers, and what the instructions have set so far."""

    folder: Path
    holder: int
    variables: dict[str, str] = field(default_factory=lambda: {"PATH": BASE_PATH})
    arguments: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"

    @property
    def upper(self) -> Path:
        """What the stage has written."""
        return self.folder / "upper"

    def command(self, words: list[str], variables: Mapping[str, str] | None = None) -> list[str]:
        """The command that runs words in this stage."""
        pairs = [f"{name}={value}" for name, value in (self.variables | (variables or {})).items()]
        enter = ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", "chroot"]
        enter += [f"--userspec={self.user}", "--groups=", str(self.folder / "root")]
        return [*enter, "env", "-i", "-C", self.workdir, *pairs, *words]

    def inside(self, script: str, *words: str) -> None:
        """Run a script among the mounts, outside the new root."""
        enter = ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", "sh", "-ec", script, *words]
        subprocess.run(enter, check=True)

    def carry_out(self, step: Step, context: Path, stages: Mapping[str, Stage]) -> None:
        """Do what one instruction says; raises CalledProcessError if a command fails."""
        if step.instruction == "ARG":
            name, _, default = step.value.partition("=")
            self.arguments.setdefault(name, default)
        elif step.instruction == "ENV":
            for name, value in re.findall(r"(\w+)=(\S+)", step.value):
                self.variables[name] = value.replace("$PATH", self.variables["PATH"])
        elif step.instruction == "WORKDIR":
            self.workdir = step.value
            self.inside(f"mkdir -p '{self.folder}/root{step.value}'")
        elif step.instruction == "USER":
            self.user = step.value
        elif step.instruction == "COPY":
            self._copy(step, context, stages)
        elif step.instruction == "RUN":
            pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
            command = self.command(["sh", "-c", step.value], pip | self.arguments)
            subprocess.run(command, check=True)

    def _copy(self, step: Step, context: Path, stages: Mapping[str, Stage]) -> None:
        *sources, target = step.value.split()
        place = self.folder / "root" / os.path.join(self.workdir, target).lstrip("/")
        origin = stages[step.flags["from"]].folder / "root" if "from" in step.flags else context
        for source in sources:
            name = f"{origin}/{source.lstrip('/')}"
            into = f"{place}/" if target.endswith("/") else str(place)
            self.inside('mkdir -p "$(dirname "$1x")" && cp -a "$0" "$1"', name, into)


@contextmanager
def built(
    text: str, context: Path, folder: Path, arguments: Mapping[str, str]
) -> Iterator[tuple[Stage, list[Step]]]:
    """The last stage of a Dockerfile, and all instructions of that stage."""
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "mounted\n"
        stages: dict[str, Stage] = {}
        for step in steps(text):
            if step.instruction == "FROM":
                name = step.value.partition(" AS ")[2] or f"stage{len(stages)}"
                stage = Stage(folder / name, holder.pid, arguments=dict(arguments))
                stages[name] = stage
                own: list[Step] = []
                stage.inside('mkdir -p "$0"', str(stage.folder))
                stage.inside(LAYER, str(stage.folder))
            own.append(step)
            stage.carry_out(step, context, stages)
        yield stage, own
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
