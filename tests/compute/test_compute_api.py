"""The API of clusters and computes: the same services, the same problems, and no secrets."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from django.test import Client

from compute.models import Cluster, Compute
from studio.accounts.models import User, Workspace
from tests.fakekube import FakeKube

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(operator: User, client_for: Callable[..., Client]) -> Client:
    return client_for(operator)


def test_a_cluster_is_attached_and_shown(api: Client, fakekube: FakeKube) -> None:
    given = {"name": "local", "kubeconfig": fakekube.kubeconfig()}
    answer = api.post("/api/v1/clusters", given, content_type="application/json")
    assert answer.status_code == 201, answer.content
    assert answer.json()["kubernetes_version"] == "v1.36.3"
    assert not any(token in answer.content.decode() for token in fakekube.tokens)
    assert [each["name"] for each in api.get("/api/v1/clusters").json()["items"]] == ["local"]


def test_a_refusal_is_a_problem_with_its_field(api: Client) -> None:
    answer = api.post("/api/v1/clusters", {"name": "local", "kubeconfig": "a: b"}, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json()["field"] == "kubeconfig" and answer.json()["todo"]


@pytest.mark.parametrize("path", ["clusters", "clusters/local", "clusters/local/instance-types", "clusters/local/manifest"])
def test_clusters_do_not_exist_for_readers(reader: User, cluster: Cluster, client_for: Callable[..., Client], path: str) -> None:
    assert client_for(reader).get(f"/api/v1/{path}").status_code == 404


def test_the_manifest_comes_as_yaml_for_the_namespaces_asked_for(api: Client, cluster: Cluster) -> None:
    answer = api.get("/api/v1/clusters/local/manifest?namespace=a&namespace=b")
    kinds = [(each["kind"], each["metadata"]["name"]) for each in yaml.safe_load_all(answer.content)]
    assert ("Namespace", "a") in kinds and ("Namespace", "b") in kinds
    assert ("ServiceAccount", "mooring") in kinds


def test_an_instance_type_is_made_changed_and_deleted(api: Client, cluster: Cluster) -> None:
    amounts = {"cpu": "1", "memory": "1Gi"}
    spec: dict[str, Any] = {"resources": {"requests": amounts, "limits": amounts}}
    path = "/api/v1/clusters/local/instance-types"
    json = {"content_type": "application/json"}
    assert api.post(path, {"name": "small", "spec": spec, "default": True}, **json).json()["default"]
    spec["nodeSelector"] = {"pool": "a"}
    assert api.put(f"{path}/small", {"spec": spec}, **json).json()["spec"]["nodeSelector"] == {"pool": "a"}
    assert api.delete(f"{path}/small").status_code == 204
    assert [each["name"] for each in api.get(path).json()["items"]] == ["defaultinstancetype"]


def test_a_compute_is_attached_shown_changed_and_detached(
    api: Client, cluster: Cluster, workspace: Workspace, reader: User, client_for: Callable[..., Client]
) -> None:
    json = {"content_type": "application/json"}
    path = "/api/v1/workspaces/demo/computes"
    made = api.post(path, {"name": "local", "cluster": "local", "namespace": "team", "create_namespace": True}, **json)
    assert made.status_code == 201 and made.json()["namespace"] == "team"
    shown = client_for(reader).get(f"{path}/local").json()
    assert shown["instance_types"][0]["fits_now"] > 0
    changed = api.patch(f"{path}/local", {"description": "For everybody"}, **json)
    assert changed.json()["description"] == "For everybody"
    assert api.delete(f"{path}/local?running=leave").status_code == 202
    assert Compute.objects.get().status == "detaching"


def test_readers_do_not_attach_computes(reader: User, cluster: Cluster, client_for: Callable[..., Client]) -> None:
    given = {"name": "x", "cluster": "local"}
    answer = client_for(reader).post("/api/v1/workspaces/demo/computes", given, content_type="application/json")
    assert answer.status_code == 404
