"""Which arithmetic is fastest for a model on this machine: measured once, and cached.

Whether bf16 is faster, which library multiplies fp32 fastest and which attention to use depends on
the processor, the libraries and the model's width, and no processor flag tells it. So one layer of
the model's shape is timed, separately for training and for prediction, in less than a second, and
the times are written to ``cache_folder()``, one file per machine, shape and purpose. The
environment variable ``FTLEARN_COMPUTE`` (fp32 or bf16) overrides the measurement.
"""

from __future__ import annotations

from ftlearn.fast.autotune.cache import cache_folder
from ftlearn.fast.autotune.choosing import VARIABLE, prediction, training

__all__ = ["VARIABLE", "cache_folder", "prediction", "training"]
