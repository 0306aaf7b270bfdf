"""Evaluating a line between two models gives what evaluating each point on its own gives."""

import json

import numpy as np
import pandas as pd
import pytest
import tiny_models
import torch
from datasets import Dataset, DatasetDict
from matplotlib import image

from ftlearn import evaluate, interpolation, models
from ftlearn.data import DataError
from ftlearn.evaluation import Report
from ftlearn.interpolation import landscape
from ftlearn.interpolation.landscape import best_point
from ftlearn.metrics import log_losses
from ftlearn.tasks import classification, regression

WORDS = ["ball", "code", "heart", "run", "chip", "pulse", "team", "server", "sleep"]


def rows(start, end):
    return Dataset.from_dict(
        {
            "text": [
                " ".join(WORDS[(row * k) % 9] for k in range(1, 6)) for row in range(start, end)
            ],
            "label": [["cold", "mild", "warm"][row % 3] for row in range(start, end)],
        }
    )


VALID, TEST = rows(0, 24), rows(24, 40)
TASK = classification(VALID, max_length=16)
ALPHAS = (-0.5, 0, 0.5, 1, 1.5)


@pytest.fixture(scope="module")
def ends(tiny_bert):
    """Two models that share a backbone and differ in their heads, and their tokenizer."""
    (start, tokenizer), (end, _) = (
        models.load(tiny_bert, TASK, seed=seed, device="cpu") for seed in (0, 3)
    )
    with torch.no_grad():
        end.classifier.weight *= 20
    return start, end, tokenizer


@pytest.fixture(scope="module")
def line(ends):
    start, end, tokenizer = ends
    sets = DatasetDict({"valid": VALID, "test": TEST})
    return landscape.evaluate_line(start, start, end, sets, TASK, tokenizer, alphas=ALPHAS)


def test_every_point_is_evaluated_as_a_separate_model(ends, line, tiny_bert):
    start, end, tokenizer = ends
    fresh, _ = models.load(tiny_bert, TASK, seed=9, device="cpu")
    for index, alpha in enumerate(ALPHAS):
        fresh.load_state_dict(interpolation.interpolate(start, end, alpha))
        for name, data in (("valid", VALID), ("test", TEST)):
            expected = evaluate(fresh, data, TASK, tokenizer)
            found = line.reports[name][index]
            np.testing.assert_allclose(found.outputs, expected.outputs, atol=1e-5)


def test_the_outputs_of_two_heads_are_mixed_exactly_and_so_is_the_loss(line):
    # The heads are linear and share a backbone, so logits at α follow from those at 0 and 1.
    reports = line.reports["valid"]
    first, last = reports[ALPHAS.index(0)].outputs, reports[ALPHAS.index(1)].outputs
    losses = line.values()
    for alpha, loss in zip(ALPHAS, losses, strict=True):
        logits = (1 - alpha) * first + alpha * last
        assert loss == pytest.approx(log_losses(logits, reports[0].targets).mean(), abs=1e-5)
    # The loss is convex in a linear head, so there is no barrier, provably.
    assert line.barrier() <= 0


def test_the_table_has_a_row_for_each_data_set_and_alpha(line):
    table = line.table
    assert list(table["data"]) == ["valid"] * 5 + ["test"] * 5
    assert list(table["alpha"]) == [*ALPHAS, *ALPHAS]
    assert set(table["rows"]) == {24, 16}
    assert {"accuracy", "log_loss", "calibration_error", "brier"} <= set(table)
    np.testing.assert_array_equal(table["accuracy"][5:], line.values("accuracy", on="test"))


def test_the_best_alpha_is_that_of_the_first_data_set_by_the_tasks_monitor(line):
    table = line.table[line.table["data"] == "valid"]
    assert line.best() == table["alpha"][table["log_loss"].idxmin()]
    assert line.best("accuracy") == min(
        table["alpha"][table["accuracy"] == table["accuracy"].max()], key=abs
    )
    table = line.table[line.table["data"] == "test"]
    assert line.best("log_loss", on="test") == table["alpha"][table["log_loss"].idxmin()]
    assert len(set(line.values())) == 5


def test_a_barrier_of_accuracy_is_a_fall_and_one_of_loss_a_rise():
    targets = np.array([0, 1, 2] * 8)
    correct = 5 * np.eye(3)[targets]
    reports = [Report(TASK, VALID, logits, targets) for logits in (correct, -correct, correct)]
    line = landscape.Line((0.0, 0.5, 1.0), {"valid": reports})
    assert line.barrier("accuracy") == pytest.approx(1.0)
    ends, middle = np.log1p(2 * np.exp(-5)), np.log(np.exp(-5) + 2) + 5
    assert line.barrier() == pytest.approx(middle - ends)


