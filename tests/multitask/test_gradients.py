"""Cosines of gradients, and PCGrad against its algorithm written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ftlearn.multitask import cosines, pcgrad


def random_gradients(tasks: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(tasks, 6, generator=generator, dtype=torch.float64)


def test_cosines_are_those_of_torch():
    gradients = random_gradients(4, seed=0)
    expected = F.cosine_similarity(gradients[:, None], gradients[None], dim=-1)
    torch.testing.assert_close(cosines(gradients), expected)


def test_a_gradient_of_zeros_has_cosine_zero():
    assert cosines(torch.tensor([[0.0, 0.0], [1.0, 0.0]])).tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize("seed", range(5))
def test_two_tasks_no_longer_conflict(seed):
    gradients = random_gradients(2, seed)
    gradients[1] -= 3 * gradients[0]  # they conflict
    first, second = pcgrad(gradients)
    assert abs(float(first @ gradients[1])) < 1e-9
    assert abs(float(second @ gradients[0])) < 1e-9


def test_gradients_that_agree_stay_as_they_are():
    gradients = random_gradients(3, seed=1).abs()
    assert torch.equal(pcgrad(gradients), gradients)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_algorithm_1(seed):
    gradients = random_gradients(4, seed)
    before = gradients.clone()
    random = np.random.default_rng(seed)
    for task, result in enumerate(pcgrad(gradients, seed=seed)):
        expected = before[task].numpy().copy()
        for other in random.permutation(4):
            vector = before[other].numpy()
            if other != task and expected @ vector < 0:
                expected = expected - expected @ vector / np.linalg.norm(vector) ** 2 * vector
        np.testing.assert_allclose(result.numpy(), expected)
    assert torch.equal(gradients, before)
