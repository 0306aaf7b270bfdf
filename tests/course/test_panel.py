"""The training panel, driven by values and clicks: on ipywidgets 8, and for 7.7.1 by its API."""

from __future__ import annotations

import ast
import math
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import ipywidgets
import ipywidgets_7
import pytest
from datasets import DatasetDict
from waiting import joined, waited

from ftlearn import TrainConfig, data, models, tasks
from ftlearn.course import widgets
from ftlearn.course.widgets.panel import curves, form, panel, words
from ftlearn.course.widgets.panel.curves import Curves
from ftlearn.course.widgets.panel.panel import TrainingPanel, training_panel
from ftlearn.experiments import Record, Workbench
from ftlearn.experiments.record import Stage
from ftlearn.tasks import classification
from ftlearn.training.history import Step

pytestmark = [
    pytest.mark.filterwarnings("ignore::ftlearn.tasks.base.TruncationWarning"),
    pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning"),
]
CONFIG = TrainConfig(epochs=2, batch_size=8, learning_rate=3e-3)
HOSTILE = '<img src=x onerror="alert(1)"></script>'


@pytest.fixture(scope="module")
def small(topics: DatasetDict) -> DatasetDict:
    parts = {
        "train": data.subset(topics["train"], per_class=20, seed=0),
        "valid": data.subset(topics["valid"], per_class=6, seed=0),
    }
    return DatasetDict(parts)


@pytest.fixture
def bench(small: DatasetDict, tiny_bert: Path, tmp_path: Path) -> Workbench:
    def load(name: str, task: tasks.Task, *, seed: int):
        return models.load(tiny_bert, task, seed=seed, device="cpu")

    task = classification(small, max_length=32)
    return Workbench(small, task, folder=tmp_path / "runs", load=load)


@pytest.fixture
def board(bench: Workbench) -> TrainingPanel:
    return training_panel(bench, CONFIG, rows=[40, 60], every=3, learning_rate=[1e-3, 1e-4])


def status(board: TrainingPanel) -> str:
    return re.sub(r"<[^>]+>", "", board.texts["status"].value)


def long_run(board: TrainingPanel) -> Record:
    """A run that does not end by itself, begun with a click."""
    board.form.settings["epochs"].value = 10**6
    board.form.every.value = 10**6
    board.buttons["run"].click()
    waited(lambda: board.bench.current is not None and len(board.bench.current.steps) > 3)
    return board.bench.current


def ended(board: TrainingPanel) -> None:
    joined(board._painter)


def test_a_click_on_run_trains_what_the_code_says(board: TrainingPanel):
    assert "Choose settings" in status(board)
    board.form.settings["learning_rate"].value = 1e-4
    call = re.sub(r"<[^>]+>", "", board.texts["call"].value).partition("code: ")[2]
    call = call.replace("&quot;", '"')
    board.buttons["run"].click()
    ended(board)
    run = board.bench["run 1"]
    assert run.status == "finished", run.error
    assert (run.config.learning_rate, run.rows, run.every) == (1e-4, 40, 3)
    assert status(board).startswith("run 1 finished after update 10 of 10. Best log loss")
    assert board.name.value == "run 2"
    again = eval(call.replace("run 1", "again"), {"bench": board.bench, "TrainConfig": TrainConfig})
    assert [step.loss for step in again.steps] == [step.loss for step in run.steps]


def test_run_now_waits_for_the_end_and_reports_why_not(board: TrainingPanel):
    assert board.run_now().status == "finished"
    board.name.value = "run 1"
    with pytest.raises(ValueError, match="the name 'run 1' is taken"):
        board.run_now()
    assert "the name &#x27;run 1&#x27; is taken" in board.texts["status"].value


def test_an_offered_name_makes_way_for_a_run_made_by_code(board: TrainingPanel):
    assert board.name.value == "run 1"
    board.bench.run(config=CONFIG, rows=40)
    assert board.name.value == "run 2"
    assert "run 1" in board.texts["table"].value
    assert board.run_now().name == "run 2"
    board.name.value = "mine"
    assert board.run_now().name == "mine"
    assert board.name.value == "run 4"


def test_the_curve_moves_while_training(board: TrainingPanel):
    seen = []
    board.texts["drawing"].observe(lambda change: seen.append(change["new"]), names="value")
    run = long_run(board)
    waited(lambda: len(set(seen)) >= 5)
    assert board.bench.current is run
    board.buttons["stop"].click()
    ended(board)
    assert panel.REFRESH_SECONDS <= 0.25  # at least four times per second on a fast machine


