"""The models that the course names, each pinned to one revision of the Hub."""

from __future__ import annotations

from typing import NamedTuple


class Known(NamedTuple):
    """Where a model lives on the Hub, pinned to one revision."""

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
    "Qwen3-0.6B": Known("Qwen/Qwen3-0.6B", "c1899de289a04d12100db370d81485cdf75e47ca"),
}
"""Models the course names. Any other Hub id works too, at the revision it has today."""
