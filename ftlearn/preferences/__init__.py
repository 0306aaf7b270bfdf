"""Learning from comparisons: losses on pairs of answers, and the exact optimum they aim at.

``losses`` compare log-probabilities or scores, ``log_probabilities`` sums them per answer, and
``policies`` are distributions over a few enumerated answers, where everything is exact.
``tasks.preference`` trains with them.
"""

from ftlearn.preferences.log_probabilities import LogProbabilities, sequence_log_probabilities
from ftlearn.preferences.losses import bradley_terry, dpo, ipo, kto, orpo, simpo
from ftlearn.preferences.policies import anchored, best_of_n, best_of_n_bound, kl_divergence

__all__ = [
    "LogProbabilities",
    "anchored",
    "best_of_n",
    "best_of_n_bound",
    "bradley_terry",
    "dpo",
    "ipo",
    "kl_divergence",
    "kto",
    "orpo",
    "sequence_log_probabilities",
    "simpo",
]
