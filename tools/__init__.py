"""Scripts that keep the notebooks and the README in order; run them as `python -m tools.NAME`."""
