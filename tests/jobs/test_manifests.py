"""What a job is in the cluster, rendered from a plan."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from compute.network.pods import CA_FILE, PodNetwork
from jobs.manifests import Plan, render_job, render_secret

PLAN = Plan(
    id=7,
    name="calm_otter_1",
    workspace="team",
    compute_id=3,
    namespace="mooring-team",
    image="python:3.11",
    runner_image="registry/runner:1",
    command="echo hello",
    token="the-token",
    studio_url="http://10.0.0.1:8080",
    environment={"B": "2", "A": "1"},
    code_digest="sha256:" + "a" * 64,
    inputs={"flowers": {"kind": "file", "digest": "sha256:" + "b" * 64, "path": "/mooring/inputs/flowers/flowers.csv"}},
    outputs={"model": {"kind": "folder", "path": "/mooring/outputs/model"}},
    requests={"cpu": "1", "memory": "2Gi"},
    limits={"memory": "2Gi"},
    node_selector={"pool": "cpu"},
    tolerations=[{"key": "gpu", "operator": "Exists"}],
    count=2,
    retries=1,
    timeout_seconds=60,
)
LABELS = {
    "app.kubernetes.io/managed-by": "mooring",
    "mooring.dev/kind": "job",
    "mooring.dev/id": "7",
    "mooring.dev/workspace": "team",
    "mooring.dev/compute": "3",
}
_INDEX = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
_RUNNER: dict[str, Any] = {
    "image": "registry/runner:1",
    "imagePullPolicy": "IfNotPresent",
    "env": [
        {"name": "MOORING_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        {"name": "MOORING_PROCESS_INDEX", "valueFrom": _INDEX},
    ],
    "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
    },
    "volumeMounts": [
        {"name": "mooring", "mountPath": "/mooring"},
        {"name": "secret", "mountPath": "/var/run/mooring", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
    ],
}


def pod_spec(plan: Plan) -> dict[str, Any]:
    spec: dict[str, Any] = render_job(plan)["spec"]["template"]["spec"]
    return spec


def containers(plan: Plan) -> list[dict[str, Any]]:
    spec = pod_spec(plan)
    return [*spec["initContainers"], *spec["containers"]]


def test_a_typical_job_is_rendered_whole() -> None:
    assert render_job(PLAN) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "mj-7",
            "namespace": "mooring-team",
            "labels": LABELS,
            "annotations": {"mooring.dev/job": "calm_otter_1"},
        },
        "spec": {
            "completions": 2,
            "parallelism": 2,
            "completionMode": "Indexed",
            "backoffLimit": 1,
            "podReplacementPolicy": "Failed",
            "template": {
                "metadata": {"labels": LABELS, "annotations": {"mooring.dev/job": "calm_otter_1"}},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 600,
                    "nodeSelector": {"pool": "cpu"},
                    "tolerations": [{"key": "gpu", "operator": "Exists"}],
                    "securityContext": {
                        "seccompProfile": {"type": "RuntimeDefault"},
                        "fsGroup": 1000,
                        "runAsNonRoot": True,
                        "runAsUser": 1000,
                        "runAsGroup": 1000,
                    },
                    "initContainers": [
                        {"name": "prepare", "args": ["prepare"], **_RUNNER},
                        {
                            "name": "runner",
                            "args": ["serve"],
                            **_RUNNER,
                            "restartPolicy": "Always",
                            "ports": [{"containerPort": 8484, "name": "runner"}],
                        },
                    ],
                    "containers": [
                        {
                            "name": "job",
                            "image": "python:3.11",
                            "imagePullPolicy": "IfNotPresent",
                            "command": ["/mooring/bin/entrypoint"],
                            "workingDir": "/mooring/work",
                            "env": [
                                {"name": "HOME", "value": "/mooring/home"},
                                {"name": "AZUREML_NODE_INDEX", "valueFrom": _INDEX},
                                {"name": "A", "value": "1"},
                                {"name": "B", "value": "2"},
                            ],
                            "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
                            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                            "terminationMessagePolicy": "File",
                            "volumeMounts": [{"name": "mooring", "mountPath": "/mooring"}],
                        }
                    ],
                    "volumes": [
                        {"name": "mooring", "emptyDir": {"sizeLimit": "20Gi"}},
                        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
                        {"name": "secret", "secret": {"secretName": "mj-7", "defaultMode": 0o440}},
                    ],
                },
            },
        },
    }


def test_the_secret_holds_the_token_and_what_to_bring_where() -> None:
    secret = render_secret(PLAN)
    data = {key: base64.b64decode(value).decode() for key, value in secret.pop("data").items()}
    assert secret == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "mj-7", "namespace": "mooring-team", "labels": LABELS, "annotations": {"mooring.dev/job": "calm_otter_1"},
        },
        "type": "Opaque",
    }
    assert data.keys() == {"token", "spec.json"} and data["token"] == "the-token"
    assert json.loads(data["spec.json"]) == {
        "version": 1,
        "job": "calm_otter_1",
        "process": {"index": 0},
        "studio": {"url": "http://10.0.0.1:8080", "ca": None},
        "transport": "direct",
        "code": {"digest": "sha256:" + "a" * 64},
        "inputs": PLAN.inputs,
        "outputs": PLAN.outputs,
        "command": "echo hello",
        "environment": {"A": "1", "B": "2"},
        "timeout_seconds": 60,
        "grace_seconds": 30,
    }


def test_the_secret_goes_with_its_job() -> None:
    (owner,) = render_secret(PLAN, owner_uid="uid-1")["metadata"]["ownerReferences"]
    assert owner == {"apiVersion": "batch/v1", "kind": "Job", "name": "mj-7", "uid": "uid-1", "controller": True}


def test_the_same_plan_gives_the_same_bytes() -> None:
    other = replace(PLAN, environment={"A": "1", "B": "2"})
    assert json.dumps(render_job(PLAN)) == json.dumps(render_job(other))


def test_the_token_is_nowhere_in_the_job() -> None:
    assert "the-token" not in json.dumps(render_job(PLAN))


def test_only_the_runners_containers_see_the_secret() -> None:
    seeing = {each["name"] for each in containers(PLAN) if any(m["name"] == "secret" for m in each["volumeMounts"])}
    assert seeing == {"prepare", "runner"}


@pytest.mark.parametrize("fixed_user", [True, False])
def test_every_container_stays_within_the_restricted_level(fixed_user: bool) -> None:
    plan = replace(PLAN, fixed_user=fixed_user, shm_size="64Mi")
    pod = pod_spec(plan)["securityContext"]
    assert pod["runAsNonRoot"] is True and pod["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(plan):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}
        assert not security.get("privileged") and security.get("runAsUser") != 0
    assert all(volume.keys() & {"emptyDir", "secret"} for volume in pod_spec(plan)["volumes"])


def test_where_root_is_allowed_only_the_runner_stays_a_plain_user() -> None:
    plan = replace(PLAN, allow_root=True)
    assert pod_spec(plan)["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 1000}
    prepare, runner, job = (each["securityContext"] for each in containers(plan))
    assert prepare == runner == _RUNNER["securityContext"]
    assert job == {"allowPrivilegeEscalation": False}


@pytest.mark.parametrize("allow_root", [True, False])
def test_where_the_cluster_sets_user_ids_none_is_named(allow_root: bool) -> None:
    text = json.dumps(render_job(replace(PLAN, fixed_user=False, allow_root=allow_root)))
    assert not any(field in text for field in ("runAsUser", "runAsGroup", "fsGroup"))


def test_shared_memory_is_a_volume_of_its_size() -> None:
    plan = replace(PLAN, shm_size="64Mi")
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}} in pod_spec(plan)["volumes"]
    assert {"name": "shm", "mountPath": "/dev/shm"} in containers(plan)[-1]["volumeMounts"]


def test_a_home_of_the_persons_own_is_left_alone() -> None:
    plan = replace(PLAN, environment={"HOME": "/mooring/work"})
    homes = [variable["value"] for variable in containers(plan)[-1]["env"] if variable["name"] == "HOME"]
    assert homes == ["/mooring/work"]


def test_what_an_instance_type_leaves_out_is_left_out() -> None:
    plan = replace(PLAN, requests={}, limits={}, node_selector={}, tolerations=[])
    assert "resources" not in containers(plan)[-1]
    assert not {"nodeSelector", "tolerations"} & pod_spec(plan).keys()


NETWORK = PodNetwork(
    environment={"HTTPS_PROXY": "http://u:hidden@proxy:3128", "NO_PROXY": "localhost", "A": "of the cluster", "SSL_CERT_FILE": CA_FILE},
    ca_bundle="-----BEGIN CERTIFICATE-----",
    secret=frozenset({"HTTPS_PROXY"}),
)


def test_the_way_out_is_the_commands_alone() -> None:
    plain, plan = containers(PLAN), replace(PLAN, network=NETWORK)
    prepare, runner, command = containers(plan)
    assert [prepare, runner] == plain[:2]
    added = [entry for entry in command["env"] if entry not in plain[2]["env"]]
    assert added == [
        {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "mj-7", "key": "network.HTTPS_PROXY", "optional": True}}},
        {"name": "NO_PROXY", "value": "localhost"},
        {"name": "SSL_CERT_FILE", "value": "/mooring-ca/ca.pem"},
    ]
    assert command["volumeMounts"][1:] == [{"name": "network-ca", "mountPath": "/mooring-ca", "readOnly": True}]


def test_a_proxys_password_stands_in_the_secret_alone() -> None:
    plan = replace(PLAN, network=NETWORK)
    assert "hidden" not in json.dumps(render_job(plan))
    data = {key: base64.b64decode(value).decode() for key, value in render_secret(plan)["data"].items()}
    assert data["network.HTTPS_PROXY"] == "http://u:hidden@proxy:3128"
    assert data["ca.pem"] == "-----BEGIN CERTIFICATE-----"
    (volume,) = [each for each in pod_spec(plan)["volumes"] if each["name"] == "network-ca"]
    assert volume["secret"]["items"] == [{"key": "ca.pem", "path": "ca.pem"}]
