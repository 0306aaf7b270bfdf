"""`load`: own files and folders, known Hub names with their real columns, and no network."""

from __future__ import annotations

import subprocess
import sys
import warnings

import datasets
import pyarrow.parquet
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from ftlearn.data import DataError, load


def part(rows: int, texts: list[str], label: ClassLabel | Value, secret: bool = False) -> Dataset:
    """A part of `rows` rows with the columns that a Hub data set has."""
    classes = len(label.names) if isinstance(label, ClassLabel) else 5
    labels = [-1 if secret else i % classes for i in range(rows)]
    columns = {name: [f"{name} {i} of {rows}" for i in range(rows)] for name in texts}
    features = Features({name: Value("string") for name in texts} | {"label": label})
    return Dataset.from_dict(columns | {"label": labels}, features=features)


NEWS = ClassLabel(names=["World", "Sports", "Business", "Sci/Tech"])
MOOD = ClassLabel(names=["negative", "positive"])
SCORE = Value("float32")
# name -> the real path, text columns, label, and parts (rows, secret labels)
HUB = {
    "ag_news": (("fancyzhx/ag_news",), ["text"], NEWS, {"train": 80, "test": 8}),
    "imdb": (("stanfordnlp/imdb",), ["text"], MOOD, {"train": 60, "test": 30, "unsupervised": 9}),
    "rotten_tomatoes": (
        ("cornell-movie-review-data/rotten_tomatoes",),
        ["text"],
        MOOD,
        {"train": 40, "validation": 6, "test": 8},
    ),
    "sst2": (
        ("stanfordnlp/sst2",),
        ["sentence"],
        MOOD,
        {"train": 60, "validation": 10, "test": 12},
    ),
    "stsb": (
        ("nyu-mll/glue", "stsb"),
        ["sentence1", "sentence2"],
        SCORE,
        {"train": 50, "validation": 10, "test": 12},
    ),
}
SECRET = {"sst2", "stsb"}


@pytest.fixture
def hub(monkeypatch):
    """A Hub of small data sets with the columns and splits of the real ones."""

    def load_dataset(*arguments: str) -> DatasetDict:
        for name, (path, texts, label, sizes) in HUB.items():
            if arguments == path:
                return DatasetDict(
                    {
                        kind: part(rows, texts, label, kind == "test" and name in SECRET)
                        for kind, rows in sizes.items()
                    }
                )
        if arguments == ("someone/notes",):
            parts = {"train": part(4, ["line"], MOOD), "validation": part(2, ["line"], MOOD)}
            return DatasetDict(parts)
        raise ConnectionError(f"Couldn't reach {arguments[0]!r} on the Hub (OfflineModeIsEnabled)")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)


@pytest.mark.parametrize("name", HUB)
def test_known_hub_names_get_the_names_of_the_course(hub, name):
    _, texts, label, sizes = HUB[name]
    parts = load(name)
    assert list(parts) == ["train", "valid", "test"]
    columns = ["text", "text_pair"][: len(texts)]
    for dataset in parts.values():
        assert dataset.column_names == [*columns, "label"]
        assert dataset.features["label"] == label
        assert min(dataset["label"]) >= 0
    if "validation" in sizes and name not in SECRET:
        assert [len(dataset) for dataset in parts.values()] == list(sizes.values())
    else:
        tenth = sizes["train"] // 10
        assert [len(parts[kind]) for kind in ("train", "valid")] == [9 * tenth, tenth]
        test = "validation" if name in SECRET else "test"
        assert parts["test"]["text"][0] == f"{texts[0]} 0 of {sizes[test]}"
        assert not set(parts["train"]["text"]) & set(parts["valid"]["text"])


def test_the_carved_part_is_stratified(hub):
    labels = load("imdb")["valid"]["label"][:]
    assert sorted(labels) == [0, 0, 0, 1, 1, 1]


def test_other_hub_names_keep_their_columns(hub):
    parts = load("someone/notes")
    assert {name: len(dataset) for name, dataset in parts.items()} == {"train": 4, "valid": 2}
    assert parts["train"].column_names == ["line", "label"]


def test_without_a_network_the_error_names_the_ways_to_data(hub):
    with pytest.raises(DataError) as caught:
        load("agnews")
    pieces = ["'agnews'", "OfflineModeIsEnabled", "Did you mean 'ag_news'?"]
    pieces += [
        "topics, topics_shift, topics_raw, topics_zh, ratings",
        "your own file",
        "online once",
    ]
    assert all(piece in str(caught.value) for piece in pieces)


def test_the_real_library_offline_gives_the_same_error():
    code = "from ftlearn.data import load\ntry: load('sst2')\nexcept ValueError as e: print(e)"
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "cannot load 'sst2' from the Hub" in result.stdout


