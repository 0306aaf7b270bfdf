"""The loop: right gradients, the same bits for the same seed, nothing lost when things go wrong."""

import copy
import itertools
import json
import math
import signal
from dataclasses import asdict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset, DatasetDict

from ftlearn import losses, models, training
from ftlearn.evaluation import evaluate
from ftlearn.losses import LossSum
from ftlearn.tasks import classification, language_modelling, regression
from ftlearn.training import DivergedError, TrainConfig, fit, fitting, steps

WORDS = ["ball", "code", "heart", "run", "chip", "pulse", "team", "server", "sleep"]
TEXTS = [" ".join(WORDS[(row + at) % 9] for at in range(2 + row % 7)) for row in range(22)]
ROWS = Dataset.from_dict({"text": TEXTS, "label": [row % 3 for row in range(22)]})
PARTS = DatasetDict(train=ROWS.select(range(16)), valid=ROWS.select(range(16, 22)))


@pytest.fixture
def task():
    return classification(
        Dataset.from_dict({"text": TEXTS[:3], "label": ["0", "1", "2"]}), max_length=16
    )


@pytest.fixture
def loaded(tiny_bert, task):
    return models.load(tiny_bert, task, seed=0, device="cpu")


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def gradient(model):
    return torch.cat([weight.grad.reshape(-1) for weight in model.parameters()])


def one_gradient(model, tokenizer, task, rows, micro_batches):
    config = TrainConfig(batch_size=len(rows), micro_batches=micro_batches)
    (cut_batch,) = task.batches(rows, tokenizer, config).epoch(0)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    model.zero_grad()
    dtype = torch.float32
    value = training.backward(model, cut_batch, task.loss, dtype, scaler, task.count_targets)
    return value, gradient(model), len(cut_batch)


@pytest.mark.parametrize("micro_batches", [2, 3, 4, 16])
def test_the_gradient_does_not_depend_on_how_the_batch_is_cut(loaded, task, micro_batches):
    model, tokenizer = loaded
    rows = ROWS.select(range(16))
    whole_loss, whole, _ = one_gradient(model, tokenizer, task, rows, 1)
    cut_loss, cut, number = one_gradient(model, tokenizer, task, rows, micro_batches)
    assert number == math.ceil(16 / math.ceil(16 / micro_batches))
    assert cut_loss == pytest.approx(whole_loss, abs=1e-6)
    torch.testing.assert_close(cut, whole, atol=1e-6, rtol=0)


def test_the_gradient_is_that_of_the_mean_loss(loaded, task):
    model, tokenizer = loaded
    rows = ROWS.select(range(7))
    value, computed, _ = one_gradient(model, tokenizer, task, rows, 3)
    model.zero_grad()
    ids = tokenizer(rows["text"][:], padding=True, return_tensors="pt")
    mean = F.cross_entropy(model(**ids).logits, torch.tensor(rows["label"][:]))
    mean.backward()
    assert value == pytest.approx(mean.item(), abs=1e-6)
    torch.testing.assert_close(computed, gradient(model), atol=1e-6, rtol=0)


def test_token_losses_are_divided_by_tokens_not_by_micro_batches(tiny_checkpoints):
    """Texts of 2 to 8 words: the mean of the micro-batches' means would be another number."""
    task = language_modelling(max_length=16)
    model, tokenizer = models.load(tiny_checkpoints["gpt2"], task, device="cpu")
    rows = ROWS.select(range(8))
    whole_loss, whole, _ = one_gradient(model, tokenizer, task, rows, 1)
    cut_loss, cut, _ = one_gradient(model, tokenizer, task, rows, 4)
    assert cut_loss == pytest.approx(whole_loss, abs=1e-6)
    torch.testing.assert_close(cut, whole, atol=1e-6, rtol=0)
    alone = []
    for text in rows["text"]:
        ids = tokenizer(text, return_tensors="pt").input_ids
        alone.append(losses.next_token(model(input_ids=ids).logits, ids))
    total = sum(loss.total.item() for loss in alone) / sum(loss.count for loss in alone)
    assert whole_loss == pytest.approx(total, abs=1e-5)
    assert abs(total - sum(loss.mean.item() for loss in alone) / 8) > 1e-5


def test_a_loss_that_sums_over_other_targets_than_are_counted_is_an_error(loaded, task):
    model, tokenizer = loaded
    config = TrainConfig(epochs=1, batch_size=6, micro_batches=2)
    batches = task.batches(ROWS, tokenizer, config)
    before = weights(model)
    with pytest.raises(ValueError, match=r"sums over 3 targets where 1 were counted: .*count="):
        list(steps(model, batches, task.loss, config, count=lambda targets: 1))
    assert same(weights(model), before)


