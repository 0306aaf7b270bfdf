"""Clocks that jump: the wall clock means nothing to the service, the monotonic one everything."""

import asyncio
import itertools
import json
import logging
import threading
import time

import pytest
from starlette.testclient import TestClient
from waiting import HANG

from ftlearn.serving import ServeSettings, create_app
from ftlearn.serving.admission import DeadlineError
from ftlearn.serving.batcher import Batcher

DAY = 86_400.0


def test_a_wall_clock_that_jumps_back_and_forth_changes_no_answer(predictor, monkeypatch, caplog):
    truth = predictor.predict(["ball run", "code"])
    now = time.time()
    jumps = itertools.cycle([now, now + DAY, now - DAY, now + 365 * DAY])
    settings = ServeSettings(max_wait_ms=1, deadline=HANG)
    caplog.set_level(logging.INFO, "ftlearn.serving")
    with TestClient(create_app(predictor, settings)) as client:
        monkeypatch.setattr(time, "time", lambda: next(jumps))
        for _ in range(20):
            response = client.post("/predict", json={"texts": ["ball run", "code"]})
            assert response.status_code == 200
            labels = [row["label"] for row in response.json()["predictions"]]
            assert labels == [row["label"] for row in truth]
            for name in ("X-Queue-Time-Ms", "X-Compute-Time-Ms"):
                assert 0 <= float(response.headers[name]) < 1000 * HANG
        monkeypatch.undo()
    entries = [json.loads(record.getMessage()) for record in caplog.records]
    assert all(0 <= entry["ms"] < 1000 * HANG for entry in entries)


class Shifted(asyncio.SelectorEventLoop):
    """An event loop whose monotonic clock a test advances."""

    offset = 0.0

    def time(self):
        return super().time() + self.offset


class Held:
    """Computes when it is released."""

    def __init__(self):
        self.entered = threading.Event()
        self.released = threading.Event()

    def predict(self, items):
        self.entered.set()
        assert self.released.wait(HANG)
        return items


@pytest.mark.parametrize(("advance", "ends"), [(59.0, False), (61.0, True)])
def test_deadlines_follow_the_monotonic_clock(advance, ends):
    model = Held()

    async def scenario():
        loop = asyncio.get_running_loop()
        batcher = Batcher(model, budget=10, max_queue=8, max_wait=0)
        batcher.start()
        request = asyncio.ensure_future(batcher.submit(["a"], 1, timeout=60.0))
        await asyncio.to_thread(model.entered.wait, HANG)
        loop.offset += advance
        for _ in range(5):  # the loop looks at its clock
            await asyncio.sleep(0)
        assert request.done() is ends
        model.released.set()
        if ends:
            with pytest.raises(DeadlineError, match="60 s"):
                await request
        else:
            assert (await request).answers == ["a"]
        await batcher.drain()

    with asyncio.Runner(loop_factory=Shifted) as runner:
        runner.run(scenario())
