"""Merging against peft's versions, slow obvious ones, and closed forms."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft.utils import merge_utils
from torch import nn
from transformers import AutoModelForCausalLM

from ftlearn import interpolation, losses
from ftlearn.interpolation.weights import merging


def vectors(count, seed=0, sizes=((6, 5), (7,))):
    generator = torch.Generator().manual_seed(seed)
    names = [f"w{index}" for index in range(len(sizes))]
    return [
        {
            name: torch.randn(size, generator=generator)
            for name, size in zip(names, sizes, strict=True)
        }
        for _ in range(count)
    ]


def close(first, second, atol=1e-6):
    assert set(first) == set(second)
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=0, atol=atol)


def test_the_order_of_soup_members_does_not_matter():
    members = vectors(3)
    for order in itertools.permutations(members):
        close(interpolation.soup(list(order)), interpolation.soup(members))
    with pytest.raises(ValueError, match=r"1\.5"):
        interpolation.soup(members[:2], [1, 0.5])


def test_the_greedy_soup_is_that_of_a_slow_implementation():
    members, target = vectors(6), vectors(1, seed=9)[0]

    def score(state):
        return -sum((state[name] - target[name]).square().sum().item() for name in state)

    ranked = sorted(range(6), key=lambda index: -score(members[index]))
    chosen = []
    for index in ranked:
        mean = {
            name: sum(members[m][name] for m in [*chosen, index]) / (len(chosen) + 1)
            for name in target
        }
        before = {
            name: sum(members[m][name] for m in chosen) / max(1, len(chosen)) for name in target
        }
        if not chosen or score(mean) >= score(before):
            chosen.append(index)
    found = interpolation.greedy_soup(members, score)
    assert 1 < len(chosen) < 6
    assert list(found.members) == chosen
    assert list(found.scores) == sorted(found.scores)
    assert score(found.state) == pytest.approx(found.scores[-1])
    assert found.scores[-1] > max(map(score, members))


def test_task_vectors_are_added_negated_and_leave_whole_numbers_alone():
    base = {"w": torch.tensor([1.0, 2.0]).bfloat16(), "ids": torch.tensor([5])}
    tuned = {"w": torch.tensor([1.5, 1.0]).bfloat16(), "ids": torch.tensor([5])}
    vector = interpolation.task_vector(base, tuned)
    assert list(vector) == ["w"]
    assert vector["w"].dtype == torch.float32
    close(vector, {"w": torch.tensor([0.5, -1.0])})
    back = interpolation.add_vectors(base, [vector])
    assert back["w"].dtype == torch.bfloat16
    close(back, tuned)
    twice = interpolation.add_vectors(base, [vector, vector], scale=-2)
    close(twice, {"w": torch.tensor([-1.0, 6.0]).bfloat16(), "ids": torch.tensor([5])})
    with pytest.raises(ValueError, match="'ids'"):
        interpolation.task_vector(base, {**tuned, "ids": torch.tensor([6])})


def test_one_task_vector_added_at_alpha_is_the_line():
    start, end = vectors(2)
    vector = interpolation.task_vector(start, end)
    for alpha in (-0.5, 0.3, 1.7):
        close(
            interpolation.add_vectors(start, [vector], scale=alpha),
            interpolation.interpolate(start, end, alpha),
        )


def test_task_vectors_of_tied_weights_stay_tied(tiny_checkpoints):
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoints["gpt2"])
    tuned = {name: 3 * tensor for name, tensor in model.state_dict().items()}
    tuned["lm_head.weight"] = tuned["transformer.wte.weight"]
    vector = interpolation.task_vector(model, tuned)
    dropped = interpolation.dare(vector, 0.5, seed=0)
    trimmed = interpolation.trim(vector, 0.5)
    for state in (vector, dropped, trimmed):
        assert state["lm_head.weight"] is state["transformer.wte.weight"]
    added = interpolation.add_vectors(model, [vector])
    assert added["lm_head.weight"] is added["transformer.wte.weight"]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("density", [0.1, 0.2, 0.5, 0.9])
def test_ties_in_each_tensor_is_that_of_peft(count, density):
    several = vectors(count, seed=count)
    found = interpolation.ties(several, density, per="tensor")
    for name in found:
        tensors = [vector[name] for vector in several]
        expected = merge_utils.ties(tensors, torch.ones(count), density)
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-6)


def slow_ties(rows, density):
    """Algorithm 1 of the paper, entry by entry: rows is a list of K lists of numbers."""
    keep = int(density * len(rows[0]))
    trimmed = []
    for row in rows:
        largest = sorted(range(len(row)), key=lambda entry: -abs(row[entry]))[:keep]
        trimmed.append([value if entry in largest else 0.0 for entry, value in enumerate(row)])
    merged = []
    for column in zip(*trimmed, strict=True):
        sign = (sum(column) > 0) - (sum(column) < 0)
        agreeing = [value for value in column if value * sign > 0]
        merged.append(sum(agreeing) / len(agreeing) if agreeing else 0.0)
    return merged


@given(st.integers(0, 1000), st.sampled_from([0.05, 0.2, 0.5, 1.0]), st.integers(1, 4))
def test_ties_over_the_whole_model_is_that_of_a_slow_implementation(seed, density, count):
    several = vectors(count, seed=seed)
    rows = [torch.cat([t.flatten() for t in vector.values()]).tolist() for vector in several]
    found = torch.cat([t.flatten() for t in interpolation.ties(several, density).values()])
    np.testing.assert_allclose(found, slow_ties(rows, density), atol=1e-6)


def test_trimming_keeps_equals_and_can_keep_all_or_nothing():
    vector = {"w": torch.tensor([1.0, -1.0, 2.0, 0.0])}
    assert interpolation.trim(vector, 0.5)["w"].tolist() == [1.0, -1.0, 2.0, 0.0]
    assert interpolation.trim(vector, 0.25)["w"].tolist() == [0.0, 0.0, 2.0, 0.0]
    assert interpolation.trim(vector, 1)["w"].tolist() == vector["w"].tolist()
    assert interpolation.trim(vector, 0)["w"].tolist() == [0.0] * 4
    for density in (-0.1, 1.1):
        with pytest.raises(ValueError, match="density"):
            interpolation.trim(vector, density)
    with pytest.raises(ValueError, match="'layer'"):
        interpolation.trim(vector, 0.5, per="layer")


def test_dare_drops_the_given_share_and_keeps_the_mean():
    vector = {"w": torch.full((100, 200), 0.5), "v": torch.full((50,), -2.0)}
    found = interpolation.dare(vector, 0.9, seed=3)
    share = (found["w"] == 0).float().mean().item()
    assert share == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / 20_000))
    assert {round(value, 4) for value in found["v"].tolist()} <= {0.0, -20.0}
    nonzero = found["w"][found["w"] != 0]
    torch.testing.assert_close(nonzero, torch.full_like(nonzero, 5.0))
    mean = sum(interpolation.dare(vector, 0.5, seed=s)["v"] for s in range(400)) / 400
    np.testing.assert_allclose(mean, -2.0, atol=5 * 2.0 / math.sqrt(400))


def test_dare_is_that_of_peft_with_the_same_mask(monkeypatch):
    vector = {"w": torch.randn(30, 20)}
    found = interpolation.dare(vector, 0.7, seed=0)["w"]
    monkeypatch.setattr(torch, "bernoulli", lambda _: (found != 0).float())
    expected = merge_utils.dare_linear([vector["w"]], torch.ones(1), density=0.3)
    torch.testing.assert_close(found, expected)


def test_dare_depends_only_on_its_seed():
    vector, state = {"w": torch.ones(50)}, torch.get_rng_state()
    first = interpolation.dare(vector, 0.5, seed=1)["w"]
    assert torch.equal(first, interpolation.dare(vector, 0.5, seed=1)["w"])
    assert not torch.equal(first, interpolation.dare(vector, 0.5, seed=2)["w"])
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(interpolation.dare(vector, 0, seed=0)["w"], vector["w"])
    with pytest.raises(ValueError, match="drop"):
        interpolation.dare(vector, 1, seed=0)


@given(st.floats(0.05, 3.1), st.floats(0, 1))
def test_slerp_follows_the_circle_at_constant_speed(angle, alpha):
    x, y = (
        {
            "a": torch.tensor([math.cos(phi)], dtype=torch.float64),
            "b": torch.tensor([math.sin(phi)], dtype=torch.float64),
        }
        for phi in (0.0, angle)
    )
    found = interpolation.slerp(x, y, alpha)
    assert found["a"].item() == pytest.approx(math.cos(alpha * angle), abs=1e-7)
    assert found["b"].item() == pytest.approx(math.sin(alpha * angle), abs=1e-7)


def test_slerp_has_the_ends_and_is_the_line_for_parallel_vectors():
    x, y = vectors(2)
    close(interpolation.slerp(x, y, 0), x)
    close(interpolation.slerp(x, y, 1), y)
    for factor in (3.0, -2.0, 0.0):
        other = {name: factor * tensor for name, tensor in x.items()}
        close(interpolation.slerp(x, other, 0.25), interpolation.interpolate(x, other, 0.25))


# Logistic regression on two features: everything is known in closed form.
X = torch.tensor([[1.0, 2.0], [-1.0, 0.5], [0.3, -2.0]])


class Softmax(nn.Module):
    """logits (B, 3) = W x, returned as transformers' models return them."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3, bias=False)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, x, attention_mask=None):
        hidden = self.layer(x)
        return type("Output", (), {"logits": hidden if hidden.ndim == 2 else hidden.mean(1)})


