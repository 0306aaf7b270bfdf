"""Predictions, and a report on how good they are and where they are wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from scipy.special import softmax
from sklearn.metrics import confusion_matrix
from torch import nn
from tqdm import tqdm

from ftlearn import autotune, compatibility, metrics, parallel, runtime
from ftlearn.arithmetic import computing
from ftlearn.batching import Batch, Encoded, by_length, collate
from ftlearn.last_layer import first_token_only
from ftlearn.light import exact_head, light
from ftlearn.metrics import Interval
from ftlearn.runtime import device_of

POSITIONS = {"cpu": 3072, "cuda": 16_384}
"""Positions (B × T) of one batch, padding included: what a processor's cache likes was measured,
a GPU only has to be kept busy."""

LOGITS = 2**28
"""At most so many logits of a language model at once, 1 GB in fp32: vocabularies may be large."""

BF16_STEP = 8
"""Texts are padded to a multiple of so many tokens in bf16: torch's attention on a CPU takes half
the time where they are, and the padding costs less."""


def outputs(
    model: nn.Module,
    encoded: Encoded,
    task: Any,
    tokenizer: Any,
    *,
    precision: str = "auto",
    shared: bool = False,
    progress: bool = False,
) -> np.ndarray:
    """What the task keeps of the model's logits, (N, K), in the order of the rows.

    The model is put into evaluation mode and back. No random numbers are drawn, so evaluating
    in the middle of training changes nothing. ``shared`` and ``progress`` as in ``in_batches``.
    """
    on = device_of(model)
    model, arithmetic = light(model, autotune.prediction(model, on, precision))

    def kept(batch: Batch) -> torch.Tensor:
        with computing(on, arithmetic):
            return task.keep(model(**batch.inputs).logits.float(), batch.targets)

    options = {"positions": _positions(model, task), "shared": shared, "progress": progress}
    with first_token_only(model), exact_head(model):
        return in_batches(model, encoded, tokenizer, kept, **options)


def _positions(model: nn.Module, task: Any) -> int | None:
    """Positions of a batch whose logits have a reasonable size; None where they are few anyway."""
    if getattr(task, "head", None) != "causal lm" or not hasattr(model, "config"):
        return None
    return LOGITS // model.config.get_text_config().vocab_size


def in_batches(
    model: nn.Module,
    encoded: Encoded,
    tokenizer: Any,
    compute: Callable[[Batch], torch.Tensor],
    *,
    positions: int | None = None,
    shared: bool = False,
    progress: bool = False,
) -> np.ndarray:
    """What ``compute`` makes of each batch, (B, K), in the order of the rows, (N, K).

    Rows of like length go together, in batches of at most ``positions`` (B × T), if that is
    given, or of one row; gradients are off, and the model is in evaluation mode.
    With ``shared`` each of the ranks computes some of the batches and all get the whole: only
    where all ranks ask together, and with the same weights. With ``progress`` a bar is on standard
    error, where that is a terminal.
    """
    was_training, weight = model.training, next(model.parameters())
    model.eval()
    most = POSITIONS.get(weight.device.type, POSITIONS["cuda"])
    batches = by_length(encoded.lengths, most if positions is None else min(most, positions))
    step, done = BF16_STEP if weight.dtype is torch.bfloat16 else 1, {}
    mine = parallel.dealt(batches) if shared else list(enumerate(batches))
    shown = {"desc": "evaluating", "unit": "batch", "leave": False}
    with runtime.kept_memory(), parallel.asked_only(model):
        for number, rows in tqdm(mine, **shown, disable=None if progress else True):
            batch = collate(encoded, rows, tokenizer, step=step).to(weight.device)
            done[number] = compute(batch).cpu().numpy()
    model.train(was_training)
    for others in parallel.gather(done) if shared else ():
        done |= others
    order = np.argsort([row for rows in batches for row in rows])
    return np.concatenate([done[number] for number in range(len(batches))])[order]


def predict(
    model: nn.Module, texts: Sequence[Any], task: Any, tokenizer: Any, *, precision: str = "auto"
) -> pd.DataFrame:
    """Answers for bare texts, one row each; for classification with the probability of each label.

    Columns: text, answer, and one a label, with " (label)" after it where it is called as one of
    the two. Warns where the tokenizer does not know what the texts are written with. Raises
    TypeError for a single bare string, and for a table of several columns.
    """
    if isinstance(texts, str):
        raise TypeError(f"texts is one string, {texts[:40]!r}: pass a list, [text]")
    if isinstance(texts, pd.DataFrame | Mapping | Dataset):
        raise TypeError(
            f"texts is a {type(texts).__name__}: pass one of its columns, such as table['text']"
        )
    texts = list(texts)
    encoded = task.encode_texts(texts, tokenizer)
    compatibility.settle(_of_bare_texts(model, texts, task, tokenizer), error=None)
    kept = outputs(model, encoded, task, tokenizer, precision=precision)
    table = pd.DataFrame({"text": texts, "answer": task.answers(kept)})
    labels = getattr(task, "labels", ())
    if not labels:
        return table
    shares = pd.DataFrame(softmax(kept, -1), columns=list(labels))
    return table.join(shares, rsuffix=" (label)")


def evaluate(
    model: nn.Module,
    dataset: Dataset,
    task: Any,
    tokenizer: Any,
    *,
    shared: bool = False,
    progress: bool = False,
    precision: str = "auto",
) -> Report:
    """Check that rows, task, model and tokenizer fit together; predict every row and report on it.

    With ``shared`` the ranks that train together share the work, and each gets the whole report;
    all of them must ask. ``progress`` shows a bar. ``precision`` is auto (the fastest here, as
    measured), fp32, bf16 or fp16. What ``compatibility.check`` finds is warned of, and raised as
    DataError where the scores would be worthless.
    """
    compatibility.settle(compatibility.check({"the data": dataset}, task, model, tokenizer))
    how = {"shared": shared, "progress": progress, "precision": precision}
    return report_on(model, dataset, task, tokenizer, **how)


def report_on(
    model: nn.Module,
    dataset: Dataset,
    task: Any,
    tokenizer: Any,
    *,
    shared: bool = False,
    progress: bool = False,
    precision: str = "auto",
) -> Report:
    """``evaluate`` without its checks, for data that was checked before."""
    encoded = task.encode(dataset, tokenizer)
    how = {"shared": shared, "progress": progress, "precision": precision}
    kept = outputs(model, encoded, task, tokenizer, **how)
    return Report(task, dataset, kept, _targets(encoded.targets))


def _of_bare_texts(
    model: nn.Module, texts: Sequence[Any], task: Any, tokenizer: Any
) -> list[compatibility.Finding]:
    """What does not fit together where there are texts alone."""
    chosen = [texts[row] for row in compatibility.sample(len(texts))]
    plain = [text for row in chosen for text in ([row] if isinstance(row, str) else row)]
    found = compatibility.tokenizer_and_model(tokenizer, model)
    found += compatibility.task_and_window(task, model, tokenizer)
    return found + compatibility.tokenizer_and_texts(tokenizer, plain)


def _targets(targets: Sequence[Any]) -> np.ndarray:
    ragged = isinstance(targets[0], list)  # token targets are already in the kept outputs
    return np.zeros(len(targets)) if ragged else np.asarray(targets)


def shown_as(name: str) -> str:
    """The name of a column of the data in the rows of a report, which have some of their own.

    >>> shown_as("text"), shown_as("answer")
    ('text', 'answer (data)')
    """
    return f"{name} (data)" if name in ("truth", "answer", "loss", "probability") else name


@dataclass(frozen=True)
class Report:
    """A model's outputs (N, K) on a data set, beside the truth (N,)."""

    task: Any
    dataset: Dataset
    outputs: np.ndarray
    targets: np.ndarray

    @cached_property
    def scores(self) -> dict[str, float]:
        """All metrics of the task."""
        return self.task.metrics(self.outputs, self.targets)

    @cached_property
    def row_losses(self) -> np.ndarray:
        """The loss of each row (N,)."""
        return self.task.row_losses(self.outputs, self.targets)

    @property
    def right(self) -> np.ndarray:
        """Whether each row was classified rightly (N,)."""
        return self.outputs.argmax(-1) == self.targets

    def interval(self, name: str, *, draws: int = 1000, seed: int = 0) -> Interval:
        """One metric with its 95 % bootstrap interval over rows."""
        if name not in self.scores:
            raise KeyError(f"no metric {name!r}; there are: {', '.join(self.scores)}")
        return metrics.bootstrap(
            lambda outputs, targets: self.task.metrics(outputs, targets)[name],
            self.outputs,
            self.targets,
            draws=draws,
            seed=seed,
        )

    def table(self, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
        """All metrics with their 95 % bootstrap intervals, one row each: value, low, high."""
        samples = metrics.resample(
            lambda outputs, targets: list(self.task.metrics(outputs, targets).values()),
            self.outputs,
            self.targets,
            draws=draws,
            seed=seed,
        )
        low, high = np.quantile(samples, [0.025, 0.975], axis=0)
        values = list(self.scores.values())
        return pd.DataFrame({"value": values, "low": low, "high": high}, index=list(self.scores))

    def errors(self, count: int = 10, *, columns: Sequence[str] = ()) -> pd.DataFrame:
        """The rows with the highest loss, worst first: text, truth, answer, loss, other columns."""
        worst = np.argsort(-self.row_losses, kind="stable")[:count]
        return self.rows(columns=columns).iloc[worst]

    def rows(self, *, columns: Sequence[str] = ()) -> pd.DataFrame:
        """Every row with its text, truth, answer and loss, and other columns of the data."""
        text = self.task.text
        names = [*([text] if isinstance(text, str) else text), *columns]
        table = pd.DataFrame({shown_as(name): list(self.dataset[name]) for name in names})
        return table.assign(
            truth=self._truth(), answer=self.task.answers(self.outputs), loss=self.row_losses
        )

    def _truth(self) -> list[Any]:
        labels = getattr(self.task, "labels", None)
        if labels:
            return [labels[target] for target in self.targets]
        return list(self.dataset[self.task.target])

    def confusion(self) -> pd.DataFrame:
        """Counts of (truth, answer) pairs: truth in rows, answers in columns."""
        labels = list(self.task.labels)
        counts = confusion_matrix(self.targets, self.outputs.argmax(-1), labels=range(len(labels)))
        return pd.DataFrame(
            counts,
            index=pd.Index(labels, name="truth"),
            columns=pd.Index(labels, name="answer"),
        )

    def by(self, column: str) -> pd.DataFrame:
        """Metrics for each value of a column of the data, with the number of rows."""
        values = np.asarray([str(value) for value in self.dataset[column]])
        rows = {}
        for value in sorted(set(values)):
            part = values == value
            scores = self.task.metrics(self.outputs[part], self.targets[part])
            rows[value] = {"rows": int(part.sum()), **scores}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis(column)

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {value:.3f}" for name, value in self.scores.items())
        return f"Report({len(self.targets)} rows: {scores})"
