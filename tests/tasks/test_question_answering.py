"""Answers as spans: marks, loss, best span, windows, and a model that plain transformers opens."""

from __future__ import annotations

import json
import re
import string
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from hypothesis import given
from hypothesis import strategies as st
from interrupting import interrupt_after
from torch import nn
from transformers import AutoModelForQuestionAnswering, AutoTokenizer
from transformers.modeling_outputs import QuestionAnsweringModelOutput

from ftlearn import TrainConfig, compatibility, metrics, models
from ftlearn.compatibility import CompatibilityWarning
from ftlearn.data.batching import collate
from ftlearn.data.windows import Window
from ftlearn.errors import ArgumentError, UnknownNameError
from ftlearn.evaluation import evaluate, predict
from ftlearn.evaluation.predicting import outputs
from ftlearn.evaluation.streaming import predict_file
from ftlearn.losses import IGNORED
from ftlearn.models import ModelError, load_finetuned, save
from ftlearn.tasks import question_answering, spans
from ftlearn.tasks.base import TruncationWarning
from ftlearn.tasks.question_answering import END, NULL_SCORE, SCORE, START
from ftlearn.training import fit, resources

# Words that the small tokenizers have as one token each.
FILLER = ["the", "new", "a", "of", "and", "to", "in", "is", "it", "for", "with", "on"]
TASK = question_answering(max_length=24, stride=6, max_answer=6)


def answered(text: str, context: str, question: str = "what is new?") -> dict:
    found = {"text": [text], "answer_start": [context.index(text)]}
    return {"question": question, "context": context, "answers": found}


def unanswered(context: str, question: str = "what is new?") -> dict:
    return {
        "question": question,
        "context": context,
        "answers": {"text": [], "answer_start": []},
    }


LONG = " ".join(FILLER * 4)
ROWS = Dataset.from_list(
    [
        answered("phone", "the phone is new"),
        answered("match season ball", f"{LONG} match season ball {LONG}"),
        unanswered("it is the code"),
        answered("code", f"it is the code, {LONG}"),
        unanswered(LONG),
        answered("ball", f"{LONG} and the ball"),
    ]
)
ASKED = answered("phone", "a phone and a code")


@pytest.fixture(scope="module")
def tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


@pytest.fixture
def loaded(tiny_bert):
    return models.load(tiny_bert, TASK, seed=3, device="cpu")


class Planted(nn.Module):
    """A model whose start and end logits are those of its tokens, wherever they stand."""

    def __init__(self, tokenizer, starts: dict[str, float], ends: dict[str, float]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(len(tokenizer), 2))
        for column, logits in enumerate((starts, ends)):
            for token, logit in logits.items():
                self.table.data[tokenizer.convert_tokens_to_ids(token), column] = logit

    def forward(self, input_ids, **_):
        starts, ends = self.table[input_ids].unbind(-1)
        return QuestionAnsweringModelOutput(start_logits=starts, end_logits=ends)


# Marks, loss, best span


@st.composite
def windows(draw):
    """Logits (2, T, 2) and marks (2, T), with a context, and an answer or none."""
    length = draw(st.integers(4, 12))
    marks = []
    for _ in range(2):
        first = draw(st.integers(1, length - 1))
        count = draw(st.integers(1, length - first))
        start = draw(st.integers(first, first + count - 1))
        end = draw(st.integers(start, first + count - 1))
        answer = draw(st.sampled_from([(start, end), (0, 0), None]))
        marks.append(spans.marked(length, first, count, answer))
    seed = draw(st.integers(0, 10**6))
    logits = torch.randn(2, length, 2, generator=torch.Generator().manual_seed(seed)) * 3
    return logits, torch.tensor(marks)


@given(windows(), st.integers(1, 15))
def test_the_best_span_is_the_best_of_all(window, longest):
    logits, marks = window
    best = spans.best(logits, marks, longest)
    for row, (scores, mark) in enumerate(zip(logits.tolist(), marks.tolist(), strict=True)):
        found = (-np.inf, None)
        for start in range(1, len(mark)):
            for end in range(start, min(len(mark), start + longest)):
                possible = mark[start] != IGNORED and mark[end] != IGNORED
                score = scores[start][0] + scores[end][1]
                if possible and score > found[0]:
                    found = (score, (start, end))
        assert best.score[row].item() == pytest.approx(found[0])
        assert (best.start[row].item(), best.end[row].item()) == found[1]
        assert best.null[row].item() == pytest.approx(sum(scores[0]))


