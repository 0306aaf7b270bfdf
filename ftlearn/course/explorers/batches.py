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

SHOWN = 4
LOOKS = ("#0072B2", "#E8E8E8")


def batches(
    lengths: Sequence[int], batch_size: int = 8, *, bucketed: bool = True, seed: int = 0
) -> View:
    """How much of an epoch's batches is padding, and the first batches drawn, a row for each text.

    lengths are the tokens of each text.

    >>> batches([2, 4, 2, 4], 2, bucketed=True).says
    'Batches of 2, texts of like length together: 0 % of all positions are padding.'
    """
    order = plan(lengths, batch_size, seed=seed, epoch=0, bucketed=bucketed)
    sizes = np.asarray(lengths)
    cells = sum(len(rows) * sizes[rows].max() for rows in order)
    share = 1 - sizes.sum() / cells
    how = "texts of like length together" if bucketed else "texts as they come"
    says = f"Batches of {batch_size}, {how}: {share:.0%} of all positions are padding."
    return View(says.replace("%", " %"), (_picture([sizes[rows] for rows in order[:SHOWN]]),))


def _picture(shown: list[np.ndarray]) -> Axes:
    width = max(int(lengths.max()) for lengths in shown)
    gap = np.full((1, width), np.nan)
    blocks = []
    for lengths in shown:
        places = np.arange(width)[None]
        block = np.where(places < lengths[:, None], 0.0, 1.0)
        block[:, int(lengths.max()) :] = np.nan  # the batch is only as wide as its longest text
        blocks += [block, gap]
    picture = np.vstack(blocks[:-1])
    ax = figures.axes(height=min(4.5, 0.8 + 0.07 * len(picture)))
    ax.imshow(picture, cmap=ListedColormap(LOOKS), vmin=0, vmax=1, aspect="auto")
    ax.set_yticks([])
    ax.set_ylabel(f"the first {len(shown)} batches")
    ax.set_xlabel("position in the text (tokens)")
    names = zip(("token", "padding"), LOOKS, strict=True)
    handles = [Patch(facecolor=look, edgecolor="#888888", label=name) for name, look in names]
    ax.legend(handles=handles, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return ax
