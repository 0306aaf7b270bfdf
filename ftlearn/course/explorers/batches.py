"""Batches as pictures of tokens and padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from ftlearn import figures
from ftlearn.course.explorers.view import View
from ftlearn.data.batching import plan

BATCHES_SHOWN = 4
COLORS = ("#0072B2", "#E8E8E8")


def batches(
    lengths: Sequence[int], batch_size: int = 8, *, bucketed: bool = True, seed: int = 0
) -> View:
    """The share of padding in an epoch's batches, and the first batches drawn, one row per text.

    ``lengths`` are the token counts of the texts.

    >>> batches([2, 4, 2, 4], 2, bucketed=True).sentence
    'Batches of 2, texts of similar length together: 0 % of all positions are padding.'
    """
    order = plan(lengths, batch_size, seed=seed, epoch=0, bucketed=bucketed)
    sizes = np.asarray(lengths)
    cells = sum(len(rows) * sizes[rows].max() for rows in order)
    share = 1 - sizes.sum() / cells
    arrangement = "texts of similar length together" if bucketed else "texts as they come"
    sentence = f"Batches of {batch_size}, {arrangement}: {share:.0%} of all positions are padding."
    picture = _picture([sizes[rows] for rows in order[:BATCHES_SHOWN]])
    return View(sentence.replace("%", " %"), (picture,))


def _picture(batches: list[np.ndarray]) -> Axes:
    """Draw batches, given as the lengths of their texts: tokens dark, padding light."""
    width = max(int(lengths.max()) for lengths in batches)
    gap = np.full((1, width), np.nan)
    blocks = []
    for lengths in batches:
        positions = np.arange(width)[None]
        block = np.where(positions < lengths[:, None], 0.0, 1.0)
        block[:, int(lengths.max()) :] = np.nan  # the batch is only as wide as its longest text
        blocks += [block, gap]
    picture = np.vstack(blocks[:-1])
    ax = figures.axes(height=min(4.5, 0.8 + 0.07 * len(picture)))
    ax.imshow(picture, cmap=ListedColormap(COLORS), vmin=0, vmax=1, aspect="auto")
    ax.set_yticks([])
    ax.set_ylabel(f"the first {len(batches)} batches")
    ax.set_xlabel("position in the text (tokens)")
    names = zip(("token", "padding"), COLORS, strict=True)
    handles = [Patch(facecolor=color, edgecolor="#888888", label=name) for name, color in names]
    ax.legend(handles=handles, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return ax
