"""The benchmark: fair turns, right arithmetic, honest failures, and nothing left behind."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import DatasetDict
from torch import nn
from transformers import BertConfig

from ftlearn import cli, runtime
from ftlearn.benchmark import (
    ablation,
    contenders,
    few_shot,
    measure,
    onnx,
    peak,
    report,
    throughput,
    time_to_accuracy,
)
from ftlearn.benchmark.lengths import cut_or_extend
from ftlearn.benchmark.part_result import RATIOS, Part
from ftlearn.benchmark.prediction import agreement
from ftlearn.benchmark.settings import DEFAULT_PARTS, PARTS, Settings, Source
from ftlearn.benchmark.timing import in_turn, spread, timed
from ftlearn.benchmark.workload import Workload, open_workload
from ftlearn.data.batching import padding_share, plan
from ftlearn.fast import training
from ftlearn.models.architecture import backbone, count_parameters
from ftlearn.training import resources

# Texts are cut short, so that the contenders are fast.
pytestmark = pytest.mark.filterwarnings("ignore::ftlearn.tasks.base.TruncationWarning")

CPU = torch.device("cpu")


@pytest.fixture
def work(tiny_bert: Path, tmp_path: Path) -> Workload:
    """Thirty-two texts and the small BERT."""
    settings = Settings(checkpoint=str(tiny_bert), device="cpu")
    return open_workload(Source(), settings, tmp_path).sample(32, seed=0)


@pytest.fixture(scope="session")
def files(topics: DatasetDict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv (32 rows) and test.csv (12), columns message and kind.

    Labels come in another order in the second: the classes of both must be the same nevertheless.
    """
    folder = tmp_path_factory.mktemp("own")
    names = topics["train"].features["label"].names
    for part, rows in (("train", 32), ("test", 12)):
        table = topics[part].select(range(rows)).to_pandas().sort_values("label")
        table = table[:: 1 if part == "train" else -1]
        columns = {"message": table["text"], "kind": [names[label] for label in table["label"]]}
        pd.DataFrame(columns).to_csv(folder / f"{part}.csv", index=False)
    return folder


def own_files(files: Path) -> list[str]:
    """The options for these files."""
    parts = ["--train", str(files / "train.csv"), "--test", str(files / "test.csv")]
    return [*parts, "--text", "message", "--label", "kind"]


@pytest.fixture(autouse=True)
def quick_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own rate from a small product, since no test reads its value.

    Nor is garbage collected before each run, which takes as long as these runs do.
    """
    monkeypatch.setattr("ftlearn.benchmark.timing.gc", SimpleNamespace(collect=lambda: None))
    monkeypatch.setitem(peak.SIZES, "cpu", 128)
    monkeypatch.setattr(peak.product_rate, "__kwdefaults__", {"seconds": 0.01, "size": None})


class Result(NamedTuple):
    """How a command ended, and what it printed."""

    exit_code: int
    stdout: str
    stderr: str


def call(*options: str) -> Result:
    """`ftlearn bench` with some options, in this process."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        exit_code = cli.main(["bench", *options])
    return Result(exit_code, out.getvalue(), err.getvalue())


# Turns


def test_contenders_take_turns_and_the_order_moves():
    log: list[str] = []
    names = "abc"
    outcome = in_turn({name: lambda name=name: lambda: log.append(name) for name in names}, 5)
    assert "".join(log) == "abc" + "bca" + "cab" + "abc" + "bca" + "cab"
    assert [run.name for run in outcome.timings] == log
    assert sorted(outcome.counted("b")) == [1, 2, 3, 4, 5]


def test_a_contender_that_fails_is_recorded_and_costs_the_others_nothing():
    tries: list[int] = []

    def broken() -> Any:
        tries.append(1)
        raise RuntimeError("no such kernel")

    outcome = in_turn({"good": lambda: int, "bad": lambda: broken, "worse": broken}, 3)
    assert outcome.failures == dict.fromkeys(["bad", "worse"], "RuntimeError: no such kernel")
    assert len(outcome.counted("good")) == 3
    assert len(tries) == 2  # none of the two is tried again
    assert outcome.times_faster("good", "bad") == []


