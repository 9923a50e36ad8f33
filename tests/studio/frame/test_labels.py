"""What is invented or not safe says so wherever it shows."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.test import Client

from compute.models import Cluster

LABEL = ">simulated</span>"
# Of the compute gpu on the cluster gpu-a: pages with the label, and pages with choices, where no label can stand.
LABELLED = (
    "/w/team/", "/w/team/jobs/", "/w/team/jobs/calm_otter_0/", "/w/team/jobs/calm_otter_0/log/", "/w/team/endpoints/",
    "/w/team/endpoints/flowers/", "/w/team/endpoints/flowers/deployments/-/new/", "/w/team/computes/",
    "/ops/", "/ops/clusters/", "/ops/clusters/gpu-a/", "/ops/clusters/gpu-a/nodes/",
)  # fmt: skip
CHOSEN = ("/w/team/jobs/-/new/", "/w/team/endpoints/-/new/")
ANSWERS = ("clusters", "clusters/gpu-a", "workspaces/team/computes", "workspaces/team/jobs", "workspaces/team/jobs/calm_otter_0",
           "workspaces/team/online-endpoints")  # fmt: skip


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return answer.content.decode()


@pytest.mark.parametrize("simulated", [True, False])
def test_a_simulated_cluster_is_labelled_wherever_it_or_what_is_on_it_shows(
    studio_full: SimpleNamespace, client_for: Callable[..., Client], simulated: bool
) -> None:
    cluster = Cluster.objects.get(name="gpu-a")
    Cluster.objects.filter(pk=cluster.pk).update(simulated=simulated)
    cluster.nodes.update(simulated=simulated)
    science, operator = client_for(studio_full.contributor), client_for(studio_full.operator)
    pages = {path: text_of(operator if path.startswith("/ops") else science, path) for path in LABELLED}
    assert [path for path, text in pages.items() if (LABEL in text) is not simulated] == []
    assert [path for path in CHOSEN if ("gpu · simulated" in text_of(science, path)) is not simulated] == []
    told = [text_of(operator if path.startswith("clusters") else science, f"/api/v1/{path}") for path in ANSWERS]
    assert [path for path, text in zip(ANSWERS, told, strict=True) if ('"simulated": true' in text) is not simulated] == []


def test_a_cluster_whose_tls_is_not_checked_says_so_for_ever_after(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    operator = client_for(studio_full.operator)
    pages = ("/ops/", "/ops/clusters/", "/ops/clusters/gpu-a/", "/ops/clusters/gpu-a/nodes/")
    assert [path for path in pages if ">insecure</span>" in text_of(operator, path).lower()] == []
    Cluster.objects.filter(name="gpu-a").update(allow_insecure=True)
    assert [path for path in pages if ">insecure</span>" not in text_of(operator, path).lower()] == []
    listed = operator.get("/api/v1/clusters").json()["items"]
    assert {each["name"]: each["insecure"] for each in listed} == {"gpu-a": True, "on-premises": False}
