"""Interpolation of predictions: mixtures, their weights by EM, n-grams, nearest neighbours."""