def test_a_batch_without_targets_is_an_error(loaded, task):
    model, tokenizer = loaded
    config = TrainConfig(epochs=1, batch_size=6)
    batches = task.batches(ROWS, tokenizer, config)
    with pytest.raises(ValueError, match="nothing to learn from: all its targets are ignored"):
        list(steps(model, batches, task.loss, config, count=lambda targets: 0))


def test_steps_count_what_happens(loaded, task):
    model, tokenizer = loaded
    config = TrainConfig(epochs=2, batch_size=6, warmup_ratio=0.5, learning_rate=1e-3)
    run = list(steps(model, task.batches(ROWS, tokenizer, config), task.loss, config))
    assert [step.number for step in run] == list(range(1, 9))
    assert [step.epoch for step in run] == [number / 4 for number in range(1, 9)]
    assert [step.number for step in run if step.ends_epoch] == [4, 8]
    assert run[3].examples == 22
    assert run[-1].examples == 44
    assert all(step.total == 8 and step.gradient_norm > 0 for step in run)
    assert run[0].learning_rate == pytest.approx(1e-3 / 5)
    assert run[4].learning_rate == pytest.approx(1e-3)
    assert 0 < run[-1].learning_rate < run[4].learning_rate


def test_one_step_of_sgd_is_the_textbook_step(loaded, task):
    model, tokenizer = loaded
    config = TrainConfig(
        epochs=1, batch_size=22, optimizer="sgd", schedule="constant", warmup_ratio=0.0,
        learning_rate=0.1, weight_decay=0.0, max_grad_norm=math.inf,
    )  # fmt: skip
    before = torch.cat([weight.detach().reshape(-1).clone() for weight in model.parameters()])
    _, slope, _ = one_gradient(model, tokenizer, task, ROWS, 1)
    model.zero_grad()
    list(steps(model, task.batches(ROWS, tokenizer, config), task.loss, config))
    after = torch.cat([weight.detach().reshape(-1) for weight in model.parameters()])
    torch.testing.assert_close(after, before - 0.1 * slope, atol=1e-6, rtol=1e-6)


def test_gradients_left_behind_by_somebody_do_not_count(tiny_bert, task):
    ends = []
    for littered in (False, True):
        model, tokenizer = models.load(tiny_bert, task, seed=0, device="cpu")
        if littered:
            one_gradient(model, tokenizer, task, ROWS, 1)
        config = TrainConfig(epochs=1, batch_size=11)
        list(steps(model, task.batches(ROWS, tokenizer, config), task.loss, config))
        ends.append(weights(model))
    assert same(*ends)


def test_clipping_bounds_the_length_of_the_update(loaded, task):
    model, tokenizer = loaded
    config = TrainConfig(
        epochs=1, batch_size=22, optimizer="sgd", schedule="constant", warmup_ratio=0.0,
        learning_rate=1.0, weight_decay=0.0, max_grad_norm=0.01,
    )  # fmt: skip
    before = torch.cat([weight.detach().reshape(-1).clone() for weight in model.parameters()])
    (step,) = steps(model, task.batches(ROWS, tokenizer, config), task.loss, config)
    after = torch.cat([weight.detach().reshape(-1) for weight in model.parameters()])
    assert step.gradient_norm > 0.01
    assert (after - before).norm().item() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
def test_every_optimizer_lowers_the_loss(loaded, task, optimizer):
    model, tokenizer = loaded
    rate = 0.5 if optimizer in {"sgd", "momentum"} else 5e-3
    config = TrainConfig(epochs=8, batch_size=8, optimizer=optimizer, learning_rate=rate)
    run = list(steps(model, task.batches(ROWS, tokenizer, config), task.loss, config))
    assert run[-1].loss < run[0].loss - 0.1


def trained(tiny_bert, task, seed, *, evaluating=False):
    model, tokenizer = models.load(tiny_bert, task, seed=0, dropout=0.2, device="cpu")
    config = TrainConfig(epochs=2, batch_size=6, seed=seed)
    for _ in steps(model, task.batches(ROWS, tokenizer, config), task.loss, config):
        if evaluating:
            evaluate(model, PARTS["valid"], task, tokenizer)
    return weights(model)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tiny_bert, task):
    first = trained(tiny_bert, task, 1)
    assert same(first, trained(tiny_bert, task, 1))
    assert not same(first, trained(tiny_bert, task, 2))


def test_evaluating_in_between_changes_no_bit(tiny_bert, task):
    assert same(trained(tiny_bert, task, 1), trained(tiny_bert, task, 1, evaluating=True))


