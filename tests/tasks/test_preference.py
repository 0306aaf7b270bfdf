"""Pairs of answers as a task: what is encoded, what counts, and the scores."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from tiny_decoder import tiny_decoder

from ftlearn import evaluation, models, preferences, tasks
from ftlearn.data import DataError
from ftlearn.data.batching import collate
from ftlearn.errors import ArgumentError, UnknownNameError
from ftlearn.fast.counted_logits import counted_logits
from ftlearn.losses import IGNORED
from ftlearn.tasks.preference import REFERENCE_COLUMNS
from ftlearn.training import TrainConfig

ROWS = Dataset.from_dict(
    {
        "prompt": [f"Where is order {row}?" for row in range(6)],
        "chosen": ["It comes on Monday.", "On Friday", "I asked: tomorrow.", "No.", "Soon", "Yes"],
        "rejected": ["No idea", "Who knows, really?", "Ask them", "Well ...", "Hm", "Never mind"],
    }
)
OBJECTIVES = ("dpo", "ipo", "kto", "orpo", "simpo")


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    """A small model that chats."""
    return tiny_decoder(tmp_path_factory.mktemp("decoder"))


@pytest.fixture(scope="module")
def loaded(decoder):
    """Model and tokenizer, which no test changes."""
    return models.load(decoder, tasks.preference(), device="cpu")


def other(model):
    """The same architecture with somewhat other weights, as a policy that has learnt."""
    changed = copy.deepcopy(model)
    with torch.no_grad():
        torch.manual_seed(1)
        for weight in changed.parameters():
            weight.add_(torch.randn_like(weight) * 0.02)
    return changed


def slow_log_probability(model, tokenizer, prompt: str, answer: str) -> tuple[float, int]:
    """log p of an answer and its end token after the template's prompt, and their number."""
    messages = [{"role": "user", "content": prompt}]
    before = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    after = tokenizer(answer + "<|im_end|>", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model.eval()(torch.tensor([[*before, *after]])).logits[0].log_softmax(-1)
    places = range(len(before) - 1, len(before) + len(after) - 1)
    return sum(logits[at, id_].item() for at, id_ in zip(places, after, strict=True)), len(after)


# What is encoded


def test_two_answers_to_a_prompt_lie_side_by_side(loaded):
    _, tokenizer = loaded
    task = tasks.preference(ROWS, loss="simpo", max_length=96)
    encoded = task.encode(ROWS, tokenizer)
    chat = tasks.chat(max_length=96)
    for place, name in enumerate(("chosen", "rejected")):
        messages = [
            [{"role": "user", "content": p}, {"role": "assistant", "content": a}]
            for p, a in zip(ROWS["prompt"], ROWS[name], strict=True)
        ]
        alone = chat.encode_texts(messages, tokenizer)
        part = slice(place * 6, place * 6 + 6)
        assert encoded.inputs["input_ids"][part] == alone.inputs["input_ids"]
        assert encoded.targets[part] == alone.targets
    assert (len(encoded), encoded.sequences, len(encoded.inputs["input_ids"])) == (6, 2, 12)
    batch = collate(encoded, [4, 1], tokenizer)
    ids = [[id_ for id_ in row.tolist() if id_ != IGNORED] for row in batch.targets]
    texts = [tokenizer.decode(row) for row in ids]
    assert texts == [
        text + "<|im_end|>" for text in ("Soon", "On Friday", "Hm", "Who knows, really?")
    ]


def test_only_the_last_answer_of_a_longer_conversation_counts(loaded):
    _, tokenizer = loaded
    prompt = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Good morning"},
        {"role": "user", "content": "Where?"},
    ]
    rows = Dataset.from_dict({"prompt": [prompt], "chosen": ["Here"], "rejected": ["There"]})
    encoded = tasks.preference(rows, loss="orpo").encode(rows, tokenizer)
    said = [[id_ for id_ in row if id_ != IGNORED] for row in encoded.targets]
    assert [tokenizer.decode(row) for row in said] == ["Here<|im_end|>", "There<|im_end|>"]
    view = str(tasks.preference(loss="orpo").show(rows[0], tokenizer))
    assert "[[Here<|im_end|>]]" in view


def test_a_system_prompt_reaches_both_answers(loaded):
    _, tokenizer = loaded
    task = tasks.preference(ROWS, loss="simpo", system="Be brief.")
    encoded = task.encode(ROWS, tokenizer)
    assert all("Be brief." in tokenizer.decode(ids) for ids in encoded.inputs["input_ids"])


# What counts


def test_log_probabilities_are_those_of_plain_transformers(loaded):
    model, tokenizer = loaded
    report = evaluation.evaluate(model, ROWS, tasks.preference(loss="simpo"), tokenizer)
    for row, output in zip(ROWS, report.outputs, strict=True):
        for column, name in ((0, "chosen"), (2, "rejected")):
            total, count = slow_log_probability(model, tokenizer, row["prompt"], row[name])
            assert output[column] == pytest.approx(total, abs=1e-3)
            assert output[column + 1] == count


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_loss_of_a_batch_is_that_of_the_formula(loaded, objective):
    model, tokenizer = loaded
    task = tasks.preference(ROWS, loss=objective, beta=0.3)
    rows = evaluation.reference_log_probabilities(other(model), ROWS, task, tokenizer)
    encoded = task.encode(rows, tokenizer)
    batch = collate(encoded, [3, 0, 5], tokenizer)
    assert task.count_targets(batch.targets) == 3
    chosen_rows = ROWS.select([3, 0, 5])
    pairs = [
        [slow_log_probability(model, tokenizer, row["prompt"], row[name]) for row in chosen_rows]
        for name in ("chosen", "rejected")
    ]
    if task.with_reference:
        values = [torch.tensor([total for total, _ in answers]) for answers in pairs]
        values += [torch.tensor(rows[name][:])[[3, 0, 5]] for name in REFERENCE_COLUMNS]
    else:
        values = [torch.tensor([total / count for total, count in answers]) for answers in pairs]
    expected = getattr(preferences, objective)(*values, beta=0.3)
    with torch.no_grad():
        whole = task.loss(model(**batch.inputs).logits, batch.targets)
        with counted_logits(model, batch.targets, task.loss):
            counted = task.loss(model(**batch.inputs).logits, batch.targets)
    assert whole.count == counted.count == 3
    assert whole.total.item() == pytest.approx(expected.total.item(), rel=1e-4)
    assert counted.total.item() == pytest.approx(whole.total.item(), rel=1e-5)


