"""The confusion matrix with the texts behind each of its cells."""

from __future__ import annotations

from scipy.special import softmax

from ftlearn import figures
from ftlearn.course.explorers.view import View
from ftlearn.evaluation import Report


def confusion(report: Report, label: str, prediction: str, *, count: int = 5) -> View:
    """How often ``label`` was predicted as ``prediction``, and the texts with the largest loss.

    Raises ValueError for a label that the task does not have.
    """
    labels = list(report.task.labels)
    for name in (label, prediction):
        if name not in labels:
            raise ValueError(f"no label {name!r}: use {', '.join(labels)}")
    counts = report.confusion()
    rows = report.rows().assign(probability=softmax(report.outputs, -1).max(-1))
    chosen = rows[(rows["label"] == label) & (rows["prediction"] == prediction)]
    worst = chosen.sort_values("loss", ascending=False, kind="stable").head(count)
    number, total = len(chosen), int(counts.loc[label].sum())
    # Each sentence is whole: a translation of its first half would take the second for a name.
    if number == 0:
        sentence = f"{number} of {total} texts on {label} were predicted as {prediction}."
    elif len(worst) == 1:
        sentence = (
            f"{number} of {total} texts on {label} were predicted as {prediction}; "
            "the worst is shown."
        )
    else:
        sentence = (
            f"{number} of {total} texts on {label} were predicted as {prediction}; "
            f"the {len(worst)} with the largest loss are shown."
        )
    ax = figures.confusion(counts)
    corner = (labels.index(prediction) - 0.5, labels.index(label) - 0.5)
    ax.add_patch(figures.frame(corner))
    texts = worst.drop(columns=["label", "prediction"]).round({"loss": 2, "probability": 2})
    return View(sentence, (ax, texts) if number else (ax,))
