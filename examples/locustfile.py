"""Load for a service, with locust: users who wait for their answer, think, and ask again.

    pip install locust
    locust --headless --locustfile examples/locustfile.py --host http://127.0.0.1:8000 \
        --users 20 --spawn-rate 20 --run-time 30s

A user thinks for a second on average, at random, so that users do not stay in step: N of them send
N / (1 + latency) requests per second. A slow service is thus asked less often, while ``ftlearn
load`` sends its rate all the same. With FTLEARN_TOKEN in the environment, requests send it as the
bearer token.
"""

from __future__ import annotations

import os
import random
from itertools import cycle

from locust import HttpUser, task

from ftlearn import data

TEXTS = cycle(data.load("topics")["test"]["text"])
TOKEN = os.environ.get("FTLEARN_TOKEN")


class Reader(HttpUser):
    """A user who asks for the topic of one article after the other."""

    def wait_time(self) -> float:
        """Seconds until the next request."""
        return random.expovariate(1)

    @task
    def predict(self) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
        self.client.post("/predict", json={"texts": [next(TEXTS)]}, headers=headers)
