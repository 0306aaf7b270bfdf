"""Learn to answer in a conversation: of all its tokens, those of the assistant count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset, DatasetDict

from ftlearn.data import chats
from ftlearn.data.part_names import training_part
from ftlearn.errors import ArgumentError
from ftlearn.tasks.answers import AnsweredRow, AnswerModelling, Count
from ftlearn.tasks.base import Truncation, require_columns
from ftlearn.tasks.chat_template import ChatTemplate, template_of


@dataclass(frozen=True, kw_only=True)
class Chat(AnswerModelling):
    """Conversations of any number of turns; each answer and its end token count.

    ``template`` and ``system`` replace the tokenizer's chat template and the system prompt of
    conversations that have none; ``template_for`` gives what generation must use after that.
    """

    text: str = "messages"
    target: str = "messages"
    template: str | None = None
    system: str | None = None

    def template_for(self, tokenizer: Any) -> str:
        """The chat template that belongs to the trained model, system prompt included."""
        return template_of(tokenizer, self.template, self.system)

    def readable_targets(self, dataset: Dataset) -> list[str]:
        """The last answer of each conversation."""
        return [
            [message["content"] for message in messages if message["role"] == "assistant"][-1]
            for messages in dataset[self.text][:]
        ]

    def answered_rows(self, rows: Sequence[Any], tokenizer: Any) -> list[AnsweredRow]:
        check_chats(rows, self.text)
        template = ChatTemplate(tokenizer, self.template_for(tokenizer))
        conversations = template.answers(rows, only_last=self.count == "last answer")
        return [AnsweredRow(*conversation) for conversation in conversations]


def chat(
    rows: Dataset | DatasetDict | None = None,
    *,
    messages: str = "messages",
    template: str | None = None,
    system: str | None = None,
    count: Count = "answers",
    max_length: int = 512,
    truncation: Truncation = "warn",
) -> Chat:
    """A task on conversations, each a list of messages with the keys role and content.

    The rows (of the part ``train``) are checked if they are given: known roles, no blank content,
    the system's message first, an assistant's message in each. ``count`` says which tokens count:
    "answers" with their end token, the "last answer", "all", or "answers without end", which never
    stops. Raises ValueError, KeyError for a missing column.

    >>> chat(max_length=64, system="Be brief.").system
    'Be brief.'
    >>> turns = [{"role": "user", "content": "Hi"}, {"role": "asistant", "content": "Hello"}]
    >>> chat(Dataset.from_dict({"messages": [turns]}))
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: row 0 of column 'messages': message 2 has the unknown role
    'asistant'. Did you mean 'assistant'? Mend or drop the row
    """
    if rows is not None:
        part = training_part(rows)
        require_columns(part, [messages])
        check_chats(part[messages], messages)
    return Chat(
        text=messages,
        target=messages,
        template=template,
        system=system,
        count=count,
        max_length=max_length,
        truncation=truncation,
    )


def check_chats(rows: Sequence[Any], column: str) -> None:
    """Raise ValueError at the first row that is no conversation."""
    for row, messages in enumerate(rows):
        reason = chats.fault(messages)
        if reason:
            end = "" if reason.endswith("?") else "."
            raise ArgumentError(
                f"row {row} of column {column!r}: {reason}{end} Mend or drop the row"
            )
