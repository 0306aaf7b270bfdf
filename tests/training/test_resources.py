"""Estimates of memory, arithmetic and time against closed forms and against real training."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from tiny_models import CLASSES
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification, GPT2Config
from waiting import HANG

from ftlearn import models, runtime, tasks
from ftlearn.data.batching import Batches, Encoded
from ftlearn.fast import training
from ftlearn.fast.training import sparse_rows
from ftlearn.models import architecture
from ftlearn.runtime.arithmetic import Arithmetic
from ftlearn.training import TrainConfig, fitting, resources
from ftlearn.training.resources import Estimate, TooLargeError

MB = 1_000_000
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 100,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 100}


class LinearModel(nn.Module):
    """Ids (B, T) to logits (B, T, 7) by two matrices: 8 × 5 and 5 × 7 numbers, no biases."""

    def __init__(self, config: object = None) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(11, 8)
        self.first = nn.Linear(8, 5, bias=False)
        self.second = nn.Linear(5, 7, bias=False)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.second(self.first(self.embed(input_ids))))


def small_bert(**changes: object) -> BertForSequenceClassification:
    return BertForSequenceClassification(BertConfig(**{**SMALL, **changes}))


# closed forms


def test_linear_layers_cost_two_operations_per_weight_and_token_each_way():
    estimate = resources.estimate(LinearModel(), batch_size=3, tokens=4, precision="fp32")
    forward = 2 * (8 * 5 + 5 * 7) * 12
    assert estimate.flops == 3 * forward  # backward: once for the weights, once for the inputs


def test_frozen_layers_cost_their_forward_pass_only():
    model = architecture.freeze(LinearModel(), "embed", "first")
    estimate = resources.estimate(model, batch_size=3, tokens=4, precision="fp32")
    assert estimate.flops == 2 * (8 * 5) * 12 + 2 * 2 * (5 * 7) * 12


def test_linear_layers_save_their_inputs_and_the_softmax_its_outputs():
    estimate = resources.estimate(LinearModel(), batch_size=3, tokens=4, precision="fp32")
    ids, first, second, softmax = 8 * 12, 4 * 8 * 12, 4 * 5 * 12, 4 * 7 * 12
    assert estimate.activations == ids + first + second + softmax


def test_bert_costs_its_matrices_and_its_attention():
    layers, width, inner, rows, tokens = 2, 32, 64, 3, 16
    model = small_bert(attn_implementation="sdpa", num_labels=3)
    estimate = resources.estimate(model, batch_size=rows, tokens=tokens, precision="fp32")
    # In the last layer all tokens give keys and values, and the rest is for the first one alone.
    below, keys_values, first = layers - 1, 2 * width**2, 2 * width**2 + 2 * width * inner
    matrices = ((below * (keys_values + first) + keys_values) * tokens + first) * rows
    head = (width**2 + 3 * width) * rows
    attention = (below * tokens**2 + tokens) * width * rows
    # attention is two products forward; backward five, one of them made a second time
    assert estimate.flops == 3 * 2 * (matrices + head) + (4 + 10) * attention


@pytest.mark.parametrize(("optimizer", "copies"), [("sgd", 0), ("momentum", 1), ("adamw", 2)])
def test_weights_gradients_and_moments_take_four_bytes_per_number(optimizer: str, copies: int):
    model = small_bert()
    count = sum(parameter.numel() for parameter in model.parameters())
    estimate = resources.estimate(model, batch_size=2, tokens=8, optimizer=optimizer)
    assert (estimate.weights, estimate.gradients) == (4 * count, 4 * count)
    assert estimate.optimizer == copies * 4 * count


def test_what_is_left_out_has_neither_gradient_nor_moments():
    model = small_bert()
    count = architecture.count_parameters(model).total
    estimate = resources.estimate(model, batch_size=2, tokens=8, left_out=100)
    assert estimate.weights == 4 * count
    assert (estimate.gradients, estimate.optimizer) == (4 * (count - 100), 8 * (count - 100))


def test_a_frozen_body_keeps_gradients_and_moments_of_the_head_only():
    model = architecture.freeze(small_bert(num_labels=3), "body")
    estimate = resources.estimate(model, batch_size=2, tokens=8)
    head = 32 * 32 + 32 + 3 * 32 + 3
    assert (estimate.gradients, estimate.optimizer) == (4 * head, 8 * head)
    assert estimate.weights == 4 * architecture.count_parameters(model).total


def test_a_skeleton_is_estimated_like_the_model_and_holds_no_memory():
    config = BertConfig(**SMALL)
    skeleton = resources.skeleton(config)
    assert {parameter.device.type for parameter in skeleton.parameters()} == {"meta"}
    shape = {"batch_size": 2, "tokens": 8}
    model = BertForSequenceClassification(config)
    assert resources.estimate(skeleton, **shape) == resources.estimate(model, **shape)


def test_a_causal_skeleton_has_a_language_model_head():
    config = GPT2Config(**GPT2)
    estimate = resources.estimate(
        resources.skeleton(config, causal=True), batch_size=2, tokens=8, precision="fp32"
    )
    assert estimate.activations > 2 * 8 * 100 * 4  # the softmax over the vocabulary


def test_a_position_without_a_target_has_no_logits():
    """A counted one keeps its hidden states and the softmax over the vocabulary."""
    skeleton = resources.skeleton(GPT2Config(**GPT2), causal=True)
    few, many, every = (
        resources.estimate(skeleton, batch_size=2, tokens=8, precision="fp32", counted=count)
        for count in (3, 16, None)
    )
    index, hidden, softmax = 8, 4 * 32, 4 * 100
    assert many.activations - few.activations == 13 * (index + hidden + softmax)
    assert many.activations == pytest.approx(every.activations, rel=0.05)
    assert many.flops - few.flops == 3 * 13 * 2 * 32 * 100
    assert few.working <= every.working


def test_a_run_is_checked_for_the_logits_of_its_largest_batch(
    tiny_checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    task = tasks.completion(prompt="question", answer="answer", max_length=32)
    rows = {"question": ["a", "b", "c d"], "answer": ["ball " * 3, "code", "run " * 5]}
    model, tokenizer = models.load(tiny_checkpoints["gpt2"], task, device="cpu")
    config = TrainConfig(batch_size=2)
    batches = task.batches(Dataset.from_dict(rows), tokenizer, config)
    counts = sorted(task.count_targets(batches._collate([row]).targets) for row in range(3))
    seen = []
    monkeypatch.setattr(resources, "estimate", lambda *_, **size: seen.append(size) or NEEDED)
    monkeypatch.setattr(runtime, "memory_available", lambda _: 10 * NEEDED.memory)
    fitting.check_memory(model, batches, config, task.loss)
    fitting.check_memory(model, batches, config)
    assert [size["counted"] for size in seen] == [counts[1] + counts[2], None]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_other_poolings_and_fewer_layers_are_estimated(pooling: str):
    deep = architecture.with_pooling(small_bert(), pooling, seed=0)
    before = resources.estimate(deep, batch_size=2, tokens=8)
    after = resources.estimate(architecture.keep_layers(deep, 1), batch_size=2, tokens=8)
    assert after.activations < before.activations
    assert after.weights == 4 * architecture.count_parameters(deep).total


def test_activations_grow_with_the_batch_and_the_rest_does_not():
    one, two = (resources.estimate(small_bert(), batch_size=size, tokens=8) for size in (4, 8))
    assert 1.9 < two.activations / one.activations < 2.1
    assert two.flops == 2 * one.flops
    assert (one.weights, one.gradients, one.optimizer) == (
        two.weights,
        two.gradients,
        two.optimizer,
    )


def test_half_precision_halves_most_activations():
    full, half = (
        resources.estimate(small_bert(), batch_size=16, tokens=32, precision=name)
        for name in ("fp32", "bf16")
    )
    assert 0.5 < half.activations / full.activations < 0.85
    assert half.weights == full.weights


def test_an_estimate_changes_neither_the_model_nor_the_random_numbers():
    model = small_bert().eval()
    before = [parameter.clone() for parameter in model.parameters()]
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    resources.estimate(model, batch_size=2, tokens=8)
    assert torch.equal(torch.rand(2), expected)
    assert not model.training
    for parameter, old in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter, old)
        assert parameter.grad is None


def test_an_estimate_leaves_the_generators_of_an_accelerator_alone(monkeypatch: pytest.MonkeyPatch):
    """A Mac's cannot be set within the dry run, where only tensors without memory can be copied."""
    state = torch.zeros(4, dtype=torch.uint8)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("mps"))
    monkeypatch.setattr(torch.mps, "device_count", lambda: 1)
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda device: state)
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state, device: state.clone())
    estimate = resources.estimate(small_bert(), batch_size=2, tokens=8)
    assert estimate.activations > 0


