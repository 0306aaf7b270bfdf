"""The settings of a service as one frozen, validated value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ftlearn.errors import ArgumentError
from ftlearn.runtime.arguments import number, whole_number

SHORTEST_TOKEN = 16
"""Characters of the shortest bearer token: shorter ones can be guessed."""


@dataclass(frozen=True)
class ServeSettings:
    """How a service batches, and what it refuses; impossible values raise ValueError.

    batch_tokens   tokens after which a batch is full
    max_wait_ms    milliseconds that an idle worker waits for further requests
    max_queue      texts that may wait; beyond it requests are refused with status 429
    max_texts      texts in one request
    max_body       bytes of one request
    max_chats      dialogues that may wait for their answer; beyond it status 429
    max_new_tokens tokens of an answer where the request names no number
    deadline       seconds until a request that is not answered fails with status 504
    workers        processes that answer; with more than one, requests cannot replace the model
    token          what requests must send as a bearer token; None for no check
    log_texts      write the texts of requests into the log

    >>> ServeSettings(max_texts=0)
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: max_texts is 0: it must be a whole number of at least 1
    """

    batch_tokens: int = 4096
    max_wait_ms: float = 5.0
    max_queue: int = 1024
    max_texts: int = 256
    max_body: int = 2_000_000
    max_chats: int = 16
    max_new_tokens: int = 256
    deadline: float = 30.0
    workers: int = 1
    token: str | None = field(default=None, repr=False)
    log_texts: bool = False

    def __post_init__(self) -> None:
        counts = ("batch_tokens", "max_queue", "max_texts", "max_body", "max_new_tokens", "workers")
        for name in counts:
            object.__setattr__(self, name, whole_number(name, getattr(self, name), 1))
        object.__setattr__(self, "max_chats", whole_number("max_chats", self.max_chats, 0))
        for name, low in (("max_wait_ms", 0.0), ("deadline", 0.001)):
            object.__setattr__(self, name, number(name, getattr(self, name), low, math.inf))
        if self.max_texts > self.max_queue:
            raise ArgumentError(
                f"max_texts is {self.max_texts}, more than the {self.max_queue} that may wait in "
                "max_queue: such a request could never be accepted"
            )
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise ArgumentError(
                f"the token has {len(self.token)} characters: use at least {SHORTEST_TOKEN}, "
                "drawn at random"
            )
