"""ftlearn: how pretrained language models are fine-tuned, from theory to practice.

    text ──data──▶ Dataset ──tasks──▶ token ids ──batching──▶ batches ──models──▶ model
         ──losses──▶ scalar ──training──▶ fitted model + History ──evaluation──▶ Report

Each arrow is a module. Modules are loaded when they are first used, so that importing the
package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

__all__ = [
    "TrainConfig",
    "benchmark",
    "compatibility",
    "config",
    "course",
    "data",
    "doctor",
    "errors",
    "evaluate",
    "evaluation",
    "experiments",
    "fast",
    "figures",
    "fit",
    "interpolation",
    "losses",
    "markup",
    "metrics",
    "models",
    "optim",
    "predict",
    "preferences",
    "runtime",
    "search",
    "steps",
    "tasks",
    "training",
    "workflows",
]

_HOMES = {
    "TrainConfig": "training",
    "evaluate": "evaluation",
    "fit": "training",
    "predict": "evaluation",
    "steps": "training",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"ftlearn.{_HOMES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"ftlearn.{name}")
    raise AttributeError(f"module 'ftlearn' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