@given(windows())
def test_the_loss_is_that_of_a_softmax_over_the_possible_positions(window):
    logits, marks = window
    total, count = 0.0, 0
    for scores, mark in zip(logits.tolist(), marks.tolist(), strict=True):
        possible = [position for position in range(len(mark)) if mark[position] != IGNORED]
        for side, wanted in ((0, (1, 3)), (1, (2, 3))):
            for position in possible:
                if mark[position] in wanted:
                    all_scores = np.array([scores[other][side] for other in possible])
                    total += np.log(np.exp(all_scores).sum()) - scores[position][side]
                    count += 1
    loss = spans.loss(logits, marks)
    assert loss.total.item() == pytest.approx(total, rel=1e-4)
    assert loss.count == count == TASK.count_targets(marks)


def test_with_every_position_possible_the_loss_is_transformers_own(loaded):
    model, _ = loaded
    ids = torch.tensor([[2, 17, 300, 45, 9, 3], [2, 8, 30, 77, 5, 3]])
    marks = torch.tensor([[0, 0, 1, 0, 2, 0], [0, 3, 0, 0, 0, 0]])
    with torch.no_grad():
        output = model.eval()(
            ids, start_positions=torch.tensor([2, 1]), end_positions=torch.tensor([4, 1])
        )
    logits = torch.stack((output.start_logits, output.end_logits), -1)
    torch.testing.assert_close(TASK.loss(logits, marks).mean, output.loss)


@given(windows())
def test_gradients_are_numbers_and_zero_where_no_answer_can_stand(window):
    logits, marks = window
    logits.requires_grad_()
    spans.loss(logits, marks).total.backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[marks == IGNORED] == 0).all()


# Windows


def test_each_window_is_marked_with_what_it_holds(tokenizer):
    encoded = TASK.encode(ROWS, tokenizer)
    seen = set()
    for ids, marks, window in zip(
        encoded.inputs["input_ids"], encoded.targets, encoded.windows, strict=True
    ):
        answer = ROWS[window.row]["answers"]
        words = answer["text"][0].split() if answer["text"] else []
        tokens = tokenizer.convert_ids_to_tokens(ids)
        start = [tokens[at] for at, mark in enumerate(marks) if mark in (1, 3)]
        end = [tokens[at] for at, mark in enumerate(marks) if mark in (2, 3)]
        missing = set(words) - set(tokens[window.first :])
        if words and not missing:
            kind = "whole"
            assert (start, end) == ([words[0]], [words[-1]])
        elif len(missing) < len(words):
            kind = "part"
            assert (start, end) == ([], [])
        else:
            kind = "none"
            assert (start, end) == (["[CLS]"], ["[CLS]"])
        seen.add(kind)
        assert marks[1 : window.first] == [IGNORED] * (window.first - 1)
        assert marks[-1] == IGNORED
    assert seen == {"whole", "part", "none"}


@given(st.integers(0, 40), st.integers(1, 6))
def test_a_part_of_an_answer_is_never_called_no_answer(tokenizer, before, words):
    answer = " ".join(["match", "season", "ball", "code", "phone", "doctor"][:words])
    context = " ".join([*(FILLER * 4)[:before], answer, *(FILLER * 4)[:20]])
    encoded = TASK.encode(Dataset.from_list([answered(answer, context)]), tokenizer)
    first, last = before, before + words - 1
    for marks, window in zip(encoded.targets, encoded.windows, strict=True):
        held = set(range(window.skipped, window.skipped + len(window.spans)))
        parts = held & set(range(first, last + 1))
        if len(parts) == words:
            shift = window.first - window.skipped
            assert (marks[first + shift] & 1, marks[last + shift] & 2) == (1, 2)
        assert (marks[0] == 3) == (not parts)
        assert sum(map(bool, marks)) == sum(mark > 0 for mark in marks) + marks.count(IGNORED)
        assert bool(0 < len(parts) < words) == (max(marks) == 0)
    assert any(max(marks[1:]) > 0 for marks in encoded.targets)
    config = TrainConfig(batch_size=2, epochs=1)
    trained = TASK.batches(Dataset.from_list([answered(answer, context)]), tokenizer, config)
    assert all(max(marks) > 0 for marks in trained.encoded.targets)
    assert len(trained.encoded.windows) == len(trained.encoded.targets)