def test_hidden_states_count_as_narrow_on_a_cpu_only(monkeypatch: pytest.MonkeyPatch):
    skeleton = resources.skeleton(BertConfig(**SMALL))
    shape = {"batch_size": 4, "tokens": 16, "precision": "bf16"}
    activations = {}
    for name in ("cpu", "cuda"):
        monkeypatch.setattr(runtime, "best_device", lambda name=name: torch.device(name))
        activations[name] = resources.estimate(skeleton, **shape).activations
    for part in ("bf16_hidden_states", "fused_layers"):
        monkeypatch.setattr(training, part, lambda model, dtype: nullcontext())
    wide = resources.estimate(skeleton, **shape).activations
    assert activations["cpu"] < activations["cuda"] == wide


# refusals

NEEDED = Estimate(
    weights=100 * MB,
    gradients=100 * MB,
    optimizer=200 * MB,
    activations=600 * MB,
    working=50 * MB,
    flops=1,
)


def test_what_fits_is_let_through():
    assert NEEDED.memory == 1050 * MB
    assert resources.require_memory(NEEDED, available=1050 * MB) is None


@pytest.mark.parametrize(("free", "pieces"), [(1049, 2), (750, 2), (650, 3), (451, 600)])
def test_a_batch_too_large_is_to_be_cut_into_pieces_that_fit(free: int, pieces: int):
    with pytest.raises(TooLargeError, match=rf"needs 1.05 GB .*[(]micro_batches={pieces}\)"):
        resources.require_memory(NEEDED, available=free * MB)
    assert 450 * MB + 600 * MB / pieces <= free * MB


