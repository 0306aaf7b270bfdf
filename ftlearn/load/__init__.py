"""A service under load: clients that keep time, and the theory of queues that predicts them.

``clients`` sends requests at a given rate from a process of its own (``sender``), ``runs`` holds
what came back, ``queueing`` and ``batching`` predict it: the wait in a queue, and the rate at which
a service that computes batches is saturated. Independent of the service: it needs its address only.
"""

from ftlearn.load.arrivals import arrival_times
from ftlearn.load.batching import BatchCurve, batch_curve, batch_latencies, knee
from ftlearn.load.clients import closed_loop, constant_rate
from ftlearn.load.queueing import (
    littles_law,
    md1_wait,
    mm1_response_quantile,
    mm1_wait,
    queue_waits,
    utilization,
)
from ftlearn.load.runs import LoadRun, table

__all__ = [
    "BatchCurve",
    "LoadRun",
    "arrival_times",
    "batch_curve",
    "batch_latencies",
    "closed_loop",
    "constant_rate",
    "knee",
    "littles_law",
    "md1_wait",
    "mm1_response_quantile",
    "mm1_wait",
    "queue_waits",
    "table",
    "utilization",
]
