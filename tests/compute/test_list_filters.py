"""Lists of clusters, computes, instance types and image rules: API and command take what their pages take."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from typer.testing import CliRunner

from compute.models import Cluster, Compute, InstanceType, Node
from compute.views.frame import cluster_or_404
from studio.accounts.models import ApiToken
from studio.assets.models import ImageRule
from studio.tables.models import SavedView
from tests.conftest import People

pytestmark = pytest.mark.django_db
SIZE = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
GPU = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}}
CASES = [
    ("clusters", {"state": "ready"}, ["b", "c"]),
    ("clusters", {"state": ["ready", "degraded"], "sort": "-name"}, ["c", "b", "a"]),
    ("clusters", {"distribution": "k3s", "q": "c"}, ["c"]),
    ("clusters", {"sort": "-cpu"}, ["b", "a", "c", "d"]),
    ("clusters", {"view": "Sound"}, ["b", "c"]),
    ("workspaces/team/computes", {"cluster": "b"}, ["second"]),
    ("workspaces/team/computes", {"state": "unreachable"}, ["gone"]),
    ("workspaces/team/computes", {"q": "ns", "sort": "-cluster"}, ["gone", "second", "first"]),
    ("clusters/b/instance-types", {"show": "fit"}, ["defaultinstancetype", "plain"]),
    ("clusters/b/instance-types", {"show": "gpu"}, ["big"]),
    ("clusters/b/instance-types", {"q": "pla"}, ["plain"]),
    ("image-rules", {"q": "py"}, ["python:*"]),
    ("image-rules", {"sort": "-pattern"}, ["r:*", "python:*"]),
]


@pytest.fixture
def fleet(people: People) -> None:
    """Make three clusters, their computes and types, two rules, and a view of the clusters."""
    room = {"cpu": 8.0, "memory": 2.0**33, "pods": 110, "exact": {"cpu": "8", "memory": "8Gi", "pods": "110"}}
    for name, status, distribution in (("a", "degraded", "RKE2"), ("b", "ready", "k3s"), ("c", "ready", "k3s"), ("d", "unreachable", "")):
        Cluster.objects.create(name=name, server=f"https://{name}.invalid", status=status, distribution=distribution)
    first, second, lost = (Cluster.objects.get(name=name) for name in "abd")
    Node.objects.create(cluster=second, name="n", uid="1", ready=True, schedulable=True, allocatable=room, capacity=room, seen_at=timezone.now())
    for name, cluster in (("first", first), ("second", second), ("gone", lost)):
        Compute.objects.create(workspace=people.workspace, cluster=cluster, name=name, namespace=f"ns-{name}", status="ready")
    for name, size in (("plain", SIZE), ("big", GPU)):
        InstanceType.objects.create(cluster=second, group="mooring.dev", name=name, spec={"resources": size})
    ImageRule.objects.create(pattern="python:*", image="registry/python:1", position=2)
    ImageRule.objects.create(pattern="r:*", image="registry/r:1", position=1)
    SavedView.objects.create(table="clusters", owner=people.operator, name="Sound", query="state=ready")


@pytest.mark.parametrize(("path", "query", "wanted"), CASES)
def test_the_api_narrows_and_sorts_as_the_page(
    people: People, fleet: None, client_for: Callable[..., Client], path: str, query: dict[str, Any], wanted: list[str]
) -> None:
    answer = client_for(people.operator if "workspaces" not in path else people.reader).get(f"/api/v1/{path}", query)
    assert answer.status_code == 200, answer.content
    assert [one.get("name") or one["pattern"] for one in answer.json()["items"]] == wanted
    if path.startswith("clusters"):
        page = client_for(people.operator).get(f"/ops/{path}/", query, follow=True)
        assert [line.title for line in page.context["list"].lines] == wanted


def test_pages_follow_by_key(people: People, fleet: None, client_for: Callable[..., Client]) -> None:
    client, names, after = client_for(people.operator), [], ""
    while after is not None:
        answer = client.get("/api/v1/clusters", {"limit": 3, "after": after, "sort": "-name"}).json()
        names += [one["name"] for one in answer["items"]]
        after = answer["next"]
    assert names == ["d", "c", "b", "a"]


@pytest.mark.parametrize("query", [{"state": "perhaps"}, {"sort": "server_"}, {"view": "of nobody"}, {"after": "x"}])
def test_what_is_not_understood_is_told(people: People, client_for: Callable[..., Client], query: dict[str, str]) -> None:
    assert client_for(people.operator).get("/api/v1/clusters", query).status_code in (404, 422)


def test_what_is_kept_of_the_rules_list_is_the_operators(people: People, fleet: None, client_for: Callable[..., Client]) -> None:
    SavedView.objects.create(table="image-rules", owner=people.operator, name="Python", query="q=python", shared=True)
    assert client_for(people.reader).get("/api/v1/image-rules", {"view": "Python"}).status_code == 404
    assert len(client_for(people.operator).get("/api/v1/image-rules", {"view": "Python"}).json()["items"]) == 1


def test_the_command_takes_the_same(people: People, fleet: None, live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mooring.cli.app import app

    monkeypatch.setenv("MOORING_URL", live_server.url)
    monkeypatch.setenv("MOORING_TOKEN", ApiToken.issue(people.admin, name="laptop")[1])

    def names(*args: str, field: str = "name") -> list[str]:
        shown = CliRunner().invoke(app, [*args, "-o", "json"])
        assert shown.exit_code == 0, shown.output
        return [one[field] for one in json.loads(shown.output)]

    assert names("cluster", "list", "--status", "ready", "--status", "degraded", "--sort", "-name", "-r", "2") == ["c", "b"]
    assert names("compute", "list", "-w", "team", "--cluster", "b", "-q", "second") == ["second"]
    assert names("instance-type", "list", "-c", "b", "--gpu") == ["big"]
    assert names("image-rule", "list", "--sort", "pattern", field="pattern") == ["python:*", "r:*"]
    CliRunner().invoke(app, ["image-rule", "set", "julia:*", "registry/julia:1"], catch_exceptions=False)
    made = ImageRule.objects.get(pattern="julia:*")
    CliRunner().invoke(app, ["image-rule", "delete", str(made.pk), "--yes"], catch_exceptions=False)
    assert not ImageRule.objects.filter(pattern="julia:*").exists()


def test_the_tab_counts_what_the_list_has(people: People, fleet: None, client_for: Callable[..., Client]) -> None:
    spec = {"resources": SIZE}
    InstanceType.objects.create(cluster=Cluster.objects.get(name="c"), group="mooring.dev", name="defaultinstancetype", spec=spec)
    InstanceType.objects.create(cluster=Cluster.objects.get(name="b"), group="amlarc.azureml.com", name="plain", spec=spec)
    for name, count in (("a", 1), ("b", 3), ("c", 1)):
        listed = client_for(people.operator).get(f"/api/v1/clusters/{name}/instance-types").json()["items"]
        assert getattr(cluster_or_404(name), "type_count") == len(listed) == count  # noqa: B009
