"""Exports answer as their source, in every kind of task and at every shape."""

from __future__ import annotations

from functools import cache

import lora_models
import numpy as np
import onnx
import pytest
import torch
from task_kinds import KINDS

from ftlearn import evaluation, formats, models
from ftlearn.evaluation import predict_texts
from ftlearn.formats import onnx_files
from ftlearn.models.outputs import logits
from ftlearn.serving import Predictor, opened

ENCODERS = ("bert", "distilbert", "roberta", "modernbert")
TASKS = ("classes", "pairs", "regression", "ordinal", "ranking", "spans", "joint")


@pytest.fixture(scope="module")
def exported(saved, texts_of, tmp_path_factory):
    """A function from a kind of task and of model to its export as ONNX."""
    root = tmp_path_factory.mktemp("onnx")

    @cache
    def export(kind: str, shape: str = "bert") -> formats.Exported:
        source = saved(kind, shape)
        return formats.export(source, "onnx", texts_of(kind), out=root / f"{kind}-{shape}")

    return export


@pytest.mark.parametrize("kind", TASKS)
def test_each_task_predicts_the_same_in_onnx(kind, exported, saved, texts_of):
    result = exported(kind)
    expected = predict_texts(*_in_order(models.load_finetuned(saved(kind), "cpu")), texts_of(kind))
    got = predict_texts(*_in_order(formats.load(result.folder)), texts_of(kind))
    assert result.parity.share == 1
    assert result.parity.difference < 1e-3
    assert [_numbers(row) for row in got] == [
        pytest.approx(_numbers(row), abs=2e-4, rel=1e-4) for row in expected
    ]
    assert [_words(row) for row in got] == [_words(row) for row in expected]


@pytest.mark.parametrize("shape", ENCODERS[1:])
def test_each_encoder_can_be_exported(shape, exported):
    assert exported("classes", shape).parity.share == 1


@pytest.mark.parametrize("lengths", [(1,), (32,), (3, 32, 1), (2,) * 7])
@pytest.mark.parametrize("kind", ["classes", "spans"])
def test_any_batch_and_length(kind, lengths, exported, saved):
    source, tokenizer, _ = models.load_finetuned(saved(kind), "cpu")
    model, _, _ = formats.load(exported(kind).folder)
    inputs = onnx_files.batch(tokenizer, lengths, seed=3)
    with torch.no_grad():
        expected = logits(source(**inputs))
    assert torch.allclose(model(**inputs).logits, expected, atol=1e-4)


def test_padding_changes_no_answer_in_onnx(exported, saved):
    model, tokenizer, _ = formats.load(exported("classes").folder)
    alone = onnx_files.batch(tokenizer, (3,))
    padded = {
        name: torch.nn.functional.pad(
            ids, (0, 9), value=tokenizer.pad_token_id if name == "input_ids" else 0
        )
        for name, ids in alone.items()
    }
    assert torch.allclose(model(**padded).logits, model(**alone).logits, atol=1e-5)


def test_int8_multiplies_integers_and_answers_alike(saved, texts_of, tmp_path):
    result = formats.export(
        saved("classes"), "int8", texts_of("classes"), out=tmp_path / "int8", parity=0.8
    )
    graph = onnx.load(result.folder / "model.onnx").graph
    assert "MatMulInteger" in {node.op_type for node in graph.node}
    weights = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    values = np.concatenate([onnx.numpy_helper.to_array(tensor).ravel() for tensor in weights])
    assert np.abs(values.astype(int)).max() <= 64  # 7 bits: two products fit into 16
    assert 0 < result.parity.difference < 0.5


@pytest.mark.parametrize("kind", ["ordinal", "joint", "regression"])
def test_heads_stay_fp32_in_int8(kind, saved, texts_of, tmp_path):
    result = formats.export(saved(kind), "int8", texts_of(kind), out=tmp_path / "int8", parity=0.0)
    graph = onnx.load(result.folder / "model.onnx").graph
    head = [node.op_type for node in graph.node if node.name.startswith("/model/classifier")]
    assert {"MatMul", "Gemm"} & set(head)
    assert not any("Integer" in kind or "Quantize" in kind for kind in head)
    assert np.isfinite(result.parity.difference)


