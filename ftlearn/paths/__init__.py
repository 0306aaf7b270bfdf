"""How good the models on a line, in a plane or in a soup are, measured on data."""

from __future__ import annotations

from ftlearn.paths.exploring import Map, greedy_soup, over_plane
from ftlearn.paths.saving import Merged, interpolate_folders
from ftlearn.paths.walking import ALPHAS, HIGHER, Walk, walk

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
