"""From a file of your own texts to a fitted model and an honest report.

    OUT/  model/  report.html  report.json  history.csv  run.json

``fit`` does all of ``ftlearn fit``, and ``evaluate`` all of ``ftlearn evaluate``; the command
line only reads options and prints.
"""

from __future__ import annotations

from ftlearn.training.resuming import INTERRUPTED
from ftlearn.workflows.evaluating import Scored, evaluate
from ftlearn.workflows.fitting import FINISHED_BEFORE, Outcome, fit
from ftlearn.workflows.folder import RunError
from ftlearn.workflows.plan import Files, Plan

__all__ = ["FINISHED_BEFORE", "INTERRUPTED", "Files", "Outcome", "Plan", "RunError", "Scored"]
__all__ += ["evaluate", "fit"]
