"""Several tasks at once: how often each is drawn, how its loss counts, how gradients meet.

``sampling`` plans the rows of an epoch, ``weighting`` adds the tasks' losses up, and ``gradients``
compares and combines their gradients. ``tasks.joint`` trains with the first two.
"""

from ftlearn.multitask.gradients import cosines, pcgrad
from ftlearn.multitask.sampling import drawn_rows, rows_per_epoch, sampling_shares
from ftlearn.multitask.weighting import best_log_variances, uncertainty_weighting

__all__ = [
    "best_log_variances",
    "cosines",
    "drawn_rows",
    "pcgrad",
    "rows_per_epoch",
    "sampling_shares",
    "uncertainty_weighting",
]
