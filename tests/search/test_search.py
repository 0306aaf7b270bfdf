"""Search: what is drawn, what is best, what is pruned, and that no trial is lost or run twice."""

from __future__ import annotations

import itertools
import logging
import math
import subprocess
import sys
import warnings
from collections import Counter
from datetime import datetime

import numpy as np
import optuna
import pytest
import search_worker
from datasets import Dataset, DatasetDict
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from search_worker import begun
from waiting import HANG, waited

from ftlearn import models, search, training
from ftlearn.config import TrainConfig
from ftlearn.evaluation import evaluate
from ftlearn.search import budget
from ftlearn.tasks import classification

SPACE = {
    "x": search.uniform(-5, 5),
    "y": search.log_uniform(1e-3, 1e3),
    "n": search.integers(1, 9),
    "k": search.choice("a", "b"),
}


def bowl(x, y, n, k):
    """Least, 0, at x = 1, y = 1, n = 3, k = a."""
    return (x - 1) ** 2 + math.log10(y) ** 2 + 0.1 * (n - 3) ** 2 + (k == "b")


def settings(result):
    return result.table()[["x", "y"]].to_numpy().tolist()


# --- what is drawn --------------------------------------------------------------------------------


def test_a_grid_of_choices_is_exactly_their_product():
    space = {"a": search.choice(1, 2, 3), "b": search.choice("u", "v"), "c": search.choice(True)}
    found = search.run(lambda a, b, c: a, space, method="grid", trials=99, seed=3)
    seen = [tuple(row) for row in found.table()[["a", "b", "c"]].to_numpy()]
    assert Counter(seen) == Counter(itertools.product((1, 2, 3), "uv", (True,)))
    assert found.trials == 6


@given(
    ranges=st.integers(1, 3),
    choices=st.integers(1, 4),
    points=st.integers(4, 60),
)
def test_a_grid_is_the_largest_that_the_budget_pays_for(ranges, choices, points):
    space = {f"r{index}": search.uniform(0, 1) for index in range(ranges)}
    space["c"] = search.choice(*range(choices))
    grid = search.grid(space, points)
    side = len({point["r0"] for point in grid})
    assert len(grid) == side**ranges * choices <= points < (side + 1) ** ranges * choices
    assert len({tuple(point.values()) for point in grid}) == len(grid)


def test_a_grid_is_even_on_the_scale_of_its_range():
    rates = [point["r"] for point in search.grid({"r": search.log_uniform(1e-5, 1e-1)}, 5)]
    assert rates == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2, 1e-1], rel=1e-12)
    assert [p["n"] for p in search.grid({"n": search.integers(1, 7)}, 3)] == [1, 4, 7]
    assert search.grid({"x": search.uniform(2, 4)}, 1) == [{"x": 3.0}]


def test_random_search_draws_from_the_ranges():
    found = search.run(bowl, SPACE, method="random", trials=400, seed=11).table()
    assert stats.kstest(found["x"], stats.uniform(-5, 10).cdf).pvalue > 0.01
    assert stats.kstest(np.log10(found["y"]), stats.uniform(-3, 6).cdf).pvalue > 0.01
    assert stats.chisquare(found["n"].value_counts()).pvalue > 0.01
    assert set(found["n"]) == set(range(1, 10))
    assert stats.binomtest((found["k"] == "a").sum(), 400).pvalue > 0.01
    assert abs(stats.spearmanr(found["x"], found["y"]).statistic) < 0.15


@pytest.mark.parametrize("method", ["grid", "random", "tpe", "gp"])
def test_equal_seeds_make_equal_searches(method):
    trials = 16 if method == "grid" else 14
    first, again, other = (
        search.run(bowl, SPACE, method=method, trials=trials, seed=seed) for seed in (5, 5, 6)
    )
    assert settings(first) == settings(again) != settings(other)


@pytest.mark.parametrize(("method", "trials", "seeds"), [("tpe", 40, 12), ("gp", 25, 4)])
def test_a_model_of_the_objective_beats_luck(method, trials, seeds):
    space = {"x": SPACE["x"], "y": SPACE["y"]}

    def mean_best(method):
        runs = (
            search.run(lambda x, y: bowl(x, y, 3, "a"), space, method=method, trials=trials, seed=s)
            for s in range(seeds)
        )
        return np.mean([run.best.value for run in runs])

    assert mean_best(method) < 0.5 * mean_best("random")


