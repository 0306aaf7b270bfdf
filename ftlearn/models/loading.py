"""Loading a pretrained model, with the head that a task needs, and its tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    AutoConfig,
    AutoTokenizer,
)

from ftlearn import compatibility, runtime
from ftlearn.compatibility import heads, model_files, window
from ftlearn.errors import ArgumentError
from ftlearn.models import architecture, hub, joint_head, ordinal_head
from ftlearn.models.hub import ModelError, find
from ftlearn.models.pooling import HEAD_FILE, TextEmbedder, read_pooled
from ftlearn.models.verbosity import quiet
from ftlearn.tasks import Joint

HEADS = {
    None: transformers.AutoModel,
    "sequence classification": transformers.AutoModelForSequenceClassification,
    "causal lm": transformers.AutoModelForCausalLM,
    "question answering": transformers.AutoModelForQuestionAnswering,
    "embedding": transformers.AutoModel,
}

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def load(
    name: str | Path,
    task: Any = None,
    *,
    seed: int = 0,
    pooling: str = "pretrained",
    dropout: float = 0.0,
    device: torch.device | str | None = None,
    precision: str = "fp32",
) -> tuple[torch.nn.Module, Any]:
    """A pretrained model with the head that the task needs, and its tokenizer.

    ``name`` is a folder, one of ``KNOWN``, or a Hub id; without a task the encoder alone is loaded.
    ``seed`` is for a new head, and for the global random generators. ``pooling`` is ``"mean"``,
    ``"cls"`` or ``"pretrained"``, the head of transformers' own class: for BERT the first token,
    the checkpoint's pooler (that of ``"minilm"`` was never trained; its own pooling is the mean)
    and a linear layer. A folder saved with another pooling gets a new head, and so does a
    classifier for other labels, with a warning. ``None`` is the best device. Weights are fp32; in
    ``"bf16"`` they take half the memory, and cannot be trained: it is for a model that was
    published in bf16, such as ``"smollm2"``, and gets adapters (``models.with_lora``) or none.

    Raises ModelError when the model is not found, cannot be read or does not fit the task.
    """
    _check_pooling(pooling, task)
    if precision not in PRECISIONS:
        raise ArgumentError(f"precision is {precision!r}: use {' or '.join(PRECISIONS)}")
    folder = find(name)
    device = torch.device(device or runtime.best_device())
    config = _configure(folder, task, dropout)
    runtime.seed_everything(seed)
    tokenizer = read_tokenizer(folder)
    model = _from_files(folder, task, config, PRECISIONS[precision])
    match_padding_and_window(model, tokenizer, folder)
    headed = _with_head(model, task, folder, seed=seed)
    model = architecture.with_pooling(headed, pooling, seed=seed)
    model = _with_shape_of_task(model, task, folder, has_loaded_head=model is headed)
    _check_head(model)
    model.config.name_or_path = hub.lasting_name(name)
    return model.to(device), tokenizer


def _from_files(folder: Path, task: Any, config: Any, dtype: torch.dtype) -> torch.nn.Module:
    """The model of a folder, perhaps with a new head."""
    with quiet(), readable(folder, "model"):
        model, report = HEADS[task.head if task else None].from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # a head of another size is replaced in _with_head
            output_loading_info=True,
        )
    _check_loaded(report, folder)
    return model


@contextmanager
def readable(folder: Path, part: str) -> Iterator[None]:
    """A context in which any error of a library that reads a part becomes a ModelError."""
    try:
        yield
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        findings = compatibility.files_of(folder, thorough=True)
        if part == "tokenizer":
            findings += model_files.tokenizer_of(folder)
        compatibility.settle(findings, ModelError)
        if isinstance(error, ImportError):
            remedy = "install what is named there"
        else:
            remedy = "download or copy the folder again, or save it again where it was made"
        message = " ".join(str(error).split())[:300]
        raise ModelError(
            f"the {part} in {str(folder)!r} cannot be read ({type(error).__name__}: {message}): "
            f"{remedy}"
        ) from error


def configuration(folder: Path, **changes: Any) -> Any:
    """The configuration of a saved model, with some settings changed.

    Raises ModelError when it cannot be read.
    """
    with quiet(), readable(folder, "configuration"):
        return AutoConfig.from_pretrained(folder, **changes)


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of a saved model; ModelError when it cannot be read."""
    with quiet(), readable(folder, "tokenizer"):
        return AutoTokenizer.from_pretrained(folder)


def _configure(folder: Path, task: Any, dropout: float) -> Any:
    config = configuration(folder, **(task.head_arguments() if task else {}))
    if task:
        _check_kind(config, task)
    for field, value in list(vars(config).items()):
        if field.endswith(("dropout", "dropout_prob", "pdrop")) and isinstance(value, int | float):
            setattr(config, field, dropout)
    heads.describe_levels(config, task)
    return config


