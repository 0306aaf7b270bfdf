"""Ctrl-C in the middle of a run."""

from __future__ import annotations

import signal

import pytest

from ftlearn.training import fitting, loop


def interrupt_after(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Ctrl-C after some updates of the next run."""
    steps, done = fitting.steps, []

    def interrupted(*args, **kwargs):
        run = steps(*args, **kwargs)
        backward = loop.backward

        def counting(*args, **kwargs):
            done.append(1)
            if len(done) == number:
                signal.raise_signal(signal.SIGINT)
            return backward(*args, **kwargs)

        monkeypatch.setattr(loop, "backward", counting)
        return run

    monkeypatch.setattr(fitting, "steps", interrupted)
