"""What chats and completions share: a language model that learns answers, not what is asked."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from datasets import Dataset

from ftlearn.compatibility.window import truncation_message
from ftlearn.data.batching import Encoded
from ftlearn.errors import ArgumentError
from ftlearn.losses import IGNORED
from ftlearn.tasks.base import TruncationWarning, require_columns
from ftlearn.tasks.chat_template import Answer
from ftlearn.tasks.control_tokens import Tokens
from ftlearn.tasks.language_modelling import LanguageModelling
from ftlearn.tasks.token_view import TokenView

Count = Literal["answers", "last answer", "all", "answers without end"]
"""Which tokens count: answers with their end token, the last of them, all, or all but the end."""
COUNTS = get_args(Count)


class AnsweredRow(NamedTuple):
    """The tokens of a row, and where its answers lie among them."""

    tokens: Tokens
    answers: list[Answer]


@dataclass(frozen=True, kw_only=True)
class AnswerModelling(LanguageModelling):
    """Cross-entropy per token of the answers; what was asked is read and does not count.

    A row that is longer than the window is cut at the end, and what is left of its answers counts;
    a row without a target left is an error.
    """

    count: Count = "answers"
    max_length: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count not in COUNTS:
            raise ArgumentError(
                f"count is {self.count!r}: use one of {', '.join(map(repr, COUNTS))}"
            )

    @abstractmethod
    def answered_rows(self, rows: Sequence[Any], tokenizer: Any) -> list[AnsweredRow]:
        """The tokens and answers of rows, each the cell of ``text``, or a pair of cells."""

    def encode(self, dataset: Dataset, tokenizer: Any) -> Encoded:
        require_columns(dataset, self.text_columns)
        columns = [dataset[name] for name in self.text_columns]
        rows = list(columns[0]) if len(columns) == 1 else list(zip(*columns, strict=True))
        return self._encoded(rows, tokenizer)

    def encode_texts(self, texts: Sequence[Any], tokenizer: Any) -> Encoded:
        return self._encoded(list(texts), tokenizer)

    def show(self, row: Any, tokenizer: Any) -> TokenView:
        """The tokens of a row, or of its cells, highlighted where they count.

        Tokens after the window are left out.
        """
        answered = self.answered_rows([self._cells(row)], tokenizer)[0]
        return TokenView.of(answered.tokens, self._targets(answered)[: self.window(tokenizer)])

    def _cells(self, row: Any) -> Any:
        """The cells of a row that the task reads."""
        if not isinstance(row, dict):
            return row
        cells = tuple(row[name] for name in self.text_columns)
        return cells[0] if len(cells) == 1 else cells

    def _encoded(self, rows: Sequence[Any], tokenizer: Any) -> Encoded:
        if not rows:
            raise ArgumentError("the data set is empty (0 rows): load one with at least one row")
        answered = self.answered_rows(rows, tokenizer)
        window = self.window(tokenizer)
        ids = [row.tokens.ids[:window] for row in answered]
        targets = [self._targets(row)[:window] for row in answered]
        truncated = self._check_window(answered, targets, window, tokenizer)
        inputs = {"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]}
        return Encoded(inputs, targets, window, truncated)

    def _targets(self, row: AnsweredRow) -> list[int]:
        """The ids of the tokens that count, each at its own position, and IGNORED elsewhere."""
        ids = row.tokens.ids
        if self.count == "all":
            return list(ids)
        targets = [IGNORED] * len(ids)
        for answer in row.answers[-1:] if self.count == "last answer" else row.answers:
            stop = answer.end if self.count == "answers without end" else answer.end + 1
            targets[answer.start : stop] = ids[answer.start : stop]
        return targets

    def _check_window(
        self,
        answered: Sequence[AnsweredRow],
        targets: Sequence[list[int]],
        window: int,
        tokenizer: Any,
    ) -> int:
        """How many rows were cut, with a warning; raises ValueError for rows without a target."""
        empty = [row for row, ids in enumerate(targets) if all(id_ == IGNORED for id_ in ids[1:])]
        if empty:
            raise ArgumentError(self._without_target(answered, empty, window))
        lengths = [len(row.tokens.ids) for row in answered]
        truncated = sum(length > window for length in lengths)
        if truncated and self.truncation == "warn":
            allowed = tokenizer.model_max_length
            message = truncation_message(truncated, len(answered), window, max(lengths), allowed)
            warnings.warn(message, TruncationWarning, stacklevel=4)
        return truncated

    def _without_target(
        self, answered: Sequence[AnsweredRow], empty: Sequence[int], window: int
    ) -> str:
        """The message on rows without a target within the window."""
        longest = max(len(answered[row].tokens.ids) for row in empty)
        rest = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        return (
            f"row {empty[0]}{rest} has no token that counts among its first {window}: its answer "
            f"comes later. Set max_length={longest} if the model reads as many, shorten what comes "
            "before the answer, or drop the row"
        )