def test_the_best_span_may_stand_in_any_window(tokenizer):
    context = f"match {LONG} code of ball {LONG} code doctor"
    model = Planted(
        tokenizer, {"match": 2.0, "code": 3.0, "[CLS]": 0.5}, {"match": 2.0, "ball": 4.0}
    )
    row = Dataset.from_list([answered("code of ball", context)])
    report = evaluate(model, row, TASK, tokenizer)
    assert len(TASK.encode(row, tokenizer).windows) > 5
    assert report.rows()["prediction"].tolist() == ["code of ball"]
    assert report.outputs[0, [SCORE, NULL_SCORE]].tolist() == [7.0, 0.5]
    assert report.scores["exact_match"] == 1.0


def test_no_answer_has_the_score_of_the_window_that_doubts_it_most():
    parts = [Window(0, 2, 0, [(0, 2)]), Window(0, 2, 1, [(3, 5)]), Window(1, 2, 0, [(0, 4)])]
    of_windows = np.array([[4, 1, 2, 2, 1, 2], [5, -3, 2, 2, 2, 2], [0, 7, 2, 2, 0, 0]])
    expected = [[5, -3, 3, 5, 3, 4], [0, 7, 0, 4, 0, 0]]
    assert TASK.reduce_windows(of_windows, parts).tolist() == expected
    of_windows[0, 1] = -9
    assert TASK.reduce_windows(of_windows, parts)[0, NULL_SCORE] == -9


def test_a_question_is_no_place_for_an_answer(tokenizer):
    model = Planted(tokenizer, {"phone": 9.0, "code": 1.0}, {"phone": 9.0, "code": 1.0})
    pair = ("phone?", "it is the code of a match")
    assert predict(model, [pair], TASK, tokenizer)["prediction"].tolist() == ["code"]


def test_no_answer_is_given_up_to_the_threshold(tokenizer):
    model = Planted(tokenizer, {"code": 1.5, "[CLS]": 1.0}, {"code": 1.5, "[CLS]": 1.0})
    pair = ("what is it?", "it is the code of a match")
    for threshold, expected in ((0.9, "code"), (1.0, ""), (2.0, "")):
        task = replace(TASK, threshold=threshold)
        assert predict(model, [pair], task, tokenizer)["prediction"].tolist() == [expected]


def test_a_row_is_answered_alike_alone_and_with_others(loaded):
    model, tokenizer = loaded
    together = evaluate(model, ROWS, TASK, tokenizer).outputs
    for row in range(len(ROWS)):
        alone = evaluate(model, ROWS.select([row]), TASK, tokenizer).outputs[0]
        np.testing.assert_allclose(alone, together[row], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", ["bert", "distilbert", "roberta", "modernbert"])
def test_answers_are_quoted_from_the_context_not_decoded(tiny_checkpoints, shape):
    model, tokenizer = models.load(tiny_checkpoints[shape], TASK, device="cpu")
    context = "The  Über-Phone (3.14 GB!)\nis NEW — 🙂 and costs  £5."
    task = replace(TASK, threshold=-99)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompatibilityWarning)  # a tokenizer of a few words
        table = predict(model, [("What is NEW?", context)], task, tokenizer)
    answer = table["prediction"][0]
    assert answer
    assert answer in context
    assert answer == answer.strip()


