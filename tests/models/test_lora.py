"""LoRA against matrices multiplied by hand, and its two kinds of folders against plain peft."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import peft
import pytest
import tiny_models
import torch
from datasets import Dataset
from lora_models import trained
from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from tiny_decoder import tiny_decoder
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.pytorch_utils import Conv1D

from ftlearn import evaluation, models
from ftlearn.errors import ArgumentError
from ftlearn.fast import autotune
from ftlearn.fast.inference import inference_copy
from ftlearn.models import ModelError, adapters, architecture, lora
from ftlearn.models.fingerprints import fingerprint
from ftlearn.runtime.arithmetic import Arithmetic, computing
from ftlearn.tasks import chat, language_modelling, regression

CPU = torch.device("cpu")
IDS = torch.tensor([[5, 60, 7, 81, 9, 40]])
TOKENS = language_modelling(max_length=64)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    return tiny_decoder(tmp_path_factory.mktemp("base") / "decoder")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    return tiny_models.save_all(tmp_path_factory.mktemp("shapes"), ["warm and cold", "mild days"])


def load(folder: Path, task=TOKENS, **more) -> nn.Module:
    return models.load(folder, task, device="cpu", **more)[0].eval()


def logits(model: nn.Module, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        return model(ids).logits


def by_hand(plain: nn.Module, adapted: nn.Module, factor: float) -> nn.Module:
    """A copy of the plain model whose weights are functions of A and B: W + factor · B A."""
    tensors = dict(adapted.named_parameters())
    weights = dict(plain.named_parameters())
    for name in list(weights):
        path = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{path}.lora_A.default.weight" in tensors:
            a = tensors[f"{path}.lora_A.default.weight"]
            b = tensors[f"{path}.lora_B.default.weight"]
            change = b @ a
            layer = plain.get_submodule(name.removesuffix(".weight"))
            change = change.T if isinstance(layer, Conv1D) else change  # GPT-2 keeps W transposed
            weights[name] = weights[name].detach() + factor * change
    return weights


@pytest.mark.parametrize("shape", ["decoder", "gpt2"])
def test_outputs_and_gradients_are_those_of_the_sum_of_matrices(shape, decoder, checkpoints):
    folder = decoder if shape == "decoder" else checkpoints[shape]
    plain = load(folder)
    adapted = trained(models.with_lora(copy.deepcopy(plain), rank=3, alpha=7))
    weights = by_hand(plain, adapted, factor=7 / 3)
    expected = torch.func.functional_call(plain, weights, (IDS,)).logits
    np.testing.assert_allclose(
        adapted(IDS).logits.detach(), expected.detach(), atol=1e-5, rtol=1e-5
    )
    assert not torch.allclose(expected, logits(plain), atol=0.05)
    learning = [weight for weight in adapted.parameters() if weight.requires_grad]
    ours = torch.autograd.grad(adapted(IDS).logits.logsumexp(-1).sum(), learning)
    theirs = torch.autograd.grad(expected.logsumexp(-1).sum(), learning)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-4)


def test_it_begins_at_the_pretrained_model(decoder):
    plain = load(decoder)
    assert torch.equal(logits(models.with_lora(copy.deepcopy(plain))), logits(plain))


def test_only_adapters_of_the_top_layers_learn_and_nothing_tied_is_adapted(decoder):
    adapted = models.with_lora(load(decoder), layers=1)
    names = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    assert all(".layers.1." in name and "lora_" in name for name in names)
    assert {name.split(".")[-4] for name in names} == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    }
    # R (D + F) numbers per layer of D inputs and F outputs.
    shapes = [(32, 32), (32, 16), (32, 16), (32, 32), (32, 64), (32, 64), (64, 32)]
    count = architecture.count_parameters(adapted)
    assert count.trainable == 8 * sum(map(sum, shapes))
    assert len(architecture.layers(adapted)) == 2
    head = adapted.get_base_model().lm_head
    assert type(head) is nn.Linear
    assert head.weight is adapted.get_base_model().model.embed_tokens.weight


def test_targets_are_chosen_by_name(decoder):
    adapted = models.with_lora(load(decoder), targets=["v_proj", "q_proj"])
    names = {name.split(".")[-4] for name, weight in adapted.named_parameters() if "lora" in name}
    assert names == {"q_proj", "v_proj"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"targets": ["lm_head"]}, "no linear layer 'lm_head'"),
        ({"targets": "q_proj"}, "use 'all-linear' or a list"),
        ({"layers": 3}, "the model has 2, choose 1 to 2"),
        ({"layers": 0}, "layers is 0"),
        ({"rank": 0}, "rank is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"frozen": "int4"}, "frozen is 'int4'"),
    ],
)
def test_what_there_is_none_of_is_refused(decoder, settings, message):
    with pytest.raises(ArgumentError, match=message):
        models.with_lora(load(decoder), **settings)


def test_a_second_adapter_and_a_merge_without_one_are_refused(decoder):
    model = load(decoder)
    with pytest.raises(ArgumentError, match="no adapter to merge"):
        models.merged(model)
    adapted = models.with_lora(model)
    with pytest.raises(ArgumentError, match="has an adapter already"):
        models.with_lora(adapted)


def test_the_seed_decides_alone(decoder):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = models.with_lora(load(decoder), seed=3)
    torch.manual_seed(1)
    assert torch.equal(before, torch.random.get_rng_state())
    models.with_lora(copy.deepcopy(model := load(decoder)), seed=3)
    torch.manual_seed(99)
    second = models.with_lora(model, seed=3)
    assert torch.random.get_rng_state().equal(torch.manual_seed(99).get_state())
    other = models.with_lora(load(decoder), seed=4)
    tables = [
        torch.cat([w.flatten() for n, w in model.named_parameters() if "lora_A" in n])
        for model in (first, second, other)
    ]
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])


@pytest.mark.parametrize("shape", tiny_models.SHAPES)
def test_a_new_head_stays_trainable(shape, checkpoints):
    model = load(checkpoints[shape], tiny_models.CLASSES)
    adapted = models.with_lora(model, layers=1)
    names = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    heads = {name for name in names if architecture.is_head(name)}
    expected = {
        name for name, _ in load(checkpoints[shape], tiny_models.CLASSES).named_parameters()
        if architecture.is_head(name)
    }  # fmt: skip
    plain = {
        name.removeprefix("base_model.model.").replace("modules_to_save.default.", "")
        for name in heads
    }
    assert plain == expected
    assert all("lora_" in name for name in names - heads)
    assert architecture.last_linear(adapted).weight.requires_grad


@pytest.mark.parametrize("frozen", ["fp32", "bf16"])
def test_merging_changes_nothing_in_memory_and_keeps_the_function(decoder, frozen):
    adapted = trained(models.with_lora(load(decoder), frozen=frozen))
    before = {name: tensor.clone() for name, tensor in adapted.state_dict().items()}
    expected = logits(lora.fp32_copy(adapted))
    plain, view = models.merged(adapted), lora.merged_view(adapted)
    for model in (plain, view):
        assert type(model).__name__ == "LlamaForCausalLM"
        assert {weight.dtype for weight in model.parameters()} == {torch.float32}
        torch.testing.assert_close(logits(model), expected, atol=1e-5, rtol=1e-5)
    nn.init.zeros_(plain.model.embed_tokens.weight)  # it is a model of its own
    for name, tensor in adapted.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(weight.requires_grad for weight in plain.parameters())


def test_frozen_weights_in_bf16_take_half_and_the_adapter_stays_fp32(decoder):
    adapted = models.with_lora(load(decoder), frozen="bf16")
    dtypes = {
        name: weight.dtype for name, weight in adapted.named_parameters() if weight.requires_grad
    }
    assert set(dtypes.values()) == {torch.float32}
    assert {weight.dtype for _, weight in lora.base_weights(adapted)} == {torch.bfloat16}
    assert autotune.training(adapted, CPU).dtype is torch.bfloat16
    with pytest.raises(ArgumentError, match="frozen weights are in bf16"):
        autotune.training(adapted, CPU, "fp32")


def test_auto_holds_only_weights_in_bf16_that_lose_nothing(decoder, tmp_path):
    adapted = models.with_lora(load(decoder))
    lora.settle_frozen(adapted, torch.bfloat16)
    assert not lora.holds_bf16(adapted)  # random numbers of fp32 would be rounded
    published = AutoModelForCausalLM.from_pretrained(decoder, dtype=torch.bfloat16)
    published.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(decoder).save_pretrained(tmp_path)
    adapted = trained(models.with_lora(load(tmp_path)))
    expected = logits(adapted)
    lora.settle_frozen(adapted, torch.bfloat16)
    assert lora.holds_bf16(adapted)
    lora.settle_frozen(adapted, torch.float32)
    assert torch.equal(logits(adapted), expected)
    stays = models.with_lora(load(tmp_path), frozen="fp32")
    lora.settle_frozen(stays, torch.bfloat16)
    assert not lora.holds_bf16(stays)


@pytest.mark.parametrize("frozen", ["fp32", "bf16"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_inference_copies_compute_the_adapted_model(decoder, frozen, dtype):
    adapted = trained(models.with_lora(load(decoder), frozen=frozen))
    exact = logits(lora.fp32_copy(adapted))
    model, rest = inference_copy(adapted, Arithmetic(dtype))
    with computing(CPU, rest):
        error = (logits(model).float() - exact).abs().max()
    assert error < (1e-5 if dtype is torch.float32 else 0.1) * exact.abs().max()
    assert (logits(load(decoder)) - exact).abs().max() > 0.3 * exact.abs().max()


def test_bert_with_an_adapter_is_packed_after_merging(checkpoints):
    adapted = trained(models.with_lora(load(checkpoints["bert"], tiny_models.CLASSES)))
    model, _ = inference_copy(adapted, Arithmetic(packed=True))
    torch.testing.assert_close(logits(model), logits(adapted), atol=1e-5, rtol=1e-4)


def saved_chat(decoder: Path, folder: Path) -> tuple:
    task = chat(system="Be brief.", max_length=64)
    model, tokenizer = models.load(decoder, task, device="cpu")
    adapted = trained(models.with_lora(model, layers=1))
    models.save_adapter(adapted, tokenizer, task, folder)
    return adapted, tokenizer, task


def test_plain_peft_opens_an_adapter(decoder, tmp_path):
    adapted, _, _ = saved_chat(decoder, tmp_path / "a")
    base = AutoModelForCausalLM.from_pretrained(decoder, dtype=torch.float32)
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "a").eval()
    assert torch.equal(logits(theirs), logits(adapted))
    auto = peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path / "a", dtype=torch.float32)
    assert torch.equal(logits(auto.eval()), logits(adapted))
    template = AutoTokenizer.from_pretrained(tmp_path / "a").chat_template
    assert "Be brief." in template
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "ftlearn_task.json"} <= names
    assert "model.safetensors" not in names


def test_an_adapter_is_opened_on_its_base_and_learns_on(decoder, tmp_path):
    adapted, _, task = saved_chat(decoder, tmp_path / "run" / "adapter")
    model, tokenizer, again = models.load_finetuned(tmp_path / "run", device="cpu")
    assert torch.equal(logits(model), logits(adapted))
    assert again == task
    assert "Be brief." in tokenizer.chat_template
    assert any(weight.requires_grad for weight in model.parameters())


def test_another_base_model_is_refused(decoder, tmp_path):
    saved_chat(decoder, tmp_path / "a")
    other = AutoModelForCausalLM.from_pretrained(decoder)
    with torch.no_grad():
        other.model.layers[1].mlp.up_proj.weight[3, 4] += 0.1
    shutil.copytree(decoder, tmp_path / "other")
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(ModelError, match="trained on other weights"):
        models.load_finetuned(tmp_path / "a", base=tmp_path / "other")
    note = tmp_path / "a" / "ftlearn_task.json"
    content = json.loads(note.read_text())
    content["base"]["name"] = str(tmp_path / "gone")
    note.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="name it as the base where you open"):
        models.load_finetuned(tmp_path / "a")
    models.load_finetuned(tmp_path / "a", base=decoder, device="cpu")


def test_known_models_are_named_as_another_machine_finds_them(decoder):
    model = load(decoder)
    model.config.name_or_path = "smollm2"
    config = models.with_lora(model).peft_config["default"]
    assert config.base_model_name_or_path == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert config.revision == models.KNOWN["smollm2"].revision


def test_an_adapter_does_not_hide_trained_base_weights(decoder, tmp_path):
    model, tokenizer = models.load(decoder, TOKENS, device="cpu")
    with pytest.raises(ArgumentError, match="no adapter"):
        models.save_adapter(model, tokenizer, TOKENS, tmp_path / "a")
    adapted = models.with_lora(model)
    adapted.get_base_model().model.norm.weight.requires_grad_(True)
    with pytest.raises(ArgumentError, match=r"weights of the base model are trained too"):
        models.save_adapter(adapted, tokenizer, TOKENS, tmp_path / "a")
    architecture.unfreeze(adapted)
    models.save_adapter(adapted, tokenizer, TOKENS, tmp_path / "a")


def test_an_adapter_without_its_files_is_refused(decoder, tmp_path):
    saved_chat(decoder, tmp_path / "a")
    (tmp_path / "a" / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no adapter_model\.safetensors"):
        models.load_finetuned(tmp_path / "a")
    (tmp_path / "a" / "ftlearn_task.json").unlink()
    with pytest.raises(ModelError, match=r"peft\.PeftModel\.from_pretrained"):
        models.load_finetuned(tmp_path / "a")


def test_saving_writes_the_merged_model_in_either_format(decoder, tmp_path):
    adapted, tokenizer, task = saved_chat(decoder, tmp_path / "a")
    models.save(adapted, tokenizer, task, tmp_path / "wide")
    models.save(adapted, tokenizer, task, tmp_path / "narrow", precision="bf16")
    plain = [
        AutoModelForCausalLM.from_pretrained(tmp_path / name, dtype=torch.float32).eval()
        for name in ("wide", "narrow")
    ]
    errors = [float((logits(model) - logits(adapted)).abs().max()) for model in plain]
    assert errors[0] < 1e-5 < 1e-3 < errors[1] < 0.2
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("wide", "narrow")]
    assert sizes[1] < 0.6 * sizes[0]
    with pytest.raises(ArgumentError, match="precision is 'int8'"):
        models.save(adapted, tokenizer, task, tmp_path / "x", precision="int8")


def test_merging_in_bf16_would_lose_a_small_change(decoder):
    """Why the sum is computed in fp32: peft #1035, as plain peft merges a bf16 model."""
    adapted = trained(models.with_lora(load(decoder), frozen="bf16"))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data *= 0.02
    base = dict(lora.base_weights(adapted))
    exact = {
        name: weight.detach() - base[name].detach().float()
        for name, weight in models.merged(adapted).named_parameters()
        if "proj" in name
    }
    narrow = copy.deepcopy(adapted).merge_and_unload(safe_merge=True)
    lost = {
        name: weight.detach().float() - base[name].detach().float() - exact[name]
        for name, weight in narrow.named_parameters()
        if "proj" in name
    }
    change = sum(float(tensor.square().sum()) for tensor in exact.values())
    assert change > 0
    assert sum(float(tensor.square().sum()) for tensor in lost.values()) > 0.05 * change


