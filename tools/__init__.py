"""Scripts that maintain the notebooks and the README; run them as `python -m tools.NAME`."""
