"""The confusion matrix with the texts behind each of its cells."""

from __future__ import annotations

from scipy.special import softmax

from ftlearn import figures
from ftlearn.course.explorers.view import View
from ftlearn.evaluation import Report


def confusion(report: Report, truth: str, answer: str, *, count: int = 5) -> View:
    """How often ``truth`` was answered by ``answer``, and the worst of those texts by their loss.

    Raises ValueError for a label that the task does not have.
    """
    labels = list(report.task.labels)
    for label in (truth, answer):
        if label not in labels:
            raise ValueError(f"no label {label!r}: use {', '.join(labels)}")
    counts = report.confusion()
    rows = report.rows().assign(probability=softmax(report.outputs, -1).max(-1))
    chosen = rows[(rows["truth"] == truth) & (rows["answer"] == answer)]
    worst = chosen.sort_values("loss", ascending=False, kind="stable").head(count)
    number, total = len(chosen), int(counts.loc[truth].sum())
    says = f"{number} of {total} texts on {truth} were answered {answer}"
    shown = f"the {len(worst)} with the largest loss are" if len(worst) > 1 else "the worst is"
    says += f"; {shown} shown." if number else "."
    ax = figures.confusion(counts)
    at = labels.index(answer) - 0.5, labels.index(truth) - 0.5
    ax.add_patch(figures.frame(at))
    texts = worst.drop(columns=["truth", "answer"]).round({"loss": 2, "probability": 2})
    return View(says, (ax, texts) if number else (ax,))