def test_the_fisher_of_a_logistic_regression_is_known():
    torch.manual_seed(0)
    model = Softmax().train()
    p = (X @ model.layer.weight.detach().T).softmax(-1)
    # ∂ log p(c)/∂W_kj = (1[c = k] − p_k)·x_j, and E_c of its square is p_k(1 − p_k)·x_j².
    expected = torch.stack([(p[:, k] * (1 - p[:, k])) @ X**2 / 3 for k in range(3)])
    found = interpolation.fisher(model, [{"x": X[:2]}, {"x": X[2:]}])
    assert list(found) == ["layer.weight"]
    torch.testing.assert_close(found["layer.weight"], expected, rtol=0, atol=1e-6)
    assert model.training
    assert model.layer.weight.grad is None


def test_the_empirical_fisher_is_the_mean_of_squared_gradients():
    model, targets, gradients = Softmax(), torch.tensor([0, 2, 2]), []
    for x, y in zip(X, targets, strict=True):
        loss = losses.cross_entropy(model(x[None]).logits, y[None]).total
        gradients.append({"layer.weight": torch.autograd.grad(loss, model.layer.weight)[0]})
    p = (X @ model.layer.weight.detach().T).softmax(-1)
    slopes = (p - nn.functional.one_hot(targets, 3))[:, :, None] * X[:, None, :]
    found = interpolation.fisher_from_gradients(gradients)["layer.weight"]
    torch.testing.assert_close(found, slopes.square().mean(0), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="gradient"):
        interpolation.fisher_from_gradients([])


