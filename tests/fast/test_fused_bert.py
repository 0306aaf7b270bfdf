"""BERT's fused blocks: the gradients of transformers' layers, and only where they apply."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from bert_family import KINDS, built
from torch import nn
from torch.nn.utils import parametrize

from ftlearn import models
from ftlearn.fast.fused_bert import _forward_fused, fused_layers
from ftlearn.tasks import classification
from ftlearn.training import TrainConfig, steps

BF16 = torch.bfloat16


def layer_of(kind: str = "bert", **changes) -> nn.Module:
    return built(kind, **changes).base_model.encoder.layer[0].train()


def inputs(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states (3, 5, 16) and a mask to be added to scores, (3, 1, 1, 5)."""
    random = torch.Generator().manual_seed(1)
    hidden = torch.randn(3, 5, 16, generator=random, dtype=torch.float64).to(dtype)
    mask = torch.zeros(3, 1, 1, 5, dtype=dtype)
    mask[1, ..., 3:] = mask[2, ..., 2:] = torch.finfo(dtype).min
    return hidden, mask


def answered(layer: nn.Module, dtype: torch.dtype, masked: bool = True) -> dict[str, torch.Tensor]:
    """A layer's output, and all gradients of a weighted sum of it."""
    hidden, mask = inputs(dtype)
    hidden.requires_grad_()
    layer.zero_grad()
    output = layer(hidden, mask if masked else None)
    weights = torch.linspace(-1, 1, output.numel(), dtype=torch.float64).view_as(output)
    (output * weights).sum().backward()
    gradients = {name: parameter.grad for name, parameter in layer.named_parameters()}
    return {"output": output.detach(), "inputs": hidden.grad, **gradients}


def is_fused(layer: nn.Module, dtype: torch.dtype = BF16) -> bool:
    """Whether a context with ``dtype`` fuses this layer."""
    with fused_layers(layer, dtype):
        return "forward" in vars(layer)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_in_double_precision_all_is_as_autograd_has_it(kind, masked, monkeypatch):
    layer = layer_of(kind).double()
    theirs = answered(layer, torch.float64, masked)
    monkeypatch.setattr("ftlearn.fast.fused_bert.DTYPE", torch.float64)
    with fused_layers(layer, torch.float64):
        ours = answered(layer, torch.float64, masked)
    assert set(ours) == set(theirs)
    assert len(ours) == 18
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-9, atol=1e-11, msg=name)
    keys = "attention.self.key.bias"  # moves all scores of a query alike, which softmax undoes
    assert all(value.abs().max() > 1e-6 for name, value in ours.items() if name != keys)


def test_in_bf16_the_error_is_that_of_autograd_under_autocast():
    layer = layer_of()
    exact = answered(layer.double(), torch.float64)
    layer.float()
    with torch.autocast("cpu", BF16):
        theirs = answered(layer, BF16)
        with fused_layers(layer, BF16):
            ours = answered(layer, BF16)

    def error(values: dict[str, torch.Tensor]) -> float:
        norms = [(values[n].double() - exact[n]).norm() / exact["inputs"].norm() for n in exact]
        return float(torch.stack(norms).norm())

    assert 0 < error(ours) < 1.2 * error(theirs) < 0.2


def test_gradients_are_those_of_small_differences(monkeypatch):
    layer = layer_of().double()
    hidden, mask = inputs(torch.float64)
    monkeypatch.setattr("ftlearn.fast.fused_bert.DTYPE", torch.float64)

    def call(hidden: torch.Tensor) -> torch.Tensor:
        return _forward_fused(layer, layer.forward, hidden, mask)

    assert torch.autograd.gradcheck(call, hidden.requires_grad_())


def test_what_is_frozen_gets_no_gradient_and_the_rest_the_same():
    full = layer_of()
    with fused_layers(full, BF16):
        expected = answered(full, BF16)
    for frozen, _ in full.named_parameters():
        layer = layer_of()
        layer.get_parameter(frozen).requires_grad_(False)
        with fused_layers(layer, BF16):
            found = answered(layer, BF16)
        assert {name for name, value in found.items() if value is None} == {frozen}
        assert all(value is None or torch.equal(value, expected[n]) for n, value in found.items())