def test_half_precision_keeps_scores_apart(loaded):
    model, tokenizer = loaded
    whole = evaluate(model, ROWS, TASK, tokenizer, precision="fp32").outputs
    half = evaluate(model, ROWS, TASK, tokenizer, precision="bf16").outputs
    np.testing.assert_allclose(half[:, :2], whole[:, :2], atol=0.1)
    scores = half[:, SCORE].astype(np.float32)
    assert (scores != torch.tensor(scores).bfloat16().float().numpy()).any()  # a head in fp32


def test_contexts_in_two_parts_are_noted():
    parts = {"train": ROWS, "valid": ROWS.select([1, 2])}
    found = [finding.message for finding in compatibility.check(parts, TASK)]
    assert any("2 of 2 contexts of valid also stand in train" in message for message in found)
    assert not compatibility.check({"train": ROWS, "test": Dataset.from_list([ASKED])}, TASK)


# Against transformers


def slow_answer(model, tokenizer, question, context, task=TASK) -> str:
    """The answer in the way of transformers' ``run_qa.py``: all windows, all pairs of positions."""
    features = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=task.max_length,
        stride=task.stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    null, best, answer = np.inf, -np.inf, ""
    for number, ids in enumerate(features["input_ids"]):
        kinds = {"token_type_ids": torch.tensor([features["token_type_ids"][number]])}
        with torch.no_grad():
            output = model.eval()(torch.tensor([ids]), **kinds)
        starts, ends = output.start_logits[0].tolist(), output.end_logits[0].tolist()
        null = min(null, starts[0] + ends[0])
        offsets = [
            offset if part == 1 else None
            for offset, part in zip(
                features["offset_mapping"][number], features.sequence_ids(number), strict=True
            )
        ]
        for start, first in enumerate(offsets):
            for end, last in enumerate(offsets):
                if first is None or last is None or not start <= end < start + task.max_answer:
                    continue
                if starts[start] + ends[end] > best:
                    best = starts[start] + ends[end]
                    answer = context[first[0] : last[1]]
    return answer if best - null > task.threshold else ""


def test_a_saved_reader_is_a_plain_transformers_model(loaded, tmp_path):
    model, tokenizer = loaded
    fit(model, ROWS, TASK, tokenizer, TrainConfig(epochs=3, batch_size=4, learning_rate=1e-2))
    # The most doubtful half of the rows gets no answer.
    margins = np.subtract(*evaluate(model, ROWS, TASK, tokenizer).outputs[:, :2].T)
    task = replace(TASK, threshold=float(np.median(margins)))
    expected = evaluate(model, ROWS, task, tokenizer).rows()["prediction"].tolist()
    assert 0 < expected.count("") < len(ROWS)
    folder = save(model, tokenizer, task, tmp_path / "reader")

    plain = AutoModelForQuestionAnswering.from_pretrained(folder)
    words = AutoTokenizer.from_pretrained(folder)
    assert [
        slow_answer(plain, words, row["question"], row["context"], task) for row in ROWS
    ] == expected

    again, its_tokenizer, its_task = load_finetuned(folder, device="cpu")
    assert its_task == task
    assert evaluate(again, ROWS, its_task, its_tokenizer).rows()["prediction"].tolist() == expected
    pairs = list(zip(ROWS["question"], ROWS["context"], strict=True))
    assert predict(again, pairs, its_task, its_tokenizer)["prediction"].tolist() == expected


def test_a_small_model_learns_the_rows_by_heart(loaded):
    model, tokenizer = loaded
    parts = DatasetDict(train=ROWS, valid=ROWS)
    config = TrainConfig(epochs=15, batch_size=8, micro_batches=2, learning_rate=2e-2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompatibilityWarning)  # valid is train
        history = fit(model, parts, TASK, tokenizer, config)
    report = evaluate(model, ROWS, TASK, tokenizer)
    assert report.scores["exact_match"] == 1.0
    assert report.rows()["label"].tolist() == [
        "phone",
        "match season ball",
        "",
        "code",
        "",
        "ball",
    ]
    assert history.best["loss"] == pytest.approx(report.scores["loss"], rel=1e-4)
    assert set(TASK.metric_names()) == set(report.scores)
    table = report.table(draws=20).loc["f1"]
    assert table["low"] <= table["value"] <= table["high"]
    worst = report.errors(1).iloc[0]
    assert worst["loss"] == pytest.approx(report.example_losses.max())


