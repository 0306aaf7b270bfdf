"""Load for a service, with locust: users who wait for their answer, think, and ask again.

    pip install locust
    locust --headless --locustfile examples/locustfile.py --host http://127.0.0.1:8000 \
        --users 20 --spawn-rate 20 --run-time 30s

``constant_throughput(1)`` lets each user send one request per second as long as the service keeps
up. Above that the users wait for it, so fewer are sent than were meant; ``ftlearn load`` sends
them all the same. With FTLEARN_TOKEN in the environment, requests send it as the bearer token.
"""

from __future__ import annotations

import os
from itertools import cycle

from locust import HttpUser, constant_throughput, task

from ftlearn import data

TEXTS = cycle(data.load("topics")["test"]["text"])
TOKEN = os.environ.get("FTLEARN_TOKEN")


class Reader(HttpUser):
    """A user who asks for the topic of one article after the other."""

    wait_time = constant_throughput(1)

    @task
    def predict(self) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
        self.client.post("/predict", json={"texts": [next(TEXTS)]}, headers=headers)
