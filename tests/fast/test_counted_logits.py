"""Logits where the loss counts: the same loss and gradients, and a head that sees fewer rows."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from tiny_decoder import tiny_tokenizer
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from ftlearn import evaluation, losses, tasks
from ftlearn.data.batching import Encoded
from ftlearn.evaluation import predicting
from ftlearn.fast.counted_logits import counted_logits, without_cache
from ftlearn.losses import IGNORED
from ftlearn.training import TrainConfig, steps

TASK = tasks.language_modelling()
WORDS = 40


def gpt2() -> nn.Module:
    torch.manual_seed(0)
    off = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    config = GPT2Config(vocab_size=WORDS, n_embd=16, n_head=2, n_layer=2, n_positions=32, **off)
    return GPT2LMHeadModel(config)


def llama(words: int = WORDS) -> nn.Module:
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=words, **size, **heads, pad_token_id=0))


def adapted() -> nn.Module:
    model = get_peft_model(
        llama(), LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    )
    return model.eval().train()


MODELS = {"gpt2": gpt2, "llama": llama, "lora": adapted}


def batch(seed: int = 0) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Three rows with prompts that do not count, and padding on the right."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, WORDS, (3, 9), generator=generator)
    mask = torch.ones_like(ids)
    mask[0, 6:] = 0
    targets = ids.masked_fill(mask == 0, IGNORED)
    targets[0, :3] = targets[1, :5] = IGNORED
    targets[1, 7] = IGNORED  # a gap, as between the answers of a dialogue
    return {"input_ids": ids, "attention_mask": mask}, targets


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_and_gradients_are_those_of_all_logits(kind, dtype):
    inputs, targets = batch()
    whole = MODELS[kind]().to(dtype)
    counted = copy.deepcopy(whole)
    expected = losses.next_token(whole(**inputs).logits, targets)
    expected.total.backward()
    with counted_logits(counted, targets, TASK.loss):
        logits = counted(**inputs).logits
        loss = TASK.loss(logits, targets)
    loss.total.backward()
    assert logits.shape == (expected.count, WORDS)
    assert loss.count == expected.count == 3 + 3 + 8
    tight = {"atol": 1e-12, "rtol": 1e-12} if dtype is torch.float64 else {}
    torch.testing.assert_close(loss.total, expected.total, **tight)
    for (name, one), other in zip(whole.named_parameters(), counted.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad, **tight)


def test_nothing_changes_for_other_functions_and_other_models():
    inputs, targets = batch()
    model = llama()
    with counted_logits(model, targets, losses.next_token):
        assert model(**inputs).logits.shape == (3, 9, WORDS)
    with counted_logits(nn.Linear(2, 3), targets, TASK.loss):
        pass
    with counted_logits(model, targets, TASK.loss):
        assert model(**inputs, logits_to_keep=1).logits.shape == (3, 1, WORDS)
    assert model(**inputs).logits.shape == (3, 9, WORDS)


def test_a_context_that_fails_leaves_no_hook():
    inputs, targets = batch()
    model = llama()
    with pytest.raises(KeyError), counted_logits(model, targets, TASK.loss), without_cache(model):
        raise KeyError
    assert model.config.use_cache
    assert model(**inputs).logits.shape == (3, 9, WORDS)


@given(
    st.integers(0, 10**6),
    st.integers(1, 9),
    st.integers(2, 30),
    st.sampled_from([1, 7, 64, 10**6]),
)
def test_cross_entropy_in_chunks_is_torchs(seed: int, rows: int, words: int, chunk: int):
    generator = torch.Generator().manual_seed(seed)
    logits = 9 * torch.randn(rows, words, generator=generator, dtype=torch.float64)
    targets = torch.randint(words, (1, rows + 1), generator=generator)
    chunked, plain = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "CHUNK", chunk)
        loss = losses.next_counted_token(chunked, targets)
        (loss.total / 3).backward()
    expected = F.cross_entropy(plain, targets[0, 1:], reduction="sum")
    (expected / 3).backward()
    torch.testing.assert_close(loss.total, expected, atol=1e-11, rtol=1e-11)
    torch.testing.assert_close(chunked.grad, plain.grad, atol=1e-12, rtol=1e-12)


def test_in_bf16_sums_are_fp32_and_the_gradient_is_rounded_once():
    torch.manual_seed(0)
    logits = (5 * torch.randn(6, 300)).bfloat16()
    targets = torch.randint(300, (1, 7))
    chunked, plain = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    total = losses.next_counted_token(chunked, targets).total
    expected = F.cross_entropy(plain.float(), targets[0, 1:], reduction="sum")
    total.backward()
    expected.backward()
    assert total.dtype is torch.float32
    torch.testing.assert_close(total, expected)
    difference = (chunked.grad.float() - plain.grad.float()).abs()
    assert (difference <= 2**-8 * plain.grad.float().abs() + 1e-30).all()  # one step of bf16


def test_a_batch_where_nothing_counts_has_loss_zero_and_gradients():
    inputs, targets = batch()
    model = llama()
    nothing = torch.full_like(targets, IGNORED)
    with counted_logits(model, nothing, TASK.loss):
        loss = TASK.loss(model(**inputs).logits, nothing)
    loss.total.backward()
    assert loss.count == 0
    assert loss.total.item() == 0
    assert model.model.norm.weight.grad.abs().sum() == 0


def texts() -> Dataset:
    words = [
        "the",
        "user",
        "asks",
        "and",
        "the",
        "assistant",
        "answers",
        "how",
        "the",
        "order",
        "is",
    ]
    rows = [" ".join(words[start : start + length]) for start in range(5) for length in (3, 5, 7)]
    return Dataset.from_dict({"text": rows})


def test_a_run_ends_with_the_same_weights(monkeypatch):
    tokenizer = tiny_tokenizer()
    config = TrainConfig(epochs=1, batch_size=4, micro_batches=2, learning_rate=1e-2)
    shapes, ends = [], {}
    loss = losses.next_counted_token
    monkeypatch.setattr(
        losses, "next_counted_token", lambda *args: (shapes.append(args[0].shape), loss(*args))[1]
    )
    for without in ((), ("counted_logits",)):
        model = llama(len(tokenizer))
        run = steps(
            model,
            TASK.batches(texts(), tokenizer, config),
            TASK.loss,
            config,
            count=TASK.count_targets,
            without=without,
        )
        list(run)
        ends[without] = model.state_dict()
        assert bool(shapes) == (not without)
        shapes.clear()
    for name, weights in ends[()].items():
        torch.testing.assert_close(weights, ends["counted_logits",][name], atol=2e-5, rtol=1e-4)


def test_evaluation_scores_each_row_as_alone_and_keeps_to_its_limit(monkeypatch):
    tokenizer = tiny_tokenizer()
    model = llama(len(tokenizer))
    encoded = TASK.encode(texts(), tokenizer)
    half = [
        [IGNORED if place < len(row) // 2 else token for place, token in enumerate(row)]
        for row in encoded.targets
    ]
    encoded = Encoded(encoded.inputs, half, encoded.max_length)
    monkeypatch.setattr(predicting, "LOGITS", 30 * len(tokenizer))
    sizes = []
    with model.lm_head.register_forward_hook(lambda *args: sizes.append(args[2].shape)):
        outputs = predicting.outputs(model, encoded, TASK, tokenizer)
    assert all(len(shape) == 2 and shape[0] <= 30 for shape in sizes)
    assert max(shape[0] for shape in sizes) > 15  # and the limit is used
    model.eval()
    for row, (total, count) in enumerate(outputs):
        ids = torch.tensor([encoded.inputs["input_ids"][row]])
        with torch.no_grad():
            log_p = model(ids).logits.double().log_softmax(-1)
        places = [place for place, target in enumerate(half[row]) if place and target != IGNORED]
        expected = -sum(log_p[0, place - 1, ids[0, place]].item() for place in places)
        assert count == len(places)
        assert total == pytest.approx(expected, rel=1e-4)


def test_scores_of_a_report_do_not_depend_on_it():
    tokenizer = tiny_tokenizer()
    model = llama(len(tokenizer))
    scores = evaluation.evaluate(model, texts(), TASK, tokenizer).scores

    class AllLogits(type(TASK)):
        reduce_logits = partial(type(TASK).reduce_logits, TASK)  # a partial has no mark

    plain = evaluation.evaluate(model, texts(), AllLogits(), tokenizer).scores
    assert scores == pytest.approx(plain, rel=1e-5)
