"""The capstone: a submitted folder, graded by running it, and a certificate of the grade.

``new`` begins a folder and ``prepare`` cleans and splits its file; ``ftlearn fit`` trains the runs;
``measure`` writes the claims, the model card and the data sheet. ``grade`` checks twenty points by
running the models, ``fresh`` scores them on texts that nobody has seen, ``certify`` writes what
``verify`` confirms on another machine, and ``faults`` plants one fault per check.
"""

from ftlearn.capstone.certificate import certify, verify
from ftlearn.capstone.faults import FAULTS, plant
from ftlearn.capstone.fresh import Fresh, draw
from ftlearn.capstone.grading import RUBRIC, Grade, errors, grade, measure
from ftlearn.capstone.preparing import new, prepare, raw_reviews
from ftlearn.capstone.submission import PARTS, CapstoneError, Memory, Submission, update

__all__ = [
    "FAULTS",
    "PARTS",
    "RUBRIC",
    "CapstoneError",
    "Fresh",
    "Grade",
    "Memory",
    "Submission",
    "certify",
    "draw",
    "errors",
    "grade",
    "measure",
    "new",
    "plant",
    "prepare",
    "raw_reviews",
    "update",
    "verify",
]
