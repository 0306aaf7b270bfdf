"""A plan of a training run: which devices hold it, how long it takes, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from ftlearn import figures, runtime
from ftlearn.course.explorers.view import View
from ftlearn.errors import ArgumentError
from ftlearn.metrics import Interval
from ftlearn.training.planning import Device, Job, Plan, Uncertain, plan

LEARNING = {"full": 1.0, "LoRA": 0.01}
"""Share of the weights that learns."""
UTILISATION = Interval(0.3, 0.1, 0.5)


def planner(
    offers: Mapping[str, Device],
    billions: float = 1.0,
    million_tokens: float = 10.0,
    *,
    method: str = "full",
    devices: int = 1,
    utilisation: Uncertain = UTILISATION,
    pue: Uncertain = 1.0,
    price_per_kwh: Uncertain = 0.0,
) -> View:
    """What it costs to train so many billions of weights on so many million tokens, per offer.

    Each of the ``offers``, by name, is taken ``devices`` times; peaks, watts and prices are theirs.
    With "LoRA" a hundredth of the weights learns. Memory is that of weights, gradients and moments
    alone. Raises ArgumentError for another ``method``, and if there are no offers.

    >>> offers = {"small": Device(peak=1e14, memory=16e9, watts=70, price=0.5)}
    >>> print(planner(offers, 0.5, 10).sentence)
    0.5 billion weights, 10 million tokens, full: 3.0e+16 operations. Fits: small.
    """
    if method not in LEARNING or not offers:
        raise ArgumentError(
            f"method {method!r}, {len(offers)} offers: use 'full' or 'LoRA', and at least one offer"
        )
    job = Job(billions * 1e9, million_tokens * 1e6, learning=LEARNING[method] * billions * 1e9)
    assumed = {"utilisation": utilisation, "pue": pue, "price_per_kwh": price_per_kwh}
    plans = {name: plan(job, device, devices=devices, **assumed) for name, device in offers.items()}
    fitting = ", ".join(name for name, made in plans.items() if made.fits) or "none"
    sentence = (
        f"{billions:g} billion weights, {million_tokens:g} million tokens, {method}: "
        f"{job.operations:.1e} operations. Fits: {fitting}."
    )
    return View(sentence, (_table(plans, offers), _figure(plans)))


def _table(plans: Mapping[str, Plan], offers: Mapping[str, Device]) -> pd.DataFrame:
    rows = {
        name: {
            "memory per device": runtime.format_bytes(made.memory),
            "it has": runtime.format_bytes(offers[name].memory),
            "fits": "yes" if made.fits else "no",
            "hours": _text(made.hours),
            "kWh": _text(made.kilowatt_hours),
            "price": _text(made.price),
        }
        for name, made in plans.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _text(interval: Interval) -> str:
    return f"{interval.value:.2g} [{interval.low:.2g}, {interval.high:.2g}]"


def _figure(plans: Mapping[str, Plan]) -> Figure:
    """Price over hours; a bar each way shows the bounds, a cross an offer that is too small."""
    figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
    ax = figures.axes(ax)
    styles = zip(figures.COLORS, figures.MARKERS, strict=True)
    for (name, made), (color, marker) in zip(plans.items(), styles, strict=False):
        hours, price = made.hours, made.price
        ax.plot([hours.low, hours.high], [price.value] * 2, color=color)
        ax.plot([hours.value] * 2, [price.low, price.high], color=color)
        label = name if made.fits else f"{name} (does not fit)"
        filled = color if made.fits else "white"
        ax.plot(hours.value, price.value, marker, color=color, markerfacecolor=filled, label=label)
    ax.set_xscale("log")
    if all(made.price.low > 0 for made in plans.values()):
        ax.set_yscale("log")
    ax.set_xlabel("hours")
    ax.set_ylabel("price")
    ax.legend(frameon=False)
    plt.close(figure)
    return figure
