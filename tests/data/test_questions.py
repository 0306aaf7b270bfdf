"""Files of questions: what is read, and what is refused with its line and reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.data import DataError, read_questions
from ftlearn.data.questions import find

CONTEXT = "The mill in Graz burned in 1812. Graz rebuilt it."


def written(folder: Path, *rows: dict, name: str = "questions.jsonl") -> Path:
    path = folder / name
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def row(answer: object = "1812", **more: object) -> dict:
    return {"question": "When did it burn?", "context": CONTEXT, "answer": answer, **more}


def squad(*questions: dict, **more: object) -> dict:
    paragraphs = [{"context": CONTEXT, "qas": list(questions)}]
    return {"version": "v2.0", "data": [{"title": "Mills", "paragraphs": paragraphs}], **more}


def test_answers_are_searched_or_stand_at_their_start(tmp_path):
    rows = [row(), row("Graz", start=33), row("", article="7"), row(None), row(1812)]
    dataset, report = read_questions(written(tmp_path, *rows))
    assert dataset["answers"][:] == [
        {"text": ["1812"], "answer_start": [27]},
        {"text": ["Graz"], "answer_start": [33]},
        {"text": [], "answer_start": []},
        {"text": [], "answer_start": []},
        {"text": ["1812"], "answer_start": [27]},
    ]
    assert dataset["article"][:] == [None, None, "7", None, None]
    assert dataset.column_names == ["question", "context", "article", "answers"]
    assert report.rows == 5
    assert not report.rejected
    assert not report.notes


def test_the_first_of_several_places_is_taken_with_a_note(tmp_path):
    dataset, report = read_questions(written(tmp_path, row(), row("Graz"), row("Graz", start=33)))
    assert dataset[1]["answers"]["answer_start"] == [12]
    assert report.notes == (
        "1 answer occurs more than once in the context without a start: the first place is taken "
        "(lines 2)",
    )


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("Vienna"), "the answer 'Vienna' does not stand in the context"),
        (
            row("1812", start=26),
            "the answer '1812' does not stand at 26, where the context has ' 181'; it stands at 27",
        ),
        (row("Graz", start=99), "the answer 'Graz' does not stand at 99, where the context has ''"),
        (row("Graz", start="x"), "'start' is 'x', not the number of a character, counted from 0"),
        (row("Graz", start=-1), "'start' is '-1', not the number of a character, counted from 0"),
        (row("", start=3), "there is a start and no answer"),
        ({"question": "Who?", "context": CONTEXT}, "there is no 'answer'"),
        ({"question": " ", "context": CONTEXT, "answer": ""}, "'question' is empty"),
        ({"question": "Who?", "answer": ""}, "there is no 'context'"),
        (row(answers={"text": ["Graz"]}), "'answers' are"),
        (row(answers={"text": ["Graz"], "answer_start": [1.5]}), "'answers' are"),
        (row(answers={"text": ["Graz"], "answer_start": []}), "'answers' are"),
        (row(answers={"text": [""], "answer_start": [3]}), "the answer '' does not stand at 3"),
    ],
)
def test_a_wrong_row_is_refused_by_its_line(tmp_path, bad, reason):
    dataset, report = read_questions(written(tmp_path, row(), bad))
    assert len(dataset) == 1
    assert report.rejected[0].line == 2
    assert report.rejected[0].reason.startswith(reason)


def test_a_file_without_a_good_row_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no question to learn from(.|\n)*line 1: the answer 'x'"):
        read_questions(written(tmp_path, row("x")))


def test_tables_have_answers_too(tmp_path):
    path = tmp_path / "questions.csv"
    path.write_text(f'question,context,answer,start\nWhere?,"{CONTEXT}",Graz,33\nWho?,No.,,\n')
    dataset, report = read_questions(path)
    assert dataset["answers"][0] == {"text": ["Graz"], "answer_start": [33]}
    assert dataset["answers"][1] == {"text": [], "answer_start": []}
    assert report.delimiter == ","


@pytest.mark.parametrize("name", ["parquet", "jsonl"])
def test_a_data_set_with_squads_columns_comes_back_as_it_was(tmp_path, name):
    answers = [
        {"text": ["Graz", "1812"], "answer_start": [12, 27]},
        {"text": [], "answer_start": []},
    ]
    rows = {"question": ["a", "b"], "context": [CONTEXT, CONTEXT], "answers": answers}
    whole = Dataset.from_dict(rows)
    path = tmp_path / f"questions.{name}"
    whole.to_parquet(path) if name == "parquet" else whole.to_json(path)
    assert read_questions(path)[0].to_dict() == whole.to_dict()


def test_squads_own_file(tmp_path):
    answer = {"text": "1812", "answer_start": 27}
    content = squad(
        {"id": "1", "question": "When?", "answers": [answer, answer]},
        {"id": "2", "question": "Who?", "answers": [], "is_impossible": True},
        {"id": "3", "question": "When?", "answers": [answer], "is_impossible": True},
        {"id": "4", "question": "When?", "answers": [answer | {"answer_start": 28}]},
        {"id": "5", "question": "When?", "answers": [], "is_impossible": False},
        {"id": "6", "answers": [answer]},
    )
    content["data"][0]["paragraphs"].append({"context": "None."})
    dataset, report = read_questions(written(tmp_path, content, name="dev.json"))
    assert dataset["id"][:] == ["1", "2"]
    assert dataset["title"][:] == ["Mills", "Mills"]
    assert dataset["answers"][:] == [
        {"text": ["1812"], "answer_start": [27]},
        {"text": [], "answer_start": []},
    ]
    reasons = dict(report.rejected)
    assert sorted(reasons) == [3, 4, 5, 6, 7]
    assert reasons[3] == "question '3': is_impossible is true, and it has 1 answers"
    assert reasons[4].endswith("it stands at 27")
    assert reasons[5] == "question '5': is_impossible is false, and it has 0 answers"
    assert "'question' is empty" in reasons[6]
    assert "qas" in reasons[7]
    assert "counted in place of lines" in str(report)


@pytest.mark.parametrize("content", ["[]", "{", '{"data": 3}', "\\ud800"])
def test_other_json_is_an_error(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"other\.json"):
        read_questions(path)


def test_a_missing_file_and_another_format_are_errors(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_questions(tmp_path / "none.json")
    with pytest.raises(DataError, match="suffix"):
        read_questions(tmp_path / "questions.txt")


@given(st.text("ab .", max_size=12), st.text("ab .", min_size=1, max_size=3))
def test_find_finds_the_first_whole_word(context, answer):
    start, places = find(answer, context)
    assert (start >= 0) == (answer in context) == (places > 0)
    if places:
        assert context[start : start + len(answer)] == answer
    padded = f" {context} "
    border = [not a.isalnum() for a in padded]
    whole = [
        at
        for at in range(len(context))
        if context.startswith(answer, at) and border[at] and border[at + len(answer) + 1]
    ]
    if whole:
        assert start == whole[0]
