"""Too little memory, simulated: batches are cut smaller, and the result does not show it."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import killed_runs
import pytest
import torch
from killed_runs import LABELS, PARTS

from ftlearn.compatibility import CompatibilityWarning
from ftlearn.training import TrainConfig, fit, fitting, steps
from ftlearn.training.checkpoints import Store

CONFIG = TrainConfig(epochs=2, batch_size=16, learning_rate=0.02, optimizer="momentum", seed=1)


@pytest.fixture(autouse=True)
def _no_dry_run(monkeypatch):
    """The memory estimate takes longer than these runs."""
    monkeypatch.setattr(fitting, "check_memory", lambda *_: None)


def small(bert, rows: int, *, dropout: float = 0.0, error=torch.OutOfMemoryError, first: int = 0):
    """A model that has memory for some rows at once, and the numbers of rows it was given.

    The first pieces pass whatever their size.
    """
    model, tokenizer = killed_runs.load(bert, dropout=dropout)
    forward, sizes = model.forward, []

    def limited(*, input_ids, **inputs):
        sizes.append(len(input_ids))
        if len(input_ids) > rows and len(sizes) > first:
            raise error("CUDA out of memory")
        return forward(input_ids=input_ids, **inputs)

    model.forward = limited
    return model, tokenizer, sizes


def run(model, tokenizer, config=CONFIG, data=PARTS["train"]):
    """Steps of a run, and the weights at its end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = list(steps(model, LABELS.batches(data, tokenizer, config), LABELS.loss, config))
    return done, model.state_dict(), [str(warning.message) for warning in caught]


def plain(step):
    return replace(step, seconds=0)


def assert_alike(first, second):
    torch.testing.assert_close(first, second, atol=1e-6, rtol=1e-5)


def test_a_batch_is_halved_until_it_fits_and_later_ones_are_cut_from_the_start(tiny_bert):
    model, tokenizer, sizes = small(tiny_bert, 4)
    done, _, messages = run(model, tokenizer)
    assert sizes == [16, 8, 4, 4, 4, 4, 4, 4, 4, 4]
    assert [text.split("are now cut into ")[1].split(";")[0] for text in messages] == [
        "2 micro-batches", "4 micro-batches",
    ]  # fmt: skip
    assert [step.examples for step in done] == [16, 32]


def test_the_result_is_that_of_the_whole_batch_and_of_accumulate_to_the_bit(tiny_bert):
    _, limited, _ = run(*small(tiny_bert, 4)[:2])
    done, whole, messages = run(*killed_runs.load(tiny_bert, dropout=0.0))
    assert messages == []
    assert_alike(limited, whole)
    cut, pieces, _ = run(
        *killed_runs.load(tiny_bert, dropout=0.0), replace(CONFIG, micro_batches=4)
    )
    assert all(torch.equal(limited[name], pieces[name]) for name in pieces)
    assert cut[0].loss == pytest.approx(done[0].loss, abs=1e-6)
    start = killed_runs.load(tiny_bert)[0].state_dict()
    assert any((whole[name] - start[name]).abs().max() > 1e-3 for name in whole)


def test_a_last_batch_that_is_smaller_is_cut_as_well(tiny_bert):
    model, tokenizer, sizes = small(tiny_bert, 4)
    _, limited, _ = run(model, tokenizer, replace(CONFIG, epochs=1), killed_runs.ROWS)
    assert sizes == [6, 3, 3, 8, 4, 4, 4, 4]
    whole = run(
        *killed_runs.load(tiny_bert, dropout=0.0), replace(CONFIG, epochs=1), killed_runs.ROWS
    )[1]
    assert_alike(limited, whole)


def test_gradients_of_pieces_that_did_fit_are_not_counted_twice(tiny_bert):
    """Cut in two, the first half passes and the second does not."""
    config = replace(CONFIG, micro_batches=2)
    model, tokenizer, sizes = small(tiny_bert, 4, first=1)
    _, limited, _ = run(model, tokenizer, config)
    assert sizes[:6] == [8, 8, 4, 4, 4, 4]
    pieces = run(*killed_runs.load(tiny_bert, dropout=0.0), replace(CONFIG, micro_batches=4))[1]
    assert all(torch.equal(limited[name], pieces[name]) for name in pieces)


