"""Laws of batch plans, padding against a slow version, micro-batches against their batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from ftlearn.data.batching import Batch, Batches, Encoded, by_length, collate, padding_share, plan
from ftlearn.losses import IGNORED, next_token

lengths = st.lists(st.integers(1, 512), min_size=1, max_size=300)
batch_sizes = st.integers(1, 9)
seeds = st.integers(0, 2**32)
epochs = st.integers(0, 50)
LONG_TAIL = np.random.default_rng(0).geometric(1 / 60, size=2000).tolist()


@pytest.fixture
def tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


def encoded(targets: list, rows: list[list[int]] | None = None) -> Encoded:
    """Rows of 1, 2, 3 ... tokens with BERT's inputs."""
    rows = rows or [[10 + row] * (row + 1) for row in range(len(targets))]
    return Encoded(
        {
            "input_ids": rows,
            "token_type_ids": [[0] * len(ids) for ids in rows],
            "attention_mask": [[1] * len(ids) for ids in rows],
        },
        targets,
        max_length=128,
    )


@given(lengths, batch_sizes, seeds, epochs, st.booleans())
def test_plan_holds_every_row_once(tokens, size, seed, epoch, bucketed):
    batches = plan(tokens, size, seed=seed, epoch=epoch, bucketed=bucketed)
    assert sorted(row for rows in batches for row in rows) == list(range(len(tokens)))
    assert len(batches) == -(-len(tokens) // size)
    assert sorted(map(len, batches))[1:] == [size] * (len(batches) - 1)


@given(lengths, batch_sizes, seeds, epochs)
def test_plan_is_a_function_of_seed_and_epoch(tokens, size, seed, epoch):
    first = plan(tokens, size, seed=seed, epoch=epoch)
    torch.manual_seed(epoch)
    np.random.seed(0)  # noqa: NPY002 - the state that must not matter
    assert plan(tokens, size, seed=seed, epoch=epoch) == first


def test_plan_leaves_the_random_state_alone():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    plan(LONG_TAIL, 16, seed=0, epoch=0)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


def test_plan_differs_between_epochs_and_seeds():
    keys = [(0, 0), (0, 1), (1, 0), (1, 1)]
    plans = {str(plan(LONG_TAIL, 16, seed=seed, epoch=epoch)) for seed, epoch in keys}
    assert len(plans) == len(keys)


def test_bucketed_batches_hold_rows_of_similar_length():
    bucketed = plan(LONG_TAIL, 16, seed=0, epoch=0)
    shuffled = plan(LONG_TAIL, 16, seed=0, epoch=0, bucketed=False)
    assert padding_share(LONG_TAIL, bucketed) < 0.15
    assert padding_share(LONG_TAIL, shuffled) > 0.5
    assert padding_share(LONG_TAIL, by_length(LONG_TAIL, 2000)) < 0.04


def test_bucketed_batches_do_not_come_sorted_by_length():
    pool = LONG_TAIL[: 32 * 16]
    longest = [max(pool[row] for row in rows) for rows in plan(pool, 16, seed=0, epoch=0)]
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.4


def test_bucketed_batches_mix_the_whole_data():
    """A batch draws from a random pool, not from neighbours in the file."""
    first = plan([5] * 2000, 16, seed=0, epoch=0)[0]
    assert max(first) - min(first) > 1000


@given(lengths, batch_sizes)
def test_prediction_batches_hold_every_row_once_longest_first(tokens, size):
    order = [row for rows in by_length(tokens, size) for row in rows]
    assert sorted(order) == list(range(len(tokens)))
    assert [tokens[row] for row in order] == sorted(tokens, reverse=True)


@given(lengths, st.integers(1, 300))
def test_prediction_batches_are_as_large_as_their_positions_allow(tokens, positions):
    batches = by_length(tokens, positions)
    for rows, following in zip(batches, [*batches[1:], None], strict=True):
        width = max(1, *(tokens[row] for row in rows), 1)
        assert len(rows) == 1 or len(rows) * width <= positions
        assert following is None or (len(rows) + 1) * width > positions


@given(lengths, batch_sizes)
def test_padding_share_counts_empty_cells(tokens, size):
    batches = by_length(tokens, size)
    empty = total = 0
    for rows in batches:
        width = max(tokens[row] for row in rows)
        for row in rows:
            empty += width - tokens[row]
            total += width
    assert padding_share(tokens, batches) == pytest.approx(empty / total)


@pytest.mark.parametrize("side", ["right", "left"])
def test_collate_pads_on_the_right_whatever_the_tokenizer_prefers(tokenizer, side: str):
    tokenizer.padding_side = side
    batch = collate(encoded([0, 1, 0]), [0, 2], tokenizer)
    pad = tokenizer.pad_token_id
    assert batch.inputs["input_ids"].tolist() == [[10, pad, pad], [12, 12, 12]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert batch.inputs["token_type_ids"].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert batch.rows == [0, 2]
    assert tokenizer.padding_side == side


@pytest.mark.parametrize(("window", "width"), [(9, 8), (8, 8), (7, 7), (5, 6)])
def test_collate_pads_to_whole_steps_within_the_window(tokenizer, window: int, width: int):
    rows = replace(encoded([0] * 9), max_length=window)
    plain, stepped = (collate(rows, [1, 5], tokenizer, step=step) for step in (1, 4))
    assert stepped.inputs["input_ids"].shape == (2, width)
    assert stepped.inputs["attention_mask"].sum() == plain.inputs["attention_mask"].sum()


def test_collate_pads_only_to_the_longest_of_its_rows(tokenizer):
    batch = collate(encoded([0] * 9), [1, 3], tokenizer)
    assert batch.inputs["input_ids"].shape == (2, 4)


@pytest.mark.parametrize(
    ("targets", "dtype"), [([1, 0, 2], torch.long), ([0.5, -1.0, 2.0], torch.float32)]
)
def test_targets_are_class_ids_or_numbers(tokenizer, targets: list, dtype: torch.dtype):
    batch = collate(encoded(targets), [2, 0], tokenizer)
    assert batch.targets.dtype is dtype
    assert batch.targets.tolist() == [targets[2], targets[0]]


@pytest.mark.parametrize("side", ["right", "left"])
def test_token_targets_are_ignored_where_padded(tokenizer, side: str):
    tokenizer.padding_side = side
    pad = tokenizer.pad_token_id
    rows = [[7, pad, 8], [9, 9, 9, 9, 9]]  # a real token may share the id of the padding
    batch = collate(encoded(rows, rows), [0, 1], tokenizer)
    assert batch.targets.tolist() == [[7, pad, 8, IGNORED, IGNORED], [9] * 5]
    assert batch.targets.dtype is torch.long
    assert next_token(torch.zeros(2, 5, 12), batch.targets).count == 2 + 4


@given(st.integers(1, 40), batch_sizes, st.data(), seeds, epochs)
def test_micro_batches_join_to_the_global_batch(tiny_bert, rows, size, data, seed, epoch):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    count = data.draw(st.integers(1, size))
    batches = Batches(encoded([0] * rows), tokenizer, size, count, seed)
    updates = list(batches.epoch(epoch))
    expected = plan(batches.encoded.lengths, size, seed=seed, epoch=epoch)
    joined = [[row for batch in micro_batches for row in batch.rows] for micro_batches in updates]
    assert joined == expected
    assert len(updates) == len(batches)
    assert all(len(micro_batches) <= count for micro_batches in updates)
    sizes = [len(batch.rows) for micro_batches in updates for batch in micro_batches]
    assert max(sizes) <= -(-size // count)


def test_micro_batches_hold_the_same_tokens_and_targets(tokenizer):
    data = encoded(list(range(12)))
    pad = tokenizer.pad_token_id

    def tokens(micro_batches: list[Batch]) -> torch.Tensor:
        ids = torch.cat([batch.inputs["input_ids"].reshape(-1) for batch in micro_batches])
        return ids[ids != pad]

    for single, three in zip(
        Batches(data, tokenizer, 6).epoch(0), Batches(data, tokenizer, 6, 3).epoch(0), strict=True
    ):
        assert len(single) == 1
        assert len(three) == 3
        assert torch.equal(torch.cat([batch.targets for batch in three]), single[0].targets)
        assert torch.equal(tokens(single), tokens(three))


def test_splitting_in_half_keeps_the_rows_in_order(tokenizer):
    batches = Batches(encoded(list(range(5))), tokenizer, 5)
    (batch,) = next(batches.epoch(0))
    halves = batches.split_in_half([batch])
    assert [len(half.rows) for half in halves] == [3, 2]
    quarters = batches.split_in_half(halves)
    assert [len(quarter.rows) for quarter in quarters] == [2, 1, 1, 1]
    singles = batches.split_in_half(quarters)
    assert [single.rows for single in singles] == [[row] for row in batch.rows]
    assert len(batches.split_in_half(singles)) == 5


def test_batch_moves_as_a_whole(tokenizer):
    moved = collate(encoded([0, 1]), [0, 1], tokenizer).to(torch.device("meta"))
    assert {tensor.device.type for tensor in (*moved.inputs.values(), moved.targets)} == {"meta"}
    assert moved.rows == [0, 1]
