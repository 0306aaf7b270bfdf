"""The best policy under a KL penalty: its answers, and where it lies on the line to the reward."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from ftlearn import figures, preferences
from ftlearn.course.explorers.view import View
from ftlearn.errors import ArgumentError

REFERENCE = "reference"
SHOWN = 5
"""How many of the most probable answers the table lists."""
BETAS = np.geomspace(100, 0.05, 60)


def anchored(answers: pd.DataFrame, beta: float = 1.0, *, reward: str = "proxy") -> View:
    """The policy π_β ∝ π_ref exp(r / β) over enumerated answers, and what it earns.

    ``answers`` has one row per answer, whose text is the index, its probability in the column
    "reference", and a reward in each other column; r is the one named ``reward``. The figure
    follows all rewards along the line of policies with the same r. Raises ArgumentError for a
    reward that there is none of, for β not above 0, and if the reference does not sum to 1.

    >>> answers = pd.DataFrame({"reference": [0.5, 0.5], "proxy": [0.0, 1.0]}, index=["no", "yes"])
    >>> anchored(answers, 0.5).sentence
    'At β = 0.5 the policy is 0.33 nats from the reference. E[proxy]: 0.50 before, 0.88 now.'
    """
    names = [name for name in answers.columns if name != REFERENCE]
    if REFERENCE not in answers.columns or reward not in names:
        raise ArgumentError(
            f"reward is {reward!r}, the columns are {', '.join(map(repr, answers.columns))}: use "
            "one of them, besides 'reference'"
        )
    reference = answers[REFERENCE].to_numpy(float)
    policy = preferences.anchored(reference, answers[reward], beta)
    earned = [
        f"E[{name}]: {reference @ answers[name]:.2f} before, {policy @ answers[name]:.2f} now"
        for name in names
    ]
    divergence = preferences.kl_divergence(policy, reference)
    sentence = (
        f"At β = {beta:g} the policy is {divergence:.2f} nats from the reference. "
        f"{'; '.join(earned)}."
    )
    table = answers.assign(policy=policy)[[REFERENCE, "policy", *names]]
    most_probable = table.sort_values("policy", ascending=False, kind="stable").head(SHOWN)
    return View(sentence, (most_probable.round(3), _figure(answers, reward, names, policy)))


def preference_line(answers: pd.DataFrame, reward: str, betas: Sequence[float]) -> pd.DataFrame:
    """KL(π_β ‖ π_ref) and the mean of each reward, one row per β.

    >>> answers = pd.DataFrame({"reference": [0.5, 0.5], "proxy": [0.0, 1.0]}, index=["no", "yes"])
    >>> preference_line(answers, "proxy", [0.5]).round(2).loc[0.5].to_dict()
    {'KL': 0.33, 'proxy': 0.88}
    """
    reference = answers[REFERENCE].to_numpy(float)
    rewards = answers.drop(columns=REFERENCE)
    rows = []
    for beta in betas:
        policy = preferences.anchored(reference, rewards[reward], beta)
        rows.append({"KL": preferences.kl_divergence(policy, reference), **(policy @ rewards)})
    return pd.DataFrame(rows, index=pd.Index(betas, name="beta"))


def _figure(answers: pd.DataFrame, reward: str, names: Sequence[str], policy: np.ndarray) -> Figure:
    """What the line gains over KL, and the probability of each answer before and after."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    reference = answers[REFERENCE].to_numpy(float)
    line = preference_line(answers, reward, BETAS)
    gains = {f"E[{name}]": line[name] - reference @ answers[name] for name in names}
    labels = {"xlabel": "KL to the reference (nats)", "ylabel": "gain over the reference"}
    figures.lines(line["KL"], gains, **labels, ax=left)
    divergence = preferences.kl_divergence(policy, reference)
    left.axvline(divergence, color="#888888", linewidth=1)
    order = np.argsort(-reference, kind="stable")
    ranks = np.arange(1, len(order) + 1)
    labels = {"xlabel": "answer, by reference", "ylabel": "probability"}
    figures.lines(ranks, {REFERENCE: reference[order]}, **labels, ax=right)
    right.plot(ranks, policy[order], "o", color=figures.COLORS[1], label="policy", markersize=4)
    right.legend(frameon=False)
    plt.close(figure)
    return figure
