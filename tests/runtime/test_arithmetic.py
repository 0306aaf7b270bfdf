"""An arithmetic is what it says, as long as its context lasts, and goes through JSON."""

from __future__ import annotations

import json
from itertools import product

import pytest
import torch

from ftlearn.runtime.arithmetic import Arithmetic, computing, products_by

CPU = torch.device("cpu")
KINDS = [
    Arithmetic(*values)
    for values in product(
        (torch.float32, torch.bfloat16, torch.float16), (None, "sdpa", "eager"), (False, True),
        (False, True),
    )
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_record_holds_all_of_it(kind: Arithmetic):
    assert Arithmetic.of_record(json.loads(json.dumps(kind.record()))) == kind


def test_different_ones_read_differently():
    names = {str(kind) for kind in KINDS}
    assert len(names) == 3 * 2 * 2 * 2  # None is named sdpa, which it mostly is


@pytest.mark.parametrize(
    "change", [{"attention": "flash"}, {"dtype": "int8"}, {"dtype": None}], ids=str
)
def test_a_record_of_something_else_is_refused(change: dict):
    with pytest.raises((KeyError, ValueError)):
        Arithmetic.of_record(Arithmetic().record() | change)


def test_products_are_in_its_format_inside_and_in_fp32_after():
    x = torch.randn(8, 8)
    with computing(CPU, Arithmetic(torch.bfloat16)):
        assert (x @ x).dtype is torch.bfloat16
    assert (x @ x).dtype is torch.float32


def test_the_switch_for_onednn_goes_back_even_after_an_error():
    products = torch.backends.mkldnn.matmul
    before = products.fp32_precision
    with products_by(onednn=True):
        assert products.fp32_precision == "bf16"
    assert products.fp32_precision == before
    with pytest.raises(KeyError), products_by(onednn=True):
        raise KeyError
    assert products.fp32_precision == before
    with products_by(onednn=False):
        assert products.fp32_precision == before