def test_a_batch_that_is_cut_already_is_to_be_cut_further():
    with pytest.raises(TooLargeError, match=r"[(]micro_batches=6\)"):
        resources.require_memory(NEEDED, available=850 * MB, micro_batches=4)  # 2/3 of a piece fit


def test_pieces_hold_whole_rows():
    """The room is that of 5.3 rows, and three pieces would be 6, 6 and 4 rows."""
    with pytest.raises(TooLargeError, match=r"[(]micro_batches=4\)"):
        resources.require_memory(NEEDED, available=650 * MB, rows=16)


@pytest.mark.parametrize(("free", "remedy"), [(488, "micro_batches=16"), (487, "freeze the body")])
def test_a_batch_is_not_to_be_cut_finer_than_its_rows(free: int, remedy: str):
    with pytest.raises(TooLargeError, match=remedy):  # a row takes 37.5 MB beside the fixed 450
        resources.require_memory(NEEDED, available=free * MB, rows=16)


def test_a_model_too_large_is_to_be_frozen_cut_or_replaced():
    with pytest.raises(TooLargeError, match=r"450 MB free: freeze the body.*fewer layers.*minilm"):
        resources.require_memory(NEEDED, available=450 * MB)


def test_who_trains_minilm_is_not_told_to_load_it():
    with pytest.raises(TooLargeError, match=r"freeze the body.* or keep fewer layers$"):
        resources.require_memory(replace(NEEDED, activations=100 * MB), available=300 * MB)


@pytest.mark.parametrize("micro_batches", [1, 3])
@pytest.mark.parametrize("fit", [1, 3])
def test_the_advice_given_before_a_run_makes_it_fit(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, micro_batches: int, fit: int
):
    """There is room for half a row more than ``fit`` rows; the run has some ``micro_batches``."""
    model, tokenizer = models.load(tiny_bert, CLASSES, device="cpu")
    texts = Encoded({"input_ids": [[5] * 32] * 16}, [0] * 16, 32)
    batches = Batches(texts, tokenizer, 16)
    config = TrainConfig(batch_size=16, micro_batches=micro_batches)
    size = math.ceil(16 / micro_batches)
    left_out = sum(rows.left_out for rows in sparse_rows(model, batches, config))
    needed = resources.estimate(model, batch_size=size, tokens=32, left_out=left_out)
    beside = needed.gradients + needed.optimizer + needed.working
    free = beside + round((fit + 0.5) * needed.activations / size)
    monkeypatch.setattr(runtime, "memory_available", lambda on: free)
    with pytest.raises(TooLargeError) as refusal:
        fitting.check_memory(model, batches, config)
    advised = int(re.search(r"micro_batches=(\d+)", str(refusal.value))[1])
    assert advised == math.ceil(16 / fit)
    fitting.check_memory(model, batches, replace(config, micro_batches=advised))