def test_a_loss_that_is_no_number_stops_before_it_reaches_the_weights(loaded, task):
    model, tokenizer = loaded
    config, seen = TrainConfig(epochs=1, batch_size=6), []

    def failing(logits, targets):
        seen.append(weights(model))
        total, count = task.loss(logits, targets)
        return LossSum(total * (math.nan if len(seen) == 3 else 1.0), count)

    run = steps(model, task.batches(ROWS, tokenizer, config), failing, config)
    with pytest.raises(DivergedError, match=r"update 3 of 4.*nan.*learning rate ten times lower"):
        list(run)
    assert same(weights(model), seen[2])


def test_fit_hands_over_the_history_and_the_best_weights_when_it_diverges(loaded, task):
    model, tokenizer = loaded
    calls = []

    class Failing(type(task)):
        def loss(self, logits, targets):
            calls.append(len(calls))
            total, count = super().loss(logits, targets)
            return LossSum(total * (math.nan if len(calls) == 6 else 1.0), count)

    failing = Failing(labels=task.labels, max_length=16)
    with pytest.raises(DivergedError) as caught:
        fit(model, PARTS, failing, tokenizer, TrainConfig(epochs=3, batch_size=4))
    history = caught.value.history
    assert len(history.steps) == 5
    assert len(history.evaluations) == 1
    log_loss = evaluate(model, PARTS["valid"], task, tokenizer).scores["log_loss"]
    assert log_loss == pytest.approx(history.best["log_loss"], abs=1e-6)


def test_a_batch_that_does_not_fit_names_the_remedy(loaded, task):
    model, tokenizer = loaded
    config = TrainConfig(epochs=1, batch_size=6)

    def greedy(logits, targets):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 10 GB")

    with pytest.raises(MemoryError, match=r"\d rows and \d+ tokens.*micro_batches") as caught:
        list(steps(model, task.batches(ROWS, tokenizer, config), greedy, config))
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_other_errors_pass_unchanged(loaded, task):
    model, tokenizer = loaded
    config = TrainConfig(epochs=1, batch_size=6)

    def wrong(logits, targets):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(steps(model, task.batches(ROWS, tokenizer, config), wrong, config))


def test_fit_keeps_the_weights_of_the_best_evaluation(loaded, task):
    model, tokenizer = loaded
    config = TrainConfig(epochs=12, batch_size=4, learning_rate=2e-2, schedule="constant")
    history = fit(model, PARTS, task, tokenizer, config)
    scores = [evaluation["log_loss"] for evaluation in history.evaluations]
    assert len(scores) == 12
    assert min(scores) < scores[-1], "the run must overfit for this test to mean anything"
    log_loss = evaluate(model, PARTS["valid"], task, tokenizer).scores["log_loss"]
    assert log_loss == pytest.approx(min(scores), abs=1e-6)


def test_patience_stops_early_and_says_so(loaded, task):
    model, tokenizer = loaded
    config = TrainConfig(epochs=40, batch_size=4, learning_rate=2e-2, schedule="constant")
    history = fit(model, PARTS, task, tokenizer, config, patience=2)
    best = history.evaluations.index(history.best)
    assert len(history.evaluations) == best + 3 < 40
    assert "2 evaluations" in history.stopped
    assert history.stopped in repr(history)


def test_patience_without_validation_data_is_refused(loaded, task):
    model, tokenizer = loaded
    with pytest.raises(ValueError, match="part 'valid'"):
        fit(model, ROWS, task, tokenizer, TrainConfig(), patience=1)


def interrupting(task, *calls, number=signal.SIGINT):
    """The task's loss, with a signal (Ctrl-C) arriving in the given calls."""
    numbers = itertools.count(1)

    def loss(logits, targets):
        if next(numbers) in calls:
            signal.raise_signal(number)
        return task.loss(logits, targets)

    return loss


@pytest.mark.parametrize(("numbers", "expected"), [("bf16", "eager"), ("fp32", "sdpa")])
def test_a_run_takes_the_attention_that_is_fast_in_its_number_format(
    loaded, task, monkeypatch, numbers, expected
):
    monkeypatch.setenv("FTLEARN_COMPUTE", numbers)
    model, tokenizer = loaded
    config = TrainConfig(epochs=1)
    run = steps(model, task.batches(ROWS, tokenizer, config), task.loss, config)
    assert model.config._attn_implementation == expected
    assert run.arithmetic.attention == expected


def test_an_attention_that_somebody_chose_by_name_stays(loaded, task, monkeypatch):
    monkeypatch.setenv("FTLEARN_COMPUTE", "bf16")
    model, tokenizer = loaded
    model.set_attn_implementation("flex_attention")
    config = TrainConfig(epochs=1)
    run = steps(model, task.batches(ROWS, tokenizer, config), task.loss, config)
    assert run.arithmetic.attention == "flex_attention"


