"""Answers that stand in a context word for word, or nowhere in it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from datasets import Dataset

from ftlearn import metrics
from ftlearn.data.batching import Batches, Encoded
from ftlearn.data.windows import Window, cut, whole_contexts
from ftlearn.errors import ArgumentError
from ftlearn.losses import LossSum
from ftlearn.runtime.arguments import number, whole_number
from ftlearn.tasks import spans
from ftlearn.tasks.base import Task, Truncation, TruncationWarning, check_texts, require_columns
from ftlearn.tasks.references import (
    Reference,
    Tokens,
    answer_in,
    answer_tokens,
    check_tokens,
    check_whole,
    read_reference,
)

if TYPE_CHECKING:
    from ftlearn.config import TrainConfig

SCORE, NULL_SCORE, START, END, LOSS, MARKS = range(6)
"""The columns of the outputs, see ``QuestionAnswering``."""


@dataclass(frozen=True, kw_only=True)
class QuestionAnswering(Task):
    """Extractive question answering: where in its context the answer of a question stands.

    Contexts that do not fit into ``max_length`` tokens together with their question are cut into
    windows, of which neighbours share ``stride`` tokens. In a window that holds the whole first
    answer the model learns to point to its first and last token, and in one without any of it to
    the first position, [CLS]; a window with a part of the answer is left out, since both would be
    wrong. The loss is ½ (−log p(start) − log p(end)) per window, with a softmax over the context
    and [CLS].

    The outputs (N, 6) of a row are the score of its best span (the start's logit plus the end's,
    the end less than ``max_answer`` tokens after the start), that of no answer, the span's first
    character and the one after its last, and the loss, summed, with the number of starts and ends
    it sums over. Of several windows the best span counts, and the lowest score of no answer. The
    prediction is the span where its score exceeds that of no answer by more than ``threshold``.
    """

    stride: int = 128
    max_answer: int = 30
    threshold: float = 0.0
    head: ClassVar[str] = "question answering"
    monitor: ClassVar[str] = "loss"
    columns: ClassVar[int] = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "stride", whole_number("stride", self.stride, 0))
        object.__setattr__(self, "max_answer", whole_number("max_answer", self.max_answer, 1))
        object.__setattr__(self, "threshold", number("threshold", self.threshold))
        if not math.isfinite(self.threshold):
            raise ArgumentError(f"threshold is {self.threshold}: give a finite number")
        if len(self.text_columns) != 2:
            raise ArgumentError(f"text is {self.text!r}: name two columns, question and context")

    # Training

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> LossSum:
        return spans.loss(logits, targets)

    def count_targets(self, targets: torch.Tensor) -> int:
        return spans.count_marks(targets)

    def head_arguments(self) -> dict[str, Any]:
        return {"num_labels": 2}  # one logit for the start, one for the end

    def targets(self, dataset: Dataset) -> list[Reference]:
        """The contexts with their answers; ArgumentError for one that does not stand there."""
        require_columns(dataset, [*self.text_columns, self.target])
        contexts = dataset[self.text_columns[1]]
        cells = dataset[self.target]
        return [
            read_reference(row, context, cell)
            for row, (context, cell) in enumerate(zip(contexts, cells, strict=True))
        ]

    def encode(self, dataset: Dataset, tokenizer: Any) -> Encoded:
        """All windows of all rows; ArgumentError for an answer that is whole in none of them."""
        references = self.targets(dataset)
        return self._encoded(dataset, tokenizer, references)

    def encode_texts(self, texts: Sequence[Any], tokenizer: Any) -> Encoded:
        """All windows of pairs (question, context), without answers."""
        columns = dict(zip(self.text_columns, map(list, zip(*texts, strict=True)), strict=True))
        return self._encoded(Dataset.from_dict(columns), tokenizer, None)

    def batches(self, dataset: Dataset, tokenizer: Any, config: TrainConfig) -> Batches:
        """The training batches, without the windows that hold a part of an answer."""
        encoded = _with_marks(self.encode(dataset, tokenizer))
        return Batches(encoded, tokenizer, config.batch_size, config.micro_batches, config.seed)

    def _encoded(
        self, dataset: Dataset, tokenizer: Any, references: list[Reference] | None
    ) -> Encoded:
        require_columns(dataset, self.text_columns)
        if len(dataset) == 0:
            raise ArgumentError("the data set is empty (0 rows): load one with at least one row")
        questions, contexts = (check_texts(dataset[name][:], name) for name in self.text_columns)
        window = self.window(tokenizer)
        inputs, windows = cut(tokenizer, questions, contexts, max_length=window, stride=self.stride)
        tokens = whole_contexts(windows)
        check_tokens(tokens, self.text_columns[1])
        answers = answer_tokens(references, tokens) if references else None
        if answers:
            self._warn_of_long_answers(answers)
        marks = [
            spans.marked(
                len(ids), part.first, len(part.spans), answer_in(part, answers) if answers else None
            )
            for ids, part in zip(inputs["input_ids"], windows, strict=True)
        ]
        if answers:
            check_whole(marks, windows, answers, self.stride)
        return Encoded(inputs, marks, window, windows=windows)

    def _warn_of_long_answers(self, answers: Sequence[Tokens | None]) -> None:
        lengths = [last - first + 1 for first, last in filter(None, answers)]
        long = sum(length > self.max_answer for length in lengths)
        if long and self.truncation == "warn":
            warnings.warn(
                f"{long} of {len(lengths)} answers are longer than max_answer, {self.max_answer} "
                f"tokens (the longest has {max(lengths)}): they can be learnt but not be given; "
                f"raise max_answer to {max(lengths)} to allow all",
                TruncationWarning,
                stacklevel=4,
            )

    # Prediction

    def reduce_logits(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """For each window (B, 6): as the outputs, with positions in place of characters."""
        best = spans.best(logits, targets, self.max_answer)
        losses, marks = spans.window_losses(logits, targets)
        return torch.stack([*best, losses, marks], dim=-1)

    def reduce_windows(self, outputs: np.ndarray, windows: Sequence[Window]) -> np.ndarray:
        """From windows (W, 6) to rows (N, 6)."""
        outputs = outputs.astype(np.float64)
        rows = []
        numbered = enumerate(windows)
        for _, parts in groupby(numbered, key=lambda part: part[1].row):
            numbers = [number for number, _ in parts]
            best = max(numbers, key=lambda number: outputs[number, SCORE])
            start, end = _characters(outputs[best], windows[best])
            null_score = outputs[numbers, NULL_SCORE].min()
            loss, marks = outputs[numbers][:, [LOSS, MARKS]].sum(0)
            rows.append([outputs[best, SCORE], null_score, start, end, loss, marks])
        return np.array(rows)

    def decode(self, outputs: np.ndarray) -> list[tuple[int, int] | None]:
        """The first character of each answer and the one after its last; None for no answer."""
        answered = outputs[:, SCORE] - outputs[:, NULL_SCORE] > self.threshold
        return [
            (int(start), int(end)) if given else None
            for given, start, end in zip(answered, outputs[:, START], outputs[:, END], strict=True)
        ]

    def predictions(self, outputs: np.ndarray, texts: Sequence[Any]) -> list[str]:
        """The answers of pairs (question, context), cut from the contexts; "" for no answer."""
        found = self.decode(outputs)
        return [_quote(context, span) for (_, context), span in zip(texts, found, strict=True)]

    def readable_targets(self, dataset: Dataset) -> list[str]:
        """The first right answer of each row; "" for none."""
        return [next(iter(reference.answers), "") for reference in self.targets(dataset)]

    # Scores

    def metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Means over rows; ``targets`` (N,) are references.

        ``has_answer_f1`` is that of the rows with an answer, and ``no_answer_accuracy`` the share
        of the others in which none is given; NaN where there are no such rows.
        """
        matches, f1 = self.row_scores(outputs, targets)
        answerable = np.array([bool(reference.answers) for reference in targets])
        return {
            "loss": float(outputs[:, LOSS].sum() / outputs[:, MARKS].sum()),
            "exact_match": float(matches.mean()),
            "f1": float(f1.mean()),
            "has_answer_f1": _mean(f1[answerable]),
            "no_answer_accuracy": _mean(f1[~answerable]),
        }

    def metric_names(self) -> tuple[str, ...]:
        return ("loss", "exact_match", "f1", "has_answer_f1", "no_answer_accuracy")

    def row_scores(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Exact match and F1 of each row, (N,) each, with the best of its references."""
        scores = [
            _scores(_quote(reference.context, span), reference.answers)
            for reference, span in zip(targets, self.decode(outputs), strict=True)
        ]
        matches, f1 = zip(*scores, strict=True)
        return np.array(matches), np.array(f1)

    def example_losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return outputs[:, LOSS] / outputs[:, MARKS]


def question_answering(
    *,
    question: str = "question",
    context: str = "context",
    answers: str = "answers",
    max_length: int = 384,
    stride: int = 128,
    max_answer: int = 30,
    threshold: float = 0.0,
    truncation: Truncation = "warn",
) -> QuestionAnswering:
    """An extractive question answering task on three columns, as ``data.read_questions`` gives.

    The column ``answers`` holds {"text": [...], "answer_start": [...]} as SQuAD's does, with empty
    lists where the context has no answer. ``evaluation.best_threshold`` chooses a threshold.

    >>> question_answering(max_length=128, stride=32).text
    ('question', 'context')
    """
    return QuestionAnswering(
        text=(question, context),
        target=answers,
        max_length=max_length,
        truncation=truncation,
        stride=stride,
        max_answer=max_answer,
        threshold=threshold,
    )


def _with_marks(encoded: Encoded) -> Encoded:
    """The windows that count in the loss."""
    numbers = [number for number, marks in enumerate(encoded.targets) if max(marks) > 0]
    return replace(
        encoded,
        inputs={name: [ids[number] for number in numbers] for name, ids in encoded.inputs.items()},
        targets=[encoded.targets[number] for number in numbers],
        windows=[encoded.windows[number] for number in numbers],
    )


def _characters(output: np.ndarray, window: Window) -> tuple[int, int]:
    """The first character of a window's best span and the one after its last."""
    first, last = (int(output[column]) - window.first for column in (START, END))
    return window.spans[first][0], window.spans[last][1]


def _quote(context: str, span: tuple[int, int] | None) -> str:
    # Tokens of some tokenizers begin with the space before a word.
    return context[span[0] : span[1]].strip() if span else ""


@lru_cache(maxsize=2**16)  # a bootstrap scores the same answers a thousand times
def _scores(answer: str, references: tuple[str, ...]) -> tuple[float, float]:
    return metrics.exact_match(answer, references), metrics.token_f1(answer, references)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