def test_an_interrupt_is_no_failure_of_a_contender():
    def stop() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_turn({"a": stop}, 1)


def test_preparation_is_not_timed(monkeypatch: pytest.MonkeyPatch):
    clock = SimpleNamespace(now=0.0)
    clock.perf_counter = lambda: clock.now
    monkeypatch.setattr("ftlearn.benchmark.timing.time", clock)

    def prepare() -> Any:
        clock.now += 100

        def run() -> None:
            clock.now += 7

        return run

    assert [run.seconds for run in in_turn({"a": prepare}, 2).timings] == [7, 7, 7]


def test_ratios_are_taken_within_a_round():
    outcome = in_turn({"a": lambda: int, "b": lambda: int}, 2)
    seconds = iter([9, 9, 1, 2, 10, 40])  # warm-up a b, then b a, then a b
    outcome.timings = [run._replace(seconds=next(seconds)) for run in outcome.timings]
    assert outcome.times_faster("b", "a") == [2 / 1, 10 / 40]


def test_output_of_libraries_stays_off_the_screen(capsys: pytest.CaptureFixture[str]):
    def noisy() -> Any:
        print("out")
        print("err", file=sys.stderr)
        return int

    in_turn({"a": noisy}, 1)
    assert capsys.readouterr() == ("", "")


# Arithmetic


@pytest.mark.parametrize(
    ("layers", "width", "heads"), [(6, 384, 12), (2, 768, 12)], ids=["MiniLM", "BERT-base, cut"]
)
def test_flops_are_about_six_times_parameters_times_tokens(layers: int, width: int, heads: int):
    config = BertConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
    )
    model = resources.skeleton(config)
    # Of twelve equal parts of the last layer only two, keys and values, are needed of all tokens.
    needed = count_parameters(backbone(model).encoder).total * (1 - 10 / 12 / layers)
    lengths = [20, 54, 128]
    counted = (1 + peak.BACKWARD) * peak.forward_flops(config, lengths)
    assert counted == pytest.approx(6 * needed * sum(lengths), rel=0.15)


def test_flops_of_a_length_between_are_exact():
    config = BertConfig(num_hidden_layers=2, hidden_size=48, intermediate_size=96)
    model = resources.skeleton(config).requires_grad_(False)
    counted = resources.estimate(model, batch_size=1, tokens=50).flops
    assert peak.forward_flops(config, [50]) == pytest.approx(counted)


