"""Imitates, on a processor without instructions for bf16, the results of one that has them."""
