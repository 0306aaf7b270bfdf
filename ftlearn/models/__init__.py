"""Pretrained models: found, loaded with the head that a task needs, changed, saved, reopened.

``hub`` finds a model's files, ``loading`` builds the model from them, ``architecture`` changes its
head, depth and frozen parts, ``pooling`` turns token vectors into one, and ``lora`` adds adapters
and merges them. ``saving`` writes a fine-tuned model and opens it again, ``adapters`` an adapter
without its base model, and ``parity`` compares what was saved with what was trained.
"""

from ftlearn.models.adapters import save_adapter
from ftlearn.models.hub import KNOWN, ModelError, find
from ftlearn.models.loading import configuration, load, quiet
from ftlearn.models.lora import merged, with_lora
from ftlearn.models.parity import greedy_answers, parity
from ftlearn.models.saving import load_finetuned, save

__all__ = [
    "KNOWN",
    "ModelError",
    "configuration",
    "find",
    "greedy_answers",
    "load",
    "load_finetuned",
    "merged",
    "parity",
    "quiet",
    "save",
    "save_adapter",
    "with_lora",
]
