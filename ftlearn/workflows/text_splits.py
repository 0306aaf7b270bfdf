"""Train, valid and test of a run whose rows are conversations, completions, texts or questions."""

from __future__ import annotations

from datasets import Dataset

from ftlearn import compatibility
from ftlearn.compatibility.texts import Rows, leaks, same_texts
from ftlearn.tasks import Preference, QuestionAnswering, Ranking, RewardModelling, Task
from ftlearn.tasks.file_rows import read_for
from ftlearn.workflows.plan import Files
from ftlearn.workflows.splits import Parts, split_off


def read_text_parts(files: Files, task: Task, *, seed: int) -> Parts:
    """Read the files for a task without classes, and split off what is missing.

    Rows that say the same but for case and white space stay in one part, and so do all questions on
    one context. A note says how many of them stand in two files. Raises DataError for files that
    cannot be read, and RunError where there are too few rows.
    """
    read = {part: read_for(task, path, **files.reading) for part, path in files.paths.items()}
    data = {part: dataset for part, (dataset, _) in read.items()}
    texts = {part: row_texts(dataset, task) for part, dataset in data.items()}
    rows = {part: Rows(part_texts, None, []) for part, part_texts in texts.items()}
    compatibility.settle(leaks(rows), stacklevel=3)
    reports = {part: report for part, (_, report) in read.items()}
    return split_off(data, reports, texts["train"], files, {}, seed=seed)


def row_texts(dataset: Dataset, task: Task) -> list[str]:
    """What rows must not share across parts, without differences in case and white space.

    It is the context of a question: a model that has read an answer's text in training finds it in
    the test, too. It is the prompt of two answers, which may have other pairs, and a text that is
    ranked for, which may have other items. Of other rows it is all that a model reads and learns.
    """
    names = [*task.text_columns, task.target]
    if isinstance(task, QuestionAnswering):
        names = [task.text_columns[1]]
    if isinstance(task, Preference | RewardModelling | Ranking):
        names = [task.text_columns[0]]
    return same_texts(dataset, list(dict.fromkeys(names)))