def test_the_machine_is_asked_when_nothing_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runtime, "memory_available", lambda: 999 * MB)
    with pytest.raises(TooLargeError, match="999 MB free"):
        resources.require_memory(NEEDED)


# time


def test_planned_time_is_that_of_the_run(monkeypatch: pytest.MonkeyPatch):
    """By a clock that counts operations, which nothing else on the machine slows down."""
    model = small_bert(hidden_size=128, intermediate_size=512, num_hidden_layers=4)
    config = SimpleNamespace(batch_size=8, micro_batches=1, epochs=2)
    with FlopCounterMode(display=False) as counted, training.speed_up(model, Arithmetic()):
        for tokens in [40, 56] * 8:
            ids = torch.full((8, tokens), 5)
            model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()
    counted_flops = counted.get_total_flops()
    with FlopCounterMode(display=False) as clock:
        monkeypatch.setattr(resources.time, "perf_counter", clock.get_total_flops)
        planned = resources.plan_time(model, [40, 56] * 32, config=config)
    assert planned == pytest.approx(counted_flops, rel=0.02)


def test_planned_time_is_linear_in_the_number_of_rows_and_epochs(monkeypatch: pytest.MonkeyPatch):
    shapes = []
    monkeypatch.setattr(
        resources, "seconds_per_update", lambda model, **shape: shapes.append(shape) or 2.0
    )
    config = SimpleNamespace(batch_size=8, micro_batches=2, epochs=3)
    assert resources.plan_time(None, [10, 30] * 20, config=config) == 2.0 * 3 * 40 / 4
    assert shapes == [{"batch_size": 4, "tokens": 20}]


def test_measuring_time_leaves_weights_gradients_and_mode_alone():
    model = small_bert().eval()
    before = [parameter.clone() for parameter in model.parameters()]
    assert resources.seconds_per_update(model, batch_size=2, tokens=8, repeats=1) > 0
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(map(torch.equal, model.parameters(), before))


# memory against real training, each in a fresh process

TRAIN = """
import json, sys
import torch
from ftlearn import models, runtime, tasks
from ftlearn.models import architecture
from ftlearn.training import resources
from ftlearn.data.batching import Batches, Encoded
from ftlearn.training import TrainConfig, steps
from ftlearn.fast.training import sparse_rows
from ftlearn.runtime.arithmetic import Arithmetic

rows, tokens, frozen = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
task = tasks.Classification(labels=("a", "b", "c"))
model, tokenizer = models.load("minilm", task, device="cpu")
if frozen:
    architecture.freeze(model, frozen)
ids = torch.randint(1000, 20000, (2 * rows, tokens)).tolist()
texts = Encoded({"input_ids": ids}, [0] * len(ids), tokens)
batches, config = Batches(texts, tokenizer, rows), TrainConfig(epochs=1, batch_size=rows)
left_out = sum(rows.left_out for rows in sparse_rows(model, batches, config))
estimate = resources.estimate(model, batch_size=rows, tokens=tokens, left_out=left_out)
grown = runtime.memory_growth(lambda: list(steps(model, batches, task.loss, config)))
print(json.dumps({"estimate": estimate.memory, "weights": estimate.weights, "grown": grown}))
"""

SHAPES = {
    "16 x 64": ("16", "64", ""),
    "32 x 128": ("32", "128", ""),
    "16 x 64, body frozen": ("16", "64", "body"),
}


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, int]]:
    """Estimated and measured bytes of each shape; the processes run side by side."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-c", TRAIN, *shape],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for name, shape in SHAPES.items()
    }
    results = {}
    for name, process in running.items():
        output, errors = process.communicate(timeout=HANG)
        assert process.returncode == 0, errors
        results[name] = json.loads(output)
    return results


@pytest.mark.parametrize("shape", SHAPES)
def test_estimated_memory_is_within_a_quarter_of_what_training_takes(measured, shape: str):
    """Both counted from a process that has its libraries but no model yet."""
    numbers = measured[shape]
    assert 0.75 < numbers["estimate"] / (numbers["weights"] + numbers["grown"]) < 1.25


@pytest.mark.parametrize("shape", ["16 x 64", "32 x 128"])
def test_the_growth_above_the_loaded_model_is_within_a_quarter_too(measured, shape: str):
    numbers = measured[shape]
    assert 0.75 < (numbers["estimate"] - numbers["weights"]) / numbers["grown"] < 1.25
