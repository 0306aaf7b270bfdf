"""The tangent kernel: against autograd row by row, a closed form, and gradient descent."""

import pytest
import torch
from torch import nn

from ftlearn.interpolation.tangent_kernel import tangent_kernel


def network(seed=0, width=8):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 1)).double()


def rows(count, seed=1):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, 5, generator=draw, dtype=torch.float64)


def test_it_is_the_product_of_gradients_row_by_row():
    model, x, z = network(), rows(7), rows(3, seed=2)

    def gradient(row):
        gradients = torch.autograd.grad(model(row[None]).sum(), list(model.parameters()))
        return torch.cat([part.flatten() for part in gradients])

    expected = torch.stack([gradient(a) for a in x]) @ torch.stack([gradient(b) for b in z]).T
    for chunk in (1, 2, 16):
        assert torch.allclose(tangent_kernel(model, x, z, chunk=chunk), expected)


def test_of_a_linear_model_it_is_the_product_of_inputs():
    x, z = rows(4), rows(6, seed=3)
    assert torch.allclose(tangent_kernel(nn.Linear(5, 1).double(), x, z), x @ z.T + 1)  # the bias


def test_only_trainable_parameters_count():
    model, x = network(), rows(4)
    model[0].requires_grad_(False)
    hidden = model[1](model[0](x))
    assert torch.allclose(tangent_kernel(model, x, x), hidden @ hidden.T + 1)


def test_a_small_step_of_descent_moves_the_outputs_as_the_kernel_says():
    model, x, z = network(), rows(6), rows(4, seed=2)
    y = torch.ones(6, dtype=torch.float64)
    rate = 1e-6
    before = model(z)[:, 0].detach()
    residual = y - model(x)[:, 0].detach()
    expected = rate * tangent_kernel(model, z, x) @ residual
    (torch.square(model(x)[:, 0] - y).sum() / 2).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= rate * parameter.grad
    moved = model(z)[:, 0].detach() - before
    assert torch.allclose(moved, expected, rtol=1e-3, atol=1e-12)


def test_the_model_is_left_as_it_was():
    model, x = network(), rows(3)
    weights = [parameter.clone() for parameter in model.parameters()]
    kernel = tangent_kernel(model, x, x)
    assert not kernel.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(map(torch.equal, weights, model.parameters()))


def test_several_outputs_are_refused():
    with pytest.raises(ValueError, match="a row has 2 outputs"):
        tangent_kernel(nn.Linear(5, 2).double(), rows(3), rows(3))
