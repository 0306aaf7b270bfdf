"""Chats and completions from files: which shapes are read, and what is refused, by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.data import DataError, Rejected
from ftlearn.data.chats import ROLES, fault, read_chats, read_completions

USER = {"role": "user", "content": "Where is my parcel?"}
ASSISTANT = {"role": "assistant", "content": "It arrives today."}
SYSTEM = {"role": "system", "content": "Be brief."}
GOOD = [USER, ASSISTANT]


@pytest.fixture
def written(tmp_path):
    """Writes rows, or lines as they are, into a file and returns its path."""

    def write(*rows: object, name: str = "chats.jsonl") -> Path:
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


# Shapes


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [SYSTEM, *GOOD]},
        {
            "conversations": [
                {"from": "system", "value": "Be brief."},
                {"from": "human", "value": "Where is my parcel?"},
                {"from": "gpt", "value": "It arrives today."},
            ]
        },
        {"conversations": [SYSTEM, *GOOD]},
        {
            "system": "Be brief.",
            "conversations": [
                {"from": "human", "value": "Where is my parcel?"},
                {"from": "gpt", "value": "It arrives today."},
            ],
        },
        {"prompt": [SYSTEM, USER], "completion": [ASSISTANT]},
        {
            "instruction": "Where is my parcel?",
            "input": "",
            "output": "It arrives today.",
            "system": "Be brief.",
        },
    ],
    ids=[
        "messages",
        "sharegpt",
        "roles in conversations",
        "system beside",
        "prompt and completion",
        "alpaca",
    ],
)
def test_the_common_shapes_give_the_same_chat(written, row):
    dataset, report = read_chats(written(row))
    assert dataset.to_list() == [{"messages": [SYSTEM, *GOOD]}]
    assert (report.rows, report.rejected, report.notes) == (1, (), ())


@pytest.mark.parametrize("answer", ["answer", "completion", "response"])
def test_a_prompt_and_its_answer_are_a_chat_of_two_messages(written, answer):
    path = written({"prompt": USER["content"], answer: ASSISTANT["content"]})
    assert read_chats(path)[0][0] == {"messages": GOOD}


def test_the_input_stands_below_its_instruction(written):
    row = {"instruction": "Translate.", "input": "Hallo", "output": "Hello", "topic": "words"}
    dataset, _ = read_chats(written(row))
    (chat,) = dataset["messages"]
    assert [message["content"] for message in chat] == ["Translate.\n\nHallo", "Hello"]
    assert dataset.column_names == ["messages", "topic"]


def test_what_alpacas_shape_would_lose_is_refused(written):
    row = {"instruction": "Translate.", "output": "Hello"}
    path = written(row, {**row, "input": ["Hallo"]}, {**row, "history": [["Hi", "Hello"]]})
    _, report = read_chats(path)
    assert [rejected.reason for rejected in report.rejected] == [
        "'input' is a list, not a text",
        "there is no 'messages'; its keys are 'instruction', 'output', 'history'",
    ]


def test_an_instruction_that_is_no_text_is_refused_with_its_input_too(written):
    row = {"instruction": "Translate.", "input": "Hallo", "output": "Hello"}
    path = written(row, {**row, "instruction": None}, {**row, "instruction": 7})
    _, report = read_chats(path)
    assert [rejected.reason for rejected in report.rejected] == [
        "message 1 (user) has no content",
        "message 1 (user) has a int as its content, not a text",
    ]


@pytest.mark.parametrize("answer", ["answer", "completion", "response"])
def test_a_completion_is_read_as_it_is(written, answer):
    path = written({"prompt": "2 + 2 =", answer: " 4\n", "source": 7})
    dataset, _ = read_completions(path)
    assert dataset.to_list() == [{"prompt": "2 + 2 =", "answer": " 4\n", "source": "7"}]


def test_columns_have_the_names_that_are_asked_for(written):
    dataset, _ = read_chats(written({"dialogue": GOOD}), messages="dialogue")
    assert dataset[0]["dialogue"] == GOOD
    path = written({"article": "A long text.", "summary": "Short."}, name="summaries.jsonl")
    dataset, _ = read_completions(path, prompt="article", answer="summary")
    assert dataset.to_list() == [{"article": "A long text.", "summary": "Short."}]


def test_other_columns_are_kept_as_strings_and_other_keys_are_noted(written):
    message = {**USER, "name": "Ada", "id": 3}
    rows = ({"messages": [message, ASSISTANT], "customer": 17}, {"messages": GOOD, "rule": "R2"})
    dataset, report = read_chats(written(*rows))
    assert dataset.to_list() == [
        {"messages": GOOD, "customer": "17", "rule": None},
        {"messages": GOOD, "customer": None, "rule": "R2"},
    ]
    assert report.notes == ("left out of the messages: id, name",)


# Refusals


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "there are no messages"),
        ("Hi", "the messages are a str, not a list of objects"),
        (None, "the messages are a NoneType, not a list of objects"),
        (["Hi"], "message 1 is a str, not an object with role and content"),
        ([{"content": "Hi"}, ASSISTANT], "message 1 has no role"),
        (
            [USER, {"role": "asistant", "content": "a"}],
            "message 2 has the unknown role 'asistant'. Did you mean 'assistant'?",
        ),
        (
            [{"role": 7, "content": "a"}],
            "message 1 has the unknown role 7. There are system, user, assistant, tool.",
        ),
        ([USER, {"role": "assistant", "content": " \n"}], "message 2 (assistant) has no content"),
        ([USER, {"role": "assistant"}], "message 2 (assistant) has no content"),
        (
            [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, ASSISTANT],
            "message 1 (user) has a list as its content, not a text",
        ),
        ([USER, SYSTEM, ASSISTANT], "message 2 is the system's: it must be the first"),
        (
            [ASSISTANT, USER],
            "message 1 is the assistant's: a chat begins with the user or the system",
        ),
        ([SYSTEM, USER], "no message is the assistant's, so there is nothing to learn"),
        (
            [USER, {"role": "assistant", "content": "", "tool_calls": [{"id": 1}]}],
            "message 2 has 'tool_calls', which is not read: write the call into its content",
        ),
        (
            [{"role": "user", "content": "a\0b"}, ASSISTANT],
            "message 1 (user) holds a NUL byte or half a surrogate pair",
        ),
    ],
)
def test_what_is_no_chat_is_refused_with_its_line_and_the_reason(written, messages, reason):
    path = written({"messages": GOOD}, "", {"messages": messages}, {"messages": GOOD})
    dataset, report = read_chats(path)
    assert len(dataset) == report.rows == 2
    assert report.rejected == (Rejected(3, reason),)


def test_other_faults_of_a_line_are_refused_too(written):
    path = written(
        {"messages": GOOD},
        '{"messages": [',
        {"mesages": GOOD},
        {"prompt": "Hi"},
        '{"messages": [{"role": "user", "role": "system", "content": "Hi"}]}',
        {"messages": GOOD, "note": "a\0"},
    )
    _, report = read_chats(path)
    assert [row.line for row in report.rejected] == [2, 3, 4, 5, 6]
    reasons = [row.reason for row in report.rejected]
    assert reasons[0].startswith("invalid JSON")
    assert reasons[1] == "there is no 'messages' Did you mean 'mesages'?"
    assert reasons[2] == "there is no 'messages'; its keys are 'prompt'"
    assert "occurs twice" in reasons[3]
    assert reasons[4] == "a cell holds a NUL byte or half a surrogate pair"


def test_a_completion_without_one_of_its_texts_is_refused(written):
    path = written(
        {"prompt": "a", "answer": "b"},
        {"prompt": "a"},
        {"prompt": " ", "answer": "b"},
        {"prompt": "a", "completion": ["b"]},
    )
    _, report = read_completions(path)
    assert report.rejected == (
        Rejected(2, "there is no 'answer'; its keys are 'prompt'"),
        Rejected(3, "'prompt' is empty"),
        Rejected(4, "'answer' is ['b'], not a text"),
    )


def test_a_file_of_nothing_but_refusals_is_an_error(written):
    path = written({"messages": []})
    with pytest.raises(
        DataError, match=r"every row was refused.*\n  line 1: there are no messages"
    ):
        read_chats(path)


def test_files_of_other_kinds_are_errors(written, tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_chats(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match=r"has the suffix '\.csv'"):
        read_chats(written("messages", name="chats.csv"))
    with pytest.raises(DataError, match="is empty; it needs one JSON object per line"):
        read_completions(written("", name="empty.jsonl"))
    with pytest.raises(DataError, match="is one JSON array"):
        read_chats(written(json.dumps([{"messages": GOOD}]), name="array.jsonl"))


# Laws

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from([*ROLES, "bot"]), "content": TEXTS}), max_size=4
)


@given(chats=st.lists(MESSAGES, min_size=1, max_size=4))
def test_every_line_is_either_read_unchanged_or_refused(tmp_path_factory, chats):
    path = tmp_path_factory.mktemp("chats") / "chats.jsonl"
    lines = [json.dumps({"messages": chat}, ensure_ascii=False) for chat in [GOOD, *chats]]
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    dataset, report = read_chats(path)
    good = [chat for chat in [GOOD, *chats] if fault(chat) is None]
    assert list(dataset["messages"]) == good
    assert len(report.rejected) + report.rows == len(lines)


@given(chat=MESSAGES)
def test_a_chat_without_fault_has_what_a_template_needs(chat):
    if fault(chat) is None:
        roles = [message["role"] for message in chat]
        assert set(roles) <= set(ROLES)
        assert "assistant" in roles[1:]
        assert "system" not in roles[1:]
        assert roles[0] != "assistant"
        assert all(message["content"].strip() for message in chat)
        assert Dataset.from_list([{"messages": chat}])[0]["messages"] == chat