def test_pause_resume_and_stop(board: TrainingPanel):
    run = long_run(board)
    board.buttons["pause"].click()
    waited(lambda: "is paused" in status(board))
    assert board.buttons["pause"].description == "Resume"
    count = len(run.steps)
    time.sleep(0.3)  # enough time for many updates
    assert len(run.steps) <= count + 1
    board.buttons["run"].click()
    assert "run 1 is training: stop it first" in status(board)
    board.buttons["pause"].click()
    waited(lambda: len(run.steps) > count + 3)
    board.buttons["stop"].click()
    count = len(run.steps)
    assert "run 1 stops after this update" in status(board)
    ended(board)
    assert len(run.steps) <= count + 1
    assert run.status == "stopped"
    assert "run 1 stopped after update" in status(board)
    assert board.buttons["pause"].description == "Pause"


def test_buttons_without_a_run_say_so(board: TrainingPanel):
    for name in ("pause", "stop"):
        board.buttons[name].click()
        assert status(board) == "Nothing is training."
    board.buttons["code"].click()
    assert status(board) == "There is no run yet."


def test_rewind_shows_the_settings_and_branches(board: TrainingPanel):
    board.run_now()
    assert [value for _, value in board.rewind.options] == [
        None,
        *(("run 1", at) for at in (3, 6, 9, 10)),
    ]
    board.form.settings["learning_rate"].value = 1e-3
    board.form.rows.value = 60
    board.rewind.value = ("run 1", 6)
    assert board.form.settings["learning_rate"].value == 3e-3
    assert board.form.rows.disabled
    assert board.buttons["run"].description == "Branch"
    assert "Back at update 6 of run 1." in status(board)
    assert "bench.branch(&quot;run 1&quot;, 6, &quot;run 2&quot;)" in board.texts["call"].value
    board.form.settings["learning_rate"].value = 1e-4
    assert ", learning_rate=0.0001)" in board.texts["call"].value
    run = board.run_now()
    assert (run.parent, run.start, run.rows) == ("run 1", 6, 40)
    assert run.steps[:6] == board.bench["run 1"].steps[:6]
    assert run.config == replace(CONFIG, learning_rate=1e-4)
    assert board.rewind.value == ("run 1", 6)
    assert board.form.settings["learning_rate"].value == 1e-4  # not reset by the new options
    board.rewind.value = None
    assert not board.form.rows.disabled


def test_impossible_settings_and_failing_runs_are_reported(board: TrainingPanel):
    board.form.settings["epochs"].value = 0
    assert "# epochs is 0" in board.texts["call"].value
    board.buttons["run"].click()
    assert status(board) == "epochs is 0: it must be a whole number of at least 1"
    assert board.bench.records == {}
    board.form.settings["epochs"].value = 2
    form.set_value(board.form.settings["learning_rate"], 1e30)
    form.set_value(board.form.settings["max_grad_norm"], math.inf)
    assert board.run_now().status == "failed"
    assert "DivergedError: training diverged" in status(board)
    assert "failed" in board.texts["progress"].value


def test_a_new_panel_has_the_runs_of_the_old_one(board: TrainingPanel):
    board.run_now()
    for bench in (
        board.bench,
        Workbench(
            board.bench.replay.data,
            board.bench.replay.task,
            folder=board.bench.folder,
            load=board.bench.replay.load,
        ),
    ):
        fresh = training_panel(bench, CONFIG)
        assert fresh.chosen.value == "run 1"
        assert len(fresh.rewind.options) == 5
        assert "run 1: update 10 of 10" in fresh.texts["drawing"].value
        assert "finished" in fresh.texts["table"].value


def test_code_and_csv_are_shown_and_written(board: TrainingPanel):
    board.run_now()
    board.buttons["code"].click()
    assert "models.load" not in board.texts["listing"].value  # it was loaded otherwise
    assert "config = TrainConfig(epochs=2" in board.texts["listing"].value
    written = (board.bench.folder / "run 1" / "run.py").read_text()
    assert written == board.bench.code("run 1")
    board.buttons["code"].click()
    assert [path.name for path in (board.bench.folder / "run 1").glob("*.py")] == ["run.py"]
    (board.bench.folder / "run 1" / "run.py").write_text("# with my own changes")
    board.buttons["code"].click()
    assert (board.bench.folder / "run 1" / "run.py").read_text() == "# with my own changes"
    assert (board.bench.folder / "run 1" / "run-2.py").read_text() == written
    assert "in run 1/run-2.py of" in status(board)
    board.buttons["csv"].click()
    assert status(board) == "Every number of 1 runs is in runs.csv."
    assert (board.bench.folder / "runs.csv").read_text().startswith("run,update,what,value\n")
    (board.bench.folder / "runs.csv").write_text("mine")
    board.buttons["csv"].click()
    assert "is no table of runs" in status(board)


def test_controls_hold_each_value_as_it_is():
    settings = {
        "config": TrainConfig(learning_rate=3.3e-5, max_grad_norm=math.inf, batch_size=7),
        "rows": [24],
        "checkpoints": ["minilm"],
        "every": None,
        "choices": {},
    }
    controls = form.Form(**settings)
    assert controls.config() == settings["config"]
    assert controls.settings["learning_rate"].label == "3.3e-05"
    other = TrainConfig(learning_rate=1.2345678e-7, warmup_ratio=0.123, seed=9, epochs=17)
    controls.show(other)
    assert controls.config() == other
    assert controls.every.value == 4
    with pytest.raises(ValueError, match="no choices are made for 'rate'"):
        form.Form(**{**settings, "choices": {"rate": [1]}})