def test_rate_of_matrix_products_is_operations_over_seconds(monkeypatch: pytest.MonkeyPatch):
    times = iter([0.0, 0.0, 2.0, 2.0])  # start, one look inside, one past the end, the end
    monkeypatch.setattr(peak, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    rate = peak.product_rate(CPU, torch.float32, seconds=1.0, size=16)
    assert rate == 4 * 2 * 16**3 / 2.0


def test_table_and_ratios_follow_from_the_raw_rounds(
    work: Workload, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(throughput, "faster_format", lambda *args: (torch.bfloat16, ""))
    part = throughput.training_speed(work, examples=32, rounds=2, log=lambda line: None)
    raw = [run for run in part.rounds if run["round"]]
    seconds = {
        name: np.array([run["seconds"] for run in sorted(raw, key=lambda run: run["round"])
                        if run["contender"] == name])
        for name in {run["contender"] for run in raw}
    }  # fmt: skip
    rows = {row["contender"]: row for row in part.rows}
    assert list(rows) == ["article", "Trainer, defaults", "Trainer, at its best", "ftlearn"]
    flops = 3 * peak.forward_flops(work.model_config, work.encoded.lengths)
    for name, row in rows.items():
        rates = 32 / seconds[name]
        assert row["median"] == pytest.approx(np.median(rates))
        assert (row["low"], row["high"]) == pytest.approx((rates.min(), rates.max()))
        limit = {
            run["round"]: run["flops_per_second"]
            for run in raw
            if run["contender"] == f"matrix products {row['precision']}"
        }
        shares = [flops / s / limit[at] for at, s in enumerate(seconds[name], start=1)]
        assert row["share"] == pytest.approx(np.median(shares))
    written = report.as_json([part], {})["ratios"]
    for ratio, other in (
        ("train_vs_article_loop", "article"),
        ("train_vs_trainer_default", "Trainer, defaults"),
        ("train_vs_trainer_best", "Trainer, at its best"),
    ):
        assert written[ratio] == pytest.approx(np.median(seconds[other] / seconds["ftlearn"]))


def test_padding_is_what_the_batches_hold(work: Workload):
    short = [row for row, length in enumerate(work.encoded.lengths) if length < 100]
    work = replace(work, train=work.train.select(short))

    def share(prepare: Any) -> float:
        positions = throughput.counting_positions(lambda: prepare(work))()
        return 1 - sum(work.encoded.lengths) / positions

    lengths = work.encoded.lengths
    assert share(contenders.article_loop) == pytest.approx(1 - sum(lengths) / (len(short) * 128))
    batches = plan(lengths, 16, seed=0, epoch=0)
    assert share(contenders.ftlearn_loop) == pytest.approx(padding_share(lengths, batches))
    assert share(contenders.trainer) >= share(contenders.ftlearn_loop)


def test_each_ratio_in_json_is_the_median_of_its_rounds():
    values = {"predict_vs_pipeline": [6.0, 1.0, 2.0, 30.0]}
    part = Part("predict", "", rows=[], bars={}, unit="", rounds=[], ratios=values)
    written = report.as_json([part], {})
    assert written["ratios"]["predict_vs_pipeline"] == 4.0
    assert written["ratio_rounds"]["predict_vs_pipeline"] == values["predict_vs_pipeline"]
    assert set(written["not_measured"]) == set(RATIOS) - set(values)


def test_median_of_spread_is_numpys():
    values = np.random.default_rng(0).random(8).tolist()
    assert spread(values) == pytest.approx((np.median(values), min(values), max(values)))


# Contenders


LOOPS = {
    "article": contenders.article_loop,
    "trainer": contenders.trainer,
    "best": lambda work: contenders.trainer_at_its_best(work, torch.float32),
    "ftlearn": contenders.ftlearn_loop,
}


@pytest.mark.parametrize("name", LOOPS)
def test_each_loop_starts_from_the_pretrained_weights_and_sees_each_text_once(
    name: str, work: Workload
):
    work = replace(work, batch_size=10)  # does not divide 32
    rows: list[int] = []
    model, run = LOOPS[name](work)
    start = {key: value.clone() for key, value in backbone(work.plain_model()).state_dict().items()}
    assert all(torch.equal(value, start[key]) for key, value in backbone(model).state_dict().items()
               if "pooler" not in key)  # fmt: skip
    model.register_forward_pre_hook(
        lambda _, __, named: rows.append(len(named["input_ids"])), with_kwargs=True
    )
    run()
    assert (sum(rows), len(rows)) == (32, 4)
    moved = [
        key
        for key, value in backbone(model).state_dict().items()
        if not torch.equal(value, start[key])
    ]
    assert len(moved) > 20


def test_dropout_is_the_checkpoints_own_for_the_others_and_off_for_ftlearn(work: Workload):
    def rates(loop: Any) -> set[float]:
        return {m.p for m in loop(work).model.modules() if isinstance(m, nn.Dropout)}

    assert [rates(loop) for loop in LOOPS.values()] == [{0.1}, {0.1}, {0.1}, {0.0}]


def test_trainer_at_its_best_differs_as_documented(work: Workload):
    with patch.object(contenders, "TrainingArguments", side_effect=ValueError) as arguments:
        for loop in (LOOPS["trainer"], LOOPS["best"]):
            with pytest.raises(ValueError):
                loop(work)
    plain, best = (call.kwargs for call in arguments.call_args_list)
    changed = {name: value for name, value in best.items() if plain.get(name) != value}
    assert changed == {
        "train_sampling_strategy": "group_by_length",
        "optim": "adamw_torch_fused",
        "bf16": False,
        "dataloader_pin_memory": False,
    }


@pytest.mark.parametrize("breaks", [False, True])
def test_the_allocators_setting_is_left_when_ftlearn_ends(work: Workload, breaks: bool):
    log: list[str] = []

    @contextmanager
    def recording() -> Iterator[None]:
        log.append("on")
        try:
            yield
        finally:
            log.append("off")

    with patch.object(runtime, "retain_freed_memory", recording):
        if breaks:
            with (
                patch.object(type(work.task), "loss", side_effect=OSError),
                pytest.raises(OSError),
            ):
                contenders.ftlearn_loop(work).run()
        else:
            contenders.ftlearn_loop(work).run()
    assert log == ["on", "off"]


# Levers


@pytest.mark.parametrize(
    ("lever", "speed_up"),
    [
        ("last layer for all tokens", "cls_only"),
        ("layers operation by operation", "fused_layers"),
        ("hidden states in fp32", "bf16_hidden_states"),
        ("all rows of the word table", "trained_rows"),
    ],
)
def test_a_lever_leaves_out_one_speed_up(
    work: Workload, monkeypatch: pytest.MonkeyPatch, lever: str, speed_up: str
):
    calls: list[str] = []
    real = getattr(training, speed_up)
    monkeypatch.setattr(training, speed_up, lambda *args: calls.append(lever) or real(*args))
    entries = ablation.levers(work)
    entries["default"].prepare().run()
    assert calls
    calls.clear()
    entries[lever].prepare().run()
    assert calls == []


def test_without_buckets_batches_are_those_of_the_shuffle(work: Workload):
    batches = work.task.batches(work.train, work.tokenizer, work.config)
    rows = [batch.rows for (batch,) in ablation.shuffle(batches).epoch(1, skip=1)]
    order = plan(work.encoded.lengths, 16, seed=0, epoch=1, bucketed=False)
    assert rows == order[1:]


def test_without_the_fused_optimizer_no_group_is_fused(work: Workload):
    fused: list[set[bool]] = []

    def record(run: Any) -> None:
        fused.append({group["fused"] for group in run.optimizer.param_groups})

    contenders.ftlearn_loop(work, change_run=record).run()
    change_run = ablation.levers(work)["AdamW not fused"].prepare.keywords["change_run"]
    contenders.ftlearn_loop(work, change_run=lambda run: (change_run(run), record(run))).run()
    assert fused == [{True}, {False}]


def test_levers_change_what_they_name(work: Workload):
    entries = ablation.levers(work)
    models = {name: entry.prepare().model for name, entry in entries.items()}
    moving = {name: count_parameters(model).trainable for name, model in models.items()}
    layer = count_parameters(models["default"].bert.encoder.layer[0]).total
    table = count_parameters(models["default"].bert.embeddings).total
    assert moving["default"] - moving["embeddings frozen"] == table
    assert moving["embeddings frozen"] - moving["lower half frozen"] == layer  # one of three
    attention = {name: model.config._attn_implementation for name, model in models.items()}
    (other,) = [name for name in attention if name.startswith("attention")]
    assert {attention["default"], attention[other]} == {"eager", "sdpa"}
    assert other == f"attention {attention[other]}"
    assert models["dropout 0.1"].config.hidden_dropout_prob == 0.1
    formats = {name: entry.dtype for name, entry in entries.items()}
    (number,) = [name for name in formats if name.startswith("precision")]
    assert {formats["default"], formats[number]} == {torch.float32, torch.bfloat16}


def test_levers_are_reported_beside_the_default(work: Workload, monkeypatch: pytest.MonkeyPatch):
    entries = ablation.levers(work)
    two = {name: entries[name] for name in ("default", "dropout 0.1")}
    monkeypatch.setattr(ablation, "levers", lambda work: two)
    part = ablation.lever_speeds(work, examples=32, rounds=2, log=lambda line: None)
    rows = report.as_json([part], {})["levers"]
    assert rows["default"]["speed over default"] == 1
    rates = {name: np.array(row["rounds"]) for name, row in rows.items()}
    expected = np.median(rates["dropout 0.1"] / rates["default"])
    assert rows["dropout 0.1"]["speed over default"] == pytest.approx(expected)


# Time to accuracy, prediction, few labels


def test_follow_records_when_the_target_was_first_reached(monkeypatch: pytest.MonkeyPatch):
    clock = SimpleNamespace(now=0.0)
    clock.perf_counter = lambda: clock.now
    monkeypatch.setattr(time_to_accuracy, "time", clock)
    model, closed, evaluated = SimpleNamespace(updates=0), [], []

    def steps() -> Iterator[None]:
        try:
            for _ in range(11):
                clock.now += 1
                model.updates += 1
                yield
        finally:
            closed.append(True)

    def score(model: Any) -> float:
        evaluated.append(model.updates)
        clock.now += 1000  # evaluation is not in the seconds
        return model.updates / 10

    run = time_to_accuracy.follow(model, steps(), 0.5, score)
    assert (run.accuracy, run.seconds, run.reached) == (1.1, 11, 5)
    assert evaluated == [1, 5, 11]
    assert closed == [True]
    model.updates = 0
    assert time_to_accuracy.follow(model, steps(), 2.0, score).reached is None


def test_a_target_never_reached_counts_as_no_speed(work: Workload):
    runs = [
        {"seed": seed, "contender": name, "accuracy": 0.9, "seconds": 30.0, "reached": reached}
        for seed in (0, 1, 2)
        for name, reached in (
            (time_to_accuracy.THEIRS, 30.0),
            (time_to_accuracy.OURS, None if seed == 1 else 3.0 + seed),
        )
    ]
    part = time_to_accuracy._part(runs, {}, work)
    assert part.ratios["time_to_accuracy_vs_trainer_default"] == [10, 0, 6]
    assert part.rows[1]["reached"] == "2 of 3"


def test_agreement_bites():
    first = np.array([[0.6, 0.4], [0.5001, 0.4999]])
    turned = np.array([[0.6, 0.4], [0.4999, 0.5001]])
    with pytest.raises(ValueError, match="1 of 2 labels equal"):
        agreement(first, turned, tolerance=1e-5)
    assert "1 of 2" in agreement(first, turned, tolerance=1e-3)  # a tie, to this precision
    with pytest.raises(ValueError, match=r"up to 1\.0e-01"):
        agreement(first, np.array([[0.7, 0.3], [0.5001, 0.4999]]), tolerance=1e-4)
    assert "2 of 2" in agreement(first, first + 5e-5, tolerance=1e-4)


def test_without_setfit_few_is_left_out_with_a_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(few_shot, "has_setfit", lambda: False)
    lines: list[str] = []
    parts = measure.parts_to_measure(Settings(), log=lines.append)
    assert parts == ("train", "predict", "accuracy")
    assert "pip install" in lines[0]
    with pytest.raises(ValueError, match=r"ftlearn\[bench\]"):
        measure.parts_to_measure(Settings(only="few"), log=lines.append)


# The command


def test_whole_bench_writes_all_and_leaves_nothing_behind(
    tiny_bert: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(few_shot, "WARM_UP", 1)
    result = call(
        *own_files(files),
        *("--checkpoint", str(tiny_bert), "--device", "cpu", "--rounds", "1"),
        *("--examples", "16", "--shots", "2", "--seeds", "1"),
        *("--figure", "bench.png", "--output", "bench.json"),
    )
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.json", "bench.png"]
    written = json.loads((tmp_path / "bench.json").read_text())
    assert set(written["ratios"]) == set(RATIOS)
    if onnx.missing():
        assert written["ratios"].pop("predict_fp32_vs_onnxruntime") is None
        assert "pip install onnx" in written["not_measured"].pop("predict_fp32_vs_onnxruntime")
    for name in [name for name, part in RATIOS.items() if part not in DEFAULT_PARTS]:
        assert written["ratios"].pop(name) is None
        assert written["not_measured"].pop(name) == "its part was not run"
    assert all(value >= 0 for value in written["ratios"].values())
    assert written["ratios"]["few_shot_vs_setfit"] > 1
    assert written["not_measured"] == {}
    assert {run["part"] for run in written["rounds"]} == {"train", "predict", "accuracy", "few"}
    assert set(PARTS) - set(written["parts"]) == {"levers", "sft", "generate", "formats"}
    assert written["levers"] is None
    assert {"torch", "transformers", "setfit"} <= set(written["versions"])
    progress = re.compile(r"note: |measuring|  (round|warm-up|seed|\d labels|Trainer)")
    assert [line for line in result.stderr.splitlines() if not progress.match(line)] == []
    assert "predict_vs_pipeline: " in result.stdout


def test_a_failing_contender_ends_with_one_and_keeps_the_others(
    tiny_bert: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(*args: Any) -> Any:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(contenders, "article_loop", broken)
    monkeypatch.setitem(measure.PARTS, "predict", broken)
    monkeypatch.setattr(throughput, "faster_format", lambda *args: (torch.float32, ""))
    file = tmp_path / "bench.json"
    result = call(
        *own_files(files),
        *("--only", "train,predict", "--checkpoint", str(tiny_bert), "--device", "cpu"),
        *("--rounds", "1", "--examples", "16", "--output", str(file)),
    )
    assert result.exit_code == 1
    assert "FAILED article: RuntimeError: broken on purpose" in result.stdout
    written = json.loads(file.read_text())
    assert written["ratios"]["train_vs_article_loop"] is None
    assert "broken on purpose" in written["not_measured"]["train_vs_article_loop"]
    assert written["ratios"]["train_vs_trainer_default"] > 0
    assert "broken on purpose" in written["not_measured"]["predict_vs_pipeline"]
    assert written["not_measured"]["few_shot_vs_setfit"] == "its part was not run"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "speed"], "'speed'"),
        (["--shots", "8,x"], "--shots"),
        (["--train", "nowhere.csv"], "nowhere.csv"),
        (["--test", "nowhere.csv"], "--train"),
        (["--checkpoint", "no/such-model"], "no/such-model"),
        (["--rounds", "0"], "--rounds"),
    ],
)
def test_bad_input_ends_with_two_and_one_sentence(options: list[str], words: str):
    result = call(*options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_own_files_give_the_texts_and_the_labels(tiny_bert: Path, files: Path, tmp_path: Path):
    source = Source(
        train=files / "train.csv", test=files / "test.csv", text="message", label="kind"
    )
    work = open_workload(source, Settings(checkpoint=str(tiny_bert), device="cpu"), tmp_path)
    assert (len(work.train), len(work.test)) == (32, 12)
    names = pd.read_csv(files / "test.csv")["kind"]
    assert [work.task.labels[target] for target in work.task.targets(work.test)] == list(names)
    untested = replace(work, test=None)
    with pytest.raises(ValueError, match="--test FILE"):
        untested.accuracy(nn.Linear(1, 1))


def test_lengths_are_distributed_like_those_of_news(tiny_bert: Path, tmp_path: Path):
    def workload(tokens: int) -> Workload:
        return open_workload(Source(tokens=tokens), Settings(checkpoint=str(tiny_bert)), tmp_path)

    plain, news = workload(0), workload(54)
    lengths = news.encoded.lengths
    assert np.mean(lengths) == pytest.approx(54, rel=0.04)
    shuffled = plan(lengths, 16, seed=0, epoch=0, bucketed=False)
    assert padding_share(lengths, shuffled) == pytest.approx(0.42, abs=0.03)
    assert list(news.train["label"]) == list(plain.train["label"])
    pairs = list(zip(plain.train["text"], news.train["text"], strict=True))
    assert all(new.startswith(old) or old.startswith(new) for old, new in pairs)
    assert 0.05 < np.mean([len(new) > len(old) for old, new in pairs]) < 0.5
    assert workload(54).train["text"] == news.train["text"]
    assert news.test["text"] != plain.test["text"]


def test_a_text_goes_on_until_it_is_long_enough(work: Workload):
    more = iter(["five six", "seven"])
    text = cut_or_extend("one two", 6, more, work.tokenizer)
    assert len(work.tokenizer(text)["input_ids"]) == 6
    assert text.startswith("one two ")


def test_help_needs_no_torch():
    code = "import ftlearn.cli.commands.bench, sys; "
    code += "print({'torch', 'transformers'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_timed_gives_the_result():
    assert timed(lambda: "done")[1] == "done"