def test_a_changed_hub_data_set_is_noticed(monkeypatch):
    parts = DatasetDict({"train": part(9, ["review"], MOOD), "test": part(9, ["review"], MOOD)})
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments: parts)
    with pytest.raises(
        DataError, match=r"stanfordnlp/imdb.* no column 'text'.*\['review', 'label'"
    ):
        load("imdb")


def test_a_file_is_one_part_and_rejected_rows_are_warned_of(tmp_path):
    path = tmp_path / "notes.tsv"
    path.write_text("headline\ttopic\nA chip\ttech\n\ttech\nA cup\tsports\n")
    with pytest.warns(UserWarning, match="line 3: 'headline' is empty"):
        parts = load(path, text="headline", label="topic")
    assert {name: dataset.to_list() for name, dataset in parts.items()} == {
        "train": [{"headline": "A chip", "topic": 1}, {"headline": "A cup", "topic": 0}]
    }


def test_the_parts_of_a_folder_share_their_classes(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,10\nb,9\n")
    (tmp_path / "dev.jsonl").write_text('{"text": "c", "label": 10}\n')
    (tmp_path / "test.csv").write_text("text,label\nd,9\n")
    (tmp_path / "README.md").write_text("no data")
    parts = load(tmp_path, label="label")
    assert list(parts) == ["train", "valid", "test"]
    names = {tuple(dataset.features["label"].names) for dataset in parts.values()}
    assert names == {("9", "10")}
    assert [dataset["label"][:] for dataset in parts.values()] == [[1, 0], [1], [0]]


def test_errors_of_paths_name_the_value_and_the_remedy(tmp_path):
    with pytest.raises(DataError, match=r"no file gone\.csv; check the path"):
        load("gone.csv")
    with pytest.raises(DataError, match=r"has no train file; name one train\.csv"):
        load(tmp_path)
    for suffix in ("csv", "tsv"):
        (tmp_path / f"train.{suffix}").write_text("text\na\n")
    with pytest.raises(DataError, match=r"'train.csv', 'train.tsv'\] for train; keep one"):
        load(tmp_path)
    (tmp_path / "notes.txt").write_text("a")
    with pytest.raises(DataError, match=r"'\.txt'; readable are \.csv"):
        load(tmp_path / "notes.txt")


ROWS = "text,label\na,x\nb,y\n"


@pytest.mark.parametrize("name", ["val.csv", "dev.csv", "eval.csv", "Validation.csv", "VALID.CSV"])
def test_the_parts_of_a_folder_go_by_all_their_usual_names(tmp_path, name: str):
    for file in ("TRAIN.CSV", name, "Test.csv"):
        (tmp_path / file).write_text(ROWS)
    with warnings.catch_warnings(action="error"):
        assert list(load(tmp_path, label="label")) == ["train", "valid", "test"]


def test_what_is_not_used_of_a_folder_is_named(tmp_path):
    for file in ("train.csv", "held_out.csv", "valid.json", ".hidden", "README.md"):
        (tmp_path / file).write_text(ROWS)
    (tmp_path / "test").mkdir()
    with pytest.warns(UserWarning, match=r"not used .*: held_out.csv, test, valid.json. Its parts"):
        assert list(load(tmp_path, label="label")) == ["train"]
    (tmp_path / "train.csv").unlink()
    with pytest.raises(DataError, match=r"no train file.* It holds held_out.csv, test, valid.json"):
        load(tmp_path, label="label")


def test_two_files_for_one_part_are_rivals(tmp_path):
    for file in ("train.csv", "val.csv", "dev.csv"):
        (tmp_path / file).write_text(ROWS)
    with pytest.raises(DataError, match=r"\['dev.csv', 'val.csv'\] for valid; keep one"):
        load(tmp_path, label="label")


def test_parquet_of_datasets_keeps_the_names_of_its_classes(tmp_path):
    features = Features({"text": Value("string"), "label": MOOD, "id": Value("int64")})
    columns = {"text": list("abcd"), "label": [1, 0, -1, 1], "id": [7, 8, 9, 10]}
    Dataset.from_dict(columns, features=features).to_parquet(tmp_path / "notes.parquet")
    with pytest.warns(UserWarning, match="line 3: 'label' is empty"):
        rows = load(tmp_path / "notes.parquet", label="label")["train"]
    assert rows.features["label"].names == MOOD.names
    assert rows["label"][:] == [1, 0, 1]
    assert rows["id"][:] == ["7", "8", "10"]


def test_parquet_of_other_programs_is_read_as_before(tmp_path):
    table = pyarrow.table({"text": ["a", "b"], "label": [1, 0]})
    for metadata in (None, {"huggingface": "no JSON"}, {"huggingface": '{"info": 1}'}):
        file = tmp_path / "notes.parquet"
        pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), file)
        assert load(file, label="label")["train"].features["label"].names == ["0", "1"]