def _with_head(model: torch.nn.Module, task: Any, folder: Path, *, seed: int) -> torch.nn.Module:
    """The model with the trained head of its folder where that fits the task, or with a new one.

    A head for the same labels in another order is reordered, and a regression head is rescaled to
    the task's units.
    """
    if task is not None and task.head == "embedding":
        return TextEmbedder(model)
    if task is None or task.head != "sequence classification":
        return model
    if (folder / HEAD_FILE).is_file():
        model = read_pooled(architecture.backbone(model), folder)
    trained = _trained_labels(folder)
    order = heads.order(trained, task) if trained else None
    compatibility.settle(heads.head_and_task(trained, task, folder), stacklevel=4)
    if order is not None and isinstance(task, Joint):
        return joint_head.in_units_of(architecture.reorder_head(model, order), task, folder)
    if order is not None and hasattr(task, "labels"):
        return architecture.reorder_head(model, order)
    if order is not None:
        center, scale = heads.units(folder)
        shift = (center - task.center) / task.scale
        return architecture.rescale_head(model, scale / task.scale, shift)
    if trained is not None:
        return architecture.replace_head(model, task.head_arguments()["num_labels"], seed=seed)
    return model


def _trained_labels(folder: Path) -> tuple[str, ...] | None:
    # The folder's configuration is read anew: a loaded model's has the task's labels already.
    return heads.trained_labels(configuration(folder), pooled=(folder / HEAD_FILE).is_file())


def _with_shape_of_task(
    model: torch.nn.Module, task: Any, folder: Path, *, has_loaded_head: bool
) -> torch.nn.Module:
    """The model with the head of an ordinal or a joint task, if it is one."""
    is_joint = isinstance(task, Joint)
    if not is_joint and not heads.is_ordinal(task):
        return model
    labels = _trained_labels(folder) if has_loaded_head else None
    trained = labels is not None and heads.order(labels, task) is not None
    make = joint_head.with_task_heads if is_joint else ordinal_head.with_shared_row
    return make(model, task, folder, trained=trained)


def _check_kind(config: Any, task: Any) -> None:
    # BERT and RoBERTa have the class for it, but attend in both directions unless configured.
    causal = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and getattr(config, "is_decoder", True)
    if task.head == "causal lm" and not causal:
        raise ModelError(
            f"{config.model_type} reads the whole text at once, the next token included, so it "
            "cannot learn to predict it: load a model that reads from left to right, such as 'gpt2'"
        )
    if task.head in ("sequence classification", "embedding") and config.is_encoder_decoder:
        raise ModelError(
            f"{config.model_type} is an encoder with a decoder, which ftlearn cannot fine-tune: "
            "load an encoder such as 'minilm' or ModernBERT, or a decoder such as 'gpt2'"
        )
    spans = type(config) in MODEL_FOR_QUESTION_ANSWERING_MAPPING and not config.is_encoder_decoder
    if task.head == "question answering" and (causal or not spans):
        raise ModelError(
            f"{config.model_type} is no encoder that points to an answer after reading the whole "
            "context: load one such as 'minilm' or ModernBERT"
        )


def _check_pooling(pooling: str, task: Any) -> None:
    head = task.head if task else "sequence classification"
    if head == "embedding" and pooling not in ("pretrained", "mean"):
        raise ModelError(f"pooling={pooling!r}, and texts are embedded by their mean: leave it out")
    if pooling != "pretrained" and head not in ("sequence classification", "embedding"):
        raise ModelError(
            f"pooling={pooling!r} makes one vector of a text, and {head} needs one per token: "
            "leave it out"
        )


def _check_loaded(report: dict[str, Any], folder: Path) -> None:
    """Raise ModelError where more than the head is missing: it would be trained from noise."""
    misfits = {name for name, *_ in report["mismatched_keys"]} | set(report["missing_keys"])
    missing = sorted(name for name in misfits if not architecture.is_head(name))
    if missing:
        raise ModelError(
            f"the weights in {str(folder)!r} lack {len(missing)} tensors of the model's body, or "
            f"have them in another size, such as {missing[0]!r}: the file does not fit the "
            "config.json beside it"
        )


def _check_head(model: torch.nn.Module) -> None:
    summary = getattr(getattr(model, "sequence_summary", None), "summary_type", "first")
    if summary != "first":
        raise ModelError(
            f"the head of {model.config.model_type} reads {summary!r} of all positions, padding "
            "included: load it with pooling='mean', which reads the text alone"
        )


def match_padding_and_window(model: torch.nn.Module, tokenizer: Any, folder: Path) -> None:
    """Give tokenizer and model the same padding token, and the tokenizer the model's window.

    Raises ModelError where they do not belong to the same model, or there is no token to pad with.
    """
    findings = compatibility.tokenizer_and_model(tokenizer, model, str(folder))
    compatibility.settle(findings, ModelError, stacklevel=3)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise ModelError(
            f"the tokenizer in {str(folder)!r} has no token for padding and none for the end of a "
            "text: open it, set its pad_token to one of its tokens, and save it there again"
        )
    if window.position_padding(model) is None:
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    # A tokenizer's own window may be the max_length of the run that saved it.
    positions = window.positions(model)
    if positions is not None:
        tokenizer.model_max_length = positions
