"""The same numbers, sooner: what speeds up training and inference without changing results.

Two doors: ``training`` for the loop and ``inference`` for predictions. Behind them ``fused_bert``,
``cls_only``, ``bf16_states``, ``sparse_embeddings`` and ``packed_bert`` each do one thing, for the
models that they know, and ``autotune`` measures which arithmetic is the fastest on this machine.
"""
