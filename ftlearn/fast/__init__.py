"""The same results, faster: what speeds up training and inference without changing numbers.

Two modules are used from outside: ``training`` by the loop and ``inference`` by predictions. They
use ``fused_bert``, ``cls_only``, ``bf16_hidden_states``, ``sparse_embeddings`` and ``packed_bert``,
each a single speed-up for the models that it knows. ``last_layer`` trains the last layer alone.
``autotune`` measures which arithmetic is the fastest on this machine.
"""