def test_adapters_are_merged_into_an_export(tiny_bert, texts_of, tmp_path):
    task = formats.task_of(_adapted(tiny_bert, tmp_path / "run"))
    result = formats.export(tmp_path / "run", "onnx", texts_of("classes"))
    assert result.parity.share == 1
    expected = predict_texts(
        *_in_order(models.load_finetuned(tmp_path / "run", "cpu")), texts_of("classes")
    )
    got = predict_texts(*_in_order(formats.load(result.folder)), texts_of("classes"))
    assert len(task.labels) == 3
    assert [row["label"] for row in got] == [row["label"] for row in expected]


def _adapted(base, folder):
    """The folder of a classifier with adapters that change its answers."""
    model, tokenizer = models.load(base, KINDS["classes"], device="cpu")
    adapted = lora_models.trained(models.with_lora(model))
    models.save_adapter(adapted, tokenizer, KINDS["classes"], folder / "adapter")
    return folder


@pytest.mark.parametrize("kind", ["classes", "spans", "regression", "joint"])
@pytest.mark.parametrize(("name", "tolerance"), [("fp32", 1e-5), ("bf16", 0.05)])
def test_torch_formats_predict_as_evaluation_does_in_that_precision(
    kind, name, tolerance, saved, texts_of
):
    model, tokenizer, task = models.load_finetuned(saved(kind), "cpu")
    encoded = task.encode_texts(texts_of(kind), tokenizer)
    expected = evaluation.outputs(model, encoded, task, tokenizer, precision=name)
    prepared, _, _ = formats.load(saved(kind), name, "cpu")
    got = evaluation.outputs(prepared, encoded, task, tokenizer)
    if kind == "spans":  # positions may change, scores must not
        got, expected = got[:, :2], expected[:, :2]
    assert np.allclose(got, expected, atol=tolerance * expected.std(), rtol=tolerance)


def test_the_environment_does_not_change_a_format(exported, texts_of, monkeypatch):
    loaded = _in_order(formats.load(exported("classes").folder))
    before = predict_texts(*loaded, texts_of("classes"))
    monkeypatch.setenv("FTLEARN_COMPUTE", "bf16")
    assert predict_texts(*loaded, texts_of("classes")) == before


def test_a_table_of_predictions_takes_any_format(exported, texts_of):
    model, tokenizer, task = formats.load(exported("classes").folder)
    table = evaluation.predict(model, texts_of("classes"), task, tokenizer)
    assert list(table.columns) == ["text", "prediction", *task.labels]
    assert np.allclose(table[list(task.labels)].sum(axis=1), 1)


def test_a_service_answers_the_same_in_onnx(exported, saved, texts_of):
    plain = Predictor(saved("classes"), "cpu")
    fast = opened(exported("classes").folder, "cpu")
    expected, got = (model.predict(texts_of("classes")) for model in (plain, fast))
    assert [row["label"] for row in got] == [row["label"] for row in expected]
    assert fast.name.endswith("-onnx")
    assert fast.name.split("-")[-2] == plain.name.split("-")[-1]  # of the same weights


def test_parity_counts_every_difference():
    source = np.array([[2.0, 0.0], [0.0, 2.0], [0.1, 0.0]])
    other = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 0.1]])
    task = KINDS["pairs"]
    result = formats.comparing.compared(task, source, other, ["a"] * 3)
    assert (result.equal, result.rows) == (2, 3)
    assert result.difference == pytest.approx(1 / (1 + np.exp(-0.1)) - 1 / (1 + np.exp(0.1)))


def test_numbers_are_equal_within_a_twentieth_of_their_spread():
    source = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    moved = source + np.array([[0.04], [0.04], [0.06], [0.0]])
    result = formats.comparing.compared(KINDS["regression"], source, moved, ["a"] * 4)
    assert (result.equal, result.unit) == (3, "standard deviation")
    assert result.difference == pytest.approx(0.06)


def test_infinite_outputs_are_never_equal():
    source = np.zeros((2, 2))
    other = np.array([[np.nan, 0.0], [0.0, 0.0]])
    result = formats.comparing.compared(KINDS["pairs"], source, other, ["a"] * 2)
    assert (result.equal, result.difference) == (0, np.inf)


def _in_order(loaded):
    model, tokenizer, task = loaded
    return model, task, tokenizer


def _numbers(result) -> list[float]:
    """All numbers of a result, however deep."""
    if isinstance(result, dict):
        return [number for value in result.values() for number in _numbers(value)]
    return [result] if isinstance(result, float) else []


def _words(result) -> list[str]:
    if isinstance(result, dict):
        return [word for value in result.values() for word in _words(value)]
    return [result] if isinstance(result, str) else []
