"""Plans against counted operations, published figures, and bounds by trying all corners."""

from __future__ import annotations

from itertools import product as corners

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from ftlearn.metrics import Interval
from ftlearn.training.planning import Device, Job, bill, multiplied_weights, plan, product

DEVICE = Device(peak=1e13, memory=16e9, watts=Interval(100, 80, 150), price=2.0)
SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "vocab_size": 40}
positive = st.floats(0.01, 100)


@st.composite
def intervals(draw):
    low, value, high = sorted(draw(st.tuples(positive, positive, positive)))
    return Interval(value, low, high)


@pytest.mark.parametrize("tied", [True, False])
def test_a_word_table_counts_only_as_an_output_layer(tied):
    config = LlamaConfig(**SIZES, num_attention_heads=2, tie_word_embeddings=tied)
    per_layer = 4 * 16 * 16 + 3 * 16 * 24
    assert multiplied_weights(LlamaForCausalLM(config)) == 2 * per_layer + 40 * 16


def test_the_transposed_matrices_of_gpt_2_count_and_its_positions_do_not():
    config = GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=40, n_positions=8)
    assert multiplied_weights(GPT2LMHeadModel(config)) == 12 * 16 * 16 + 40 * 16


@pytest.mark.parametrize("frozen", [False, True])
def test_the_formula_counts_what_torch_counts(frozen):
    net = nn.Sequential(*[nn.Linear(8, 8, bias=False) for _ in range(5)])
    net.requires_grad_(not frozen)
    adapter = nn.Linear(8, 8, bias=False)
    inputs = torch.randn(7, 8, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        net(adapter(inputs)).sum().backward()
    learning = 64 if frozen else None
    job = Job(multiplied_weights(net) + 64, tokens=7, learning=learning)
    assert job.operations == counter.get_total_flops()


def test_memory_is_that_of_the_zero_paper():
    assert Job(7.5e9, 1).memory() == 120e9  # figure 1 of arXiv 1910.02054, 16 bytes per weight
    assert Job(7.5e9, 1).memory(64) == pytest.approx(1.9e9, rel=0.02)
    frozen = Job(7.5e9, 1, learning=0, activations=5)
    assert frozen.memory(2) == 15e9 + 5


@given(intervals(), intervals(), intervals())
def test_a_product_lies_between_the_corners(first, second, third):
    made = product(first, second, third)
    values = [a * b * c for a, b, c in corners(first, second, third)]
    assert made.low == pytest.approx(min(values))
    assert made.high == pytest.approx(max(values))
    assert made.low <= made.value <= made.high


def test_a_plan_by_hand():
    share = Interval(0.25, 0.2, 0.5)
    made = plan(Job(1e9, 6e6), DEVICE, utilisation=share, devices=2, pue=1.5, price_per_kwh=0.5)
    assert made.operations == 3.6e16
    assert made.hours == pytest.approx((2.0, 1.0, 2.5))  # 3.6e16 / (0.25 · 2e13) / 3600
    assert made.kilowatt_hours == pytest.approx((0.6, 0.24, 1.125))  # 2 h · 200 W · 1.5
    assert made.price == pytest.approx((8.3, 4.12, 10.5625))  # 2 h · 2 · 2.0 + 0.6 · 0.5
    assert made.memory == 8e9
    assert made.fits


def test_what_does_not_fit_is_said():
    assert not plan(Job(7e9, 1e6), DEVICE, utilisation=0.3, devices=2).fits
    assert plan(Job(7e9, 1e6), DEVICE, utilisation=0.3, devices=7).fits


def test_more_devices_cost_the_same_if_nothing_is_lost():
    one, eight = (plan(Job(1e9, 1e9), DEVICE, utilisation=0.3, devices=n) for n in (1, 8))
    assert eight.price == pytest.approx(one.price)
    assert eight.hours.value == pytest.approx(one.hours.value / 8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"utilisation": 0.0}, "both must be above 0"),
        ({"utilisation": 1.5}, "between 0.0 and 1.0"),
        ({"utilisation": Interval(0.2, 0.3, 0.5)}, "low bound of utilisation is 0.3"),
        ({"utilisation": 0.3, "pue": 0.9}, "pue is 0.9"),
        ({"utilisation": 0.3, "devices": 0}, "devices is 0"),
    ],
)
def test_impossible_numbers_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        plan(Job(1e9, 1e6), DEVICE, **wrong)


def test_a_bill_without_prices_is_free_but_takes_energy():
    energy, price = bill(2.0, watts=500)
    assert energy == pytest.approx((1.0, 1.0, 1.0))
    assert price == (0, 0, 0)
