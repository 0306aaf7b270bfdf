"""Half precision makes a model fast, and its last layer keeps all its digits."""

import copy

import numpy as np
import pytest
import tiny_models
import torch
from datasets import Dataset

from ftlearn import evaluation, models, predict, runtime
from ftlearn.fast import inference, packed_bert
from ftlearn.models.architecture import last_linear
from ftlearn.runtime.arithmetic import Arithmetic
from ftlearn.tasks import language_modelling, regression

WORDS = ["ball", "code", "heart", "run", "chip", "pulse", "team", "server", "sleep"]
TEXTS = [" ".join(WORDS[(3 * row + at) % 9] for at in range(1 + 5 * row % 12)) for row in range(40)]
PRICES = regression(
    Dataset.from_dict({"text": TEXTS, "label": [50_000.0 + 10 * row for row in range(40)]})
)
POOLINGS = [("pretrained", shape) for shape in tiny_models.SHAPES] + [("mean", "bert")]

BF16 = Arithmetic(torch.bfloat16, "sdpa")

each_head = pytest.mark.parametrize(("pooling", "shape"), POOLINGS, ids=map(" ".join, POOLINGS))


def loaded(folder, task, **options):
    model, tokenizer = models.load(folder, task, seed=0, device="cpu", **options)
    return model.eval(), tokenizer


@each_head
def test_the_copy_has_bf16_weights_except_in_its_last_layer(tiny_checkpoints, pooling, shape):
    model, _ = loaded(tiny_checkpoints[shape], tiny_models.CLASSES, pooling=pooling)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    fast, rest = inference.inference_copy(model, BF16)
    assert rest.dtype is torch.float32
    formats = {name: weight.dtype for name, weight in fast.named_parameters()}
    in_fp32 = {name for name, dtype in formats.items() if dtype is torch.float32}
    assert set(formats.values()) == {torch.bfloat16, torch.float32}
    assert in_fp32 == {
        name
        for name, weight in fast.named_parameters()
        if any(weight is parameter for parameter in last_linear(fast).parameters())
    }
    for name, weight in model.state_dict().items():
        assert weight.equal(before[name]), name
    assert not last_linear(model)._forward_pre_hooks


def test_the_copy_has_the_attention_that_is_fast_without_a_backward_pass(tiny_bert):
    model, _ = loaded(tiny_bert, tiny_models.CLASSES)
    slow = copy.deepcopy(model)
    slow.set_attn_implementation("eager")
    assert inference.inference_copy(slow, BF16)[0].config._attn_implementation == "sdpa"
    assert slow.config._attn_implementation == "eager"
    assert inference.inference_copy(slow, Arithmetic()) == (slow, Arithmetic())


def test_in_fp32_a_copy_with_another_attention_or_packed_layers_shares_the_weights(tiny_bert):
    model, _ = loaded(tiny_bert, tiny_models.CLASSES)
    expected = tiny_models.logits(model, tiny_models.WHOLE)
    for arithmetic in (Arithmetic(attention="eager"), Arithmetic(packed=packed_bert.available())):
        fast, rest = inference.inference_copy(model, arithmetic)
        assert rest == arithmetic
        originals = {id(weight) for weight in model.parameters()}
        assert all(id(weight) in originals for weight in fast.parameters())
        torch.testing.assert_close(tiny_models.logits(fast, tiny_models.WHOLE), expected)
    assert model.config._attn_implementation == "sdpa"
    assert not any(isinstance(module, packed_bert.PackedLayer) for module in model.modules())


@each_head
@pytest.mark.filterwarnings("ignore:the head of this model has no bias")
def test_a_saved_regression_keeps_its_digits_in_half_precision(
    tiny_checkpoints, tmp_path, monkeypatch, pooling, shape
):
    monkeypatch.setenv("FTLEARN_COMPUTE", "bf16")
    model, tokenizer = loaded(tiny_checkpoints[shape], PRICES, pooling=pooling)
    own = predict(model, TEXTS, PRICES, tokenizer)["prediction"].to_numpy()
    models.save(model, tokenizer, PRICES, tmp_path / "model")
    again, tokenizer, task = models.load_finetuned(tmp_path / "model", "cpu")
    answers = predict(again, TEXTS, task, tokenizer)["prediction"].to_numpy()
    np.testing.assert_allclose(answers, own, rtol=1e-6)
    assert len(set(answers)) > 5
    assert (answers % 256 != 0).all()


def test_under_autocast_answers_are_not_bounded_by_the_narrow_format(tiny_bert, monkeypatch):
    model, tokenizer = loaded(tiny_bert, PRICES)
    with torch.no_grad():
        last_linear(model).weight *= 1000
        last_linear(model).bias.fill_(100_000.0)  # fp16 ends at 65,504
    encoded = PRICES.encode_texts(TEXTS, tokenizer)
    exact = evaluation.outputs(model, encoded, PRICES, tokenizer)
    monkeypatch.setattr(runtime, "precision", lambda *_: torch.float16)
    rough = evaluation.outputs(model, encoded, PRICES, tokenizer)
    np.testing.assert_allclose(rough, exact, atol=5)
    assert not np.array_equal(rough, exact)  # the body did compute in fp16
    assert np.ptp(exact) > 20
    assert "forward" not in vars(last_linear(model))


def test_a_model_with_bf16_weights_predicts_in_the_context_too(tiny_bert):
    model, _ = loaded(tiny_bert, tiny_models.CLASSES)
    model = model.to(torch.bfloat16)
    with inference.fp32_head(model):
        assert tiny_models.logits(model, tiny_models.WHOLE).dtype is torch.float32
    fast, _ = inference.inference_copy(model, BF16)
    assert tiny_models.logits(fast, tiny_models.WHOLE).dtype is torch.float32


def test_a_language_model_is_bf16_throughout(tiny_checkpoints):
    model, _ = loaded(tiny_checkpoints["gpt2"], language_modelling())
    fast, _ = inference.inference_copy(model, BF16)
    assert {weight.dtype for weight in fast.parameters()} == {torch.bfloat16}
    with inference.fp32_head(model):
        assert not any("forward" in vars(module) for module in model.modules())
