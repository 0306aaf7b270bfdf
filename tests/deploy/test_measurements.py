"""Dashboard and alerts ask for measurements that a real service has."""

from __future__ import annotations

import json
import re

import pytest
import tiny_models
from deployments import DEPLOY, documents
from starlette.testclient import TestClient

from ftlearn import models
from ftlearn.serving import Predictor, create_app

BOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text("utf-8"))
(ALERTS,) = documents(DEPLOY / "alerts.yml")
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
BY_PROMETHEUS = {"up", "instance", "job"}
"""The metric and the labels that Prometheus adds to what it scrapes."""
GRAMMAR = {"sum", "max", "rate", "by", "histogram_quantile", "max_over_time", "or"}
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? \S+$", re.MULTILINE)


def expressions() -> dict[str, str]:
    """All queries, under the name of their panel or alert."""
    found = {rule["alert"]: rule["expr"] for rule in RULES}
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            found[f"{panel['title']}, {target['refId']}"] = target["expr"]
    return found


def names(expression: str) -> set[str]:
    """The metrics and labels in a query, without its functions, texts and ranges.

    >>> sorted(names('sum by (le) (rate(a_total{job="x"}[5m]))'))
    ['a_total', 'job', 'le']
    """
    bare = re.sub(r'"[^"]*"|\[[^]]*\]', "", expression)
    return set(re.findall(r"[a-z_]\w*", bare)) - GRAMMAR


@pytest.fixture(scope="module")
def exposition(tiny_bert, tmp_path_factory) -> str:
    """What a service shows to Prometheus after a request of three texts."""
    model, tokenizer = models.load(tiny_bert, tiny_models.CLASSES, seed=0, device="cpu")
    folder = tmp_path_factory.mktemp("saved") / "model"
    models.save(model, tokenizer, tiny_models.CLASSES, folder)
    with TestClient(create_app(Predictor(folder, "cpu"))) as client:
        assert client.post("/predict", json={"texts": ["ball", "run", "win"]}).status_code == 200
        return client.get("/metrics").text


@pytest.fixture(scope="module")
def measured(exposition: str) -> set[str]:
    """The names of its metrics and labels."""
    samples = SAMPLE.findall(exposition)
    labels = {label for _, pairs in samples for label in re.findall(r'(\w+)="', pairs)}
    return {name for name, _ in samples} | labels


def test_a_batch_is_counted_with_its_texts(exposition: str):
    assert "\nftlearn_batch_texts_count 1.0\n" in exposition
    assert "\nftlearn_batch_texts_sum 3.0\n" in exposition


@pytest.mark.parametrize(("name", "expression"), expressions().items(), ids=list(expressions()))
def test_a_query_asks_for_what_there_is(name: str, expression: str, measured: set[str]):
    assert names(expression) - measured - BY_PROMETHEUS == set()


def test_the_check_bites(measured: set[str]):
    wrong = "sum by (state) (rate(ftlearn_request_total[5m])) > up"
    assert names(wrong) - measured - BY_PROMETHEUS == {"state", "ftlearn_request_total"}


def test_the_dashboard_shows_what_one_looks_for():
    asked = "\n".join(expressions().values())
    for quantile in ("0.5", "0.95", "0.99"):
        for name in ("queue", "compute", "request"):
            assert re.search(rf"histogram_quantile\({quantile},.*ftlearn_{name}_seconds", asked)
    for name in ("requests_total", "queued_texts", "batch_texts", "memory_bytes"):
        assert f"ftlearn_{name}" in asked


def test_panels_have_names_of_their_own_and_do_not_overlap():
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    cells = [(p["x"] + x, p["y"] + y) for p in places for x in range(p["w"]) for y in range(p["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_every_alert_says_how_bad_it_is_and_what_it_means():
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "description"}
