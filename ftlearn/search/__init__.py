"""Search for settings: grid, random and Bayesian, pruned, resumable and in parallel, on Optuna.

An objective is called with settings by name. It returns a number, lower is better, or it is a
generator that yields one after each step, so that a hopeless trial can be ended early.
"""

from ftlearn.search.methods import METHODS, PRUNERS
from ftlearn.search.objectives import fine_tuning
from ftlearn.search.results import Best, Search, SearchError
from ftlearn.search.running import Objective, run
from ftlearn.search.space import Space, choice, grid, integers, log_uniform, uniform

__all__ = [
    "METHODS",
    "PRUNERS",
    "Best",
    "Objective",
    "Search",
    "SearchError",
    "Space",
    "choice",
    "fine_tuning",
    "grid",
    "integers",
    "log_uniform",
    "run",
    "uniform",
]