def test_unknown_metrics_and_data_sets_are_named(line, ends):
    with pytest.raises(KeyError, match="log_loss"):
        line.values("loss")
    with pytest.raises(KeyError, match="valid"):
        line.best(on="train")
    start, end, tokenizer = ends
    with pytest.raises(ValueError, match="alphas is empty"):
        landscape.evaluate_line(start, start, end, VALID, TASK, tokenizer, alphas=[])


def test_a_line_is_drawn_with_one_curve_per_data_set(line):
    ax = line.draw("accuracy")
    assert [curve.get_label() for curve in ax.lines] == ["valid", "test"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), line.values("accuracy"))
    np.testing.assert_allclose(ax.lines[0].get_xdata(), ALPHAS)
    assert ax.get_ylabel() == "accuracy"


def test_weights_and_mode_are_restored(ends):
    start, end, tokenizer = ends
    before = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    start.train()
    landscape.evaluate_line(start, end, start, VALID, TASK, tokenizer, alphas=[0.5])
    assert start.training
    broken = VALID.rename_column("label", "other")
    with pytest.raises(KeyError, match="label"):
        landscape.evaluate_line(start, start, end, broken, TASK, tokenizer)
    for name, tensor in start.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_greedy_soup_is_never_worse_than_its_best_member(ends, tiny_bert):
    start, end, tokenizer = ends
    sources = [start, end, *(models.load(tiny_bert, TASK, seed=s, device="cpu")[0] for s in (5, 6))]
    alone = [evaluate(m, VALID, TASK, tokenizer).scores["log_loss"] for m in sources]
    found = landscape.greedy_soup(start, sources, VALID, TASK, tokenizer)
    assert found.members[0] == int(np.argmin(alone))
    assert found.scores[0] == pytest.approx(min(alone))
    assert list(found.scores) == sorted(found.scores, reverse=True)
    fresh, _ = models.load(tiny_bert, TASK, seed=9, device="cpu")
    interpolation.write(fresh, found.state)
    assert evaluate(fresh, VALID, TASK, tokenizer).scores["log_loss"] == pytest.approx(
        found.scores[-1], abs=1e-6
    )
    by_accuracy = landscape.greedy_soup(start, sources, VALID, TASK, tokenizer, by="accuracy")
    assert list(by_accuracy.scores) == sorted(by_accuracy.scores)


def test_the_surface_over_a_plane_agrees_with_models_at_its_points(ends, tiny_bert):
    start, end, tokenizer = ends
    third, _ = models.load(tiny_bert, TASK, seed=5, device="cpu")
    found = landscape.evaluate_plane(
        start, (start, end, third), VALID, TASK, tokenizer, steps=3, margin=0.0
    )
    assert found.values.shape == (3, 3)
    weights = found.plane.weights(found.x[2], found.y[1])
    state = interpolation.combine([start, end, third], weights)
    interpolation.write(third, state)
    expected = evaluate(third, VALID, TASK, tokenizer).scores["log_loss"]
    assert found.values[1, 2] == pytest.approx(expected, abs=1e-6)


@pytest.fixture
def two_folders(ends, tmp_path):
    start, end, tokenizer = ends
    places = [tmp_path / "start", tmp_path / "end"]
    for model, place in zip((start, end), places, strict=True):
        models.save(model, tokenizer, TASK, place)
    VALID.to_pandas().to_csv(tmp_path / "valid.csv", index=False)
    return places


def test_two_folders_become_the_best_model_between_them(ends, line, two_folders, tmp_path):
    merged = landscape.interpolate_folders(
        *two_folders, tmp_path / "valid.csv", tmp_path / "out", ALPHAS
    )
    assert merged.alpha == line.best()
    written = pd.read_csv(tmp_path / "out" / "path.csv")
    np.testing.assert_allclose(written["log_loss"], line.values(), atol=1e-5)
    assert image.imread(tmp_path / "out" / "path.png").ndim == 3
    model, tokenizer, task = models.load_finetuned(merged.folder)
    assert task == TASK
    loss = evaluate(model, VALID, task, tokenizer).scores["log_loss"]
    assert loss == pytest.approx(line.values().min(), abs=1e-5)


def test_without_data_one_alpha_is_needed_and_taken(two_folders, ends, tmp_path):
    with pytest.raises(ValueError, match="11 alphas and no data"):
        landscape.interpolate_folders(*two_folders, None, tmp_path / "out")
    merged = landscape.interpolate_folders(*two_folders, None, tmp_path / "out", [0.25])
    assert (merged.alpha, merged.line) == (0.25, None)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model"]
    model, *_ = models.load_finetuned(merged.folder)
    expected = interpolation.interpolate(*ends[:2], 0.25)
    torch.testing.assert_close(model.classifier.weight, expected["classifier.weight"])


