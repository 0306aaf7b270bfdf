"""A real Prometheus scrapes a real service: every query has an answer, every alert fires."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import tiny_models
import yaml
from deployments import DEPLOY, documents
from hubs import free_ports
from waiting import waited

from ftlearn import models

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        shutil.which("prometheus") is None or shutil.which("promtool") is None,
        reason="Prometheus is not installed (Debian's package prometheus)",
    ),
]
SERVED = 'ftlearn_requests_total{{instance="a",status="{status}"}}'
RISING = "0+{per_scrape}x{scrapes}"
CASES = {
    "FtlearnDown": {'up{job="ftlearn",instance="a"}': "0x60"},
    "FtlearnErrors": {
        SERVED.format(status="200"): RISING.format(per_scrape=98, scrapes=60),
        SERVED.format(status="504"): RISING.format(per_scrape=2, scrapes=60),
    },
    "FtlearnOverloaded": {SERVED.format(status="429"): RISING.format(per_scrape=1, scrapes=60)},
}
QUIET = {
    'up{job="ftlearn",instance="a"}': "1x60",
    SERVED.format(status="200"): RISING.format(per_scrape=1000, scrapes=60),
    SERVED.format(status="503"): RISING.format(per_scrape=900, scrapes=60),
    SERVED.format(status="500"): RISING.format(per_scrape=1, scrapes=60),
    'ftlearn_queued_texts{instance="a"}': "100x60",
}
QUEUED = {'ftlearn_queued_texts{instance="a"}': "600x60"}


def configured(folder: Path, target: str) -> Path:
    """Our configuration for a service on this machine, with a scrape per second."""
    (settings,) = documents(DEPLOY / "prometheus.yml")
    (folder / "token").write_text(secrets.token_hex(16))
    (job,) = settings["scrape_configs"]
    job["static_configs"] = [{"targets": [target]}]
    job["authorization"]["credentials_file"] = str(folder / "token")
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    shutil.copy(DEPLOY / "alerts.yml", folder)
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


@contextmanager
def process(command: list[object], log: Path) -> Iterator[subprocess.Popen]:
    """A running command, which is ended whatever happens."""
    with log.open("w") as errors:
        started = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            yield started
        finally:
            started.kill()
            started.wait()
            started.stdout.close()


def firing(tmp_path: Path, series: dict[str, str]) -> str:
    """What promtool says when ten minutes of some series should fire no alert."""
    shutil.copy(DEPLOY / "alerts.yml", tmp_path)
    given = [{"series": name, "values": values} for name, values in series.items()]
    fired = {"expr": 'ALERTS{alertstate="firing"}', "eval_time": "14m", "exp_samples": []}
    test = {"interval": "15s", "input_series": given, "promql_expr_test": [fired]}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "tests": [test]}))
    command = ["promtool", "test", "rules", file.name]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    return answer.stdout + answer.stderr


def test_prometheus_accepts_configuration_and_rules(tmp_path):
    path = configured(tmp_path, "127.0.0.1:8000")
    answer = subprocess.run(["promtool", "check", "config", path], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "SUCCESS: 3 rules found" in answer.stdout


@pytest.mark.parametrize(
    ("alert", "series"),
    [*CASES.items(), ("FtlearnOverloaded", QUEUED)],
    ids=lambda value: str(value)[:24],
)
def test_an_alert_fires_alone(alert: str, series: dict[str, str], tmp_path):
    assert set(re.findall(r'alertname="(\w+)"', firing(tmp_path, series))) == {alert}


def test_no_alert_fires_while_all_is_well_or_a_service_stops(tmp_path):
    assert "SUCCESS" in firing(tmp_path, QUIET)


def test_every_query_of_the_dashboard_has_an_answer(tiny_bert, tmp_path):
    model, tokenizer = models.load(tiny_bert, tiny_models.CLASSES, seed=0, device="cpu")
    models.save(model, tokenizer, tiny_models.CLASSES, tmp_path / "model")
    port, web = free_ports(2)
    config = configured(tmp_path, f"127.0.0.1:{port}")
    serve = [sys.executable, "-m", "ftlearn", "serve", tmp_path / "model", "--port", port]
    serve += ["--token-file", tmp_path / "token"]
    scrape = ["prometheus", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{web}"]
    scrape += [f"--storage.tsdb.path={tmp_path / 'data'}"]
    token = {"Authorization": f"Bearer {(tmp_path / 'token').read_text()}"}
    board = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text("utf-8"))
    targets = [target for panel in board["panels"] for target in panel["targets"]]
    with process(serve, tmp_path / "service.log") as service:
        assert "http://" in service.stdout.readline(), (tmp_path / "service.log").read_text()
        with process(scrape, tmp_path / "prometheus.log"), httpx.Client(headers=token) as client:

            def answered(expression: str) -> bool:
                """Whether Prometheus has a number for a query; asks the service once more."""
                body = {"texts": ["ball run"]}
                assert client.post(f"http://127.0.0.1:{port}/predict", json=body).is_success
                return bool(numbers(f"http://127.0.0.1:{web}", expression))

            waited(lambda: answers(f"http://127.0.0.1:{web}/-/ready"))
            for target in targets:
                expression = target["expr"].replace("$__rate_interval", "1m")
                waited(partial(answered, expression.replace("$instance", ".*")))


def answers(url: str) -> bool:
    """Whether an address can be asked."""
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False


def numbers(prometheus: str, expression: str) -> list[str]:
    """The values of a query that are numbers."""
    answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": expression}).json()
    assert answer["status"] == "success", answer
    values = [result["value"][1] for result in answer["data"]["result"]]
    return [value for value in values if value != "NaN"]
