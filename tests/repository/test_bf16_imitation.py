"""The imitation of instructions for bf16: exact products, a sum in fp32, one rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tools import regimes
from tools.bf16_imitation.bf16_products import imitate

SPACING = 2**-7  # between neighbouring bf16 numbers, relative: two roundings may differ by that


@pytest.fixture(scope="module")
def imitated() -> Iterator[None]:
    """Products of bf16 numbers in fp32, for the tests of this module."""
    library = imitate()
    yield
    library._destroy()


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random bf16 numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).bfloat16()


def rounded_once(exact: torch.Tensor) -> torch.Tensor:
    """An exact result in double precision as bf16 numbers."""
    return exact.to(torch.bfloat16)


def operations(rows: int, inner: int, columns: int) -> dict[str, tuple]:
    """Functions of three matrices by name, each with its arguments."""
    a, b, c = numbers(rows, inner), numbers(inner, columns, seed=1), numbers(rows, columns, seed=2)
    stacked = [torch.stack([matrix, matrix.flip(0)]) for matrix in (a, b, c)]
    return {
        "mm": (torch.mm, a, b),
        "bmm": (torch.bmm, *stacked[:2]),
        "linear": (F.linear, stacked[0], b.mT, c[0]),
        "addmm": (lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2.0), c, a, b),
        "addmm_": (lambda c, a, b: c.clone().addmm_(a, b), c, a, b),
        "baddbmm": (torch.baddbmm, stacked[2], *stacked[:2]),
        "baddbmm_": (lambda c, a, b: c.clone().baddbmm_(a, b, beta=0), stacked[2], *stacked[:2]),
        "mm.out": (lambda a, b: torch.mm(a, b, out=a.new_empty(0)), a, b),
        "addmm.out": (lambda c, a, b: torch.addmm(c, a, b, out=torch.zeros_like(c)), c, a, b),
    }


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_each_operation_is_the_exact_result_rounded_once(imitated, rows, inner, columns):
    for name, (function, *matrices) in operations(rows, inner, columns).items():
        result = function(*matrices)
        exact = function(*[matrix.double() for matrix in matrices])
        sizes = function(*[matrix.double().abs() for matrix in matrices])
        error = (result.double() - rounded_once(exact).double()).abs()
        # Where terms cancel, the sum in fp32 differs from the exact one by more than a rounding.
        allowed = SPACING * exact.abs() + 1e-5 * sizes
        assert result.dtype is torch.bfloat16, name
        assert (error <= allowed).all(), name


def test_results_are_those_of_torch_to_one_rounding():
    cases = operations(24, 96, 16)
    native = {name: function(*matrices) for name, (function, *matrices) in cases.items()}
    library = imitate()
    imitation = {name: function(*matrices) for name, (function, *matrices) in cases.items()}
    library._destroy()
    for name, result in native.items():
        error = (imitation[name].float() - result.float()).abs()
        assert (error <= SPACING * result.float().abs() + 1e-4).all(), name
        assert (error == 0).float().mean() > 0.9, name


def test_a_product_is_rounded_and_its_terms_are_not(imitated):
    """(1 + 2^-7)^2 − (1 + 2^-6) is 2^-14: it remains only if neither square was rounded."""
    step = 2**-7
    a = torch.tensor([[1 + step, 1.0]] * 2).bfloat16()
    b = torch.tensor([[1 + step], [-1 - 2 * step]]).bfloat16()
    assert (a @ b).tolist() == [[2**-14]] * 2


def test_gradients_flow_under_autocast_as_without_the_imitation():
    def gradients() -> list[torch.Tensor]:
        torch.manual_seed(0)
        layers = torch.nn.Sequential(
            torch.nn.Linear(24, 32), torch.nn.GELU(), torch.nn.Linear(32, 5)
        )
        with torch.autocast("cpu", torch.bfloat16):
            layers(numbers(3, 7, 24).float()).float().square().mean().backward()
        return [weight.grad for weight in layers.parameters()]

    native = gradients()
    library = imitate()
    imitation = gradients()
    library._destroy()
    for grad, expected in zip(imitation, native, strict=True):
        assert grad.dtype is torch.float32
        assert torch.allclose(grad, expected, rtol=0.05, atol=0.02 * expected.abs().max())


def test_other_formats_stay_equal_to_the_last_bit():
    cases = operations(9, 33, 17)
    formats = (torch.float32, torch.float64)
    wide = {
        (name, dtype): (function, [matrix.to(dtype) for matrix in matrices])
        for name, (function, *matrices) in cases.items()
        for dtype in formats
    }
    before = {key: function(*matrices) for key, (function, matrices) in wide.items()}
    library = imitate()
    after = {key: function(*matrices) for key, (function, matrices) in wide.items()}
    library._destroy()
    assert all(torch.equal(after[key], result) for key, result in before.items())


def test_a_process_of_the_regime_imitates_and_others_do_not(monkeypatch: pytest.MonkeyPatch):
    """The kernel is named in the dispatcher's table."""
    monkeypatch.setattr(regimes, "multiplies_bf16", lambda: False)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    environment = regimes.all_regimes()["bf16"].environment
    script = (
        "import sys\nassert 'torch' not in sys.modules\nimport torch\n"
        "print('bf16_products' in torch._C._dispatch_dump_table('aten::mm'), sys.path)"
    )
    for variables, expected in ((environment, "True"), ({}, "False")):
        process = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            env={**os.environ, **variables}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert process.stdout.startswith(expected)
        assert "elsewhere" in process.stdout
        assert process.stderr == ""


def test_the_regime_says_what_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(regimes, "multiplies_bf16", lambda: False)
    imitation = regimes.all_regimes()["bf16"]
    monkeypatch.setattr(regimes, "multiplies_bf16", lambda: True)
    native = regimes.all_regimes()["bf16"]
    assert "imitated" in imitation.what
    assert "imitated" not in native.what
    assert imitation.seconds > native.seconds
    assert "PYTHONPATH" not in native.environment
    assert (
        imitation.environment["FTLEARN_COMPUTE"] == native.environment["FTLEARN_COMPUTE"] == "bf16"
    )