def test_a_data_set_and_another_metric_can_choose(two_folders, line, tmp_path):
    merged = landscape.interpolate_folders(
        *two_folders, VALID, tmp_path / "out", ALPHAS, by="accuracy"
    )
    assert merged.alpha == line.best("accuracy")


def test_refused_rows_of_the_file_are_reported(two_folders, tmp_path):
    with (tmp_path / "valid.csv").open("a") as file:
        file.write("a text without a label,\n")
    with pytest.warns(UserWarning, match="1 refused"):
        landscape.interpolate_folders(
            *two_folders, tmp_path / "valid.csv", tmp_path / "out", [0, 1]
        )


def test_a_file_is_read_as_it_is_written(two_folders, line, tmp_path):
    place = tmp_path / "valid.csv"
    place.write_bytes(place.read_bytes().replace(b",", b";"))
    with pytest.raises(DataError, match="--delimiter ';'"):
        landscape.interpolate_folders(*two_folders, place, tmp_path / "out", ALPHAS)
    reading = {"delimiter": ";", "encoding": "cp1252"}
    merged = landscape.interpolate_folders(
        *two_folders, place, tmp_path / "out", ALPHAS, reading=reading, device="cpu"
    )
    assert merged.alpha == line.best()


def test_other_architectures_and_existing_folders_are_refused_before_the_work(
    two_folders, tmp_path, monkeypatch
):
    monkeypatch.setattr(models, "load_finetuned", None)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    with pytest.raises(FileExistsError, match="out"):
        landscape.interpolate_folders(*two_folders, VALID, tmp_path / "out")
    config = json.loads((two_folders[1] / "config.json").read_text())
    config["id2label"] = {"0": "warm", "1": "cold", "2": "mild"}
    (two_folders[1] / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="id2label"):
        landscape.interpolate_folders(*two_folders, VALID, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("alphas", "by", "message"),
    [
        ([0, float("nan")], None, "`alpha` is nan: it must be a number"),
        ([0, float("inf")], None, "`alpha` is inf"),
        ([0, 1], "acuracy", r"no metric 'acuracy'; there are: accuracy.*Did you mean 'accuracy'"),
        ([0, 1], "mse", "no metric 'mse'"),
    ],
)
def test_names_and_points_are_checked_before_anything_is_measured(
    two_folders, tmp_path, monkeypatch, alphas, by, message: str
):
    monkeypatch.setattr(best_point, "evaluate_line", None)
    with pytest.raises((ValueError, KeyError), match=message):
        landscape.interpolate_folders(*two_folders, VALID, tmp_path / "out", alphas, by=by)
    assert not (tmp_path / "out").exists()


def test_a_metric_without_data_to_measure_it_on_is_refused(two_folders, tmp_path):
    with pytest.raises(ValueError, match="by='accuracy' chooses by a metric, and there is no data"):
        landscape.interpolate_folders(*two_folders, None, tmp_path / "out", [0.5], by="accuracy")


def test_a_failure_at_the_end_leaves_no_folder_in_the_way(two_folders, tmp_path, monkeypatch):
    before = sorted(tmp_path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(best_point.on_disk, "interpolate", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            landscape.interpolate_folders(*two_folders, VALID, tmp_path / "out", [0, 1])
    assert sorted(tmp_path.iterdir()) == before
    landscape.interpolate_folders(*two_folders, VALID, tmp_path / "out", [0, 1])


def test_rows_of_one_class_can_choose_a_point(two_folders, tmp_path):
    (tmp_path / "one.csv").write_text("text,label\nball code,cold\nrun chip,cold\n")
    merged = landscape.interpolate_folders(
        *two_folders, tmp_path / "one.csv", tmp_path / "out", [0, 1]
    )
    assert list(merged.line.table["rows"]) == [2, 2]


def test_regressions_are_judged_by_their_error(tiny_bert):
    data = VALID.remove_columns("label").add_column("label", [float(row) for row in range(24)])
    task = regression(data, max_length=16)
    start, tokenizer = models.load(tiny_bert, task, seed=0, device="cpu")
    end, _ = models.load(tiny_bert, task, seed=1, device="cpu")
    found = landscape.evaluate_line(start, start, end, data, task, tokenizer, alphas=[0, 0.5, 1])
    assert found.best() == found.alphas[int(found.values(task.monitor).argmin())]
    assert found.best("r2") == found.alphas[int(found.values("r2").argmax())]
    assert tiny_models.logits(start, tiny_models.WHOLE).shape == (1, 1)
