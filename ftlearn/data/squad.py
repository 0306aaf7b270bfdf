"""The rows of SQuAD's own JSON files: articles, their paragraphs, questions on each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ftlearn.data.errors import DataError
from ftlearn.data.records import Record, Rejected, Row


def squad_rows(content: Any, place: str) -> Iterator[Row]:
    """One row per question, numbered from 1: question, context, id, title and the list of answers.

    A paragraph that is none is rejected as one row. Raises `DataError` for JSON of another layout.

    >>> question = {"question": "Where?", "answers": [{"text": "Oslo", "answer_start": 0}]}
    >>> content = {"data": [{"paragraphs": [{"context": "Oslo.", "qas": [question]}]}]}
    >>> [row.line for row in squad_rows(content, "here")]
    [1]
    """
    articles = content.get("data") if isinstance(content, dict) else None
    if not isinstance(articles, list):
        raise DataError(
            f"{place} is JSON of another layout than SQuAD's, "
            '{"data": [{"paragraphs": [{"context": ..., "qas": [...]}]}]}; '
            "write one object with question, context and answer on each line and name it .jsonl."
        )
    number = 0
    for article in articles:
        for paragraph in _list(article, "paragraphs"):
            for question in _list(paragraph, "qas"):
                number += 1
                yield _row(number, article, paragraph, question)


def _list(value: Any, key: str) -> list[Any]:
    """The list under a key; one missing element in its place where there is none."""
    items = value.get(key) if isinstance(value, dict) else None
    return items if isinstance(items, list) else [None]


def _row(number: int, article: Any, paragraph: Any, question: Any) -> Row:
    if not isinstance(question, dict):
        return Rejected(number, "there is no list of questions ('qas') in its paragraph")
    name = f"question {question['id']!r}: " if "id" in question else ""
    answers = question.get("answers", [])
    if not isinstance(answers, list):
        return Rejected(number, f"{name}its answers are no list")
    impossible = question.get("is_impossible")
    if impossible is not None and impossible == bool(answers):
        state = "is_impossible is true" if impossible else "is_impossible is false"
        return Rejected(number, f"{name}{state}, and it has {len(answers)} answers")
    cells = {
        "question": question.get("question"),
        "context": paragraph.get("context"),
        "id": question.get("id"),
        "title": article.get("title"),
    }
    return Record(number, {**cells, "answers": answers})
