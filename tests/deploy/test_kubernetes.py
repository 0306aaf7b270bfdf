"""The manifest: valid, and it agrees with the image and with the limits of the service."""

from __future__ import annotations

import copy

import kubernetes_validate
import pytest
from deployments import DEPLOY, DRAIN, MEASURED_MB, arguments, documents, megabytes, probed
from dockerfiles import last, steps

MANIFEST = DEPLOY / "kubernetes.yml"
OBJECTS = documents(MANIFEST)
KINDS = {item["kind"]: item for item in OBJECTS}
DEPLOYMENT = KINDS["Deployment"]["spec"]
POD = DEPLOYMENT["template"]["spec"]
(CONTAINER,) = POD["containers"]
IMAGE = steps((DEPLOY / "Dockerfile").read_text("utf-8"))
VERSIONS = ["1.30", kubernetes_validate.latest_version()]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("item", OBJECTS, ids=lambda item: item["kind"])
def test_every_object_is_valid(item: dict, version: str):
    kubernetes_validate.validate(item, version, strict=True)


def test_the_schemas_bite():
    worse = copy.deepcopy(KINDS["Deployment"])
    worse["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(worse, VERSIONS[-1], strict=True)


def test_all_select_the_pods_of_the_deployment():
    labels = DEPLOYMENT["template"]["metadata"]["labels"]
    assert DEPLOYMENT["selector"]["matchLabels"] == labels
    assert KINDS["Service"]["spec"]["selector"] == labels
    assert KINDS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    target = KINDS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == KINDS["Deployment"]["metadata"]["name"]
    assert KINDS["PodDisruptionBudget"]["spec"]["minAvailable"] < DEPLOYMENT["replicas"]


def test_the_arguments_are_options_of_the_service_and_name_what_is_mounted():
    options = arguments(CONTAINER["args"])
    mounts = {mount["mountPath"]: mount for mount in CONTAINER["volumeMounts"]}
    assert mounts[options["model"]]["readOnly"] is True
    token = options["--token-file"].rpartition("/")[0]
    assert mounts[token]["name"] == "token"
    assert {mount["name"] for mount in mounts.values()} == {v["name"] for v in POD["volumes"]}
    assert options["--host"] == "0.0.0.0"


def test_the_port_is_the_same_for_the_service_the_probes_and_the_process():
    (port,) = CONTAINER["ports"]
    assert str(port["containerPort"]) == arguments(CONTAINER["args"])["--port"]
    assert [p["targetPort"] for p in KINDS["Service"]["spec"]["ports"]] == [port["name"]]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert CONTAINER[probe]["httpGet"]["port"] == port["name"]


def test_a_draining_pod_gets_no_requests_but_is_not_restarted():
    paths = {
        name: probed(CONTAINER[f"{name}Probe"]["httpGet"]["path"])
        for name in ("startup", "readiness", "liveness")
    }
    assert paths == {
        "startup": "/health/ready",
        "readiness": "/health/ready",
        "liveness": "/health/live",
    }


def test_accepted_requests_are_answered_before_the_pod_is_killed():
    pause = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] > pause + DRAIN


def test_memory_is_asked_for_as_measured():
    resources = CONTAINER["resources"]
    asked, most = (megabytes(resources[name]["memory"]) for name in ("requests", "limits"))
    assert asked > MEASURED_MB["MiniLM"]
    assert most > 1.3 * max(MEASURED_MB.values())


def test_threads_follow_the_limit_of_cores():
    (threads,) = CONTAINER["env"]
    assert threads["name"] == "OMP_NUM_THREADS"
    assert threads["valueFrom"]["resourceFieldRef"]["resource"] == "limits.cpu"
    assert CONTAINER["resources"]["limits"]["cpu"].isdecimal()


def test_the_pod_is_confined_and_runs_as_the_user_of_the_image():
    user, group = map(int, last(IMAGE, "USER").value.split(":"))
    pod = POD["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert (pod["runAsUser"], pod["runAsGroup"]) == (user, group)
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is False
    secret = next(volume["secret"] for volume in POD["volumes"] if volume["name"] == "token")
    assert pod["fsGroup"] == group
    assert secret["defaultMode"] == 0o440
