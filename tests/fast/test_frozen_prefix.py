"""Frozen layers computed once: the same weights at the end, each frozen layer run once per text."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import pytest
import torch
from datasets import Dataset, DatasetDict
from peft import LoraConfig, get_peft_model
from tiny_decoder import tiny_tokenizer
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from ftlearn import models, tasks
from ftlearn.compatibility import CompatibilityWarning
from ftlearn.data.batching import by_length
from ftlearn.fast import frozen_prefix as module
from ftlearn.fast.frozen_prefix import FrozenPrefix, frozen_depth, frozen_prefix, keys_of
from ftlearn.models import architecture
from ftlearn.runtime.arithmetic import Arithmetic
from ftlearn.training import TrainConfig, fit, steps
from ftlearn.training.checkpoints import Store

WRITING = tasks.language_modelling(max_length=64)
WORDS = ["order", "lamp", "parcel", "return", "how", "the", "user", "asks"]
TEXTS = [" ".join(WORDS[(row * row + at) % 8] for at in range(2 + row % 5)) for row in range(14)]
ROWS = Dataset.from_dict({"text": TEXTS, "label": [str(row % 3) for row in range(14)]})
LABELS = tasks.classification(ROWS, max_length=16)
CONFIG = TrainConfig(epochs=3, batch_size=4, learning_rate=1e-2, seed=1)
TOKENIZER = tiny_tokenizer()


def llama() -> nn.Module:
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 4}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(TOKENIZER), **size, **heads))


def adapted(**changes) -> nn.Module:
    torch.manual_seed(1)
    settings = {
        "r": 2,
        "target_modules": ["q_proj", "down_proj"],
        "layers_to_transform": [2, 3],
        "layers_pattern": "layers",
    }
    return get_peft_model(llama(), LoraConfig(**(settings | changes)))


def gpt2() -> nn.Module:
    torch.manual_seed(0)
    off = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    config = GPT2Config(vocab_size=len(TOKENIZER), n_embd=16, n_head=2, n_layer=3, **off)
    config.tie_word_embeddings = False
    return architecture.freeze(GPT2LMHeadModel(config), "wte", "wpe", "h.0.", "h.1.")


def bert(folder: Path, *frozen: str, pooling: str = "pretrained") -> nn.Module:
    model, _ = models.load(folder, LABELS, seed=0, dropout=0.0, pooling=pooling, device="cpu")
    return architecture.freeze(model, *frozen)


KINDS = {
    "lora": (lambda _: adapted(), 2),
    "gpt2": (lambda _: gpt2(), 2),
    "lowest layer": (lambda folder: bert(folder, "embeddings", "layer.0."), 1),
    "body": (lambda folder: bert(folder, "body"), 3),
    "body, mean": (lambda folder: bert(folder, "body", pooling="mean"), 3),
    "body, cls": (lambda folder: bert(folder, "body", pooling="cls"), 3),
}


def trained(model: nn.Module, tokenizer, config: TrainConfig = CONFIG, without=()):
    """The weights after a run, its losses, and how often the lowest layer was computed."""
    task = LABELS if hasattr(model, "classifier") else WRITING
    calls = []
    part = next(m for m in architecture.layers(model)[0].modules() if isinstance(m, nn.LayerNorm) or
                type(m).__name__ == "LlamaRMSNorm")  # fmt: skip
    batches = task.batches(ROWS, tokenizer, config)
    with part.register_forward_hook(lambda *_: calls.append(1)):
        run = steps(model, batches, task.loss, config, count=task.count_targets, without=without)
        losses = [step.loss for step in run]
    return model.state_dict(), losses, len(calls)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_ends_with_the_same_weights_and_runs_frozen_layers_once(kind, tiny_bert, tiny_tokens):
    build, depth = KINDS[kind]
    model = build(tiny_bert)
    tokenizer = tiny_tokens if hasattr(model, "classifier") else TOKENIZER
    assert frozen_depth(model) == depth
    start = copy.deepcopy(model.state_dict())
    plain = trained(copy.deepcopy(model), tokenizer, without=("frozen_prefix",))
    weights, losses, calls = trained(model, tokenizer)
    assert losses == pytest.approx(plain[1], abs=1e-5)
    for name, tensor in plain[0].items():
        # The softmax undoes a bias of the keys: its gradient is rounding, which AdamW blows up.
        if not name.endswith("key.bias"):
            torch.testing.assert_close(weights[name], tensor, atol=3e-5, rtol=1e-3, msg=name)
    assert any(not torch.equal(weights[name], start[name]) for name in start)
    assert plain[2] == 12
    assert calls == 1  # all texts fit into a batch


@pytest.fixture
def tiny_tokens(tiny_bert):
    return models.load(tiny_bert, LABELS, device="cpu")[1]


@pytest.mark.parametrize(
    "model",
    [
        llama,
        lambda: architecture.freeze(llama(), "layers.0."),  # the embeddings learn
        lambda: architecture.freeze(llama(), "embed", "layers.1."),
        lambda: adapted(layers_to_transform=[0]),
        lambda: nn.Linear(2, 2),
    ],
)
def test_nothing_is_kept_where_the_lowest_layer_learns(model):
    assert frozen_depth(model()) == 0


def test_nothing_is_kept_where_something_is_dropped(tiny_bert):
    dropping, _ = models.load(tiny_bert, LABELS, dropout=0.1, device="cpu")
    assert frozen_depth(architecture.freeze(dropping, "body")) == 0
    model = adapted()
    architecture.layers(model)[1].self_attn.attention_dropout = 0.1
    assert frozen_depth(model) == 1
    model = gpt2()
    model.transformer.drop.p = 0.1
    assert frozen_depth(model) == 0


def test_one_epoch_gains_nothing():
    batches = WRITING.batches(ROWS, TOKENIZER, CONFIG)
    assert isinstance(frozen_prefix(adapted(), batches, CONFIG), FrozenPrefix)
    assert frozen_prefix(adapted(), batches, TrainConfig(epochs=1)) is None
    assert frozen_prefix(adapted(), [], CONFIG) is None


def test_no_gradient_reaches_what_is_frozen():
    """Neither peft nor transformers asks for gradients of the hidden states there."""
    model, seen = adapted().train(), {}
    for number, layer in enumerate(architecture.layers(model)):
        layer.register_forward_hook(
            lambda *args, number=number: seen.__setitem__(number, args[2].requires_grad)
        )
    model(input_ids=torch.ones(2, 5, dtype=torch.long))
    assert seen == {0: False, 1: False, 2: True, 3: True}


def test_the_states_of_a_text_are_those_that_it_has_alone(monkeypatch):
    monkeypatch.setattr(module, "POSITIONS", 40)
    model = adapted().train()
    batches = WRITING.batches(ROWS, TOKENIZER, CONFIG)
    assert len(by_length(batches.encoded.lengths, 40)) == 3
    prefix = FrozenPrefix(model, 2, batches)
    with prefix.active(Arithmetic()):
        pass
    kept = []
    architecture.layers(model)[1].register_forward_hook(lambda *args: kept.append(args[2]))
    for ids in batches.encoded.inputs["input_ids"]:
        inputs = {"input_ids": torch.tensor([ids])}
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        with torch.no_grad():
            model(**inputs)
        (key,) = keys_of(inputs)
        torch.testing.assert_close(prefix.states[prefix.places[key]], kept.pop()[0])


def test_random_numbers_are_those_of_a_run_without_it():
    """The pass that fills the states draws none, so dropout above it is the same."""
    losses = {}
    for without in ((), ("frozen_prefix",)):
        model = adapted(lora_dropout=0.5)
        assert frozen_depth(model) == 2
        losses[without] = trained(model, TOKENIZER, without=without)[1]
    assert losses[()] == pytest.approx(losses["frozen_prefix",], abs=1e-5)


def test_other_texts_and_changed_weights_are_computed():
    model = adapted().train()
    prefix = FrozenPrefix(model, 2, WRITING.batches(ROWS, TOKENIZER, CONFIG))
    known = TOKENIZER(TEXTS[:2], padding=True, return_tensors="pt")
    other = TOKENIZER(["a lamp"], return_tensors="pt")

    def logits(inputs, active=True):
        if not active:
            return model(**inputs).logits[inputs["attention_mask"].bool()]
        with prefix.active(Arithmetic()):
            return model(**inputs).logits[inputs["attention_mask"].bool()]

    torch.testing.assert_close(logits(known), logits(known, active=False))
    torch.testing.assert_close(logits(other), logits(other, active=False))
    torch.testing.assert_close(logits(known), logits(known, active=False))
    before = logits(known)
    with torch.no_grad():
        architecture.layers(model)[0].mlp.up_proj.weight.add_(0.5)
    assert (logits(known) - before).abs().max() > 1e-3
    torch.testing.assert_close(logits(known), logits(known, active=False))
    assert not any("forward" in vars(part) for part in model.modules())


def test_short_of_memory_the_states_go_into_a_file_that_is_removed(monkeypatch):
    in_memory = trained(adapted(), TOKENIZER)
    monkeypatch.setattr(module, "SHARE", 0.0)
    folders = []
    make = module.tempfile.TemporaryDirectory
    monkeypatch.setattr(
        module.tempfile,
        "TemporaryDirectory",
        lambda **options: folders.append(make(**options)) or folders[-1],
    )
    on_disk = trained(adapted(), TOKENIZER)
    assert on_disk[1:] == in_memory[1:]
    assert all(torch.equal(on_disk[0][name], tensor) for name, tensor in in_memory[0].items())
    (folder,) = folders
    assert (Path(folder.name) / "hidden_states").stat().st_size % (16 * 4) == 0
    folder.cleanup()


def test_without_room_anywhere_a_warning_says_so_and_the_run_goes_on(monkeypatch):
    monkeypatch.setattr(module, "SHARE", 0.0)
    monkeypatch.setattr(module.disk, "shortage", lambda *_: "5 MB too few")
    with pytest.warns(UserWarning, match="5 MB too few") as caught:
        weights, _, calls = trained(adapted(), TOKENIZER)
    assert sum("5 MB" in str(warning.message) for warning in caught) == 1
    assert calls > 12
    plain, _, _ = trained(adapted(), TOKENIZER, without=("frozen_prefix",))
    assert all(torch.equal(weights[name], tensor) for name, tensor in plain.items())


def test_a_resumed_run_has_the_same_bits(tiny_bert, tiny_tokens, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "POSITIONS", 30)  # several batches
    monkeypatch.setattr("ftlearn.training.fitting.check_memory", lambda *_: None)
    data = DatasetDict(train=ROWS)

    def run(folder: Path, stop: int | None, resume: bool = False):
        model, calls = bert(tiny_bert, "embeddings", "layer.0."), []

        class Stopping(type(LABELS)):
            def loss(self, logits, targets):
                calls.append(1)
                if len(calls) == stop:
                    raise InterruptedError
                return super().loss(logits, targets)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CompatibilityWarning)
            fit(model, data, Stopping(**vars(LABELS)), tiny_tokens, CONFIG,
                checkpoints=Store(folder, seconds=0), resume=resume)  # fmt: skip
        return model.state_dict()

    whole = run(tmp_path / "whole", None)
    with pytest.raises(InterruptedError):
        run(tmp_path / "torn", 7)
    resumed = run(tmp_path / "torn", None, resume=True)
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())
