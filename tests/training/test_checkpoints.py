"""The store: what is written comes back to the last bit, or is known to be damaged."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlearn.training import checkpoints
from ftlearn.training.checkpoints import CheckpointError, Store, damage

KINDS = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool]


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "run")


def write(store: Store, *numbers: int, best: tuple[int, ...] = ()) -> None:
    for number in numbers:
        tensors = {"model": {"w": torch.full((4,), float(number))}}
        store.write(number, tensors, {"number": number}, best=number in best)


def numbers(store: Store) -> list[int]:
    """The numbers of what is kept; −n for one that was the best."""
    return [
        (-1 if "best" in p.name else 1) * int(p.name[:8]) for p in sorted(store.folder.glob("*"))
    ]


def spoil(store: Store, *names: str) -> None:
    for name in names:
        (store.folder / name / "model.safetensors").write_bytes(b"")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_tensors_come_back_to_the_last_bit(store, kind):
    torch.manual_seed(0)
    bits = torch.randint(0, 2, (3, 5)) if kind is torch.bool else torch.randn(3, 5) * 100
    group = {"a": bits.to(kind), "b": bits.to(kind).T, "scalar": torch.tensor(3).to(kind)}
    store.write(1, {"model": group, "optimizer": {}}, {})
    newest = store.newest()
    assert newest.tensors("optimizer") == {}
    for name, tensor in newest.tensors("model").items():
        assert tensor.dtype is kind
        assert torch.equal(tensor, group[name])


def test_no_number_is_changed_not_even_those_that_are_none(store):
    odd = torch.tensor([math.nan, math.inf, -0.0, 1e-45])
    store.write(1, {"model": {"w": odd}}, {"loss": 0.1 + 0.2, "bound": math.inf})
    newest = store.newest()
    assert newest.tensors("model")["w"].view(torch.int32).tolist() == odd.view(torch.int32).tolist()
    assert newest.state == {"loss": 0.1 + 0.2, "bound": math.inf}


def test_tied_weights_and_views_are_written_whole(store):
    base = torch.arange(12.0)
    group = {"tied": base, "again": base, "part": base[4:8], "turned": base.view(3, 4).T}
    store.write(1, {"model": group}, {})
    for name, tensor in store.newest().tensors("model").items():
        assert torch.equal(tensor, group[name])


def test_the_manifest_says_what_other_tools_say_of_the_files(store):
    write(store, 3)
    folder = store.folder / "00000003"
    files = json.loads((folder / "manifest.json").read_text())["files"]
    assert set(files) == {"model.safetensors", "state.json"}
    for name, written in files.items():
        content = (folder / name).read_bytes()
        assert written == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_every_file_is_flushed_before_the_name_is_given_and_the_manifest_last(store, monkeypatch):
    events, rename, flush = [], Path.rename, checkpoints.flush
    monkeypatch.setattr(checkpoints, "flush", lambda p: (events.append(p.name), flush(p)))
    monkeypatch.setattr(Path, "rename", lambda p, to: (events.append("rename"), rename(p, to))[1])
    write(store, 3)
    assert events == [
        "model.safetensors", "state.json", "manifest.json", ".writing-00000003", "rename", "run",
    ]  # fmt: skip


def test_the_newest_two_and_the_best_are_kept(store):
    write(store, 1, 2, 3, 4, 5, 6, best=(1, 3))
    assert numbers(store) == [-3, 5, 6]
    assert store.best().state == {"number": 3}
    write(store, 7, best=(7,))
    assert numbers(store) == [-3, 6, -7]  # should 7 be damaged, 3 is the best that 6 knows of
    write(store, 8)
    assert numbers(store) == [-7, 8]
    assert store.best().state == {"number": 7}


@settings(max_examples=25)
@given(
    st.lists(st.booleans(), min_size=1, max_size=9),
    st.integers(1, 3),
)
def test_whatever_is_damaged_the_newest_whole_one_and_its_best_are_there(
    tmp_path_factory, run, keep
):
    """The law of what is kept: cut off up to keep − 1 from the end, and nothing is missing."""
    store = Store(tmp_path_factory.mktemp("law"), keep=keep)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "flush", lambda _: None)  # it takes most of the time
        for number, best in enumerate(run):
            write(store, number, best=(number,) if best else ())
    there = [abs(number) for number in numbers(store)]
    for newest in range(max(0, len(run) - keep), len(run)):
        bests = [number for number in range(newest + 1) if run[number]]
        assert {newest, *bests[-1:]} <= set(there)
    assert len(there) <= 2 * keep


def test_what_was_damaged_makes_room_for_what_is_written_after_it(store):
    write(store, 1, 2, 3, best=(1,))
    spoil(store, "00000002", "00000003")
    with pytest.warns(UserWarning, match="passed over"):
        assert store.newest().folder.name == "00000001-best"
    write(store, 2)
    assert numbers(store) == [-1, 2]
    assert store.newest().state == {"number": 2}


def test_the_same_number_takes_the_place_of_the_one_before(store):
    write(store, 1, 2)
    write(store, 2, best=(2,))
    assert numbers(store) == [1, -2]


def test_names_beyond_eight_digits_are_in_order(store):
    write(store, 99_999_999, 100_000_000)
    assert store.newest().state == {"number": 100_000_000}


def test_what_somebody_else_put_there_is_left_alone(store):
    write(store, 1)
    (store.folder / "20240131-notes").mkdir()
    (store.folder / "20240131.csv").write_text("mine")
    (store.folder / "00000009").write_text("a file")
    write(store, 2, 3, 4)
    assert store.newest().state == {"number": 4}
    assert (store.folder / "20240131.csv").read_text() == "mine"
    assert (store.folder / "20240131-notes").is_dir()
    assert (store.folder / "00000009").read_text() == "a file"


def test_what_a_killed_process_left_is_no_checkpoint_and_is_swept_away(store):
    write(store, 1)
    (store.folder / ".writing-00000002").mkdir()
    (store.folder / ".writing-00000002" / "model.safetensors").write_bytes(b"half")
    assert store.newest().state == {"number": 1}
    write(store, 3)
    assert [path.name for path in store.folder.glob(".*")] == []


def test_an_empty_or_missing_folder_holds_nothing(store):
    assert not store
    assert store.newest() is None
    assert store.best() is None
    store.prepare()
    assert store.newest() is None
    assert list(store.folder.iterdir()) == []


def test_a_damaged_best_is_passed_over_for_the_one_before(tmp_path):
    store = Store(tmp_path, keep=5)
    write(store, 1, 2, 3, best=(1, 3))
    spoil(store, "00000003-best")
    with pytest.warns(UserWarning, match="00000003-best"):
        assert store.best().state == {"number": 1}


def test_damage_says_nothing_of_a_whole_one_and_names_a_folder_in_the_way(store):
    write(store, 1)
    folder = store.folder / "00000001"
    assert damage(folder) is None
    (folder / "state.json").unlink()
    (folder / "state.json").mkdir()
    assert "state.json" in damage(folder)


@given(st.binary(max_size=60))
def test_no_manifest_whatever_it_holds_makes_the_reader_fall_over(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("odd")
    (folder / "manifest.json").write_bytes(content)
    assert "manifest.json" in damage(folder)


@pytest.mark.parametrize(
    "manifest", ["null", "3", '"files"', '{"files": 3}', '{"files": {"state.json": 1}}', "[[]]"]
)
def test_no_json_that_is_no_manifest_does_either(store, manifest):
    write(store, 1)
    (store.folder / "00000001" / "manifest.json").write_text(manifest)
    assert "manifest.json is no manifest" in damage(store.folder / "00000001")


def test_nothing_kept_is_refused(tmp_path):
    with pytest.raises(ValueError, match="keep is 0: at least one"):
        Store(tmp_path, keep=0)


def test_all_damaged_is_an_error_and_best_is_none(store):
    write(store, 1, 2, best=(1,))
    spoil(store, "00000001-best", "00000002")
    with (
        pytest.warns(UserWarning, match="passed over"),
        pytest.raises(CheckpointError, match="all 2 checkpoints"),
    ):
        store.newest()
    with pytest.warns(UserWarning, match="passed over"):
        assert store.best() is None


# What is not the store's own


def test_folders_named_by_dates_are_no_checkpoints(store):
    for name, file in (("20240131", "thesis.txt"), ("00000099", "data.csv")):
        (store.folder / name).mkdir(parents=True)
        (store.folder / name / file).write_text("mine")
    assert not store
    assert store.newest() is None
    write(store, 1, 2, 3, 4)
    assert numbers(store) == [3, 4, 99, 20240131]
    assert store.newest().state == {"number": 4}
    store.clear()
    left = sorted(str(path.relative_to(store.folder)) for path in store.folder.rglob("*.*"))
    assert left == ["00000099/data.csv", "20240131/thesis.txt"]


def test_a_file_that_somebody_put_into_a_checkpoint_outlives_it(store):
    write(store, 1)
    (store.folder / "00000001" / "notes.txt").write_text("mine")
    write(store, 2, 3)
    assert [path.name for path in (store.folder / "00000001").iterdir()] == ["notes.txt"]
    assert store.newest().state == {"number": 3}


def test_a_store_knows_its_size_and_its_newest_number(store):
    assert (store.bytes(), store.last_number()) == (0, 0)
    write(store, 7)
    sizes = [path.stat().st_size for path in store.folder.rglob("*.*")]
    assert (store.bytes(), store.last_number()) == (sum(sizes), 7)
    store.clear()
    assert not store.folder.exists()
    store.clear()