# --- the results ----------------------------------------------------------------------------------


def test_best_and_curve_are_those_of_the_table():
    found = search.run(bowl, SPACE, method="random", trials=30)
    values = found.table()["value"]
    assert found.best.value == values.min() == bowl(**found.best.settings)
    assert found.best.row == values.argmin()
    assert found.best_so_far().tolist() == np.minimum.accumulate(values).tolist()
    assert found.best_so_far().index.tolist() == list(range(1, 31))
    assert "30 of 30 trials: 30 complete" in repr(found)


def test_importance_is_the_share_of_the_variance():
    # For x + 3 y on a square, y explains 9 times the variance of x.
    space = {"x": search.uniform(0, 1), "y": search.uniform(0, 1), "idle": search.uniform(0, 1)}
    found = search.run(lambda x, y, idle: x + 3 * y, space, method="random", trials=150)
    share = found.importance()
    assert share["y"] == pytest.approx(0.9, abs=0.06)
    assert share["x"] == pytest.approx(0.1, abs=0.06)
    assert share["idle"] < 0.02


def test_importance_counts_a_logarithmic_range_on_the_ordinary_scale():
    # The rate matters in half of the trials, but in a hundredth of its range: there the variance
    # is 4 · 0.01 · 0.99, beside the 1/12 of x; on the logarithmic scale it would be 1.
    space = {"rate": search.log_uniform(1e-4, 1), "x": search.uniform(0, 1)}
    found = search.run(lambda rate, x: 2 * (rate < 0.01) + x, space, method="random", trials=150)
    assert 0.4 < (found.table()["rate"] < 0.01).mean() < 0.6
    assert found.importance()["rate"] == pytest.approx(0.32, abs=0.1)


def test_importance_leaves_out_what_settings_do_only_together():
    space = {"x": search.uniform(0, 1), "y": search.uniform(0, 1), "z": search.uniform(0, 1)}
    found = search.run(
        lambda x, y, z: 4 * ((x < 0.5) == (y < 0.5)) + z, space, method="random", trials=150
    )
    share = found.importance()
    assert share.sum() == pytest.approx(1)
    assert share.idxmax() == "z"  # although x and y explain nearly all, together


def test_the_study_of_optuna_is_accessible():
    found = search.run(bowl, SPACE, method="random", trials=5)
    assert isinstance(found.study, optuna.Study)
    assert found.study.best_value == found.best.value


# --- trials that end early ------------------------------------------------------------------------


def falling(calls):
    """An objective whose curve shows from its first step how it will end."""

    def objective(x):
        for step in range(1, 10):
            calls.append(x)
            yield x + 1 / step

    return objective


@pytest.mark.parametrize("rule", ["median", "halving"])
def test_pruning_stops_bad_trials_early_and_keeps_the_best(rule):
    pruned_calls = []
    all_calls = []
    space = {"x": search.uniform(0, 10)}
    found = search.run(falling(pruned_calls), space, method="random", trials=40, prune=rule)
    full = search.run(falling(all_calls), space, method="random", trials=40)
    table = found.table()
    assert len(all_calls) == 360
    assert len(pruned_calls) == table["steps"].sum() < 0.75 * len(all_calls)
    assert found.best.settings == full.best.settings
    assert set(table["state"]) == {"complete", "pruned"}
    assert (table.query("state == 'pruned'")["steps"] < 9).all()
    assert table.query("state == 'pruned'")["x"].median() > found.best.settings["x"]


def test_the_median_is_over_complete_trials_and_the_first_five_run_to_the_end():
    starts = [1.0, 2.0, 3.0, 4.0, 5.0, 50.0, 50.0, 50.0, 4.0]
    coming = iter(starts)

    def objective(x):
        start = next(coming)
        yield from (start - 0.01 * step for step in range(4))

    space = {"x": search.uniform(0, 1)}
    table = search.run(objective, space, method="random", trials=9, prune="median").table()
    # The last one is better than the median of all, 4.5, and worse than that of the complete, 3.
    assert np.median(starts[:8]) > 4 > np.median(starts[:5])
    assert table["steps"].tolist() == [4] * 5 + [1] * 4


