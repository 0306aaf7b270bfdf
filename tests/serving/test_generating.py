"""Answers under way: the queue, clients that leave, deadlines and faults, held back by events."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from starlette.testclient import TestClient
from waiting import HANG

from ftlearn.serving import ChatModel, ServeSettings, create_app
from ftlearn.serving.admission import DeadlineError
from ftlearn.serving.chat_model import Finished, Piece

URL = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Good morning"}]}


class Held(ChatModel):
    """Writes a word, waits until it is released, and writes another one."""

    def hold(self):
        self.entered = threading.Semaphore(0)
        self.released = threading.Event()
        self.stopped = []
        return self

    def write(self, order, is_stopped):
        self.entered.release()
        yield Piece("one")
        assert self.released.wait(HANG)
        self.stopped.append(is_stopped())
        if not is_stopped():
            yield Piece(" two")
            yield Finished("stop", 2)


@pytest.fixture
def held(written_models):
    return Held(written_models["chat"], "cpu").hold()


def test_a_full_queue_refuses_with_a_time_to_wait(held):
    with (
        TestClient(create_app(held, ServeSettings(max_chats=0, deadline=HANG))) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(client.post, URL, json=BODY)
        assert held.entered.acquire(timeout=HANG)
        refused = client.post(URL, json=BODY)
        held.released.set()
        answer = first.result(HANG)
        assert client.post(URL, json=BODY).status_code == 200
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert answer.json()["choices"][0]["message"]["content"] == "one two"


def test_one_answer_is_written_at_a_time_and_the_others_wait(held):
    with (
        TestClient(create_app(held, ServeSettings(deadline=HANG))) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        first = pool.submit(client.post, URL, json=BODY)
        assert held.entered.acquire(timeout=HANG)
        others = [pool.submit(client.post, URL, json=BODY) for _ in range(2)]
        while "ftlearn_queued_texts 2.0" not in client.get("/metrics").text:
            assert not any(other.done() for other in others)
        assert not held.entered.acquire(blocking=False)
        held.released.set()
        assert [future.result(HANG).status_code for future in (first, *others)] == [200] * 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_the_generation(held, stream):
    app = create_app(held, ServeSettings(deadline=HANG))
    body = json.dumps(BODY | {"stream": stream}).encode()
    scope = {"type": "http", "method": "POST", "path": URL, "query_string": b""}
    scope["headers"] = [(b"content-type", b"application/json")]
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    sent = []
    shown = asyncio.Event()

    async def receive():
        if messages:
            return messages.pop()
        if stream:
            await shown.wait()
        else:
            assert await asyncio.to_thread(held.entered.acquire, timeout=HANG)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        if b"one" in message.get("body", b""):
            shown.set()

    async def scenario():
        async with app.router.lifespan_context(app):
            await app(scope, receive, send)
            held.released.set()

    asyncio.run(scenario())
    assert held.stopped == [True]
    assert sent[0]["status"] == (200 if stream else 499)
    assert b"DONE" not in b"".join(message.get("body", b"") for message in sent)


def test_an_accepted_answer_is_written_before_the_service_stops(held):
    app = create_app(held, ServeSettings(deadline=HANG))

    async def scenario():
        transport = httpx.ASGITransport(app)
        lifespan = app.router.lifespan_context(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            await lifespan.__aenter__()
            answer = asyncio.create_task(client.post(URL, json=BODY))
            assert await asyncio.to_thread(held.entered.acquire, timeout=HANG)
            stopping = asyncio.create_task(lifespan.__aexit__(None, None, None))
            while (await client.get("/health/ready")).status_code == 200:
                assert not stopping.done()
                await asyncio.sleep(0)
            assert (await client.post(URL, json=BODY)).status_code == 503
            held.released.set()
            await stopping
            return await answer

    answer = asyncio.run(scenario())
    assert answer.json()["choices"][0]["message"]["content"] == "one two"


def test_a_deadline_ends_with_504_and_stops_the_generation(held):
    with TestClient(create_app(held, ServeSettings(deadline=0.05))) as client:
        response = client.post(URL, json=BODY)
        held.released.set()
    assert response.status_code == 504
    assert "0.05 s" in response.json()["error"]["message"]
    assert held.stopped in ([True], [])  # [] where it was over before the worker began


class Failing(ChatModel):
    """Fails, at once or after a word."""

    def fail(self, error, *, at_once):
        self.error = error
        self.at_once = at_once
        return self

    def write(self, order, is_stopped):
        if not self.at_once:
            yield Piece("one")
        raise self.error


@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_is_a_500_without_details_and_the_service_goes_on(written_models, stream):
    model = Failing(written_models["chat"], "cpu").fail(RuntimeError("secret"), at_once=True)
    with TestClient(create_app(model), raise_server_exceptions=False) as client:
        for _ in range(2):
            response = client.post(URL, json=BODY | {"stream": stream})
            assert response.status_code == 500
            assert "secret" not in response.text


@pytest.mark.parametrize(
    ("error", "words"),
    [(RuntimeError("secret"), "its log says why"), (DeadlineError("too late"), "too late")],
)
def test_an_error_after_the_first_piece_is_the_last_event(written_models, error, words):
    model = Failing(written_models["chat"], "cpu").fail(error, at_once=False)
    with TestClient(create_app(model)) as client:
        response = client.post(URL, json=BODY | {"stream": True})
    *_, last, rest = response.text.split("\n\n")
    assert rest == ""
    assert words in json.loads(last.removeprefix("data: "))["error"]["message"]
    assert "secret" not in response.text
    assert "DONE" not in response.text
