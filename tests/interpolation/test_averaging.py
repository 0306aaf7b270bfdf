"""Averages over a run: against torch's own, and against the weights of the formulas."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_swa_avg_fn
from transformers import AutoModelForCausalLM

from ftlearn.interpolation.weights import averaging, linear

VALUES = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=8)


def averaged(average, values):
    for value in values:
        average.update({"w": torch.tensor([value], dtype=torch.float64)})
    return average.state["w"].item()


@given(VALUES)
def test_swa_is_the_mean(values):
    assert averaged(averaging.swa(), values) == pytest.approx(np.mean(values), abs=1e-9)


@given(VALUES, st.floats(0, 0.99))
def test_ema_weighs_the_past_by_powers_of_the_decay(values, decay):
    last = len(values) - 1
    shares = [(1 - decay) * decay ** (last - step) for step in range(last + 1)]
    corrected = np.dot(shares, values) / sum(shares)
    assert averaged(averaging.ema(decay, bias_corrected=True), values) == pytest.approx(
        corrected, abs=1e-8
    )
    shares[0] = decay**last  # starts at the first model
    assert averaged(averaging.ema(decay), values) == pytest.approx(np.dot(shares, values), abs=1e-8)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(averaging.swa(), get_swa_avg_fn()), (averaging.ema(0.8), get_ema_avg_fn(0.8))],
)
def test_averages_agree_with_those_of_torch(ours, theirs):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    reference = AveragedModel(model, avg_fn=theirs)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(6):
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
        ours.update(model)
        reference.update_parameters(model)
    expected = reference.module.state_dict()
    for name, tensor in ours.state.items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6)


def test_half_precision_is_averaged_in_fp32_and_kept():
    average = averaging.ema(0.999)
    average.update({"w": torch.ones(1, dtype=torch.bfloat16)})
    for _ in range(2000):
        average.update({"w": torch.zeros(1, dtype=torch.bfloat16)})
    assert average.state["w"].dtype == torch.bfloat16
    # In bf16 itself a step of one thousandth would be lost, and the average stay at 1.
    assert average.state["w"].item() == pytest.approx(0.999**2000, rel=0.01)


def test_whole_numbers_are_those_of_the_latest_model_and_nothing_is_shared():
    average = averaging.swa()
    count = torch.tensor([1])
    weight = torch.tensor([1.0])
    average.update({"w": weight, "n": count})
    count += 1
    weight += 2
    assert average.state["n"].item() == 1
    assert average.state["w"].item() == 1
    average.update({"w": weight, "n": count})
    assert average.state["n"].item() == 2
    average.state["w"].zero_()
    assert average.state["w"].item() == 2


def test_tied_weights_are_averaged_once_and_can_be_written_to_the_model(tiny_checkpoints):
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoints["gpt2"])
    first = model.transformer.wte.weight.detach().clone()
    average = averaging.swa()
    average.update(model)
    with torch.no_grad():
        model.transformer.wte.weight += 2
    average.update(model)
    assert average.state["lm_head.weight"] is not average.state["transformer.wte.weight"]
    state = average.state
    assert state["lm_head.weight"] is state["transformer.wte.weight"]
    linear.write(model, state)
    torch.testing.assert_close(model.lm_head.weight, first + 1, rtol=0, atol=1e-6)


def test_an_average_refuses_other_models_and_says_when_it_is_empty():
    average = averaging.swa()
    with pytest.raises(ValueError, match="update"):
        _ = average.state
    average.update(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="'weight'"):
        average.update(nn.Linear(3, 2))
    assert average.count == 1
    for decay in (-0.1, 1, 2):
        with pytest.raises(ValueError, match="decay"):
            averaging.ema(decay)