def with_loss(loss):
    """`training.steps` with a loss of the test's own, whatever the caller passes."""

    def started(model, batches, _, config, **options):
        return training.steps(model, batches, loss, config, **options)

    return started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_finishes_the_update_and_returns_the_history(
    loaded, task, monkeypatch, number
):
    model, tokenizer = loaded
    before = signal.getsignal(number)
    loss = interrupting(task, 3, number=number)
    monkeypatch.setattr(fitting, "steps", with_loss(loss))
    with pytest.warns(UserWarning, match="interrupted"):
        history = fit(model, ROWS, task, tokenizer, TrainConfig(epochs=1, batch_size=4))
    assert len(history.steps) == 3
    assert history.stopped == "interrupted"
    assert signal.getsignal(number) is before


def test_a_second_interrupt_aborts(loaded, task, monkeypatch):
    model, tokenizer = loaded
    before = signal.getsignal(signal.SIGINT)
    config = TrainConfig(epochs=1, batch_size=4, micro_batches=2)
    monkeypatch.setattr(fitting, "steps", with_loss(interrupting(task, 1, 2)))
    with pytest.raises(KeyboardInterrupt):
        fit(model, ROWS, task, tokenizer, config)
    assert signal.getsignal(signal.SIGINT) is before


def test_frozen_parts_stay_and_the_rest_moves(loaded, task):
    from ftlearn.models import architecture

    model, tokenizer = loaded
    architecture.freeze(model, "body")
    before = weights(model)
    fit(model, ROWS, task, tokenizer, TrainConfig(epochs=1))
    after = weights(model)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert "classifier.weight" in moved
    assert all(architecture.is_head(name) for name in moved)


def test_weight_decay_shrinks_matrices_and_leaves_biases(loaded, task):
    model, tokenizer = loaded
    other = copy.deepcopy(model)
    shared = {"epochs": 1, "batch_size": 22, "schedule": "constant", "warmup_ratio": 0.0}
    for network, decay in ((model, 0.0), (other, 1.0)):
        config = TrainConfig(learning_rate=0.01, weight_decay=decay, **shared)
        list(steps(network, task.batches(ROWS, tokenizer, config), task.loss, config))
    plain, decayed = weights(model), weights(other)
    start = weights(models.load(model.config.name_or_path, task, seed=0, device="cpu")[0])
    name = "classifier.weight"
    torch.testing.assert_close(decayed[name], plain[name] - 0.01 * start[name])
    assert torch.equal(decayed["classifier.bias"], plain["classifier.bias"])


def test_regression_and_language_models_learn_too(tiny_checkpoints, tiny_bert):
    rows = Dataset.from_dict({"text": TEXTS, "label": [float(row % 7) for row in range(22)]})
    number = regression(rows, max_length=16)
    words = language_modelling(max_length=16)
    for task, folder in ((number, tiny_bert), (words, tiny_checkpoints["gpt2"])):
        model, tokenizer = models.load(folder, task, device="cpu")
        before = evaluate(model, rows, task, tokenizer).scores[task.monitor]
        fit(model, rows, task, tokenizer, TrainConfig(epochs=20, batch_size=8, learning_rate=3e-3))
        assert evaluate(model, rows, task, tokenizer).scores[task.monitor] < 0.8 * before


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("epochs", 0, "epochs is 0"),
        ("epochs", 1.5, "epochs is 1.5"),
        ("batch_size", True, "batch_size is True"),
        ("epochs", np.bool_(True), "epochs is np.True_"),
        ("learning_rate", True, "learning_rate is True: it must be a number"),
        ("learning_rate", "1e-4", "learning_rate is '1e-4': it must be a number"),
        ("max_grad_norm", None, "max_grad_norm is None: it must be a number"),
        ("seed", -1, "seed is -1: it must be a whole number of at least 0"),
        ("learning_rate", -1, "learning_rate is -1"),
        ("learning_rate", math.nan, "learning_rate is nan"),
        ("warmup_ratio", 2, "warmup_ratio is 2: it must lie between 0 and 1"),
        ("optimizer", "adamax", "unknown optimizer 'adamax': use sgd, momentum, adam, adamw"),
        ("schedule", "step", "unknown schedule 'step': use constant, linear, cosine"),
        ("micro_batches", 17, "micro_batches is 17, more than the 16 rows"),
    ],
)
def test_impossible_settings_are_refused_by_name(setting, value, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**{setting: value})


def test_numbers_of_other_libraries_are_taken_as_pythons():
    config = TrainConfig(
        epochs=np.int64(3), batch_size=np.uint8(4), learning_rate=np.float32(0.5), seed=np.int32(1)
    )
    assert config == TrainConfig(epochs=3, batch_size=4, learning_rate=0.5, seed=1)
    assert json.loads(json.dumps(asdict(config))) == asdict(config)


def test_the_settings_are_few_and_frozen():
    config = TrainConfig()
    assert len(vars(config)) <= 12
    with pytest.raises(AttributeError):
        config.epochs = 5
