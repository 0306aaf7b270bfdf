"""Pretrained models: found, loaded with the head that a task needs, changed, saved, reopened.

``hub`` finds a model's files, ``loading`` builds the model from them, ``architecture`` changes its
head, depth and frozen parts, ``pooling`` turns token vectors into one, and ``saving`` writes a
fine-tuned model and opens it again. Adapters (LoRA) will live here, beside ``architecture``.
"""

from ftlearn.models.hub import KNOWN, ModelError, find
from ftlearn.models.loading import configuration, load, quiet
from ftlearn.models.saving import load_finetuned, save

__all__ = [
    "KNOWN",
    "ModelError",
    "configuration",
    "find",
    "load",
    "load_finetuned",
    "quiet",
    "save",
]
