"""From a file of your own texts to a fitted model and an honest report.

    OUT/  model/  report.html  report.json  history.csv  run.json

``fit`` does all of ``ftlearn fit``, and ``evaluate`` all of ``ftlearn evaluate``; the command
line only reads options and prints.
"""

from __future__ import annotations

from ftlearn.workflows.evaluating import Scored, evaluate
from ftlearn.workflows.fitting import Outcome, fit
from ftlearn.workflows.folder import RunError
from ftlearn.workflows.plan import Files, Plan

__all__ = ["Files", "Outcome", "Plan", "RunError", "Scored", "evaluate", "fit"]
