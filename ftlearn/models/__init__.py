"""Pretrained models: found, loaded with the head that a task needs, changed, saved, reopened.

``hub`` finds a model's files, ``loading`` builds the model from them, ``architecture`` changes its
head, depth and frozen parts, ``pooling`` turns token vectors into one. ``lora`` adds and merges
low-rank adapters, and ``methods`` adapters of every kind by name; ``joint_head`` gives several
tasks a head each, ``partial`` chooses weights to train without an adapter, and
``activation_checkpointing`` saves memory in training. ``saving`` writes a fine-tuned model and
opens it again, ``adapters`` an adapter without its base model, and ``parity`` compares what was
saved with what was trained.
"""

from ftlearn.models.activation_checkpointing import (
    checkpoint_activations,
    checkpoints_activations,
)
from ftlearn.models.adapters import save_adapter
from ftlearn.models.hub import KNOWN, ModelError, find
from ftlearn.models.joint_head import single_task, task_weights
from ftlearn.models.loading import configuration, load, quiet
from ftlearn.models.lora import merged, with_lora
from ftlearn.models.methods import METHODS, with_adapter
from ftlearn.models.parity import greedy_answers, parity
from ftlearn.models.partial import train_only, unfreeze_top
from ftlearn.models.saving import load_finetuned, save, save_tasks
from ftlearn.models.task_heads import TaskHeads
from ftlearn.models.wrapping import method_of

__all__ = [
    "KNOWN",
    "METHODS",
    "ModelError",
    "TaskHeads",
    "checkpoint_activations",
    "checkpoints_activations",
    "configuration",
    "find",
    "greedy_answers",
    "load",
    "load_finetuned",
    "merged",
    "method_of",
    "parity",
    "quiet",
    "save",
    "save_adapter",
    "save_tasks",
    "single_task",
    "task_weights",
    "train_only",
    "unfreeze_top",
    "with_adapter",
    "with_lora",
]
