"""How good the models on a line, in a plane or in a soup are, measured on data."""

from __future__ import annotations

from ftlearn.interpolation.landscape.line import ALPHAS, HIGHER, Walk, walk
from ftlearn.interpolation.landscape.merge import Merged, interpolate_folders
from ftlearn.interpolation.landscape.surface import Map, greedy_soup, over_plane

__all__ = [
    "ALPHAS",
    "HIGHER",
    "Map",
    "Merged",
    "Walk",
    "greedy_soup",
    "interpolate_folders",
    "over_plane",
    "walk",
]
