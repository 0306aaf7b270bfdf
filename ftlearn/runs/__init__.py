"""From a file of somebody's own texts to a fitted model and an honest report.

    OUT/  model/  report.html  report.json  history.csv  run.json

``fit`` does all of ``ftlearn fit``, and ``evaluate`` all of ``ftlearn evaluate``; the command
line only asks and tells.
"""

from __future__ import annotations

from ftlearn.runs.fitting import Outcome, fit
from ftlearn.runs.folder import RunError
from ftlearn.runs.plan import Files, Plan
from ftlearn.runs.scoring import Scored, evaluate

__all__ = ["Files", "Outcome", "Plan", "RunError", "Scored", "evaluate", "fit"]