def test_fisher_merging_finds_the_peak_of_the_product_of_gaussians():
    members, shares = vectors(3), [0.2, 0.5, 0.3]
    fishers = [{name: tensor**2 + 0.1 for name, tensor in v.items()} for v in vectors(3, seed=5)]
    found = interpolation.fisher_mean(members, fishers, shares)
    theta = {name: torch.zeros_like(tensor, dtype=torch.float64) for name, tensor in found.items()}
    for name, peak in theta.items():  # the gradient of Σ w F (θ − θ_k)² vanishes at the peak
        peak += found[name]
        slope = sum(
            w * f[name].double() * (peak - m[name].double())
            for w, f, m in zip(shares, fishers, members, strict=True)
        )
        assert slope.abs().max() < 1e-6


def test_equal_fishers_or_none_give_the_soup():
    members = vectors(2)
    for value in (2.0, 0.0):
        fishers = [{n: torch.full_like(t, value) for n, t in v.items()} for v in members]
        close(interpolation.fisher_mean(members, fishers), interpolation.soup(members))
    close(interpolation.fisher_mean(members, [{}, {}]), interpolation.soup(members))


@pytest.mark.parametrize(
    "fishers",
    [
        [{"w0": torch.ones(6, 5)}],
        [{"w0": torch.ones(6, 5)}, {}],
        [{"model.w0": torch.ones(6, 5)}] * 2,
        [{"w0": -torch.ones(6, 5)}] * 2,
        [{"w0": torch.full((6, 5), float("nan"))}] * 2,
    ],
)
def test_fishers_that_match_no_tensor_or_no_model_are_refused(fishers):
    with pytest.raises(ValueError, match=r"w0|Fisher"):
        interpolation.fisher_mean(vectors(2), fishers)


