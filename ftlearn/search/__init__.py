"""Hyperparameter search on Optuna: grid, random and Bayesian, with pruning; resumable, parallel.

An objective is called with settings by name. It returns a number, lower is better, or it is a
generator that yields one after each step, so that an unpromising trial can be pruned.
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
