"""Saving an adapter without its base model, and opening it on that model again.

    folder/   adapter_config.json  adapter_model.safetensors  tokenizer.json  ...  ftlearn_task.json

``peft.PeftModel.from_pretrained(base, folder)`` opens it, where ``base`` is the model that it was
trained on. A few megabytes are written, and the name of the base model: if another model is found
by that name, the adapter would change the wrong weights, so the task file holds their fingerprint.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ftlearn.compatibility.heads import TASK_FILE
from ftlearn.errors import ArgumentError
from ftlearn.models import architecture, folders, loading, lora, pissa, virtual_tokens
from ftlearn.models.fingerprints import fingerprint
from ftlearn.models.hub import ModelError
from ftlearn.models.units import in_units
from ftlearn.models.wrapping import ADAPTER, is_adapted, method_of, unwrapped
from ftlearn.tasks import Task

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""peft's names of an adapter's files."""


def save_adapter(model: nn.Module, tokenizer: Any, task: Task, folder: str | Path) -> Path:
    """Write an adapter, the tokenizer and the task into a folder, but not the base model.

    The base model is recorded by its name: one of ``models.KNOWN``, a Hub id, or the path of its
    folder. An older saved model in ``folder`` is replaced, as by ``save``.

    Raises ValueError for a model without an adapter or with trained base weights, and ModelError
    when ``folder`` holds something else, or the base model has no name.
    """
    folder = Path(folder)
    base = _description(model)
    size = 4 * architecture.count_parameters(model).trainable
    with (
        folders.saved_folder(folder, "the adapter", size, tokenizer, task) as fresh,
        in_units(model, task) as written_task,
    ):
        with pissa.as_lora(model) if method_of(model) == "pissa" else nullcontext() as tensors:
            # "auto" would ask the Hub how large the base model's vocabulary was.
            model.save_pretrained(str(fresh), save_embedding_layers=False, state_dict=tensors)
        (fresh / "README.md").unlink(missing_ok=True)  # a form with nothing filled in
        folders.write_task(fresh, written_task, **{folders.BASE: base})
    return folder


def _description(model: nn.Module) -> dict[str, Any]:
    """What ``load_adapter`` must know to build the base model."""
    if not is_adapted(model):
        raise ArgumentError(f"{type(model).__name__} has no adapter: write it with models.save")
    trained = [name for name, weight in lora.base_weights(model) if weight.requires_grad]
    if trained:
        raise ArgumentError(
            f"{len(trained)} weights of the base model are trained too, such as {trained[0]!r}, "
            "which an adapter does not hold: write the model with models.save"
        )
    if not model.config.name_or_path:
        raise ModelError(
            "the base model has no name by which it could be found again: save it with "
            "save_pretrained, and load it from that folder before with_lora"
        )
    return {
        "name": model.config.name_or_path,
        "pooling": getattr(unwrapped(model), "pooling", "pretrained"),
        "layers": model.config.num_hidden_layers,
        "fingerprint": getattr(model, "base_fingerprint", None)
        or fingerprint(lora.rounded_base(model)),
    }


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter."""
    return (folder / CONFIG).is_file()


def load_adapter(
    folder: Path, device: torch.device | str | None = None, *, base: str | Path | None = None
) -> tuple[nn.Module, Any, Task]:
    """The base model with an adapter that ``save_adapter`` wrote, its tokenizer and its task."""
    from peft import PeftConfig, PeftModel  # see models.wrapping

    if not (folder / TASK_FILE).is_file():
        raise ModelError(
            f"the adapter in {str(folder)!r} has no {TASK_FILE}, which names its task: open it "
            "with peft.PeftModel.from_pretrained(model, folder)"
        )
    if not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"the adapter in {str(folder)!r} has no {WEIGHTS}: copy the whole folder again"
        )
    task, description = folders.read_task(folder)
    model = _load_base(folder, task, description, device, base)
    tokenizer = loading.read_tokenizer(folder)
    loading.match_padding_and_window(model, tokenizer, folder)
    with loading.readable(folder, "adapter"), lora.quiet_peft():
        # peft opens virtual tokens only for inference.
        trainable = not PeftConfig.from_pretrained(str(folder)).is_prompt_learning
        device = str(next(model.parameters()).device)
        model = PeftModel.from_pretrained(
            model, str(folder), is_trainable=trainable, torch_device=device
        )
    model.peft_config[ADAPTER].inference_mode = False
    architecture.unfreeze(model)
    virtual_tokens.hide_virtual_tokens(model)
    virtual_tokens.shorten_window(model, tokenizer)
    return model.eval(), tokenizer, task


def _load_base(
    folder: Path,
    task: Task,
    description: dict[str, Any],
    device: torch.device | str | None,
    base: str | Path | None,
) -> nn.Module:
    try:
        name, pooling = description["name"], description["pooling"]
        layers, expected = description["layers"], description["fingerprint"]
    except KeyError as error:
        raise ModelError(
            f"{TASK_FILE} in {str(folder)!r} does not describe the base model (it has no {error}): "
            "copy the whole folder again"
        ) from error
    try:
        model, _ = loading.load(base or name, task, pooling=pooling, device=device)
    except ModelError as error:
        raise ModelError(
            f"the adapter in {str(folder)!r} belongs to the model {name!r}: {error}. If it is in "
            "another place, name it as the base where you open the adapter"
        ) from error
    if model.config.num_hidden_layers > layers:
        architecture.keep_layers(model, layers)
    if fingerprint(lora.rounded_base(model)) != expected:
        raise ModelError(
            f"the adapter in {str(folder)!r} was trained on other weights than those of "
            f"{str(base or name)!r}: name the right one as the base where you open the adapter"
        )
    return model
