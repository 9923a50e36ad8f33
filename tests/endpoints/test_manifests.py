"""What a deployment is in the cluster, rendered from a plan."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

from compute.network.pods import PodNetwork
from endpoints.manifests import ORDERS, Plan, render_deployment, render_secret, render_service

SPEC: dict[str, Any] = {
    "image": "registry/sklearn:1",
    "model": {"name": "flowers", "version": "3", "digest": "sha256:" + "b" * 64, "base_name": "model", "is_file": False},
    "code_digest": "sha256:" + "a" * 64,
    "scoring_script": "score.py",
    "environment_variables": {"LEVEL": "2"},
    "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
    "request_settings": {"request_timeout_ms": 3000, "max_concurrent_requests_per_instance": 2, "max_queue_wait_ms": 250},
    "probes": {},
    "routes": None,
    "model_mount_path": "",
}
PLAN = Plan(
    id=7, name="blue", endpoint="flowers", endpoint_id=4, workspace="team", compute_id=3, namespace="mooring-team", revision=2, spec=SPEC,
    runner_image="registry/runner:1", token="the-token", studio_url="http://10.0.0.1:8080", count=2, deadline=600,
    node_selector={"pool": "cpu"}, tolerations=[{"key": "gpu", "operator": "Exists"}],
)  # fmt: skip
MARKS = {
    "app.kubernetes.io/managed-by": "mooring", "mooring.dev/kind": "deployment", "mooring.dev/id": "7",
    "mooring.dev/workspace": "team", "mooring.dev/compute": "3", "mooring.dev/endpoint": "flowers",
}  # fmt: skip
SELECTED = {"app.kubernetes.io/managed-by": "mooring", "mooring.dev/kind": "deployment", "mooring.dev/id": "7"}


def pod_of(plan: Plan) -> dict[str, Any]:
    spec: dict[str, Any] = render_deployment(plan)["spec"]["template"]["spec"]
    return spec


def server_of(plan: Plan) -> dict[str, Any]:
    server: dict[str, Any] = pod_of(plan)["containers"][0]
    return server


def variables(plan: Plan) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in server_of(plan)["env"]}


def test_new_pods_are_ready_before_old_ones_go() -> None:
    rendered = render_deployment(PLAN)
    assert rendered["metadata"]["name"] == "md-7"
    assert rendered["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert (rendered["spec"]["replicas"], rendered["spec"]["progressDeadlineSeconds"]) == (2, 600)
    assert rendered["spec"]["selector"] == {"matchLabels": SELECTED}
    assert rendered["spec"]["template"]["metadata"]["labels"] == MARKS | {"mooring.dev/revision": "2"}


def test_the_service_stands_before_all_pods_whatever_their_revision() -> None:
    assert render_service(PLAN)["spec"] == {
        "selector": SELECTED, "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "scoring"}],
    }  # fmt: skip


def test_only_prepare_sees_the_token_and_each_revision_keeps_its_own_orders() -> None:
    data = {name: base64.b64decode(value).decode() for name, value in render_secret(PLAN)["data"].items()}
    assert data == {"token": "the-token"}
    assert "the-token" not in json.dumps(render_deployment(PLAN))
    orders = json.loads(render_deployment(PLAN)["spec"]["template"]["metadata"]["annotations"][ORDERS])
    assert orders["base"] == "/runner/v1/deployments/7"
    assert orders["code"] == {"digest": SPEC["code_digest"]}
    assert orders["inputs"] == {"model": {"kind": "folder", "digest": SPEC["model"]["digest"], "path": "/mooring/models/flowers/3/model"}}
    mounts = {container["name"]: {mount["name"] for mount in container["volumeMounts"]} for container in
              [*pod_of(PLAN)["initContainers"], *pod_of(PLAN)["containers"]]}  # fmt: skip
    assert mounts == {"prepare": {"mooring", "secret", "tmp"}, "inference-server": {"mooring"}}


def test_the_server_is_run_by_the_images_own_python_with_the_originals_variables() -> None:
    server = server_of(PLAN)
    assert server["command"] == ["/bin/sh", "/mooring/bin/scoring.pyz"]
    assert server["volumeMounts"][1] == {
        "name": "mooring", "mountPath": "/var/azureml-app/azureml-models", "subPath": "models", "readOnly": True,
    }  # fmt: skip
    found = variables(PLAN)
    assert found["AZUREML_MODEL_DIR"] == "/var/azureml-app/azureml-models/flowers/3"
    assert (found["AML_APP_ROOT"], found["AZUREML_ENTRY_SCRIPT"]) == ("/mooring/work", "score.py")
    assert (found["MOORING_SCORING_MAX_CONCURRENT"], found["MOORING_SCORING_REQUEST_TIMEOUT_MS"]) == ("2", "3000")
    assert found["LEVEL"] == "2"
    assert pod_of(PLAN)["terminationGracePeriodSeconds"] > int(found["MOORING_SCORING_GRACE_SECONDS"])


def test_a_persons_own_variable_wins() -> None:
    plan = replace(PLAN, spec=SPEC | {"environment_variables": {"HOME": "/tmp/home", "AZUREML_MODEL_DIR": "/elsewhere"}})
    assert variables(plan)["HOME"] == "/tmp/home" and variables(plan)["AZUREML_MODEL_DIR"] == "/elsewhere"


def test_nobody_waits_longer_for_the_first_readiness_than_the_server_takes() -> None:
    server = server_of(PLAN)
    assert server["startupProbe"] == {
        "httpGet": {"path": "/ready", "port": 5001}, "initialDelaySeconds": 0, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 600,
    }  # fmt: skip
    assert server["readinessProbe"]["initialDelaySeconds"] == 0
    assert server["livenessProbe"] == {
        "httpGet": {"path": "/", "port": 5001}, "initialDelaySeconds": 10, "periodSeconds": 10, "timeoutSeconds": 2,
        "successThreshold": 1, "failureThreshold": 30,
    }  # fmt: skip


def test_probes_that_were_written_down_are_kept() -> None:
    plan = replace(PLAN, spec=SPEC | {"probes": {"readiness": {"initial_delay": 20, "period": 5, "success_threshold": 2}}})
    probe = server_of(plan)["readinessProbe"]
    assert (probe["initialDelaySeconds"], probe["periodSeconds"], probe["successThreshold"], probe["failureThreshold"]) == (20, 5, 2, 30)


def test_a_clusters_authorities_are_a_file_of_the_pods_secret_and_named_to_every_program() -> None:
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    network = PodNetwork(environment=dict.fromkeys(names, "/mooring-ca/ca.pem"), ca_bundle="-----BEGIN CERTIFICATE-----")
    plan = replace(PLAN, network=network)
    assert base64.b64decode(render_secret(plan)["data"]["ca.pem"]).decode() == network.ca_bundle
    pod = pod_of(plan)
    volume = next(one["secret"] for one in pod["volumes"] if one["name"] == "network-ca")
    # The token of the same Secret is not among it.
    assert (volume["secretName"], volume["items"]) == ("md-7", [{"key": "ca.pem", "path": "ca.pem"}])
    for container in (*pod["initContainers"], *pod["containers"]):
        assert {"name": "network-ca", "mountPath": "/mooring-ca", "readOnly": True} in container["volumeMounts"]
        found = {one["name"]: one.get("value") for one in container["env"]}
        assert all(found[name] == "/mooring-ca/ca.pem" for name in names)
    assert not any(one["name"] == "network-ca" for one in pod_of(PLAN)["volumes"])
    mine = replace(plan, spec=SPEC | {"environment_variables": {"SSL_CERT_FILE": "/own.pem"}})
    assert variables(mine)["SSL_CERT_FILE"] == "/own.pem"


def test_pods_carry_a_mark_of_the_settings_they_were_made_with() -> None:
    marks = render_deployment(replace(PLAN, settings="abc", rollouts=2))["spec"]["template"]["metadata"]["annotations"]
    assert (marks["mooring.dev/settings"], marks["mooring.dev/rollout"]) == ("abc", "2")
    assert set(render_deployment(PLAN)["spec"]["template"]["metadata"]["annotations"]) == {ORDERS}


def test_an_own_container_is_run_as_it_is() -> None:
    routes = {"scoring": {"path": "/predict", "port": 8080}, "readiness": None, "liveness": {"path": "/live", "port": 8081}}
    plan = replace(PLAN, spec=SPEC | {"routes": routes, "code_digest": "", "model_mount_path": "/srv/models"})
    server = server_of(plan)
    assert "command" not in server and "workingDir" not in server
    assert server["ports"] == [{"containerPort": 8080, "name": "scoring", "protocol": "TCP"}]
    assert server["readinessProbe"]["httpGet"] == {"path": "/live", "port": 8081}
    assert server["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert variables(plan)["AZUREML_MODEL_DIR"] == "/srv/models/flowers/3"
    assert not [name for name in variables(plan) if name.startswith("MOORING_SCORING")]


def test_everything_stays_within_the_restricted_level() -> None:
    pod = pod_of(PLAN)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == {
        "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 1000, "runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000,
    }  # fmt: skip
    for container in [*pod["initContainers"], *pod["containers"]]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_single_file_lies_right_below_the_models_folder() -> None:
    plan = replace(PLAN, spec=SPEC | {"model": SPEC["model"] | {"base_name": "", "is_file": True}})
    orders = json.loads(render_deployment(plan)["spec"]["template"]["metadata"]["annotations"][ORDERS])
    assert orders["inputs"]["model"]["path"] == "/mooring/models/flowers/3"


def test_the_clusters_proxy_reaches_both_containers_and_its_password_only_the_secret() -> None:
    network = PodNetwork(environment={"HTTPS_PROXY": "http://u:p@proxy:1"}, secret=frozenset({"HTTPS_PROXY"}))
    plan = replace(PLAN, network=network)
    assert base64.b64decode(render_secret(plan)["data"]["network.HTTPS_PROXY"]) == b"http://u:p@proxy:1"
    assert "u:p" not in json.dumps(render_deployment(plan))
    for container in [*pod_of(plan)["initContainers"], server_of(plan)]:
        assert any(one["name"] == "HTTPS_PROXY" for one in container["env"])
