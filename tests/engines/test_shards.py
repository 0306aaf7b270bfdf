"""Shards on one machine: their answers, what is left out, replaced and refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import parquet_shards
import pyarrow
import pyarrow.parquet
import pytest
from parquet_shards import SIZES, answers, expected, saved_model, write_shards
from waiting import HANG

from ftlearn import cli, engines, tasks
from ftlearn.data import DataError
from ftlearn.engines import predicting, shard_file
from ftlearn.engines.job import shard_metadata
from ftlearn.errors import ArgumentError, BusyError, ExistsError
from ftlearn.runtime.locking import locked
from tools.notebooks import ROOT

pytestmark = pytest.mark.filterwarnings(r"ignore:part-\d+\.parquet. \d+% of the tokens:UserWarning")


@pytest.fixture(scope="module")
def saved(tiny_bert, tmp_path_factory) -> Path:
    return saved_model(tiny_bert, tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture
def shards(tmp_path) -> list[Path]:
    return write_shards(tmp_path / "in")


def job(model: Path, *text: str) -> engines.Job:
    return engines.Job(model, text, "cpu")


def predict(saved: Path, tmp_path: Path, **options) -> engines.Totals:
    return engines.predict_shards(job(saved), tmp_path / "in", tmp_path / "out", **options)


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """The shards of a folder: when they were written, and what they hold."""
    files = folder.glob("*.parquet")
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_each_shard_has_the_answers_of_predict_and_all_its_columns(saved, shards, tmp_path):
    totals = predict(saved, tmp_path)
    rejected = sum(row % 11 == 5 for row in range(sum(SIZES)))
    assert totals == engines.Totals(shards=4, skipped=0, rows=sum(SIZES), rejected=rejected)
    for shard in shards:
        target = tmp_path / "out" / shard.name
        assert answers(target) == expected(saved, shard, tmp_path)
        source = pyarrow.parquet.read_table(shard)
        kept = pyarrow.parquet.read_table(target).drop_columns(["prediction", "error"])
        assert kept.schema.equals(source.schema)
        assert kept.equals(source)
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {*(shard.name for shard in shards), "_job.json"}
    job_file = json.loads((tmp_path / "out" / "_job.json").read_text())
    assert (job_file["complete"], job_file["rows"]) == (True, sum(SIZES))


def test_the_output_folder_reads_as_one_table(saved, shards, tmp_path):
    predict(saved, tmp_path)
    rows = pyarrow.parquet.read_table(tmp_path / "out").column("row").to_pylist()
    assert rows == list(range(sum(SIZES)))


def test_a_finished_job_leaves_nothing_of_a_worker_that_died(saved, shards, tmp_path, monkeypatch):
    """Another worker has predicted its shard, under another temporary name."""
    write = shard_file.write

    def after_one_that_died(shard, *rest):
        shard.target.with_name(f".{shard.target.name}.0123.writing").write_bytes(b"PAR1")
        return write(shard, *rest)

    monkeypatch.setattr(shard_file, "write", after_one_that_died)
    predict(saved, tmp_path)
    assert not list((tmp_path / "out").glob(".*"))


def test_windows_do_not_show_in_the_output(saved, shards, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_file, "WINDOW", 7)
    predict(saved, tmp_path)
    for shard in shards:
        assert answers(tmp_path / "out" / shard.name) == expected(saved, shard, tmp_path)


def test_what_is_done_and_whole_is_left_as_it_is(saved, shards, tmp_path):
    predict(saved, tmp_path)
    before = state(tmp_path / "out")
    totals = predict(saved, tmp_path)
    assert (totals.skipped, totals.rows) == (4, sum(SIZES))
    assert state(tmp_path / "out") == before


def damaged(path: Path) -> None:
    """Some bytes of the data in the middle of a shard are others; its footer is as it was."""
    content = bytearray(path.read_bytes())
    for at in range(40, 60):
        content[at] ^= 0xFF
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("harm", [damaged, cut, Path.unlink], ids=["damaged", "cut", "gone"])
def test_a_shard_that_is_not_whole_is_predicted_again(saved, shards, tmp_path, harm):
    predict(saved, tmp_path)
    before = state(tmp_path / "out")
    harm(tmp_path / "out" / "part-2.parquet")
    (tmp_path / "out" / ".part-2.parquet.0123.writing").write_bytes(b"PAR1")
    totals = predict(saved, tmp_path)
    after = state(tmp_path / "out")
    assert totals.skipped == 3
    assert {name: content for name, (_, content) in after.items()} == {
        name: content for name, (_, content) in before.items()
    }
    again = [name for name in before if after[name][0] != before[name][0]]
    assert again == ["part-2.parquet"]
    assert not list((tmp_path / "out").glob(".*"))


def test_an_input_that_has_changed_is_predicted_again(saved, shards, tmp_path):
    predict(saved, tmp_path)
    pyarrow.parquet.write_table(parquet_shards.table(500, 40), shards[0])
    assert predict(saved, tmp_path).skipped == 3
    assert answers(tmp_path / "out" / shards[0].name) == expected(saved, shards[0], tmp_path)


def test_a_folder_of_another_model_or_other_options_is_refused(saved, shards, tiny_bert, tmp_path):
    predict(saved, tmp_path)
    before = state(tmp_path / "out")
    other = saved_model(tiny_bert, tmp_path / "other", seed=1)
    with pytest.raises(ExistsError, match=r"out was begun with another model .*overwrite=True"):
        predict(other, tmp_path)
    with pytest.raises(ExistsError, match=r"another model_format \(auto, not fp32\)"):
        engines.predict_shards(
            engines.Job(saved, (), "cpu", "fp32"), tmp_path / "in", tmp_path / "out"
        )
    with pytest.raises(ExistsError, match=r"begun with another text \(\[\], not \[\"kind\"\]\)"):
        engines.predict_shards(job(saved, "kind"), tmp_path / "in", tmp_path / "out")
    assert state(tmp_path / "out") == before
    assert predict(other, tmp_path, overwrite=True).skipped == 0
    assert answers(tmp_path / "out" / "part-0.parquet") == expected(other, shards[0], tmp_path)


def test_a_folder_with_other_files_is_refused_and_left_alone(saved, shards, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("four years")
    with pytest.raises(ExistsError, match=r"holds thesis\.txt, which belongs to no input shard"):
        predict(saved, tmp_path, overwrite=True)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_an_output_shard_without_its_input_is_named(saved, shards, tmp_path):
    predict(saved, tmp_path)
    shards[3].unlink()
    with pytest.raises(ExistsError, match=r"holds part-3\.parquet, which belongs to no input"):
        predict(saved, tmp_path)
    assert predict(saved, tmp_path, overwrite=True).shards == 3
    assert not (tmp_path / "out" / "part-3.parquet").exists()


def test_one_bad_shard_does_not_cost_the_others(saved, shards, tmp_path):
    whole = shards[2].read_bytes()
    shards[2].write_bytes(whole[:-30])
    pyarrow.parquet.write_table(pyarrow.table({"body": ["ball"]}), shards[3])
    message = r"2 of 4 shards could not be predicted, the first part-2\.parquet: .*readable Parquet"
    with pytest.raises(predicting.ShardsError, match=message):
        predict(saved, tmp_path)
    assert sorted(state(tmp_path / "out")) == ["part-0.parquet", "part-1.parquet"]
    assert json.loads((tmp_path / "out" / "_job.json").read_text())["complete"] is False
    shards[2].write_bytes(whole)
    with pytest.raises(predicting.ShardsError, match=r"1 of 4 shards.*no column 'text'"):
        predict(saved, tmp_path)


def test_a_column_of_the_output_in_the_input_is_refused(saved, tmp_path):
    (tmp_path / "in").mkdir()
    table = pyarrow.table({"text": ["ball"], "error": ["none"]})
    pyarrow.parquet.write_table(table, tmp_path / "in" / "a.parquet")
    with pytest.raises(predicting.ShardsError, match=r"column 'error' already.*rename it"):
        predict(saved, tmp_path)


def test_numbers_pairs_and_notes(tiny_bert, tmp_path):
    task = tasks.Regression(center=100.0, scale=5.0, max_length=4, text=("text", "kind"))
    saved = saved_model(tiny_bert, tmp_path / "numbers", task)
    shards = write_shards(tmp_path / "in", (12,))
    with pytest.warns(UserWarning, match=r"part-0\.parquet: .* were cut at the end"):
        predict(saved, tmp_path)
    with pytest.warns(UserWarning, match="were cut"):
        assert answers(tmp_path / "out" / "part-0.parquet") == expected(saved, shards[0], tmp_path)
    with pytest.raises(predicting.ShardsError, match="2 text columns, and 1 were named"):
        engines.predict_shards(job(saved, "kind"), tmp_path / "in", tmp_path / "new")


def test_shards_are_found_by_folder_pattern_and_file(tmp_path):
    write_shards(tmp_path / "in", (1, 1))
    (tmp_path / "in" / "_SUCCESS").touch()
    (tmp_path / "in" / ".part-9.parquet").touch()
    for source in (tmp_path / "in", tmp_path / "in" / "*.parquet", tmp_path / "i?" / "part-*"):
        found = engines.find_shards(source, tmp_path / "out")
        assert [shard.source.name for shard in found] == ["part-0.parquet", "part-1.parquet"]
        assert [shard.target.parent for shard in found] == [tmp_path / "out"] * 2
    assert len(engines.find_shards(tmp_path / "in" / "part-1.parquet", tmp_path / "out")) == 1


def test_sources_that_cannot_be_shards_are_refused(tmp_path):
    write_shards(tmp_path / "in", (1,))
    write_shards(tmp_path / "on", (1,))
    (tmp_path / "new.csv").write_text("text\nball\n")
    for source, message in (
        (tmp_path / "nowhere", "names no Parquet file"),
        (tmp_path / "?n" / "*.parquet", r"names part-0\.parquet twice"),
        (tmp_path / "new.csv", "is no Parquet file"),
    ):
        with pytest.raises(DataError, match=message):
            engines.find_shards(source, tmp_path / "out")
    with pytest.raises(DataError, match="would be replaced: name another output folder"):
        engines.find_shards(tmp_path / "in", tmp_path / "in")


def test_engines_and_workers_are_checked(saved, shards, tmp_path):
    with pytest.raises(ArgumentError, match="engine is 'spark': use ray"):
        predict(saved, tmp_path, engine="spark")
    with pytest.raises(ArgumentError, match="workers is 2: give 1 or more, together with engine"):
        predict(saved, tmp_path, workers=2)


def test_two_runs_do_not_write_one_folder(saved, shards, tmp_path):
    with locked(tmp_path / "out"), pytest.raises(BusyError, match="out is in use by process"):
        predict(saved, tmp_path)


def test_a_killed_run_is_resumed_without_its_half_written_shard(saved, shards, tmp_path):
    """SIGKILL in the third shard, after its first window was written."""
    code = (
        "import os, signal, sys\n"
        "from ftlearn import engines\n"
        "from ftlearn.engines import shard_file\n"
        "shard_file.WINDOW = 7\n"
        "write = shard_file.write\n"
        "def killed(shard, *rest):\n"
        "    end = lambda rows: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return write(shard, *rest[:-1], end if '2' in shard.source.name else rest[-1])\n"
        "shard_file.write = killed\n"
        "engines.predict_shards(engines.Job(sys.argv[1], (), 'cpu'), sys.argv[2], sys.argv[3])\n"
    )
    command = [sys.executable, "-c", code, saved, tmp_path / "in", tmp_path / "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        list(map(str, command)), env=environment, timeout=HANG, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert sorted(state(tmp_path / "out")) == ["part-0.parquet", "part-1.parquet"]
    assert list((tmp_path / "out").glob(".part-2*.writing"))
    before = state(tmp_path / "out")
    assert predict(saved, tmp_path).skipped == 2
    after = state(tmp_path / "out")
    assert {name: after[name] for name in before} == before
    assert not list((tmp_path / "out").glob(".*"))
    for shard in shards:
        assert answers(tmp_path / "out" / shard.name) == expected(saved, shard, tmp_path)


def test_the_command_writes_shards(saved, shards, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["predict", str(saved), "--input", str(tmp_path / "in"), "--device", "cpu"]
    assert cli.main([*command, "--output", str(out)]) == 0
    rejected = sum(row % 11 == 5 for row in range(sum(SIZES)))
    line = f"{sum(SIZES) - rejected} of {sum(SIZES)} rows predicted in 4 shards"
    assert line in capsys.readouterr().err
    assert shard_metadata(out / "part-0.parquet")["rows"] == SIZES[0]
    assert cli.main([*command, "--output", str(out)]) == 0
    assert "4 of them were done before" in capsys.readouterr().err
    assert cli.main([*command, "--output", str(out), "--text", "kind"]) == 2
    assert "or have its shards replaced with --overwrite" in capsys.readouterr().err
    for options, message in (
        (["--format", "csv"], "--format is 'csv', and shards are Parquet"),
        (["--delimiter", ";"], "must be one character, and no quote or line end, for a .csv"),
        (["--workers", "2"], "give 1 or more, together with --engine ray"),
    ):
        assert cli.main([*command, "--output", str(out), *options]) == 2
        assert message in capsys.readouterr().err