def test_without_pruning_every_trial_goes_to_its_end():
    found = search.run(falling([]), {"x": search.uniform(0, 10)}, method="random", trials=20)
    assert (found.table()["steps"] == 9).all()


def test_a_failing_trial_is_recorded_and_the_search_continues():
    def objective(x):
        if x < 0:
            raise RuntimeError("no root of a negative number")
        return math.nan if x > 4 else x

    found = search.run(objective, {"x": SPACE["x"]}, method="random", trials=40)
    table = found.table()
    assert (table["state"] == "failed").tolist() == ((table["x"] < 0) | (table["x"] > 4)).tolist()
    assert set(table.query("x < 0")["error"]) == {"RuntimeError: no root of a negative number"}
    assert table.query("x > 4")["error"].str.contains("gave nan").all()
    assert found.best.value == table.query("0 <= x <= 4")["x"].min()
    assert np.isnan(found.best_so_far()[1]) == (table["state"][0] == "failed")


def test_a_search_in_which_all_fail_says_why():
    with pytest.raises(search.SearchError, match=r"all 3 trials failed.*unexpected keyword"):
        search.run(lambda z: z, {"x": SPACE["x"]}, trials=3)


def test_an_objective_that_yields_nothing_is_named():
    with pytest.raises(search.SearchError, match="yielded nothing"):
        search.run(lambda x: iter(()), {"x": SPACE["x"]}, trials=2)


# --- interrupted, continued, parallel -------------------------------------------------------------


def interrupted_at(count):
    """The bowl, with a Ctrl-C in the middle of one call."""
    calls = itertools.count(1)

    def objective(**chosen):
        if next(calls) == count:
            raise KeyboardInterrupt
        return bowl(**chosen)

    return objective


@pytest.mark.parametrize("method", ["grid", "random", "tpe", "gp"])
def test_an_interrupted_and_continued_search_is_the_uninterrupted_one(method, tmp_path):
    options = {"method": method, "trials": 16, "seed": 2}
    uninterrupted = search.run(bowl, SPACE, **options)
    options["storage"] = tmp_path / "search.log"
    with pytest.warns(UserWarning, match="interrupted"):
        first = search.run(interrupted_at(6), SPACE, **options)
    assert (len(first.table()), first.stopped) == (5, "interrupted")
    continued = search.run(bowl, SPACE, **options)
    assert settings(continued) == settings(uninterrupted)
    assert continued.best.value == uninterrupted.best.value
    assert len(search.run(bowl, SPACE, **options).table()) == 16  # nothing left to do


def test_a_longer_budget_continues_the_same_search(tmp_path):
    options = {"method": "tpe", "storage": str(tmp_path / "search.log")}
    search.run(bowl, SPACE, trials=12, **options)
    longer = search.run(bowl, SPACE, trials=20, **options)
    assert settings(longer) == settings(search.run(bowl, SPACE, method="tpe", trials=20))


def test_an_orphaned_trial_is_run_again_in_its_own_slot(tmp_path):
    options = {"method": "tpe", "trials": 14, "storage": tmp_path / "search.log"}
    for call in (4, 1, 1, 3):  # 3, 0, 0 and 2 trials are finished
        with warnings.catch_warnings(action="ignore"):
            search.run(interrupted_at(call), SPACE, **options)
    found = search.run(bowl, SPACE, **options)
    assert settings(found) == settings(search.run(bowl, SPACE, method="tpe", trials=14))
    orphaned = [trial for trial in found.study.trials if budget.is_orphaned(trial)]
    assert len(orphaned) == 4
    assert len(found.study.trials) == 18


def start(storage, trials, ends, together, log):
    command = [sys.executable, search_worker.__file__, storage, trials, ends, together, log]
    return subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL)


def undisturbed(trials):
    space = search_worker.SPACE
    return search.run(search_worker.objective, space, trials=trials, **search_worker.OPTIONS)