def test_an_interrupted_run_resumes_bit_for_bit(tiny_bert, tmp_path, monkeypatch):
    config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-2)
    weights = []
    for interrupted in (False, True):
        model, tokenizer = models.load(tiny_bert, TASK, seed=3, dropout=0.1, device="cpu")
        store = tmp_path / str(interrupted)
        if interrupted:
            with monkeypatch.context() as patch:
                interrupt_after(patch, 3)
                with pytest.warns(UserWarning, match="interrupted"):
                    fit(model, ROWS, TASK, tokenizer, config, checkpoints=store)
            model, tokenizer = models.load(tiny_bert, TASK, seed=3, dropout=0.1, device="cpu")
        fit(model, ROWS, TASK, tokenizer, config, checkpoints=store, resume=interrupted)
        weights.append(model.state_dict())
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name


def test_memory_is_estimated_and_files_are_answered(loaded, tmp_path):
    model, tokenizer = loaded
    assert resources.estimate(model, batch_size=4, tokens=24).flops > 0
    source, target = tmp_path / "asked.jsonl", tmp_path / "answered.jsonl"
    rows = [{"question": row["question"], "context": row["context"]} for row in ROWS]
    source.write_text("\n".join(map(json.dumps, rows)))
    predict_file(model, TASK, tokenizer, source, target)
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    expected = evaluate(model, ROWS, TASK, tokenizer).rows()["prediction"]
    assert lines == [{"answer": answer} for answer in expected]


# Scores


def official_f1(prediction: str, truth: str) -> float:
    """``compute_f1`` and what it calls, as in SQuAD 2.0's evaluation script."""

    def tokens(text: str) -> list[str]:
        text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
        return re.compile(r"\b(a|an|the)\b", re.UNICODE).sub(" ", text).split()

    gold, given = tokens(truth), tokens(prediction)
    same = sum((Counter(gold) & Counter(given)).values())
    if not gold or not given:
        return float(gold == given)
    if same == 0:
        return 0.0
    precision, recall = same / len(given), same / len(gold)
    return 2 * precision * recall / (precision + recall)


TEXTS = st.lists(
    st.sampled_from(["The", "mill", "MILL", "a", "in", "Graz,", "Graz", "-", "An", "theft"]),
    max_size=6,
).map(" ".join)


@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_f1_and_exact_match_are_squads(answer, references):
    f1 = max(official_f1(answer, truth) for truth in references or [""])
    assert metrics.token_f1(answer, references) == pytest.approx(f1)
    exact = any(
        metrics.normalised_answer(answer) == metrics.normalised_answer(truth)
        for truth in references or [""]
    )
    assert metrics.exact_match(answer, references) == exact


def test_metrics_average_over_rows_with_the_best_of_the_references(tokenizer):
    context = "the phone is new, the new code is a match"
    rows = Dataset.from_list(
        [
            answered("phone", context),
            {**answered("code", context)}
            | {"answers": {"text": ["code", "new code"], "answer_start": [26, 22]}},
            unanswered(context),
            unanswered(context),
        ]
    )
    task = replace(TASK, threshold=1.0)
    spans_given = [(0, 16), (18, 30), (0, 9), (0, 9)]
    margins = [2.0, 2.0, 2.0, 1.0]
    table = np.array(
        [[m, 0.0, *span, 1.0, 2.0] for m, span in zip(margins, spans_given, strict=True)]
    )
    references = np.asarray(task.targets(rows), dtype=object)
    scores = task.metrics(table, references)
    f1 = [2 / 4, 1.0, 0.0, 1.0]  # "phone is new", "new code", "phone", none
    assert scores["f1"] == pytest.approx(np.mean(f1))
    assert scores["has_answer_f1"] == pytest.approx(np.mean(f1[:2]))
    assert scores["no_answer_accuracy"] == 0.5
    assert scores["exact_match"] == 0.5
    assert scores["loss"] == 0.5
    assert task.example_losses(table, references).tolist() == [0.5] * 4
    assert np.isnan(task.metrics(table[:2], references[:2])["no_answer_accuracy"])
    assert table[:, [START, END]].tolist() == [list(span) for span in spans_given]