def with_hook(layer: nn.Module) -> None:
    layer.attention.self.query.register_forward_hook(lambda *_: None)


def with_backward_hook(layer: nn.Module) -> None:
    layer.output.LayerNorm.register_full_backward_hook(lambda *_: None)


def with_own_forward(layer: nn.Module) -> None:
    layer.intermediate.forward = layer.intermediate.forward


def with_other_norm(layer: nn.Module) -> None:
    layer.output.LayerNorm = nn.RMSNorm(16)


def with_own_attention(layer: nn.Module) -> None:
    class Own(type(layer.attention.self)):
        pass

    layer.attention.self.__class__ = Own


def with_other_weights(layer: nn.Module) -> None:
    parametrize.register_parametrization(layer.output.dense, "weight", nn.Identity())


def with_adapter(layer: nn.Module) -> None:
    layer.output.dense = nn.Sequential(layer.output.dense, nn.Linear(16, 16))


def without_bias(layer: nn.Module) -> None:
    layer.attention.self.key.bias = None


@pytest.mark.parametrize(
    "change",
    [
        with_hook,
        with_backward_hook,
        with_own_forward,
        with_own_attention,
        with_other_norm,
        with_other_weights,
        with_adapter,
        without_bias,
    ],
)
def test_a_layer_that_was_changed_is_not_fused(change: Callable[[nn.Module], None]):
    layer = layer_of()
    assert is_fused(layer)
    change(layer)
    assert not is_fused(layer)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_dropout_prob": 0.1},
        {"attention_probs_dropout_prob": 0.1},
        {"hidden_act": "relu"},
        {"attention": "sdpa"},
        {"is_decoder": True},
    ],
)
def test_a_layer_of_another_kind_is_not_fused(changes):
    assert not is_fused(layer_of(**changes))


def test_other_formats_devices_and_models_are_left_alone():
    layer = layer_of()
    assert not is_fused(layer, torch.float32)
    assert not is_fused(nn.Linear(1, 1))
    assert not is_fused(layer_of().to("meta"))
    with fused_layers(layer, BF16):
        wide = layer(torch.ones(1, 2, 16))
        narrow = layer(torch.ones(1, 2, 16, dtype=BF16))
    assert "FeedForward" in narrow.grad_fn.name()
    assert "FeedForward" not in wide.grad_fn.name()


def test_sharded_layers_are_not_fused(monkeypatch):
    monkeypatch.setattr("ftlearn.runtime.sharding.is_sharded", lambda _: True)
    monkeypatch.setattr("ftlearn.runtime.sharding.unsharded_class", type)
    assert not is_fused(layer_of())


def test_the_layers_are_as_before_even_after_an_error():
    model = built("bert")
    with pytest.raises(RuntimeError), fused_layers(model, BF16):
        raise RuntimeError
    assert not any("forward" in vars(module) for module in model.modules())


def test_the_loss_curve_is_that_of_autograd_but_for_rounding(tiny_bert, topics):
    rows = topics["train"].shuffle(seed=0).select(range(48))
    task = classification(topics, max_length=32)
    config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-3, micro_batches=2)

    def curve(precision: str, without: tuple[str, ...] = ()) -> list[float]:
        model, tokenizer = models.load(tiny_bert, task, device="cpu")
        batches = task.batches(rows, tokenizer, config)
        model.set_attn_implementation("eager")
        run = steps(model, batches, task.loss, config, precision=precision, without=without)
        return [step.loss for step in run]

    ours, exact = curve("bf16"), curve("fp32")
    theirs = curve("bf16", without=("fused_bert",))
    assert ours != theirs  # the switch was really used
    assert ours == pytest.approx(theirs, abs=0.02)
    assert ours == pytest.approx(exact, abs=0.02)
