"""Ordinal losses, probabilities and decoding against slow obvious versions; the task itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import logistic
from sklearn.metrics import cohen_kappa_score

from ftlearn import losses, metrics, tasks
from ftlearn.compatibility import check
from ftlearn.errors import ArgumentError, UnknownNameError
from ftlearn.tasks.ordinal import Ordinal, cumulative_logits

STARS = Ordinal(labels=("1", "2", "3", "4", "5"))
LOSSES = {"coral": losses.coral, "cumulative-link": losses.cumulative_link}


@st.composite
def thresholds(draw, least_gap: float = 0.01) -> np.ndarray:
    """Logits (1, K−1) of P(y > k), falling."""
    count = draw(st.integers(1, 6))
    gaps = draw(arrays(float, count, elements=st.floats(least_gap, 3.0)))
    return draw(st.floats(-5, 10)) - gaps.cumsum()[None]


def probabilities(logits: np.ndarray) -> np.ndarray:
    """P(y = k) as differences of P(y > k), one level after the other."""
    above = np.concatenate([[1.0], expit(logits), [0.0]])
    return np.array([above[level] - above[level + 1] for level in range(len(logits) + 1)])


def binary_cross_entropies(logits: np.ndarray, level: int) -> float:
    total = 0.0
    for k, logit in enumerate(logits):
        total -= np.log(expit(logit)) if level > k else np.log(1 - expit(logit))
    return total


@given(logits=thresholds(), data=st.data())
def test_losses_are_sums_over_examples_of_the_plain_formulas(logits, data):
    rows = np.concatenate([logits, logits - 0.5])
    levels = [data.draw(st.integers(0, logits.shape[1])) for _ in rows]
    coral = losses.coral(torch.tensor(rows), torch.tensor(levels))
    link = losses.cumulative_link(torch.tensor(rows), torch.tensor(levels))
    expected = [binary_cross_entropies(row, level) for row, level in zip(rows, levels, strict=True)]
    assert coral.total.item() == pytest.approx(sum(expected), rel=1e-9)
    expected = [-np.log(probabilities(row)[level]) for row, level in zip(rows, levels, strict=True)]
    assert link.total.item() == pytest.approx(sum(expected), rel=1e-9)
    assert coral.count == link.count == 2


@given(logits=thresholds())
def test_the_probabilities_of_levels_sum_to_one(logits):
    outputs = STARS.reduce_logits(torch.tensor(logits).float(), None)
    assert outputs.shape == (1, logits.shape[1] + 1)
    np.testing.assert_allclose(outputs.exp()[0], probabilities(logits[0]), atol=2e-6)
    assert outputs.exp().sum().item() == pytest.approx(1, abs=1e-6)


@given(logits=thresholds())
def test_outputs_hold_the_thresholds(logits):
    outputs = STARS.reduce_logits(torch.tensor(logits), None).numpy()
    np.testing.assert_allclose(cumulative_logits(outputs), logits, atol=1e-6)


def test_levels_far_from_all_thresholds_keep_their_digits():
    """In fp32 1 − σ(40) is 0, and so is σ(41) − σ(40)."""
    logits = torch.tensor([[41.0, 40.0]])
    values = losses.level_log_probabilities(logits)[0]
    exact = [logistic.logcdf(-41.0), np.log(np.exp(-40.0) - np.exp(-41.0)), logistic.logcdf(40.0)]
    np.testing.assert_allclose(values, exact, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name):
    logits = torch.tensor([[3.0, 1.0, -2.0], [0.5, 0.2, 0.1]], dtype=torch.float64)
    levels = torch.tensor([0, 2])
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda values: LOSSES[name](values, levels).total, logits)
    assert torch.autograd.gradgradcheck(lambda values: LOSSES[name](values, levels).total, logits)


@pytest.mark.parametrize("gap", [0.0, -0.5, 5e-5])
def test_crossed_thresholds_have_a_finite_loss_that_drives_them_apart(gap):
    logits = torch.tensor([[0.3 + gap, 0.3]], dtype=torch.float64, requires_grad=True)
    loss = losses.cumulative_link(logits, torch.tensor([1])).total
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad[0, 0] < 0 < logits.grad[0, 1]
    assert torch.autograd.gradcheck(
        lambda values: losses.cumulative_link(values, torch.tensor([1])).total, logits, eps=1e-8
    )


def test_the_loss_has_no_step_where_its_floor_begins():
    gaps = losses.GAP * torch.tensor([1 - 1e-6, 1 + 1e-6], dtype=torch.float64)
    logits = torch.stack([gaps / 2, -gaps / 2], 1)
    values = losses.level_log_probabilities(logits)[:, 1]
    assert values[0].item() == pytest.approx(values[1].item(), abs=1e-5)


@pytest.mark.filterwarnings("ignore:thresholds of the ordinal model cross")
def test_crossed_thresholds_are_sorted_for_probabilities():
    crossed, ordered = torch.tensor([[-1.0, 2.0, -3.0]]), torch.tensor([[2.0, -1.0, -3.0]])
    first, second = (STARS.reduce_logits(logits, None) for logits in (crossed, ordered))
    assert torch.equal(first, second)
    assert first.isfinite().all()


def test_crossed_thresholds_are_warned_of():
    with pytest.warns(UserWarning, match="thresholds of the ordinal model cross"):
        STARS.reduce_logits(torch.tensor([[-1.0, 2.0]]), None)


@pytest.mark.parametrize("name", LOSSES)
def test_without_features_the_optimum_is_the_frequencies(name):
    """Both losses are proper: their best thresholds are the log-odds the task begins with."""
    levels = np.repeat([0, 1, 2, 3], [10, 25, 5, 60])
    rows = Dataset.from_dict({"text": ["t"] * 100, "label": levels.tolist()})
    task = tasks.ordinal(rows, loss=name)

    def loss(values: np.ndarray) -> float:
        logits = torch.tensor(values).expand(len(levels), -1)
        return task.loss(logits, torch.tensor(levels)).mean.item()

    best = minimize(loss, np.array([1.0, 0.0, -1.0]), method="Nelder-Mead", tol=1e-10).x
    np.testing.assert_allclose(task.initial_thresholds(), best, atol=1e-3)
    np.testing.assert_allclose(expit(task.initial_thresholds()), [0.9, 0.65, 0.6])


@given(arrays(float, (3, 6), elements=st.floats(-6, 3)))
def test_each_decoding_is_best_for_its_measure(outputs):
    shares = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    levels = np.arange(6)
    costs = {
        "mode": levels[:, None] != levels,
        "median": abs(levels[:, None] - levels),
        "mean": np.square(levels[:, None] - levels),
    }
    for decoding, cost in costs.items():
        expected = shares @ cost  # of each level that may be predicted, (N, K)
        predicted = replace(STARS, decoding=decoding).class_ids(outputs)
        chosen = np.take_along_axis(expected, predicted[:, None], axis=1)[:, 0]
        np.testing.assert_allclose(chosen, expected.min(1), atol=1e-9)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=30))
def test_metrics_are_those_of_scikit_learn(pairs):
    predicted, targets = map(np.array, zip(*pairs, strict=True))
    scores = metrics.ordinal(predicted, targets)
    differences = [abs(one - other) for one, other in pairs]
    assert scores["mae"] == pytest.approx(sum(differences) / len(pairs))
    assert scores["within_one"] == sum(difference < 2 for difference in differences) / len(pairs)
    assert scores["accuracy"] == differences.count(0) / len(pairs)
    if len({*predicted, *targets}) > 1:
        expected = cohen_kappa_score(predicted, targets, labels=range(5), weights="quadratic")
        assert scores["quadratic_kappa"] == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan(scores["quadratic_kappa"])


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_outputs_is_the_loss_of_logits(name):
    task = replace(STARS, objective=name)
    values = torch.randn(20, 1, generator=torch.Generator().manual_seed(0)) * 3
    logits, levels = values + torch.tensor([2.0, 1.0, -0.5, -2.0]), torch.arange(20) % 5
    outputs = task.reduce_logits(logits, levels).numpy()
    expected = task.loss(logits, levels).mean.item()
    assert task.example_losses(outputs, levels.numpy()).mean() == pytest.approx(expected, rel=1e-5)
    assert task.metrics(outputs, levels.numpy())[task.monitor] == pytest.approx(expected, rel=1e-5)
    assert task.metric_names()[:2] == ("accuracy", "within_one")


def rows(labels: list) -> Dataset:
    return Dataset.from_dict({"text": ["a"] * len(labels), "label": labels})


def test_numbers_are_put_in_order_and_names_by_levels():
    task = tasks.ordinal(rows([10, 2, 1, 2]))
    assert task.labels == ("1", "2", "10")
    assert task.shares == (0.25, 0.5, 0.25)
    assert tasks.ordinal(DatasetDict(train=rows(["-1", "-2.5"]))).labels == ("-2.5", "-1")
    floats = rows([4.0, 1.0, 2.5])
    assert tasks.ordinal(floats).labels == tasks.ordinal(floats, levels=(1, 2.5, 4)).labels
    assert tasks.ordinal(floats).targets(floats) == [2, 0, 1]
    assert "train ('4')" in str(check(floats, tasks.ordinal(floats))[0])  # one text, three levels
    named = rows(["good", "bad", "fair"])
    ids = named.cast_column("label", ClassLabel(names=["bad", "fair", "good"]))
    for data in (named, ids):
        task = tasks.ordinal(data, levels=["bad", "fair", "good"])
        assert task.targets(data) == [2, 0, 1]
        assert task.decode(np.eye(3) * 9) == ["bad", "fair", "good"]


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        (["good", "bad"], {}, "names \\('bad', 'good'\\), whose order is not known"),
        (["1.0", "NaN"], {}, "holds 'NaN' beside numbers: .* empty these cells"),
        (["good", "bad"], {"levels": ("bad", "fair", "good")}, "no training row has .* 'fair'"),
        (["good", "bad", "Bad"], {"levels": ("bad", "good")}, "'Bad' may mean 'bad'"),
        ([1, 2], {"levels": (1, 2, 2)}, "each one once"),
        ([1, 1], {}, "name two or more"),
        ([1, None], {}, "None instead of a label"),
        ([1, 2], {"loss": "cumulative"}, "'cumulative': use coral or cumulative-link"),
        ([1, 2], {"decode": "argmax"}, "'argmax': use mode, median, mean"),
    ],
)
def test_what_cannot_be_learnt_is_refused(labels, settings, message):
    with pytest.raises(ArgumentError, match=message):
        tasks.ordinal(rows(labels), **settings)


def test_other_mistakes_are_named():
    with pytest.raises(UnknownNameError, match="no column 'stars'"):
        tasks.ordinal(rows([1, 2]), target="stars")
    with pytest.raises(ArgumentError, match="a number above 0 per level"):
        Ordinal(labels=("1", "2"), shares=(0.0, 1.0))
