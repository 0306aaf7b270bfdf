"""The metrics of models on a line, in a plane or in a soup, measured on data."""

from __future__ import annotations

from ftlearn.interpolation.landscape.best_point import Merged, interpolate_folders
from ftlearn.interpolation.landscape.line import ALPHAS, HIGHER, Line, evaluate_line
from ftlearn.interpolation.landscape.surface import Surface, evaluate_plane, greedy_soup

__all__ = [
    "ALPHAS",
    "HIGHER",
    "Line",
    "Merged",
    "Surface",
    "evaluate_line",
    "evaluate_plane",
    "greedy_soup",
    "interpolate_folders",
]
