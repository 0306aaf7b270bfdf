"""A pretrained model with the head that a task needs, and its tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, AutoTokenizer

from ftlearn import compatibility, runtime
from ftlearn.compatibility import heads, model_files, window
from ftlearn.models import architecture
from ftlearn.models.hub import ModelError, find
from ftlearn.models.pooling import HEAD_FILE, read_pooled

HEADS = {
    None: transformers.AutoModel,
    "sequence classification": transformers.AutoModelForSequenceClassification,
    "causal lm": transformers.AutoModelForCausalLM,
}


def load(
    name: str | Path,
    task: Any = None,
    *,
    seed: int = 0,
    pooling: str = "pretrained",
    dropout: float = 0.0,
    device: torch.device | str | None = None,
) -> tuple[torch.nn.Module, Any]:
    """A pretrained model with the head the task needs, and its tokenizer.

    ``name`` is a folder, one of ``KNOWN``, or a Hub id. Without a task the bare encoder is
    loaded. ``seed`` draws the weights of a new head. ``pooling`` is ``"pretrained"`` (as the
    checkpoint has it), ``"mean"`` or ``"cls"``; one that the folder was not saved with gets a
    new head, and so does a classifier that was trained for other labels, with a warning. Dropout
    is off: on a CPU it slows training by a third, and over a few epochs it bought nothing. Weights
    are always fp32; ``device=None`` takes the best one.

    Raises ModelError when the model is not found, cannot be read or does not fit the task.
    """
    folder, place = find(name), torch.device(device or runtime.best_device())
    config = _configure(folder, task, dropout)
    runtime.seed_everything(seed)
    tokenizer = _tokenizer(folder)
    with quiet(), _readable(folder, "model"):
        model, report = HEADS[task.head if task else None].from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    _check_loaded(report, folder)
    _agree(model, tokenizer, folder)
    model = _with_head(model, task, folder, seed=seed)
    model = architecture.with_pooling(model, pooling, seed=seed)
    _check_head(model)
    return model.to(place), tokenizer


@contextmanager
def _readable(folder: Path, part: str) -> Iterator[None]:
    """A context in which what a library says of a part that it cannot read becomes a ModelError."""
    try:
        yield
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        found = compatibility.files_of(folder, thorough=True)
        found += model_files.tokenizer_of(folder) if part == "tokenizer" else []
        compatibility.settle(found, ModelError)
        said, remedy = " ".join(str(error).split()), "install what is named there"
        if not isinstance(error, ImportError):
            remedy = "download or copy the folder again, or save it anew where it was made"
        raise ModelError(
            f"the {part} in {str(folder)!r} cannot be read ({type(error).__name__}: {said[:300]}): "
            f"{remedy}"
        ) from error


def configuration(folder: Path, **changes: Any) -> Any:
    """The configuration of a saved model, with some of it changed.

    Raises ModelError where it cannot be read.
    """
    with quiet(), _readable(folder, "configuration"):
        return AutoConfig.from_pretrained(folder, **changes)


def _tokenizer(folder: Path) -> Any:
    with quiet(), _readable(folder, "tokenizer"):
        return AutoTokenizer.from_pretrained(folder)


def _configure(folder: Path, task: Any, dropout: float) -> Any:
    config = configuration(folder, **(task.head_arguments() if task else {}))
    if task:
        _check_kind(config, task)
    for field, value in list(vars(config).items()):
        if field.endswith(("dropout", "dropout_prob", "pdrop")) and isinstance(value, int | float):
            setattr(config, field, dropout)
    return config


def _with_head(model: torch.nn.Module, task: Any, folder: Path, *, seed: int) -> torch.nn.Module:
    """The model with the trained head of its folder where that fits the task, or with a new one.

    A head for the same labels in another order gives them in the order of the task, and one for a
    number gives it in the task's units.
    """
    if task is None or task.head != "sequence classification":
        return model
    pooled = (folder / HEAD_FILE).is_file()
    if pooled:
        model = read_pooled(architecture.backbone(model), folder)
    trained = heads.trained_labels(configuration(folder), pooled=pooled)
    order = heads.order(trained, task) if trained else None
    compatibility.settle(heads.head_and_task(trained, task, folder), stacklevel=4)
    if order is not None and hasattr(task, "labels"):
        return architecture.reorder_head(model, order)
    if order is not None:
        center, scale = heads.units(folder)
        shift = (center - task.center) / task.scale
        return architecture.rescale_head(model, scale / task.scale, shift)
    if trained is not None:
        return architecture.replace_head(model, task.head_arguments()["num_labels"], seed=seed)
    return model


def _check_kind(config: Any, task: Any) -> None:
    # BERT and RoBERTa have the class for it, but see both sides unless they are told not to.
    causal = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and getattr(config, "is_decoder", True)
    if task.head == "causal lm" and not causal:
        raise ModelError(
            f"{config.model_type} reads the whole text at once, the next token included, so it "
            "cannot learn to predict it: load a model that reads from left to right, as gpt2 does"
        )
    if task.head == "sequence classification" and config.is_encoder_decoder:
        raise ModelError(
            f"{config.model_type} is an encoder with a decoder, which ftlearn cannot fine-tune: "
            "load an encoder such as 'minilm' or ModernBERT, or a decoder such as 'gpt2'"
        )


def _check_loaded(report: dict[str, Any], folder: Path) -> None:
    """Only head weights may be new; a body with holes would train from noise in silence."""
    misfits = {name for name, *_ in report["mismatched_keys"]} | set(report["missing_keys"])
    new = [name for name in misfits if not architecture.is_head(name)]
    if new:
        raise ModelError(
            f"the weights in {str(folder)!r} lack {len(new)} tensors of the model's body, or have "
            f"them in another size, such as {sorted(new)[0]!r}: the file does not fit the "
            "config.json beside it"
        )


def _check_head(model: torch.nn.Module) -> None:
    read = getattr(getattr(model, "sequence_summary", None), "summary_type", "first")
    if read != "first":
        raise ModelError(
            f"the head of {model.config.model_type} reads {read!r} of all positions, padding "
            "included: load it with pooling='mean', which reads the text alone"
        )


def _agree(model: torch.nn.Module, tokenizer: Any, folder: Path) -> None:
    """Give tokenizer and model one padding token, and the tokenizer the model's window.

    Raises ModelError where the two are not of one model, or there is no token to pad with.
    """
    beside = compatibility.tokenizer_and_model(tokenizer, model, f" in {str(folder)!r}")
    compatibility.settle(beside, ModelError, stacklevel=3)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise ModelError(
            f"the tokenizer in {str(folder)!r} has no token for padding and none for the end of a "
            "text: open it, set its pad_token to one of its tokens, and save it there again"
        )
    if window.position_padding(model) is None:
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    # A tokenizer's own window is how long the texts were that some run was trained with.
    possible = window.positions(model)
    tokenizer.model_max_length = tokenizer.model_max_length if possible is None else possible


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the loading report and bar: what it says is checked instead (_check_loaded)."""
    level, logging = transformers.logging.get_verbosity(), transformers.logging
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
