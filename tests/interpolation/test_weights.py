"""The line through two models: its exact ends, its laws, and what it leaves alone."""

import numpy as np
import pytest
import tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM

from ftlearn import interpolation, models
from ftlearn.interpolation.weights import linear
from ftlearn.models import architecture

# transformers reads an attribute of its own that is deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

FLOATS = st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3)
ALPHAS = st.floats(-2, 3)


def state(values, dtype=torch.float32):
    return {"w": torch.tensor(values, dtype=dtype), "ids": torch.tensor([1, 2])}


def same_bits(first, second):
    return all(
        first[name].dtype == second[name].dtype
        and torch.equal(first[name].view(torch.uint8), second[name].view(torch.uint8))
        for name in first | second
    )


@given(FLOATS, FLOATS, ALPHAS)
def test_every_entry_lies_where_the_formula_says(a, b, alpha):
    found = linear.interpolate(state(a), state(b), alpha)["w"].double()
    expected = (1 - alpha) * np.array(a) + alpha * np.array(b)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-4)


@given(FLOATS, FLOATS)
def test_the_ends_are_the_two_models_bit_for_bit(a, b):
    a[0], b[1] = -0.0, float("inf")
    assert same_bits(linear.interpolate(state(a), state(b), 0), state(a))
    assert same_bits(linear.interpolate(state(a), state(b), 1), state(b))


@given(FLOATS, ALPHAS)
def test_between_a_model_and_itself_lies_only_itself(a, alpha):
    a[0], a[1] = -0.0, float("-inf")
    assert same_bits(linear.interpolate(state(a), state(a), alpha), state(a))


@given(FLOATS, FLOATS, ALPHAS)
def test_the_line_is_the_same_from_its_other_end(a, b, alpha):
    there = linear.interpolate(state(a), state(b), alpha)["w"]
    back = linear.interpolate(state(b), state(a), 1 - alpha)["w"]
    torch.testing.assert_close(there, back, rtol=1e-6, atol=2e-4)


@given(FLOATS, FLOATS, FLOATS, st.permutations(range(3)))
def test_the_order_of_models_does_not_matter(a, b, c, order):
    members, shares = [state(a), state(b), state(c)], [0.5, 0.2, 0.3]
    moved = linear.combine([members[k] for k in order], [shares[k] for k in order])
    torch.testing.assert_close(
        linear.combine(members, shares)["w"], moved["w"], rtol=1e-6, atol=1e-4
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_formats_are_kept_and_halves_are_mixed_in_fp32(dtype):
    a, b = torch.randn(2, 1000, dtype=torch.float64).to(dtype)
    found = linear.interpolate({"w": a}, {"w": b}, 1 / 3)["w"]
    wide = torch.float64 if dtype is torch.float64 else torch.float32
    assert found.dtype == dtype
    torch.testing.assert_close(found, (a.to(wide) * (2 / 3) + b.to(wide) / 3).to(dtype))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"v": torch.ones(3), "ids": torch.tensor([1, 2])}, "'w'"),
        ({"w": torch.ones(3)}, "'ids'"),
        ({"w": torch.ones(3), "ids": torch.tensor([1, 2]), "b": torch.ones(1)}, "'b'"),
        ({"w": torch.ones(4), "ids": torch.tensor([1, 2])}, r"'w' is \(3,\).* and \(4,\)"),
        ({"w": torch.ones(3).half(), "ids": torch.tensor([1, 2])}, "float16"),
        ({"w": torch.ones(3), "ids": torch.tensor([1, 3])}, "'ids'"),
    ],
)
def test_another_architecture_is_refused_with_the_tensors_name(other, message):
    with pytest.raises(ValueError, match=message):
        linear.interpolate(state([1, 2, 3]), other, 0.5)


@pytest.mark.parametrize("shares", [[0.5], [0.5, float("nan")], [float("inf"), 0]])
def test_weights_that_are_no_numbers_or_too_few_are_refused(shares):
    with pytest.raises(ValueError, match="weights"):
        linear.combine([state([1, 2, 3]), state([1, 2, 4])], shares)
    for merge in (lambda sources: linear.combine(sources, []), interpolation.soup):
        with pytest.raises(ValueError, match="no model"):
            merge([])


