"""Shards on two workers of Ray: the answers of one machine, also where a worker dies."""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet
import pytest
from parquet_shards import SIZES, answers, expected, saved_model, write_shards

from ftlearn import cli, engines
from ftlearn.engines import predicting, ray_data

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra 'ray' is not installed"),
    pytest.mark.filterwarnings(r"ignore:part-\d+\.parquet. \d+% of the tokens:UserWarning"),
]


class KilledOnce(predicting.ShardPredictor):
    """Whoever predicts the third shard first dies in its middle, as if out of memory."""

    def __init__(self, job: engines.Job, fingerprint: str) -> None:
        super().__init__(job, fingerprint)
        self.mark = job.model.parent / "killed"

    def predict(self, shard, on_rows=int):
        """As in the base class, except once."""
        with (self.mark.parent / "begun").open("a") as file:
            file.write(f"{shard.source.name} {os.getpid()}\n")
        if "2" in shard.source.name and not self.mark.exists():
            self.mark.touch()
            on_rows = self.end
        return super().predict(shard, on_rows)

    def end(self, rows: int) -> None:
        """The end of the process, after its first window was written."""
        os.kill(os.getpid(), signal.SIGKILL)


class KilledAlways(KilledOnce):
    """Whoever predicts the third shard dies of it."""

    def predict(self, shard, on_rows=int):
        """As in the base class, as if nobody had died before."""
        self.mark.unlink(missing_ok=True)
        return super().predict(shard, on_rows)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """One Ray for all tests of the module, with what the engine itself would begin."""
    with ray_data._connected(2) as ray:
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        yield ray


def test_ray_listens_on_the_loopback_interface_alone(cluster):
    (node,) = cluster.nodes()
    assert node["NodeManagerAddress"] == "127.0.0.1"
    assert cluster.cluster_resources()["object_store_memory"] <= ray_data.OBJECT_STORE


@pytest.fixture(scope="module")
def saved(tiny_bert, tmp_path_factory) -> Path:
    return saved_model(tiny_bert, tmp_path_factory.mktemp("saved") / "model")


def assert_same(found: list[dict | None], wanted: list[dict | None]) -> None:
    """The same labels; probabilities, stored with six decimals, may round to the next one.

    A worker that takes over a shard has other texts in its batches, and so another rounding.
    """
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        if theirs is None or "probabilities" not in theirs:
            assert ours == theirs  # a row that was refused
        else:
            assert ours["label"] == theirs["label"]
            assert ours["probabilities"] == pytest.approx(theirs["probabilities"], abs=2e-6)


def assert_answered(saved: Path, shards: list[Path], out: Path, tmp_path: Path) -> None:
    """Each output shard has the rows of its input in order, and the answers of one machine."""
    assert sorted(path.name for path in out.glob("*.parquet")) == [path.name for path in shards]
    for shard in shards:
        assert_same(answers(out / shard.name), expected(saved, shard, tmp_path))
        kept = pyarrow.parquet.read_table(out / shard.name).drop_columns(["prediction", "error"])
        assert kept.equals(pyarrow.parquet.read_table(shard))
    assert not list(out.glob(".*"))


def test_two_workers_answer_as_one_machine_and_resume(saved, tmp_path, capsys):
    shards = write_shards(tmp_path / "in")
    out = tmp_path / "out"
    command = ["predict", str(saved), "--input", str(tmp_path / "in"), "--output", str(out),
               "--device", "cpu", "--engine", "ray", "--workers", "2"]  # fmt: skip
    assert cli.main(command) == 0
    assert f"of {sum(SIZES)} rows predicted in 4 shards" in capsys.readouterr().err
    assert_answered(saved, shards, out, tmp_path)
    (out / shards[0].name).write_bytes((out / shards[0].name).read_bytes()[:-9])
    assert cli.main(command) == 0
    assert "3 of them were done before" in capsys.readouterr().err
    assert_answered(saved, shards, out, tmp_path)


def test_a_worker_that_dies_loses_and_doubles_no_row(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "ShardPredictor", KilledOnce)
    sizes = (40, 0, 25, 31, 12, 12)
    shards = write_shards(tmp_path / "in", sizes)
    job = engines.Job(saved, (), "cpu")
    options = {"engine": "ray", "workers": 2}
    totals = engines.predict_shards(job, tmp_path / "in", tmp_path / "out", **options)
    assert (saved.parent / "killed").exists()
    begun = [line.split() for line in (saved.parent / "begun").read_text().splitlines()]
    third = [process for name, process in begun if name == "part-2.parquet"]
    assert len(third) == 2
    assert len(set(third)) == 2, "the second try was by a new process"
    assert totals.rows == sum(sizes)
    assert_answered(saved, shards, tmp_path / "out", tmp_path)
    rows = pyarrow.parquet.read_table(tmp_path / "out").column("row").to_pylist()
    assert sorted(rows) == list(range(sum(sizes)))


def test_a_shard_of_which_every_worker_dies_ends_the_job(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "ShardPredictor", KilledAlways)
    monkeypatch.setattr(ray_data, "RETRIES", 1)
    write_shards(tmp_path / "in")
    job = engines.Job(saved, (), "cpu")
    options = {"engine": "ray", "workers": 2}
    with pytest.raises(ray_data.RayError, match="the workers of Ray failed"):
        engines.predict_shards(job, tmp_path / "in", tmp_path / "out", **options)
    begun = (saved.parent / "begun").read_text().splitlines()
    monkeypatch.undo()
    assert sum(line.startswith("part-2.parquet") for line in begun) >= 2
    assert engines.predict_shards(job, tmp_path / "in", tmp_path / "out").rows == sum(SIZES)


def test_a_bad_shard_is_named_and_the_others_are_kept(saved, tmp_path):
    shards = write_shards(tmp_path / "in")
    shards[1].write_bytes(b"PAR1 and no more")
    job = engines.Job(saved, (), "cpu")
    options = {"engine": "ray", "workers": 2}
    with pytest.raises(predicting.ShardsError, match=r"1 of 4 shards .* part-1\.parquet: "):
        engines.predict_shards(job, tmp_path / "in", tmp_path / "out", **options)
    found = sorted(path.name for path in (tmp_path / "out").glob("*.parquet"))
    assert found == ["part-0.parquet", "part-2.parquet", "part-3.parquet"]
    assert_same(answers(tmp_path / "out" / found[0]), expected(saved, shards[0], tmp_path))