@pytest.mark.parametrize("pooling", ["pretrained", "mean"])
def test_a_regression_with_an_adapter_answers_in_units_after_saving(checkpoints, tmp_path, pooling):
    rows = Dataset.from_dict(
        {"text": ["warm", "cold", "mild days"], "target": [90.0, 110.0, 130.0]}
    )
    task = regression(rows, target="target")
    model, tokenizer = models.load(checkpoints["bert"], task, device="cpu", pooling=pooling)
    adapted = trained(models.with_lora(model))
    expected = evaluation.predict(adapted, rows["text"], task, tokenizer)["prediction"]
    models.save(adapted, tokenizer, task, tmp_path / "m")
    models.save_adapter(adapted, tokenizer, task, tmp_path / "a")
    for name in "ma":
        again, its_tokenizer, its_task = models.load_finetuned(tmp_path / name, device="cpu")
        answers = evaluation.predict(again, rows["text"], its_task, its_tokenizer)["prediction"]
        np.testing.assert_allclose(answers, expected, rtol=1e-5)
    unchanged = evaluation.predict(adapted, rows["text"], task, tokenizer)["prediction"]
    np.testing.assert_array_equal(unchanged, expected)


def test_a_fingerprint_sees_one_number_and_no_format():
    numbers = torch.randn(500, generator=torch.Generator().manual_seed(0)).bfloat16()
    before = fingerprint([("w", numbers)])
    assert fingerprint([("w", numbers.float())]) == before
    for place in (0, 17, 499):
        changed = numbers.clone()
        changed[place] *= 1.01
        changed[place] += 0.02
        assert fingerprint([("w", changed)]) != before
    assert fingerprint([("v", numbers)]) != before
    assert fingerprint([("w", numbers.view(50, 10))]) != before
    assert adapters.fingerprint is fingerprint


def test_peft_is_loaded_only_where_adapters_are():
    code = (
        "import sys; from ftlearn import evaluate, fit, generation, models, workflows; "
        "import ftlearn.workflows.fitting; print('peft' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_files_of_an_adapter_have_the_names_of_peft():
    assert (adapters.CONFIG, adapters.WEIGHTS) == (CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME)