@pytest.mark.parametrize("pooling", ["pretrained", "mean"])
@pytest.mark.parametrize("shape", tiny_models.SHAPES)
def test_between_two_heads_the_logits_are_between(tiny_checkpoints, shape, pooling):
    # Logits are linear in the last layer, so mixed heads give mixed logits, exactly.
    load = {"task": tiny_models.CLASSES, "device": "cpu", "pooling": pooling}
    start, _ = models.load(tiny_checkpoints[shape], **load, seed=0)
    end, _ = models.load(tiny_checkpoints[shape], **load, seed=1)
    with torch.no_grad():  # in a head of several layers only the last may differ
        for name, value in start.state_dict().items():
            if architecture.is_head(name) and name.rsplit(".", 1)[0] not in (
                "classifier",
                "score",
                "classifier.out_proj",
            ):
                end.state_dict()[name].copy_(value)
    first, second = (tiny_models.logits(m, tiny_models.WHOLE) for m in (start, end))
    assert (first - second).abs().max() > 0.01
    expected = 0.3 * first + 0.7 * second
    found = linear.sweep(
        start, start, end, [0.7], lambda model: tiny_models.logits(model, tiny_models.WHOLE)
    )
    torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-5)


def test_tied_weights_stay_tied_and_are_mixed_once(tiny_checkpoints):
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoints["gpt2"])
    other = {name: 2 * tensor for name, tensor in model.state_dict().items()}
    other["lm_head.weight"] = other["transformer.wte.weight"]
    mixed = linear.interpolate(model, other, 0.5)
    assert mixed["lm_head.weight"] is mixed["transformer.wte.weight"]
    expected = 1.5 * model.transformer.wte.weight
    torch.testing.assert_close(mixed["lm_head.weight"], expected, rtol=1e-6, atol=1e-6)


def test_a_tied_model_takes_no_state_with_two_values_for_one_weight(tiny_checkpoints):
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoints["gpt2"])
    untied = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    untied["lm_head.weight"] += 1
    with pytest.raises(ValueError, match=r"ties 'lm_head.weight' to 'transformer\.wte"):
        linear.write(model, untied)
    with (
        pytest.raises(ValueError, match="ties"),
        interpolation.weights_in_place(model, [model, untied]),
    ):
        pass


def test_a_sweep_writes_in_place_and_restores_the_weights(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    places = [parameter.data_ptr() for parameter in model.parameters()]
    end = {n: t + 1 if t.is_floating_point() else t for n, t in before.items()}
    seen = linear.sweep(
        model,
        model,
        end,
        [-0.5, 0, 0.5, 1],
        lambda m: (m.classifier.bias - before["classifier.bias"]).mean().item(),
    )
    np.testing.assert_allclose(seen, [-0.5, 0, 0.5, 1], atol=1e-6)
    assert same_bits(model.state_dict(), before)
    assert places == [parameter.data_ptr() for parameter in model.parameters()]
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_sweep_restores_the_weights_after_an_error(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    end = {n: t + 1 if t.is_floating_point() else t for n, t in before.items()}

    def fail(model):
        raise KeyError("in the middle")

    with pytest.raises(KeyError, match="in the middle"):
        linear.sweep(model, before, end, [0.5], fail)
    assert same_bits(model.state_dict(), before)


def test_the_model_may_be_the_end_of_the_line_as_well():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 4.0)
    start = {"weight": torch.tensor([[2.0]])}
    seen = linear.sweep(model, start, model, [0.5, 1, 0.5], lambda m: m.weight.item())
    assert seen == [3.0, 4.0, 3.0]


def flat(source):
    return torch.cat([t.double().flatten() for t in source.values() if t.is_floating_point()])


def test_a_plane_holds_its_three_models_and_keeps_distances():
    torch.manual_seed(0)
    shape = nn.Linear(7, 5)
    three = [
        {name: torch.randn_like(t) for name, t in shape.state_dict().items()} for _ in range(3)
    ]
    plane = interpolation.plane(*three)
    a, b, c = map(flat, three)
    # Gram and Schmidt by hand, on the whole vectors.
    u = (b - a) / (b - a).norm()
    v = (c - a) - ((c - a) @ u) * u
    v /= v.norm()
    expected = [[0, 0], [(b - a) @ u, 0], [(c - a) @ u, (c - a) @ v]]
    np.testing.assert_allclose(plane.corners, expected, atol=1e-9)
    for x, y in [(0.3, -1.2), *map(tuple, plane.corners)]:
        found = flat(linear.combine(three, plane.weights(x, y)))
        torch.testing.assert_close(found, a + x * u + y * v, rtol=0, atol=1e-5)


def test_three_models_on_a_line_span_no_plane():
    a, b = state([0, 1, 2]), state([1, 3, 2])
    for third in (a, b, linear.interpolate(a, b, 0.25)):
        with pytest.raises(ValueError, match="one line"):
            interpolation.plane(a, b, third)


def test_inner_products_count_a_tied_weight_once():
    tensor = torch.tensor([1.0, 2.0])
    tied = {"a": tensor, "b": tensor, "n": torch.tensor([7])}
    assert interpolation.inner_products([tied]).item() == 5
    assert interpolation.inner_products([tied], origin=tied).item() == 0


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.1, 10))
def test_the_barrier_of_a_parabola_is_known(first, second, bend):
    # L(α) = chord + bend·α(1 − α): bend/4 above the straight line at its middle.
    alphas = [-1, 0, 0.25, 0.5, 0.75, 1, 2]
    losses = [(1 - a) * first + a * second + bend * a * (1 - a) for a in alphas]
    assert interpolation.barrier(alphas, losses) == pytest.approx(bend / 4, abs=1e-9)
    falling = [-loss for loss in losses]
    assert interpolation.barrier(alphas, falling, better="higher") == pytest.approx(
        bend / 4, abs=1e-9
    )
    assert interpolation.barrier(alphas, falling) == pytest.approx(-bend * 3 / 16, abs=1e-9)


