"""The fastest arithmetic is chosen by its times, cached per machine and shape, or set by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_decoder import tiny_decoder
from transformers import BertConfig, GPT2Config, LlamaConfig, LlamaForCausalLM

from ftlearn.fast import autotune
from ftlearn.fast.autotune import cache, choosing, measuring
from ftlearn.fast.autotune.measuring import PREDICTION, TRAINING, Shape
from ftlearn.models import with_lora
from ftlearn.runtime.arithmetic import Arithmetic

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SMALL = Shape(128, 256, 4)
CONFIG = BertConfig(hidden_size=128, intermediate_size=256, num_attention_heads=4)
SIMPLE, EAGER = Arithmetic(), Arithmetic(attention="eager")
BF16 = Arithmetic(torch.bfloat16, "eager")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Measured, not set by the environment, and cached in a folder of the test."""
    monkeypatch.delenv(autotune.VARIABLE, raising=False)
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    cache._measured.cache_clear()
    yield tmp_path / "cache"
    cache._measured.cache_clear()


@pytest.fixture
def calls() -> list[tuple[Shape, str]]:
    """What was measured."""
    return []


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch, calls: list) -> dict[Arithmetic, float]:
    """What a measurement comes to, without one."""
    values = {SIMPLE: 1.0, EAGER: 0.95, BF16: 0.5}
    monkeypatch.setattr(cache, "measure", lambda *arguments: calls.append(arguments) or values)
    return values


# Choosing


def test_the_fastest_is_taken_for_training_and_for_prediction(times, calls):
    assert autotune.training(CONFIG, CPU) == BF16
    assert autotune.prediction(CONFIG, CPU) == BF16
    assert [purpose for _, purpose in calls] == [TRAINING, PREDICTION]


def test_a_format_that_is_named_is_kept_and_the_fastest_of_it_taken(times):
    times[EAGER] = 0.6
    assert autotune.training(CONFIG, CPU, "fp32") == EAGER
    assert autotune.training(CONFIG, CPU, "bf16") == BF16


def test_what_was_not_timed_can_be_named(times):
    del times[BF16]
    assert autotune.training(CONFIG, CPU, "bf16") == Arithmetic(torch.bfloat16)


@given(st.lists(st.floats(0.1, 10), min_size=3, max_size=3))
def test_no_other_is_faster_by_more_than_what_a_change_must_gain(seconds):
    times = dict(zip((SIMPLE, EAGER, BF16), seconds, strict=True))
    chosen = choosing.fastest(times, SIMPLE)
    most = max(choosing.GAIN.values()) ** 2  # two changes may each miss by almost one gain
    assert times[chosen] <= min(seconds) * most
    if chosen != SIMPLE:
        assert times[chosen] * choosing.GAIN[torch.float32] < times[SIMPLE]


@pytest.mark.parametrize(("numbers", "attention"), [("fp32", None), ("bf16", "eager")])
def test_the_environment_decides_without_measuring(monkeypatch, times, numbers, attention, calls):
    monkeypatch.setenv(autotune.VARIABLE, numbers)
    chosen = autotune.training(CONFIG, CPU)
    assert str(chosen).startswith(numbers)
    assert chosen.attention == attention
    assert str(autotune.training(CONFIG, CPU, "fp32")).startswith("fp32")
    assert calls == []


def test_an_unknown_word_in_the_environment_is_an_error(monkeypatch):
    monkeypatch.setenv(autotune.VARIABLE, "int8")
    with pytest.raises(ValueError, match="FTLEARN_COMPUTE is 'int8': set it to auto, fp32 or bf16"):
        autotune.training(CONFIG, CPU)


def test_nothing_is_measured_for_a_graphics_card_or_a_tiny_model(monkeypatch, times, calls):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert autotune.training(CONFIG, CUDA) == Arithmetic(torch.float16)
    assert autotune.training(CONFIG, torch.device("mps")) == SIMPLE
    assert autotune.training(CONFIG, torch.device("meta")) == SIMPLE
    tiny = BertConfig(hidden_size=16, num_attention_heads=2)
    assert autotune.training(tiny, CPU) == SIMPLE
    assert autotune.training(SimpleNamespace(), CPU) == SIMPLE
    assert calls == []


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (BertConfig(), Shape(768, 3072, 12)),
        (GPT2Config(), Shape(768, 3072, 12)),
        (LlamaConfig(hidden_size=576, intermediate_size=1536, num_attention_heads=9),
         Shape(576, 1536, 9)),
    ],
)  # fmt: skip
def test_the_shape_is_that_of_the_configuration(config, shape):
    assert Shape.of(config) == shape


# Keeping


def test_a_machine_measures_once(times, own_cache, calls):
    first = autotune.training(CONFIG, CPU)
    cache._measured.cache_clear()  # as in a new process
    times.clear()
    assert autotune.training(CONFIG, CPU) == first
    assert len(calls) == 1
    (file,) = own_cache.iterdir()
    content = json.loads(file.read_text())
    assert content["shape"] == {"width": 128, "inner": 256, "heads": 4}
    assert content["machine"]["threads"] == torch.get_num_threads()


