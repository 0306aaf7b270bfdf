"""The SLURM script: it parses, and with a stand-in for ``srun`` it really trains and resumes."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import HANG, waited

from ftlearn import models
from ftlearn.evaluation import predict
from tools.notebooks import ROOT

SCRIPT = ROOT / "examples" / "slurm" / "fit.sbatch"
EPOCHS = 30
SRUN = """#!/usr/bin/env bash
# Starts two processes, as srun does on one machine, and ends with the highest of their statuses.
echo "srun $*" >> "$STUBS/log"
while [[ $1 == --* ]]; do shift; done
for rank in 0 1; do
  SLURM_PROCID=$rank SLURM_LOCALID=$rank "$@" &
  echo $! >> "$STUBS/pids"
done
status=0
for pid in $(cat "$STUBS/pids"); do
  last=0
  wait "$pid" || last=$?
  status=$((last > status ? last : status))
done
rm "$STUBS/pids"
exit "$status"
"""
SCANCEL = """#!/usr/bin/env bash
echo "scancel $*" >> "$STUBS/log"
kill -TERM $(cat "$STUBS/pids")
"""
SCONTROL = """#!/usr/bin/env bash
echo "scontrol $*" >> "$STUBS/log"
[[ $1 == show ]] && echo "127.0.0.1" && echo "another-machine"
exit 0
"""

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("bash") is None, reason="needs bash"
)


@pytest.fixture
def stubs(tmp_path) -> Path:
    """A folder with stand-ins for SLURM's commands, and for ``python``."""
    folder = tmp_path / "stubs"
    folder.mkdir()
    python = f'#!/usr/bin/env bash\nexec {sys.executable} "$@"\n'
    for name, text in (
        ("srun", SRUN), ("scancel", SCANCEL), ("scontrol", SCONTROL), ("python", python)
    ):  # fmt: skip
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def start(stubs: Path, arguments: list[str], restarts: int) -> subprocess.Popen:
    """The script as SLURM starts it, with two processes on the loopback interface."""
    environment = {
        **os.environ,
        "PATH": f"{stubs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "STUBS": str(stubs),
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "machine-[1-2]",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_CPUS_PER_TASK": "1",
        "SLURM_RESTART_COUNT": str(restarts),
        "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    }
    command = ["bash", str(SCRIPT), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_the_script_parses_and_asks_slurm_for_what_it_uses():
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=?(\S*)$", SCRIPT.read_text(), re.MULTILINE))
    assert asked["ntasks-per-node"] == asked["gpus-per-node"], "one process per GPU"
    assert "requeue" in asked
    assert asked["open-mode"] == "append", "a job that is requeued keeps what it said before"
    assert asked["signal"].startswith("B:USR1@"), "the script traps it"


def test_a_job_out_of_time_is_requeued_and_resumes_to_its_end(stubs, tiny_bert, tmp_path):
    with (tmp_path / "notes.csv").open("w", newline="") as file:
        words = {"ball": "sports", "chip": "technology", "pulse": "health"}
        rows = [(f"{word} {row}", label) for row in range(12) for word, label in words.items()]
        csv.writer(file).writerows([("text", "label"), *rows])
    run = tmp_path / "run"
    arguments = [
        str(tmp_path / "notes.csv"), "--text", "text", "--label", "label", "--device", "cpu",
        "--checkpoint", str(tiny_bert), "--max-length", "8", "--epochs", str(EPOCHS),
        "--batch-size", "6", "--learning-rate", "0.01", "--out", str(run),
    ]  # fmt: skip
    first = start(stubs, arguments, restarts=0)
    waited(lambda: first.poll() is not None or list(run.glob("checkpoints/0*")))
    first.send_signal(signal.SIGUSR1)
    said = first.communicate(timeout=HANG)[0]
    log = (stubs / "log").read_text()
    assert first.returncode == 130, said
    assert f"scancel --signal=TERM {os.getpid()}" in log
    assert f"scontrol requeue {os.getpid()}" in log
    assert "--resume" not in log
    assert not (run / "report.json").exists()

    second = start(stubs, arguments, restarts=1)
    said = second.communicate(timeout=HANG)[0]
    assert second.returncode == 0, said
    assert said.count("report.html") == 1, "only one process speaks"
    log = (stubs / "log").read_text()
    assert log.count("scontrol requeue") == 1
    assert log.splitlines()[-1].endswith("--resume")
    report = json.loads((run / "report.json").read_text("utf-8"))
    assert report["training"]["resumed"] == 1
    with (run / "history.csv").open(newline="") as file:
        updates = [int(row["number"]) for row in csv.DictReader(file)]
    assert updates == list(range(1, len(updates) + 1))
    model, tokenizer, task = models.load_finetuned(run, "cpu")
    assert list(predict(model, ["ball 3", "pulse 4"], task, tokenizer)["prediction"]) == [
        "sports",
        "health",
    ]
