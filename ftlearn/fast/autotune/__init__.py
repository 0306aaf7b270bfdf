"""Which arithmetic is fastest for a model on this machine: measured once, kept in the user's cache.

Whether bf16 pays, whose kernels multiply fp32 fastest and which attention depends on the processor,
on the libraries and on the model's width, and no flag of the processor tells it. So one layer of
the model's shape is timed, for training and for prediction each, in less than a second, and the
times are written to ``cache_folder()``, one file per machine and shape. The environment variable
``FTLEARN_COMPUTE`` (fp32 or bf16) decides in place of the measurement.
"""

from __future__ import annotations

from ftlearn.fast.autotune.cache import cache_folder
from ftlearn.fast.autotune.choosing import VARIABLE, prediction, training

__all__ = ["VARIABLE", "cache_folder", "prediction", "training"]
