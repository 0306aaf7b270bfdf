"""The compose file: valid, and it agrees with the image, Prometheus and Grafana beside it."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest
from deployments import DEPLOY, DRAIN, MEASURED_MB, documents, megabytes
from dockerfiles import last, steps

(COMPOSE,) = documents(DEPLOY / "compose.yml")
SERVICES = COMPOSE["services"]
IMAGE = steps((DEPLOY / "Dockerfile").read_text("utf-8"))
PORT = last(IMAGE, "EXPOSE").value


def validate(value: dict) -> None:
    """Raises jsonschema.ValidationError for what is no compose file."""
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(value, json.loads(schema.read_text("utf-8")))


def mounts(service: dict) -> dict[str, str]:
    """Where the files and folders of a service lie inside it, and where they come from."""
    lines = [line.removesuffix(":ro").rpartition(":") for line in service.get("volumes", [])]
    return {inside: origin for origin, _, inside in lines}


def test_the_file_is_valid():
    validate(COMPOSE)


def test_the_schema_bites():
    with pytest.raises(jsonschema.ValidationError, match="read_onyl"):
        validate({"services": {"ftlearn": {"image": "ftlearn-serve", "read_onyl": True}}})


def test_it_builds_the_image_from_the_root_of_the_repository():
    build = SERVICES["ftlearn"]["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert (context / "pyproject.toml").is_file()
    assert (context / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")


def test_every_foreign_image_has_a_tag():
    tags = [service["image"].partition(":")[2] for service in SERVICES.values()]
    assert [tag for tag in tags if tag == "latest"] == []
    assert len([tag for tag in tags if tag]) == len(SERVICES) - 1


def test_only_this_machine_reaches_the_ports():
    ports = [port for service in SERVICES.values() for port in service["ports"]]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert SERVICES["ftlearn"]["ports"] == [f"127.0.0.1:8000:{PORT}"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined_and_every_mounted_file_exists(name: str):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    for origin in mounts(service).values():
        if origin.startswith("./"):
            assert (DEPLOY / origin).exists(), origin
        else:
            assert origin in COMPOSE["volumes"] or origin.startswith("${MODEL:?"), origin


def test_the_service_writes_nowhere_but_in_memory():
    service = SERVICES["ftlearn"]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    (model,) = service["volumes"]
    assert model.endswith(f":{last(IMAGE, 'CMD').words()[0]}:ro")


def test_the_secret_lies_where_the_command_looks_for_it():
    token = last(IMAGE, "CMD").words()[-1]
    assert [f"/run/secrets/{name}" for name in SERVICES["ftlearn"]["secrets"]] == [token]


def test_accepted_requests_are_answered_before_it_is_killed():
    assert int(SERVICES["ftlearn"]["stop_grace_period"].removesuffix("s")) > DRAIN


def test_threads_and_memory_are_those_of_the_container():
    service = SERVICES["ftlearn"]
    assert int(service["environment"]["OMP_NUM_THREADS"]) == service["cpus"]
    assert megabytes(service["mem_limit"]) > 1.3 * max(MEASURED_MB.values())


def test_prometheus_asks_the_service_with_its_token():
    (settings,) = documents(DEPLOY / "prometheus.yml")
    (job,) = settings["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"ftlearn:{PORT}"]}]
    assert job["authorization"]["credentials_file"] == last(IMAGE, "CMD").words()[-1]
    assert "ftlearn_token" in SERVICES["prometheus"]["secrets"]
    inside = mounts(SERVICES["prometheus"])
    for name in ("prometheus.yml", *settings["rule_files"]):
        assert inside[f"/etc/prometheus/{name}"] == f"./{name}"


def test_grafana_finds_prometheus_and_the_dashboard():
    provisioning = DEPLOY / "grafana" / "provisioning"
    (sources,) = documents(provisioning / "datasources" / "prometheus.yml")
    (source,) = sources["datasources"]
    assert source["url"] == "http://prometheus:9090"
    board = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text("utf-8"))
    used = {panel["datasource"]["uid"] for panel in board["panels"]}
    assert used == {source["uid"]}
    (providers,) = documents(provisioning / "dashboards" / "ftlearn.yml")
    folder = providers["providers"][0]["options"]["path"]
    inside = mounts(SERVICES["grafana"])
    assert inside[f"{folder}/ftlearn.json"] == "./grafana/dashboard.json"
    assert inside["/etc/grafana/provisioning"] == "./grafana/provisioning"
