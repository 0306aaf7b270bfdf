"""What the served model does when it is asked: padding, load, another model and back."""

from __future__ import annotations

import gc
import secrets
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from ftlearn import models, runtime
from ftlearn.capstone.failing import Failed
from ftlearn.capstone.submission import Submission, free
from ftlearn.errors import FtlearnError
from ftlearn.evaluation import Report

REQUESTS, AT_ONCE = 48, 16
ROUNDING = 1e-3
"""The difference of logits that is rounding, in their standard deviations."""
LIMITS = ("max_queue", "max_texts", "batch_tokens", "max_wait_ms")
"""Settings of the service that a submission may name."""


def padding(submission: Submission) -> str:
    """A text gets the same logits alone as beside a long one, as the saved tokenizer pads it."""
    with runtime.retain_freed_memory():  # at its end, what was freed goes back to the system
        model, tokenizer, task = models.load_finetuned(submission.model_folder(submission.served))
        gap = _padding_gap(model, submission.texts("test"), task, tokenizer)
        loaded = weakref.ref(model)
        del model
        free(loaded)
    if gap > ROUNDING:
        raise Failed(f"beside a longer text the logits change by {gap:.2g} standard deviations")
    return f"padding changes the logits by {gap:.0e} standard deviations"


def _padding_gap(model: nn.Module, texts: Sequence[str], task: Any, tokenizer: Any) -> float:
    """By how many standard deviations the logits of short texts change beside a long one."""
    texts = sorted(texts, key=len)
    short, longest = texts[:4], texts[-1]
    settings = {"return_tensors": "pt", "truncation": True, "max_length": task.window(tokenizer)}

    def logits(batch: list[str]) -> np.ndarray:
        inputs = tokenizer(batch, padding=True, **settings).to(model.device)
        with torch.inference_mode():
            return model(**inputs).logits.float().cpu().numpy()[: len(short)]

    alone = np.concatenate([logits([text])[:1] for text in short])
    return float(abs(logits([*short, longest]) - alone).max() / alone.std())


def load(submission: Submission) -> str:
    """Requests that come at once are all answered, and as the model answers alone."""
    asked = _session(submission)
    refused = [status for status in asked.statuses if status != 200]
    if refused:
        raise Failed(f"{len(refused)} of {REQUESTS} requests failed with status {refused[0]}")
    _same_answers(asked.labels, submission.report(submission.served, "test"))
    if asked.malformed != 422:
        raise Failed(f"a number in place of a text got status {asked.malformed}, not 422")
    return f"{REQUESTS} requests, {AT_ONCE} at once: all answered as offline"


def rollback(submission: Submission) -> str:
    """The service changes to the model before this one and back, and answers as each of them."""
    previous = _previous(submission)
    if previous is None:
        name = submission.setting("service", dict).get("previous")
        raise Failed(f"the previous model is {name!r}: name another run than the served one")
    first, second, last = _session(submission).models
    _same_answers(second.labels, submission.report(previous, "test"))
    if (first.name, first.labels) != (last.name, last.labels) or second.name == first.name:
        raise Failed(f"{first.name} gave way to {second.name}, and then {last.name} answered")
    return f"{first.name} gave way to {second.name} and came back"


class _Answered(NamedTuple):
    """Which model answered some texts, and how."""

    name: str
    labels: list[str]


class _Session(NamedTuple):
    """What one run of the service did: under load, for a malformed request, and with two models."""

    statuses: list[int]
    labels: list[str]
    malformed: int
    models: list[_Answered]


def _session(submission: Submission) -> _Session:
    """Run the service once, and remember what it did."""
    if "service" not in submission.measured:
        with runtime.retain_freed_memory():
            submission.measured["service"] = _run(submission)
            gc.collect()  # an application and its model hold each other
    return submission.measured["service"]


def _run(submission: Submission) -> _Session:
    texts = submission.texts("test")
    texts = [texts[row % len(texts)] for row in range(REQUESTS)]
    previous = _previous(submission)
    with _client(submission) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        replies = list(pool.map(lambda text: _ask(client, [text]), texts))
        malformed = client.post("/predict", json={"texts": [3]}).status_code
        answered = []
        if previous is not None:
            few = texts[: submission.setting("service", dict).get("max_texts", AT_ONCE)]
            answered.append(_answered(client, few))
            client.post("/admin/reload", json={"folder": str(submission.runs[previous])})
            answered.append(_answered(client, few))
            client.post("/admin/rollback")
            answered.append(_answered(client, few))
    statuses = [reply.status_code for reply in replies]
    labels = [_labels(reply)[0] for reply in replies if reply.status_code == 200]
    return _Session(statuses, labels, malformed, answered)


def _previous(submission: Submission) -> str | None:
    """The run that may take over: another one than the served one; None where none is named."""
    name = submission.setting("service", dict).get("previous")
    return name if name in submission.runs and name != submission.served else None


def _client(submission: Submission) -> Any:
    """A client of the served model's service, in this process and without a network."""
    try:
        from starlette.testclient import TestClient

        from ftlearn import serving
    except ImportError as error:
        raise FtlearnError(f"the service needs the extra serving: {error}") from error
    settings = submission.setting("service", dict)
    limits = {name: settings[name] for name in LIMITS if name in settings}
    token = secrets.token_hex(16)
    predictor = serving.Predictor(submission.runs[submission.served])
    app = serving.create_app(predictor, serving.ServeSettings(token=token, **limits))
    return TestClient(app, headers={"Authorization": f"Bearer {token}"})


def _ask(client: Any, texts: list[str]) -> Any:
    return client.post("/predict", json={"texts": texts})


def _answered(client: Any, texts: list[str]) -> _Answered:
    reply = _ask(client, texts)
    return _Answered(reply.json()["model"], _labels(reply))


def _labels(reply: Any) -> list[str]:
    return [answer["label"] for answer in reply.json()["predictions"]]


def _same_answers(labels: list[str], report: Report) -> None:
    """Raise Failed where a confident prediction is another one than offline."""
    ids = report.task.class_ids(report.outputs)
    margins = np.ptp(np.sort(report.outputs, axis=1)[:, -2:], axis=1)
    for number, label in enumerate(labels):
        row = number % len(ids)
        offline = report.task.labels[ids[row]]
        # The service may compute in bf16, where a tie may fall to either side.
        if label != offline and margins[row] > 0.1:
            raise Failed(f"the service says {label!r} of test row {row}, offline it is {offline!r}")
