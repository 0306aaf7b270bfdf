"""Interpolation of weights: from the line through two models to merging saved models."""
