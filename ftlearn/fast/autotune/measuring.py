"""Timing a layer of a model's shape in each arithmetic that may be fastest on this machine."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from transformers import BertConfig, BertModel

from ftlearn import runtime
from ftlearn.fast import packed_bert
from ftlearn.fast.inference import inference_copy
from ftlearn.fast.training import speed_up
from ftlearn.runtime.arithmetic import Arithmetic, computing, products_by

TRAINING, PREDICTION = "training", "prediction"

TOKENS = 64
"""Tokens per text of the timed batch."""
ROWS = 8
"""Texts of the timed batch at most."""
OPERATIONS = 1e9
"""About how many operations a forward pass takes: a wide model gets fewer texts."""
SECONDS = 0.2
"""How long the arithmetics are timed in turn; at least one round."""
HOPELESS = 1.4
"""An arithmetic that takes this many times longer than the best is timed only once."""
ROUNDING = 1e-5
"""Largest relative error of a product that counts as fp32."""


class Shape(NamedTuple):
    """What decides the speed of a layer: width D, width F between its linear layers, heads H."""

    width: int
    inner: int
    heads: int

    @classmethod
    def of(cls, config: Any) -> Shape | None:
        """The shape in a transformers configuration; None where it has none.

        >>> Shape.of(BertConfig())
        Shape(width=768, inner=3072, heads=12)
        """
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        width = getattr(text, "hidden_size", None)
        heads = getattr(text, "num_attention_heads", None)
        if not isinstance(width, int) or not isinstance(heads, int) or width % heads:
            return None
        inner = getattr(text, "intermediate_size", None)
        return cls(width, inner if isinstance(inner, int) else 4 * width, heads)

    @property
    def rows(self) -> int:
        """How many texts the timed batch has."""
        per_token = 2 * (4 * self.width**2 + 2 * self.width * self.inner)
        return max(2, min(ROWS, math.ceil(OPERATIONS / (TOKENS * per_token))))


def measure(shape: Shape, purpose: str) -> dict[Arithmetic, float]:
    """Seconds of a layer's pass in each of ``candidates``, the simplest first.

    A pass is forward for prediction, forward and backward for training. The caller's random-number
    generator stays as it is.
    """
    build = {TRAINING: _training_pass, PREDICTION: _prediction_pass}[purpose]
    with torch.random.fork_rng(devices=[]), runtime.retain_freed_memory():
        torch.manual_seed(0)
        passes = {arithmetic: build(shape, arithmetic) for arithmetic in candidates(shape, purpose)}
        return in_turn(passes, SECONDS)


def candidates(shape: Shape, purpose: str) -> list[Arithmetic]:
    """The arithmetics to be timed, the simplest first; a single product rules out the others."""
    products = [(torch.float32, False)]
    if _stays_fp32_in_onednn(shape):
        products.append((torch.float32, True))
    if _product_seconds(shape, torch.bfloat16) < 1.5 * _product_seconds(shape, torch.float32):
        products.append((torch.bfloat16, False))
    attentions = ("sdpa" if purpose == PREDICTION else None, "eager")
    packings = (False, True) if purpose == PREDICTION and packed_bert.available() else (False,)
    return [
        Arithmetic(dtype, attention, onednn, packed)
        for dtype, onednn in products
        for packed in packings
        for attention in attentions
    ]


def _product(shape: Shape, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = (TOKENS, shape.width), (shape.inner, shape.width)
    return tuple(torch.randn(*size, generator=generator).to(dtype) for size in sizes)


def _product_seconds(shape: Shape, dtype: torch.dtype) -> float:
    x, weight = _product(shape, dtype)
    return min(_seconds(lambda: F.linear(x, weight)) for _ in range(3))


def _stays_fp32_in_onednn(shape: Shape) -> bool:
    """Whether oneDNN computes fp32 products in fp32 on this machine; with AMX it rounds them."""
    x, weight = _product(shape, torch.float32)
    if platform.machine() not in packed_bert.X86 or not torch.backends.mkldnn.is_available():
        return False
    with products_by(onednn=True):
        result = F.linear(x, weight).double()
    exact = F.linear(x.double(), weight.double())
    return bool((result - exact).abs().max() <= ROUNDING * exact.abs().max())


def _layer(shape: Shape, arithmetic: Arithmetic) -> nn.Module:
    """One BERT layer of a model's shape, with embeddings that take next to no time."""
    config = BertConfig(
        vocab_size=8,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_attention_heads=shape.heads,
        num_hidden_layers=1,
        max_position_embeddings=TOKENS,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation=arithmetic.attention or "sdpa",
    )
    return BertModel(config, add_pooling_layer=False)


def _inputs(shape: Shape) -> dict[str, torch.Tensor]:
    mask = torch.ones(shape.rows, TOKENS, dtype=torch.long)
    mask[0, TOKENS // 2 :] = 0  # some padding, as in most batches
    return {"input_ids": torch.full_like(mask, 3), "attention_mask": mask}


def _training_pass(shape: Shape, arithmetic: Arithmetic) -> Callable[[], Any]:
    model, inputs, cpu = _layer(shape, arithmetic), _inputs(shape), torch.device("cpu")

    def forward_and_backward() -> None:
        with speed_up(model, arithmetic):
            with runtime.autocast(cpu, arithmetic.dtype):
                total = model(**inputs).last_hidden_state.float().sum()
            total.backward()

    return forward_and_backward


def _prediction_pass(shape: Shape, arithmetic: Arithmetic) -> Callable[[], Any]:
    model, rest = inference_copy(_layer(shape, arithmetic).eval(), arithmetic)
    inputs, cpu = _inputs(shape), torch.device("cpu")

    def forward() -> None:
        with torch.no_grad(), computing(cpu, rest):
            model(**inputs)

    return forward


def in_turn(passes: Mapping[Any, Callable[[], Any]], seconds: float) -> dict[Any, float]:
    """The shortest time of each function; they run in turn, so that a busy moment hits all alike.

    Those that are ``HOPELESS`` in the first round are not timed again; the others go on for
    ``seconds``, at least one round.
    """
    for run in passes.values():
        run()  # the first call loads code and allocates memory
    times = {name: _seconds(run) for name, run in passes.items()}
    fastest = min(times.values())
    racing = [name for name in passes if times[name] <= HOPELESS * fastest]
    end = time.perf_counter() + seconds
    while True:
        for name in racing:
            times[name] = min(times[name], _seconds(passes[name]))
        if time.perf_counter() >= end:
            return times


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
