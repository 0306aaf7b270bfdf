"""Figures give back the Axes they drew on, say what is on them, and hold all their text."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from ftlearn import figures
from ftlearn.markup import visible
from ftlearn.metrics import Interval

LONG = "a rather long name of a model"
HISTORY = SimpleNamespace(
    steps=[SimpleNamespace(epoch=n / 10, loss=1 / n) for n in range(1, 31)],
    evaluations=[{"epoch": 1.0, "log_loss": 0.5}, {"epoch": 2.0, "log_loss": 0.3}],
    monitor="log_loss",
)
TOPICS = ["technology", "health", "sports"]
COUNTS = pd.DataFrame([[90, 5, 5], [10, 80, 10], [0, 0, 0]], index=TOPICS, columns=TOPICS)
BINS = np.array([[0.5, 0.4, 10], [0.7, 0.8, 30], [0.95, 0.9, 60]])
SCORES = {LONG: Interval(0.9, 0.85, 0.97), "guessing": 1 / 3}
NUMBERS = np.array([1.0, 2.5, 7.0]), np.array([2.0, 2.0, 6.0])
DRAWN = {
    "lines": lambda **ax: figures.lines(
        [1, 10, 100],
        {LONG: [[1, 2, 3], [2, 3, 5]], "another": [3, 2, 1]},
        xlabel="labelled examples",
        ylabel="accuracy ($)",
        log="x",
        **ax,
    ),
    "training": lambda **ax: figures.training(HISTORY, **ax),
    "confusion": lambda **ax: figures.confusion(COUNTS, **ax),
    "reliability": lambda **ax: figures.reliability(BINS, **ax),
    "predicted": lambda **ax: figures.predicted(*NUMBERS, **ax),
    "bars": lambda **ax: figures.bars(SCORES, xlabel="accuracy", reference=0.5, **ax),
}
each_figure = pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)


@each_figure
def test_a_figure_is_open_and_returned(draw):
    ax = draw()
    assert isinstance(ax, Axes)
    assert plt.get_fignums() == [ax.figure.number]
    assert not ax.spines["top"].get_visible()


@each_figure
def test_given_axes_are_drawn_on_and_no_other(draw):
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4))
    assert draw(ax=right) is right
    assert plt.get_fignums() == [figure.number]
    assert right.has_data()
    assert not left.has_data()


@each_figure
def test_axes_have_labels(draw):
    ax = draw()
    assert ax.get_xlabel()
    assert ax.get_ylabel() or [tick.get_text() for tick in ax.get_yticklabels()] == [*SCORES]


@each_figure
def test_no_text_is_cut(draw):
    ax = draw()
    ax.figure.canvas.draw()  # once, as savefig does
    left, bottom, right, top = ax.figure.get_tightbbox().extents  # of all that is drawn, inches
    width, height = ax.figure.get_size_inches()
    assert min(left, bottom) >= 0
    assert right <= width
    assert top <= height


def test_a_curve_of_several_runs_is_their_mean_and_range():
    runs = np.array([[1.0, 2.0, 6.0], [3.0, 2.0, 0.0]])
    ax = figures.lines([1, 2, 3], {"runs": runs}, xlabel="x", ylabel="y")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [2, 2, 3])
    (band,) = ax.collections
    corners = {tuple(point) for point in band.get_paths()[0].vertices}
    assert {(1, 1), (1, 3), (3, 0), (3, 6)} <= corners
    assert ax.get_legend() is None


@pytest.mark.parametrize(
    ("log", "scales"),
    [("", ("linear", "linear")), ("x", ("log", "linear")), ("xy", ("log", "log"))],
)
def test_logarithmic_axes_are_those_named(log: str, scales: tuple[str, str]):
    ax = figures.lines([1, 2], {"a": [1, 2]}, xlabel="x", ylabel="y", log=log)
    assert (ax.get_xscale(), ax.get_yscale()) == scales


def test_curves_differ_in_colour_and_marker():
    curves = {str(n): [n, n + 1] for n in range(7)}
    ax = figures.lines([1, 2], curves, xlabel="x", ylabel="y")
    assert len(ax.lines) == 7
    assert len({line.get_color() for line in ax.lines}) == 7
    assert len({line.get_marker() for line in ax.lines}) == 7
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(curves)


def test_more_curves_than_colours_are_all_drawn_and_differ():
    curves = {str(n): [n, n + 1] for n in range(9)}
    drawn = figures.lines([1, 2], curves, xlabel="x", ylabel="y").lines
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn}) == 9


def test_colours_can_be_told_apart_in_grey():
    def luminance(color: str) -> float:
        red, green, blue = to_rgb(color)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    first_three = sorted(luminance(color) for color in (*figures.COLORS[:2], figures.COLORS[-1]))
    assert min(np.diff(first_three)) > 0.02


def test_training_shows_batches_their_mean_and_validation():
    ax = figures.training(HISTORY, window=3)
    raw, smooth, valid = ax.lines
    np.testing.assert_allclose(raw.get_ydata(), [step.loss for step in HISTORY.steps])
    assert smooth.get_ydata()[9] == pytest.approx((1 / 8 + 1 / 9 + 1 / 10) / 3)
    assert list(zip(*valid.get_data(), strict=True)) == [(1, 0.5), (2, 0.3)]
    assert ax.get_ylim()[0] == 0


def test_training_without_validation_has_no_empty_curve():
    history = SimpleNamespace(steps=HISTORY.steps, evaluations=[], monitor="log_loss")
    assert len(figures.training(history).lines) == 2


def test_confusion_writes_every_count_into_its_cell():
    ax = figures.confusion(COUNTS)
    cells = {text.get_position(): text.get_text() for text in ax.texts}
    assert cells == {(c, r): str(COUNTS.iloc[r, c]) for r in range(3) for c in range(3)}
    shown = np.asarray(ax.images[0].get_array())
    np.testing.assert_allclose(shown, [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0, 0, 0]])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == TOPICS


def test_bars_reach_their_values_and_show_intervals():
    ax = figures.bars(SCORES, xlabel="accuracy", reference=0.5)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.9, 1 / 3])
    interval, reference = ax.lines
    assert list(interval.get_xdata()) == [0.85, 0.97]
    assert list(reference.get_xdata()) == [0.5, 0.5]
    assert [text.get_text().strip() for text in ax.texts] == ["0.9", "0.333"]
    assert ax.yaxis_inverted()


def test_the_number_of_a_bar_stands_beside_it_whatever_its_sign():
    gains = {"loss": -2.0, "unsure": Interval(-0.5, -1.5, 0.7), "worse": Interval(-1, -1.2, -0.3)}
    ax = figures.bars(gains | {"none": 0.0, "gain": Interval(1.0, 0.5, 1.5)}, xlabel="gain")
    ax.figure.canvas.draw()
    numbers = [text.get_window_extent().padded(-2) for text in ax.texts]  # with a space before
    drawn = [artist.get_window_extent() for artist in (*ax.patches, *ax.lines)]
    assert [(number, area) for number in numbers for area in drawn if number.overlaps(area)] == []


def test_reliability_shows_size_by_area():
    ax = figures.reliability(BINS)
    (dots,) = ax.collections
    np.testing.assert_allclose(dots.get_offsets(), BINS[:, :2])
    areas = dots.get_sizes() - 20
    np.testing.assert_allclose(areas / areas.sum(), BINS[:, 2] / 100)


def test_predicted_shows_every_row_and_the_mean_error():
    ax = figures.predicted(*NUMBERS)
    dots = ax.collections[-1].get_offsets()
    np.testing.assert_allclose(dots, [[2, 1], [2, 2.5], [6, 7]])
    (exact,) = ax.lines
    assert [*exact.get_xdata()] == [*exact.get_ydata()] == [1, 7]
    band = {tuple(np.round(point, 6)) for point in ax.collections[0].get_paths()[0].vertices}
    error = round((1 + 0.5 + 1) / 3, 6)
    assert {(1, 1 - error), (1, 1 + error), (7, 7 - error), (7, 7 + error)} <= band


HOSTILE = ["$a$ $", "$\\frac{$", "\0\u202eabc", "half \ud800", "_hidden", "文字", "<b>"]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_data_are_drawn_as_they_are(name: str):
    labels = pd.Index([name, "b"], dtype=object)
    counts = pd.DataFrame([[1, 2], [3, 4]], index=labels, columns=labels)
    matrix = figures.confusion(counts)
    scores = figures.bars({name: 0.5, "b": 0.4}, xlabel="accuracy")
    curves = figures.lines([1, 2], {name: [1, 2], "b": [2, 1]}, xlabel="x", ylabel="y")
    drawn = [matrix.get_xticklabels()[0], matrix.get_yticklabels()[0], scores.get_yticklabels()[0]]
    drawn += curves.get_legend().get_texts()[: 0 if name.startswith("_") else 1]
    for text in drawn:
        assert text.get_text() == visible(name)
        assert not text.get_parse_math()
    for ax in (matrix, scores, curves):
        assert figures.png(ax).startswith(b"\x89PNG")


def test_a_figure_as_bytes_is_closed():
    ax = figures.bars(SCORES, xlabel="accuracy")
    small, large = figures.png(ax), figures.png(ax.figure, dpi=180)
    assert plt.get_fignums() == []
    width = [int.from_bytes(png[16:20], "big") for png in (small, large)]
    assert width[1] == 2 * width[0] == 2 * 6 * 90