class Parsed(HTMLParser):
    """Elements of a drawing, and what it says."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(markup)

    def handle_starttag(self, name: str, attributes: list) -> None:
        self.elements.append((name, dict(attributes)))

    def handle_data(self, text: str) -> None:
        self.text += text


def record(name: str, losses: list[float], **scores: float) -> Record:
    steps = [
        Step(n, n / 10, loss, 0.1, 1.0, n, n / 2, 20) for n, loss in enumerate(losses, start=1)
    ]
    run = Record(name, "minilm", 80, 10, 20, [Stage(0, CONFIG)], steps=steps)
    if scores:
        run.evaluations = [{"step": len(steps), "epoch": 1.0, **scores}]
    return run


def test_a_drawing_is_described_and_escaped():
    run = record(HOSTILE, [1.0, 0.5], log_loss=0.9, accuracy=0.75)
    shown = Curves("log_loss").svg([run])
    assert "<img" not in shown
    parsed = Parsed(shown)
    (name, attributes), *rest = parsed.elements
    assert (name, attributes["role"]) == ("svg", "img")
    assert "validation log loss 0.900, validation accuracy 0.750" in attributes["aria-label"]
    assert HOSTILE in parsed.text
    assert {name for name, _ in rest} <= {"path", "line", "text"}


def test_twelve_runs_differ_without_colour():
    looks = [curves.Look(number) for number in range(12)]
    assert len({(look.dash, look.shape) for look in looks}) == 12


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, math.nan], [1.0, math.inf, 1e30, 0.5]])
def test_no_curve_leaves_its_frame(losses: list[float]):
    run = record("a", losses, log_loss=math.inf, accuracy=1.0)
    for name, attributes in Parsed(Curves("log_loss").svg([run])).elements:
        if name == "path" and "fill" in attributes and attributes["fill"] == "none":
            numbers = [float(number) for number in re.findall(r"[-\d.]+", attributes["d"])]
            assert all(0 <= number <= 2 * curves.WIDTH for number in numbers)


def test_a_long_curve_is_thinned_and_keeps_its_end():
    points = [(n, float(n)) for n in range(1, 1001)]
    thin = curves.thinned(points)
    assert (len(thin) <= curves.POINTS, thin[-1]) == (True, points[-1])
    assert curves.thinned(points[:10]) == points[:10]


@pytest.mark.parametrize("top", [0.1, 0.93, 1.0, 2.7, 36, 100, 4000])
def test_ticks_are_few_and_within(top: float):
    ticks = curves.ticks(top)
    assert 2 <= len(ticks) <= 6
    assert ticks[0] == 0
    assert ticks[-1] <= top + 1e-9


def test_regression_shows_another_metric_than_accuracy():
    run = record("a", [1.0], mse=0.5, mae=0.4)
    assert curves.second_metric([run], "mse") == "mae"
    assert "mae, validation" in Curves("mse").svg([run])


def test_progress_says_where_it_is_and_how_long_it_takes():
    run = record("a", [1.0, 0.9, 0.8, 0.7])
    run.doing = "training"
    text = Parsed(words.progress(run)).text
    assert re.search(
        r"update 4 of 20 · training · time left: 8 s · [\d.]+ .B of memory in use", text
    )
    bar = next(
        attributes
        for name, attributes in Parsed(words.progress(run)).elements
        if name == "progress"
    )
    assert (bar["value"], bar["max"], bar["aria-label"]) == ("4", "20", "updates of a")


def test_every_control_has_a_name_and_the_status_is_live(board: TrainingPanel):
    for widget in everything(board):
        if isinstance(widget, ipywidgets.Button | ipywidgets.Dropdown | ipywidgets.IntText):
            assert widget.description
    assert 'role="status" aria-live="polite"' in board.texts["status"].value


def everything(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    return [
        widget,
        *(inner for child in getattr(widget, "children", ()) for inner in everything(child)),
    ]


PANEL = sorted(Path(panel.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", PANEL, ids=lambda path: path.name)
def test_only_arguments_of_ipywidgets_7_are_used(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "ipywidgets":
            known = ipywidgets_7.API_7_7_1.keys() | ipywidgets_7.CLASSES_WITHOUT_ARGUMENTS
            assert node.attr in known
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ipywidgets_7.API_7_7_1:
            arguments = {key.arg for key in node.keywords if key.arg is not None}
            assert arguments <= ipywidgets_7.API_7_7_1[node.func.attr]


def test_the_panel_is_exported():
    assert widgets.training_panel is training_panel