@pytest.mark.parametrize("first", [0, 1])
def test_dropout_draws_the_same_numbers_as_if_cut_from_the_start(tiny_bert, first):
    model, tokenizer, _ = small(tiny_bert, 4, dropout=0.3, first=first)
    done, limited, messages = run(model, tokenizer, replace(CONFIG, micro_batches=2))
    assert messages
    other, pieces, _ = run(
        *killed_runs.load(tiny_bert, dropout=0.3), replace(CONFIG, micro_batches=4)
    )
    assert all(torch.equal(limited[name], pieces[name]) for name in pieces)
    assert [plain(step) for step in done] == [plain(step) for step in other]


def test_when_not_even_one_row_fits_the_remedy_is_named_and_no_weight_is_moved(tiny_bert):
    model, tokenizer, sizes = small(tiny_bert, 0, first=1)
    before = killed_runs.digest(model)
    run = steps(model, LABELS.batches(PARTS["train"], tokenizer, CONFIG), LABELS.loss, CONFIG)
    next(run)
    after = killed_runs.digest(model)
    assert after != before
    with pytest.warns(UserWarning, match="cut into"), pytest.raises(MemoryError) as caught:
        list(run)
    assert "a micro-batch of 1 rows" in str(caught.value)
    assert "max_length" in str(caught.value)
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)
    assert sizes == [16, 16, 8, 4, 2, 1]
    assert killed_runs.digest(model) == after


def test_no_half_summed_gradients_are_left_when_nothing_fits(tiny_bert):
    config = replace(CONFIG, micro_batches=16)
    model, tokenizer, sizes = small(tiny_bert, 0, first=3)
    with pytest.raises(MemoryError):
        list(steps(model, LABELS.batches(PARTS["train"], tokenizer, config), LABELS.loss, config))
    assert sizes == [1, 1, 1, 1]
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_real_refusal_of_the_cpu_is_understood(tiny_bert):
    model, tokenizer = killed_runs.load(tiny_bert, dropout=0.0)
    forward = model.forward

    def greedy(*, input_ids, **inputs):
        if len(input_ids) > 8:
            # In a thread, because glibc moves one that was refused to another heap for good.
            with ThreadPoolExecutor(1) as elsewhere:
                elsewhere.submit(torch.empty, 2**60, dtype=torch.uint8).result()
        return forward(input_ids=input_ids, **inputs)

    model.forward = greedy
    _, limited, messages = run(model, tokenizer)
    assert len(messages) == 1
    assert_alike(limited, run(*killed_runs.load(tiny_bert, dropout=0.0))[1])


def test_other_errors_are_not_tried_again(tiny_bert):
    model, tokenizer, sizes = small(tiny_bert, 4, error=ValueError)
    with pytest.raises(ValueError, match="out of memory"):
        run(model, tokenizer)
    assert sizes == [16]


def test_a_resumed_run_remembers_how_small_pieces_must_be(tiny_bert, tmp_path):
    def train(folder, rows=4, **more):
        model, tokenizer, sizes = small(tiny_bert, rows, dropout=0.2)
        store = Store(folder, seconds=0)
        history = fit(model, PARTS["train"], killed_runs.hooked(**more), tokenizer, CONFIG,
                      checkpoints=store, resume=folder.exists())  # fmt: skip
        return killed_runs.outcome(model, history, store), sizes

    def tear():
        raise InterruptedError

    with pytest.warns(UserWarning, match="cut into"):
        whole, _ = train(tmp_path / "whole")
    with pytest.warns(UserWarning, match="cut into"), pytest.raises(InterruptedError):
        train(tmp_path / "run", on_loss=killed_runs.at_call(5, tear))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", CompatibilityWarning)
        resumed, sizes = train(tmp_path / "run", rows=16)
    assert sizes == [4, 4, 4, 4]
    assert resumed == whole
