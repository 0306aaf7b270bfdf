"""Interpolation of predictions: mixtures, their weights by EM, n-grams and neighbours (kNN-LM)."""