# What is refused


def test_an_answer_that_does_not_stand_at_its_start_is_refused(tokenizer):
    row = answered("phone", "the phone is new")
    row["answers"]["answer_start"] = [5]
    with pytest.raises(ArgumentError, match=r"'phone' of row 1 .* character 5 .* 'hone ' does"):
        TASK.encode(Dataset.from_list([unanswered("it is"), row]), tokenizer)


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["phone"], "answer_start": []},
        {"text": ["phone"]},
        {"text": [""], "answer_start": [4]},
        {"text": ["phone"], "answer_start": [-12]},
        "phone",
    ],
)
def test_answers_of_another_form_are_refused(tokenizer, answers):
    rows = Dataset.from_list([{**unanswered("the phone is new"), "answers": answers}])
    with pytest.raises(ArgumentError, match="row 0"):
        TASK.encode(rows, tokenizer)


def test_an_answer_that_every_window_cuts_is_refused_with_the_stride_that_helps(tokenizer):
    answer = " ".join(FILLER[:8])
    rows = Dataset.from_list(
        [answered(answer, f"{' '.join(['match'] * at)} {answer} {LONG}") for at in range(1, 12)]
    )
    task = replace(TASK, stride=2, truncation="silent")
    with pytest.raises(ArgumentError, match=r"8 tokens and is cut in every window: .*stride.* 8"):
        task.encode(rows, tokenizer)
    replace(task, stride=8).encode(rows, tokenizer)


def test_long_answers_are_warned_of(tokenizer):
    rows = Dataset.from_list([answered("the new phone of a ball", "it is the new phone of a ball")])
    task = replace(TASK, max_answer=5)
    with pytest.warns(TruncationWarning, match=r"1 of 1 answers .* max_answer to 6"):
        task.encode(rows, tokenizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        replace(task, truncation="silent").encode(rows, tokenizer)


def test_wrong_columns_and_settings_are_refused(tokenizer):
    with pytest.raises(UnknownNameError, match="no column 'answers'"):
        TASK.encode(ROWS.remove_columns("answers"), tokenizer)
    with pytest.raises(ArgumentError, match="holds ' ' instead of a text"):
        TASK.encode(Dataset.from_list([unanswered(" ")]), tokenizer)
    with pytest.raises(ArgumentError, match="0 rows"):
        TASK.encode(ROWS.select([]), tokenizer)
    with pytest.raises(ArgumentError, match="stride is -1"):
        replace(TASK, stride=-1)
    with pytest.raises(ArgumentError, match="max_answer is 0"):
        replace(TASK, max_answer=0)
    with pytest.raises(ArgumentError, match="threshold is nan"):
        replace(TASK, threshold=float("nan"))


def test_models_without_such_a_head_are_refused(tiny_checkpoints):
    with pytest.raises(ModelError, match="gpt2 is no encoder"):
        models.load(tiny_checkpoints["gpt2"], TASK, device="cpu")
    with pytest.raises(ModelError, match="pooling='mean' makes one vector"):
        models.load(tiny_checkpoints["bert"], TASK, pooling="mean", device="cpu")


def test_padding_carries_no_mark(tokenizer):
    encoded = TASK.encode(ROWS, tokenizer)
    batch = collate(encoded, list(range(len(encoded))), tokenizer)
    assert batch.targets.shape == batch.inputs["input_ids"].shape
    assert (batch.targets[batch.inputs["attention_mask"] == 0] == IGNORED).all()


def test_bare_pairs_have_the_outputs_of_rows(loaded):
    model, tokenizer = loaded
    pairs = list(zip(ROWS["question"], ROWS["context"], strict=True))
    bare = outputs(model, TASK.encode_texts(pairs, tokenizer), TASK, tokenizer)
    rows = outputs(model, TASK.encode(ROWS, tokenizer), TASK, tokenizer)
    np.testing.assert_allclose(bare[:, :4], rows[:, :4], rtol=1e-6)
    assert (bare[:, 4:] == 0).all()