@pytest.mark.parametrize("alphas", [[0, 1], [0.5, 1], [0, 0.5]])
def test_a_barrier_needs_both_ends_and_a_middle(alphas):
    with pytest.raises(ValueError, match="alphas"):
        interpolation.barrier(alphas, alphas)
    with pytest.raises(ValueError, match="lower"):
        interpolation.barrier([0, 0.5, 1], [0, 0, 0], better="larger")


@pytest.fixture
def base(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.fixture
def adapted(model, base):
    torch.manual_seed(0)
    config = LoraConfig(r=2, lora_alpha=6, target_modules=["query", "value"], use_rslora=True)
    wrapped = get_peft_model(model, config)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter)
    return wrapped.eval()


@pytest.mark.parametrize("factor", [-0.5, 0.0, 0.25, 1.0, 2.0])
def test_the_scale_of_lora_is_a_straight_line_in_the_weights(base, adapted, factor):
    with interpolation.scale_adapter(adapted, factor):
        found = tiny_models.logits(adapted, tiny_models.WHOLE)
    tuned = adapted.merge_and_unload()  # by peft itself
    (expected,) = linear.sweep(
        tuned, base, tuned, [factor], lambda model: tiny_models.logits(model, tiny_models.WHOLE)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("factor", [-0.5, 0.0, 0.25, 1.0, 2.0])
def test_of_pissa_it_is_the_change_that_is_scaled(model, base, factor):
    """W + f (W_tuned − W) of the published W, although the adapter begins as a part of W."""
    wrapped = models.with_adapter(model, "pissa", rank=2).eval()
    before = {name: value.clone() for name, value in wrapped.named_parameters()}
    torch.manual_seed(0)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            parameter.data += 0.1 * torch.randn_like(parameter)
    trained = tiny_models.logits(wrapped, tiny_models.WHOLE)
    with interpolation.scale_adapter(wrapped, factor):
        found = tiny_models.logits(wrapped, tiny_models.WHOLE)
    assert torch.equal(tiny_models.logits(wrapped, tiny_models.WHOLE), trained)
    assert all(value.shape == before[name].shape for name, value in wrapped.named_parameters())
    tuned = wrapped.merge_and_unload()
    (expected,) = linear.sweep(
        tuned, base, tuned, [factor], lambda model: tiny_models.logits(model, tiny_models.WHOLE)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_a_pissa_adapter_of_unknown_start_is_not_scaled(model):
    wrapped = get_peft_model(
        model, LoraConfig(r=2, target_modules=["query"], init_lora_weights="pissa")
    )
    with (
        pytest.raises(ValueError, match="how this PiSSA adapter began"),
        interpolation.scale_adapter(wrapped, 0.5),
    ):
        pass


def test_scales_of_lora_matter_and_are_restored_even_after_an_error(adapted):
    before = tiny_models.logits(adapted, tiny_models.WHOLE)
    seen = []

    def fail_inside():
        with interpolation.scale_adapter(adapted, 0):
            seen.append(tiny_models.logits(adapted, tiny_models.WHOLE))
            raise KeyError("in the middle")

    with pytest.raises(KeyError, match="in the middle"):
        fail_inside()
    assert (seen[0] - before).abs().max() > 0.01
    assert torch.equal(tiny_models.logits(adapted, tiny_models.WHOLE), before)


def test_a_model_without_lora_or_with_lora_merged_is_refused(adapted):
    with (
        pytest.raises(ValueError, match="no LoRA"),
        interpolation.scale_adapter(nn.Linear(1, 1), 1),
    ):
        pass
    adapted.merge_adapter()
    with pytest.raises(ValueError, match="unmerge"), interpolation.scale_adapter(adapted, 1):
        pass