# The reference


def test_a_model_that_equals_its_reference_has_no_margin(loaded):
    model, tokenizer = loaded
    task = tasks.preference(ROWS)
    rows = evaluation.reference_log_probabilities(model, ROWS, task, tokenizer)
    scores = evaluation.evaluate(model, rows, task, tokenizer).scores
    assert scores["margin"] == 0
    assert scores["accuracy"] == 0.5
    assert scores["loss"] == pytest.approx(np.log(2))


def test_the_reference_of_an_adapted_model_is_its_base(decoder):
    task = tasks.preference(ROWS)
    model, tokenizer = models.load(decoder, task, device="cpu")
    before = evaluation.reference_log_probabilities(model, ROWS, task, tokenizer)
    adapted = models.with_lora(model, 2)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.2)
    rows = evaluation.reference_log_probabilities(adapted, before, task, tokenizer)
    assert rows.column_names == before.column_names
    for name in REFERENCE_COLUMNS:
        np.testing.assert_allclose(rows[name][:], before[name][:], atol=1e-4)
    assert abs(evaluation.evaluate(adapted, rows, task, tokenizer).scores["margin"]) > 0.01
    assert all(weight.requires_grad == ("lora_" in n) for n, weight in adapted.named_parameters())


def test_without_its_reference_a_row_is_refused(loaded):
    _, tokenizer = loaded
    with pytest.raises(ArgumentError, match="no column 'reference_chosen': call evaluation"):
        tasks.preference(ROWS).encode(ROWS, tokenizer)


# Scores


def test_the_report_shows_that_both_answers_may_become_less_probable():
    task = tasks.preference(loss="dpo", beta=1.0)
    outputs = np.array([[-12.0, 4, -30.0, 5, -10.0, -20.0], [-9.0, 3, -8.0, 2, -10.0, -10.0]])
    scores = task.metrics(outputs, np.zeros(2))
    assert scores["margin"] == pytest.approx((8.0 - 1.0) / 2)
    assert scores["accuracy"] == 0.5
    assert scores["chosen_log_probability"] == -10.5
    assert scores["loss"] == pytest.approx(np.log1p(np.exp([-8.0, 1.0])).mean())
    assert task.example_losses(outputs, np.zeros(2)).mean() == pytest.approx(scores["loss"])
    assert task.decode(outputs) == [8.0, -1.0]
    assert set(task.metric_names()) == set(scores)


def test_without_a_reference_the_margin_is_per_token():
    task = tasks.preference(loss="simpo")
    outputs = np.array([[-12.0, 4, -30.0, 5]])
    assert task.decode(outputs) == [3.0]


def test_pairs_of_prompt_and_answer_are_scored(loaded):
    model, tokenizer = loaded
    table = evaluation.predict(
        model, [("Where?", "Here."), ("Where?", "No")], tasks.preference(), tokenizer
    )
    expected = [slow_log_probability(model, tokenizer, "Where?", a)[0] for a in ("Here.", "No")]
    np.testing.assert_allclose(table["prediction"], expected, atol=1e-3)


# What is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "dppo"}, "loss is 'dppo': use one of 'dpo'"),
        ({"beta": 0.0}, "beta is 0"),
        ({"beta": -1.0}, "beta is -1.0"),
        ({"loss": "bradley-terry", "beta": 0.1}, "bradley-terry has none"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ArgumentError, match=message):
        tasks.preference(**settings)


def test_rows_that_are_no_pairs_are_refused(loaded):
    _, tokenizer = loaded
    same = Dataset.from_dict({"prompt": ["a", "b"], "chosen": ["c", "d"], "rejected": ["e", "d"]})
    with pytest.raises(DataError, match="row 1: chosen and rejected are the same answer"):
        tasks.preference(same)
    with pytest.raises(UnknownNameError, match="no column 'rejected'"):
        tasks.preference(same.remove_columns("rejected"))
    long = Dataset.from_dict(
        {"prompt": ["a"], "chosen": ["so it is " * 20 + "x"], "rejected": ["so it is " * 20 + "y"]}
    )
    task = tasks.preference(loss="orpo", max_length=64, truncation="silent")
    with pytest.raises(ArgumentError, match="row 0: its two answers are the same in the first 64"):
        task.encode(long, tokenizer)


def test_the_batches_of_kto_are_never_cut(loaded):
    model, tokenizer = loaded
    task = tasks.preference(ROWS, loss="kto")
    rows = evaluation.reference_log_probabilities(model, ROWS, task, tokenizer)
    with pytest.raises(ArgumentError, match="micro_batches is 2"):
        task.batches(rows, tokenizer, TrainConfig(batch_size=4, micro_batches=2))
    batches = task.batches(rows, tokenizer, TrainConfig(batch_size=4))
    (whole,) = next(batches.epoch(0))
    assert batches.split_in_half([whole]) == [whole]