def test_other_threads_and_other_shapes_are_measured_by_themselves(times, monkeypatch, calls):
    autotune.training(CONFIG, CPU)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    autotune.training(CONFIG, CPU)
    autotune.training(BertConfig(), CPU)
    assert len(calls) == 3


def test_the_second_to_measure_takes_what_the_first_has_written(times, own_cache, monkeypatch):
    autotune.training(CONFIG, CPU)
    (file,) = own_cache.iterdir()
    first = file.read_text()
    file.unlink()

    def late(*_):
        file.write_text(first)  # while this process measures
        return {SIMPLE: 1.0}

    monkeypatch.setattr(cache, "measure", late)
    cache._measured.cache_clear()
    assert autotune.training(CONFIG, CPU) == BF16
    assert [path.name for path in own_cache.iterdir()] == [file.name]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"times": [{"dtype": "fp32"}]}'])
def test_a_damaged_file_is_measured_again_and_replaced(times, own_cache, content, calls):
    autotune.training(CONFIG, CPU)
    (file,) = own_cache.iterdir()
    file.write_text(content)
    cache._measured.cache_clear()
    assert autotune.training(CONFIG, CPU) == BF16
    assert len(calls) == 2
    assert json.loads(file.read_text())["purpose"] == TRAINING


def test_where_nothing_can_be_cached_a_warning_says_so_and_a_process_measures_once(
    times, monkeypatch, tmp_path, calls
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "file" / "below"))
    with pytest.warns(UserWarning, match="cannot be kept in .*set FTLEARN_CACHE to a folder"):
        assert autotune.training(CONFIG, CPU) == BF16
    assert autotune.training(CONFIG, CPU) == BF16
    assert len(calls) == 1


# Measuring


@pytest.mark.parametrize("purpose", [TRAINING, PREDICTION])
def test_a_measurement_times_the_simplest_first_and_leaves_the_random_numbers(purpose):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    times = measuring.measure(SMALL, purpose)
    assert torch.equal(torch.get_rng_state(), before)
    first = next(iter(times))
    assert (first.dtype, first.onednn, first.packed) == (torch.float32, False, False)
    assert all(seconds > 0 for seconds in times.values())
    assert any(arithmetic.packed for arithmetic in times) == (
        purpose == PREDICTION and measuring.packed_bert.available()
    )


def test_a_hopeless_one_is_timed_once_and_the_others_in_turn():
    ran, clock = [], SimpleNamespace(now=0.0)

    def run(name: str, seconds: float):
        def go() -> None:
            ran.append(name)
            clock.now += seconds

        return go

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring.time, "perf_counter", lambda: clock.now)
        times = measuring.in_turn(
            {"a": run("a", 1.0), "b": run("b", 1.25), "c": run("c", 9.0)}, 4.0
        )
    assert times == {"a": 1.0, "b": 1.25, "c": 9.0}
    assert ran == [*"abc", *"abc", *"ab", *"ab"]


def test_products_that_onednn_would_round_are_not_sent_there(monkeypatch):
    exact = measuring.F.linear
    monkeypatch.setattr(measuring.packed_bert, "X86", (measuring.platform.machine(),))

    def rounding(x, weight):
        narrow = x.dtype is torch.float32
        return exact(*((tensor.bfloat16().float() if narrow else tensor) for tensor in (x, weight)))

    monkeypatch.setattr(measuring.F, "linear", rounding)
    assert not measuring._stays_fp32_in_onednn(SMALL)


def test_processes_make_the_same_choice(own_cache, tmp_path):
    code = (
        "import torch; from transformers import BertConfig; from ftlearn.fast import autotune; "
        "config = BertConfig(hidden_size=128, intermediate_size=256, num_attention_heads=4); "
        "print(autotune.training(config, torch.device('cpu')))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    choices = {process.communicate()[0] for process in running}
    assert len(choices) == 1
    assert len([path for path in own_cache.iterdir() if not path.name.startswith(".")]) == 1


# Language models, whose fine-tuning bf16 would round off


def test_a_tuned_language_model_predicts_in_fp32_and_a_published_one_in_what_is_fastest(
    monkeypatch, tmp_path
):
    monkeypatch.setenv(choosing.VARIABLE, "auto")
    model = LlamaForCausalLM.from_pretrained(tiny_decoder(tmp_path), dtype=torch.float32)
    asked = []
    monkeypatch.setattr(choosing, "_choose", lambda *arguments: asked.append(arguments[2]))
    choosing.prediction(model, CPU)  # random fp32 weights
    for weight in model.parameters():
        weight.data = weight.data.bfloat16().float()
    choosing.prediction(model, CPU)  # weights as if published in bf16
    choosing.prediction(with_lora(model, rank=2), CPU)
    choosing.prediction(model, CPU, "bf16")
    monkeypatch.setenv(choosing.VARIABLE, "bf16")
    choosing.prediction(model, CPU)
    assert asked == ["fp32", "auto", "fp32", "bf16", "auto"]