@pytest.mark.parametrize("storage", ["search.log", "sqlite:///{folder}/search.db"])
def test_a_killed_search_continues_without_losing_or_repeating_a_trial(storage, tmp_path):
    storage = storage.format(folder=tmp_path) if "://" in storage else tmp_path / storage
    log = tmp_path / "begun"
    victim = start(storage, 10, 3, 1, log)
    waited(lambda: len(begun(log)) == 4)
    victim.kill()
    victim.wait()
    options = {**search_worker.OPTIONS, "storage": storage}
    calls = []

    def objective(x, y):
        calls.append(x)
        return search_worker.objective(x, y)

    found = search.run(objective, search_worker.SPACE, trials=10, **options)
    assert len(calls) == 10 - 3  # of the four that began, only the unfinished one is run again
    assert settings(found) == settings(undisturbed(10))
    assert (found.table()["state"] == "complete").all()


def test_two_processes_share_a_budget_without_repeating_a_trial(tmp_path):
    log, storage = tmp_path / "begun", tmp_path / "search.log"
    workers = [start(storage, 12, 12, 2, log) for _ in range(2)]
    assert [worker.wait(timeout=HANG) for worker in workers] == [0, 0]
    trials = begun(log)
    assert len(trials) == len({x for _, x in trials}) == 12
    assert len({process for process, _ in trials}) == 2
    found = search.run(
        search_worker.objective,
        search_worker.SPACE,
        trials=12,
        storage=storage,
        **search_worker.OPTIONS,
    )
    assert settings(found) == settings(undisturbed(12))


def test_a_surplus_trial_is_recognised_before_it_runs():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    first, second, third = (study.ask({"x": SPACE["x"]}) for _ in range(3))
    trials = budget.all_trials(study)
    assert [budget.is_surplus(study, trials[t.number], 2) for t in (first, second, third)] == [
        False,
        False,
        True,
    ]
    study.tell(first, state=optuna.trial.TrialState.FAIL)  # orphaned
    assert budget.recover(study) == 1
    study.enqueue_trial(first.params, user_attrs={budget.SLOT: 0})  # as another process would
    reruns = [study.ask({"x": SPACE["x"]}) for _ in range(2)]
    trials = budget.all_trials(study)
    assert [budget.is_surplus(study, trials[t.number], 2) for t in reruns] == [False, True]
    assert {budget.slot_index(study, trials[t.number]) for t in reruns} == {0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "random"}, "another method"),
        ({"seed": 1}, "another seed"),
        ({"space": {**SPACE, "x": search.uniform(0, 1)}}, "another space"),
    ],
)
def test_a_stored_search_is_not_mixed_with_another(change, message, tmp_path):
    call = {"space": SPACE, "method": "tpe", "trials": 2, "storage": tmp_path / "search.log"}
    search.run(bowl, **call)
    with pytest.raises(ValueError, match=rf"{message}.*another name"):
        search.run(bowl, **{**call, **change})
    assert len(search.run(bowl, **{**call, **change}, name="other").table()) == 2


def test_optuna_does_not_log_in_a_search_and_logs_again_afterwards(capsys, monkeypatch):
    logger = logging.getLogger("optuna")
    handler = logging.StreamHandler(sys.stderr)  # the one that capsys reads
    monkeypatch.setattr(logger, "handlers", [handler])
    search.run(lambda x: x if x < 4 else 1 / 0, {"x": SPACE["x"]}, method="random", trials=20)
    assert "rial" not in capsys.readouterr().err
    logger.warning("Trial by hand")
    assert "Trial by hand" in capsys.readouterr().err
    assert handler.filters == []


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: search.run(bowl, SPACE, method="bayes"),
            "unknown method 'bayes': use grid, random",
        ),
        (lambda: search.run(bowl, SPACE, prune="hyper"), "unknown pruning 'hyper'"),
        (lambda: search.run(bowl, SPACE, trials=0), "trials is 0"),
        (lambda: search.run(bowl, SPACE, method="grid", trials=1), "2 combinations.* 1 trials"),
        (lambda: search.uniform(3, 1), "bounds are 3 and 1"),
        (lambda: search.log_uniform(-1, 1), "begins above zero"),
        (lambda: search.integers(0, 4, log=True), "begins above zero"),
        (lambda: search.integers(0.5, 4), "whole numbers"),
        (lambda: search.choice(), "one or more"),
        (lambda: search.choice(1, 1), "only once"),
    ],
)
def test_wrong_calls_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_without_complete_trials_there_is_no_best():
    with pytest.warns(UserWarning, match="interrupted"):
        found = search.run(interrupted_at(1), SPACE, trials=3)
    assert len(found.table()) == len(found.best_so_far()) == 0
    with pytest.raises(search.SearchError, match="no trial is complete"):
        _ = found.best
    with pytest.raises(ValueError, match="at least two"):
        found.importance()


