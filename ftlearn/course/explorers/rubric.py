"""Which checks of the capstone's rubric find a planted fault."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from ftlearn import figures
from ftlearn.capstone import Grade
from ftlearn.course.explorers.view import View
from ftlearn.errors import ArgumentError


def rubric(grades: Mapping[str, Grade], fault: str) -> View:
    """The grade of a folder with a planted fault, beside those with other faults.

    ``grades`` has one grade per fault, such as of folders that ``capstone.plant`` made; the figure
    marks each check that failed. Raises ArgumentError for a fault without a grade.

    >>> from ftlearn.capstone.grading import Result
    >>> failed = Grade((Result("copies", False, "one text is in two parts", "remove it"),))
    >>> rubric({"copies": failed}, "copies").sentence
    'With the fault copies 0 of 1 points are earned. copies: one text is in two parts; remove it.'
    """
    if fault not in grades:
        raise ArgumentError(f"fault is {fault!r}: use one of {', '.join(grades)}")
    grade = grades[fault]
    failed = [result for result in grade.results if not result.passed]
    found = "; ".join(f"{result.name}: {result.found}; {result.remedy}" for result in failed)
    sentence = (
        f"With the fault {fault} {grade.points} of {len(grade.results)} points are earned. "
        f"{found or 'No check found it'}."
    )
    return View(sentence, (grade.table().drop(columns="remedy"), _figure(grades, fault)))


def _figure(grades: Mapping[str, Grade], fault: str) -> Figure:
    """One row per fault and one column per check; a filled square is a check that failed."""
    checks = [result.name for result in grades[fault].results]
    failed = np.array([[name in grade.failed for name in checks] for grade in grades.values()])
    size = (2 + 0.32 * len(checks), 1.3 + 0.3 * len(grades))
    figure, axis = plt.subplots(figsize=size, layout="constrained")
    rows, columns = np.indices(failed.shape)
    axis.scatter(columns, rows, marker="s", s=60, facecolors="none", edgecolors="#bbbbbb")
    axis.scatter(columns[failed], rows[failed], marker="s", s=60, color=figures.COLORS[1])
    axis.axhline(list(grades).index(fault), color=figures.COLORS[0], linewidth=1, zorder=0)
    axis.set_xticks(range(len(checks)), checks, rotation=60, ha="right")
    axis.set_yticks(range(len(grades)), list(grades))
    axis.set(
        xlabel="check (filled: failed)", ylabel="planted fault", ylim=(len(grades) - 0.5, -0.5)
    )
    plt.close(figure)
    return figure
