"""The result of one part of the benchmark, as the report needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ftlearn.benchmark.timing import Spread

RATIOS = {
    "train_vs_trainer_default": "train",
    "train_vs_trainer_best": "train",
    "train_vs_article_loop": "train",
    "time_to_accuracy_vs_trainer_default": "accuracy",
    "few_shot_vs_setfit": "few",
    "predict_vs_pipeline": "predict",
    "predict_fp32_vs_onnxruntime": "predict",
    "sft_vs_trl_default": "sft",
    "sft_vs_trl_best": "sft",
    "generate_vs_pipeline_default": "generate",
    "generate_vs_pipeline_best": "generate",
    "formats_fp32_vs_onnxruntime": "formats",
    "formats_onnx_sorted_vs_unsorted": "formats",
    "formats_int8_vs_onnxruntime": "formats",
    "formats_int8_sorted_vs_unsorted": "formats",
}
"""Each ratio, that is how many times faster ftlearn is, and the part that measures it."""


@dataclass
class Part:
    """One measured part: its table, its bars, its raw values, and its ratios in each round."""

    name: str
    title: str
    rows: list[dict[str, Any]]
    bars: Mapping[str, Spread]
    unit: str
    rounds: list[dict[str, Any]]
    ratios: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