# --- the ready-made objective ---------------------------------------------------------------------


@pytest.fixture
def letters():
    rows = {"text": ["snow ice frost", "sun sand beach"] * 8, "label": ["cold", "warm"] * 8}
    part = Dataset.from_dict(rows)
    return DatasetDict(train=part, valid=part.select(range(6)))


def test_fine_tuning_is_fit_with_other_settings(letters, tiny_bert):
    task = classification(letters, max_length=8)
    config = TrainConfig(epochs=3, batch_size=4, learning_rate=0.01, seed=1)
    tokenizer = models.load(tiny_bert, task, device="cpu")[1]

    def make_model():
        return models.load(tiny_bert, task, seed=0, device="cpu")[0]

    objective = search.fine_tuning(make_model, letters, task, tokenizer, config)
    yielded = list(objective(learning_rate=0.003, epochs=2))
    model = make_model()
    chosen = TrainConfig(epochs=2, batch_size=4, learning_rate=0.003, seed=1)
    history = training.fit(model, letters, task, tokenizer, chosen)
    assert len(yielded) == 2
    assert yielded[-1] == pytest.approx(history.best["log_loss"], abs=1e-9)
    report = evaluate(model, letters["valid"], task, tokenizer)
    assert yielded[-1] == pytest.approx(report.scores["log_loss"], abs=1e-6)


def test_fine_tuning_in_a_search_finds_a_rate_that_learns(letters, tiny_bert):
    task = classification(letters, max_length=8)
    tokenizer = models.load(tiny_bert, task, device="cpu")[1]
    objective = search.fine_tuning(
        lambda: models.load(tiny_bert, task, seed=0, device="cpu")[0],
        letters,
        task,
        tokenizer,
        TrainConfig(epochs=4, batch_size=4),
    )
    space = {"learning_rate": search.choice(1e-7, 1e-2)}
    found = search.run(objective, space, method="grid", trials=2)
    assert found.best.settings == {"learning_rate": 1e-2}
    assert (found.table()["steps"] == 4).all()


def test_fine_tuning_names_unknown_settings_and_missing_parts(letters, tiny_bert):
    task = classification(letters, max_length=8)
    objective = search.fine_tuning(lambda: None, letters, task, None, TrainConfig())
    with pytest.raises(ValueError, match="'dropout' is no training setting: use epochs"):
        next(objective(dropout=0.1))
    with pytest.raises(KeyError, match="no part 'valid'"):
        search.fine_tuning(
            lambda: None, DatasetDict(train=letters["train"]), task, None, TrainConfig()
        )


@pytest.mark.parametrize(
    ("change", "dead"),
    [({}, False), ({"began": 0.0}, True), ({"pid": 2**22 + 1}, True), ({"host": "far"}, False)],
)
def test_a_worker_is_identified_by_host_process_and_start_time(change, dead):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    trial.set_user_attr(budget.WORKER, budget.this_worker() | change)
    assert budget.is_dead(budget.all_trials(study)[0]) is dead


def test_a_trial_without_a_worker_is_dead_after_a_while():
    old = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING)
    old.datetime_start = datetime.now() - 2 * budget.SILENCE
    assert budget.is_dead(old)
    old.datetime_start = datetime.now()
    assert not budget.is_dead(old)


def test_a_file_that_is_no_search_is_not_written_to(tmp_path):
    file = tmp_path / "thesis.txt"
    for content in ("four years", '{"chapter": 1}\n', "12\n"):
        file.write_text(content)
        with pytest.raises(FileExistsError, match="is not the storage of a search: choose another"):
            search.run(lambda x: x, {"x": search.uniform(0, 1)}, trials=1, storage=file)
        assert file.read_text() == content