def linear_task(seed, rows=40):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 2, generator=generator) @ torch.randn(2, 2, generator=generator)
    model = Softmax()
    with torch.no_grad():
        model.layer.weight.copy_(torch.randn(3, 2, generator=generator))
    return model, x


def test_regmean_is_the_least_squares_fit_to_the_outputs_of_all_layers():
    (first, x), (second, z) = linear_task(1), linear_task(2)
    grams = [
        interpolation.grams(model, [{"x": rows[:15]}, {"x": rows[15:]}])
        for model, rows in ((first, x), (second, z))
    ]
    torch.testing.assert_close(grams[0]["layer.weight"], (x.T @ x).double(), rtol=0, atol=1e-4)
    found = interpolation.regmean([first, second], grams, off_diagonal=1.0)["layer.weight"]
    outputs = torch.cat([first.layer(x), second.layer(z)]).detach().double()
    expected = torch.linalg.lstsq(torch.cat([x, z]).double(), outputs).solution.T
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)


def test_regmean_shrinks_the_off_diagonal_as_the_paper_says():
    (first, x), (second, z) = linear_task(3), linear_task(4)
    grams = [interpolation.grams(m, [{"x": rows}]) for m, rows in ((first, x), (second, z))]
    g = [gram["layer.weight"].clone() for gram in grams]
    for gram in g:
        gram[0, 1] *= 0.9
        gram[1, 0] *= 0.9
    w = [model.layer.weight.detach().double() for model in (first, second)]
    expected = torch.linalg.inv(g[0] + g[1]) @ (g[0] @ w[0].T + g[1] @ w[1].T)
    found = interpolation.regmean([first, second], grams)["layer.weight"]
    torch.testing.assert_close(found.double(), expected.T, rtol=0, atol=1e-6)
    diagonal = interpolation.regmean([first, second], grams, off_diagonal=0.0)["layer.weight"]
    d = [gram["layer.weight"].diag() for gram in grams]
    expected = (w[0] * d[0] + w[1] * d[1]) / (d[0] + d[1])  # column by column
    torch.testing.assert_close(diagonal.double(), expected, rtol=0, atol=1e-6)


def test_regmean_keeps_the_mean_where_no_input_was_seen():
    (first, _), (second, _) = linear_task(5), linear_task(6)
    seen = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    grams = [interpolation.grams(first, [{"x": seen}]), interpolation.grams(second, [{"x": seen}])]
    found = interpolation.regmean([first, second], grams)["layer.weight"]
    mean = (first.layer.weight + second.layer.weight).detach() / 2
    torch.testing.assert_close(found, mean, rtol=0, atol=1e-6)


def test_grams_leave_padding_out_and_no_hook_behind():
    model, _ = linear_task(7)
    x = torch.randn(2, 3, 2)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    found = interpolation.grams(model, [{"x": x, "attention_mask": mask}])["layer.weight"]
    rows = torch.stack([x[0, 0], x[0, 1], x[1, 0]]).double()
    torch.testing.assert_close(found, rows.T @ rows, rtol=0, atol=1e-5)
    with pytest.raises(TypeError):
        interpolation.grams(model, [{"unknown": x}])
    assert not model.layer._forward_pre_hooks


def test_fisher_and_grams_take_the_inputs_of_a_transformer(model):
    inputs = [
        {
            "input_ids": torch.tensor([[2, 17, 3], [2, 9, 3]]),
            "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 1]]),
        }
    ]
    names = {name for name, _ in model.named_parameters()}
    assert set(interpolation.fisher(model, inputs)) == names
    found = interpolation.grams(model, inputs)
    assert found["classifier.weight"].shape == (16, 16)
    state = merging.soup([model, model])
    merged = interpolation.regmean([model, model], [found, found])
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=1e-5)
