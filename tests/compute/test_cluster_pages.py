"""The operators' pages: who sees them, what they show, and that nothing typed is lost."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from compute import services
from compute.models import Cluster, Compute
from studio.accounts.models import User, Workspace
from tests.fakekube import FakeKube

pytestmark = pytest.mark.django_db

TABS = ("cluster", "cluster-nodes", "type-list", "compute-list", "cluster-connection", "cluster-audit")
FORMS = ("type-new", "compute-attach", "cluster-edit", "cluster-credentials", "cluster-detach")


@pytest.fixture
def page(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.mark.parametrize("name", [*TABS, *FORMS])
def test_each_page_of_a_cluster_opens(page: Client, cluster: Cluster, name: str) -> None:
    answer = page.get(reverse(f"compute:{name}", args=["local"]))
    assert answer.status_code == 200
    assert "local" in answer.content.decode()


@pytest.mark.parametrize("name", TABS)
def test_a_page_answers_its_live_part_alone(page: Client, cluster: Cluster, name: str) -> None:
    answer = page.get(reverse(f"compute:{name}", args=["local"]), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "<html" not in answer.content.decode()


@pytest.mark.parametrize("name", [*TABS, *FORMS])
def test_the_operators_side_does_not_exist_for_others(reader: User, cluster: Cluster, name: str) -> None:
    client = Client()
    client.force_login(reader)
    assert client.get(reverse(f"compute:{name}", args=["local"])).status_code == 404


def test_the_line_below_the_name_brings_the_state_along(page: Client, cluster: Cluster) -> None:
    answer = page.get(reverse("compute:cluster-line", args=["local"]), headers={"HX-Request": "true"}).content.decode()
    assert "seen" in answer and 'hx-swap-oob="true"' in answer and "Degraded" in answer


def test_the_list_says_what_to_do_first(page: Client) -> None:
    answer = page.get(reverse("compute:cluster-list")).content.decode()
    assert "No cluster yet" in answer and "mooring cluster attach" in answer


def test_the_list_shows_what_is_free(page: Client, cluster: Cluster) -> None:
    answer = page.get(reverse("compute:cluster-list")).content.decode()
    assert "v1.36.3" in answer and "2 of 2" in answer


def attach(page: Client, **given: Any) -> Any:
    return page.post(reverse("compute:cluster-attach"), {"name": "local", "source": "kubeconfig", **given})


def test_a_pasted_kubeconfig_attaches(page: Client, fakekube: FakeKube) -> None:
    answer = attach(page, kubeconfig=fakekube.kubeconfig())
    assert answer.status_code == 302 and answer.url == "/ops/clusters/local/"


def test_the_cluster_that_the_studio_runs_in_is_offered_only_where_there_is_one(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    address, offered = reverse("compute:cluster-attach"), "that this studio runs in"
    assert offered not in page.get(address).content.decode()
    refused = page.post(address, {"name": "here", "source": "in_cluster"})
    assert refused.status_code == 422 and "not-in-a-cluster" in refused.content.decode() and not Cluster.objects.exists()
    monkeypatch.setattr("compute.services.runs_in_a_cluster", lambda: True)
    assert offered in page.get(address).content.decode()


def test_the_review_asks_the_cluster_and_keeps_nothing(page: Client, fakekube: FakeKube) -> None:
    address = reverse("compute:cluster-attach") + "?part=review"
    text = page.post(address, {"name": "local", "source": "kubeconfig", "kubeconfig": fakekube.kubeconfig()}).content.decode()
    assert "v1." in text and "Nothing has been kept yet" in text and "<html" not in text
    assert fakekube.kubeconfig().split("token: ")[1].split()[0] not in text
    assert not Cluster.objects.exists()
    refused = page.post(address, {"name": "Not a name", "source": "kubeconfig", "kubeconfig": "no"}).content.decode()
    assert 'role="alert"' in refused and 'href="#id_' in refused


def test_an_uploaded_kubeconfig_attaches(page: Client, fakekube: FakeKube) -> None:
    file = SimpleUploadedFile("config", fakekube.kubeconfig().encode())
    assert attach(page, file=file).status_code == 302


def test_a_context_is_chosen_from_a_list(page: Client, fakekube: FakeKube) -> None:
    text = fakekube.kubeconfig() + "- name: second\n  context: {cluster: mooring, user: mooring}\n"
    text = text.replace("current-context: fake\n", "")
    head, tail = text.split("- name: second")
    two = head.rstrip() + "\n- name: second" + tail + "current-context: fake\n"
    asked = attach(page, kubeconfig=two)
    assert asked.status_code == 200 and "several contexts" in asked.content.decode()
    assert not Cluster.objects.exists()
    assert attach(page, kubeconfig=two, context="second").status_code == 302
    assert Cluster.objects.get().context == "second"


def test_without_a_kubeconfig_the_form_asks_for_one(page: Client) -> None:
    answer = attach(page, kubeconfig="")
    assert answer.status_code == 422
    assert "Paste a kubeconfig, or choose its file." in answer.content.decode()


def test_a_refusal_stands_at_the_field_and_nothing_typed_is_lost(page: Client) -> None:
    answer = attach(page, name="gpu-a", kubeconfig="apiVersion: v1\nkind: Pod\n")
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "kind: Pod" in text and 'value="gpu-a"' in text
    assert "field_kubeconfig" in text and 'aria-invalid="true"' in text


def test_an_exec_plugin_is_refused_with_the_manifest_beside_it(page: Client) -> None:
    text = (
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: 'https://x:1'}}]\n"
        "users: [{name: u, user: {exec: {command: gke-gcloud-auth-plugin}}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    answer = attach(page, kubeconfig=text).content.decode()
    assert "gke-gcloud-auth-plugin" in answer
    assert "kind: ServiceAccount" in answer and "kubectl config view" in answer


def test_the_page_of_a_lost_cluster_says_how_old_it_is(page: Client, cluster: Cluster) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(status="unreachable", reason="The server refused the connection.")
    answer = page.get(reverse("compute:cluster", args=["local"])).content.decode()
    assert "local is unreachable. What is shown is" in answer


def test_credentials_are_never_shown(page: Client, cluster: Cluster, fakekube: FakeKube) -> None:
    for name in (*TABS, *FORMS):
        answer = page.get(reverse(f"compute:{name}", args=["local"])).content.decode()
        assert not any(token in answer for token in fakekube.tokens)


def test_an_instance_type_is_created_from_the_form(page: Client, cluster: Cluster) -> None:
    given = {
        "name": "gpu",
        "requests_cpu": "1",
        "requests_memory": "1Gi",
        "limits_cpu": "2",
        "limits_memory": "2Gi",
        "gpus": "1",
        "gpu_resource": "nvidia.com/gpu",
        "selector_key": ["pool", ""],
        "selector_value": ["gpu", ""],
        "tolerations": "nvidia.com/gpu=present:NoSchedule",
    }
    answer = page.post(reverse("compute:type-new", args=["local"]), given)
    assert answer.status_code == 302
    row = cluster.instance_types.get(name="gpu")
    assert row.spec["nodeSelector"] == {"pool": "gpu"}
    assert row.spec["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert row.spec["tolerations"][0]["effect"] == "NoSchedule"


def test_a_wrong_amount_stands_at_its_field(page: Client, cluster: Cluster) -> None:
    given = {"name": "x", "requests_cpu": "4", "requests_memory": "1Gi", "limits_cpu": "2", "limits_memory": "2Gi"}
    answer = page.post(reverse("compute:type-new", args=["local"]), given)
    assert answer.status_code == 422
    assert "is more than the limit 2" in answer.content.decode()


def test_a_compute_is_attached_from_the_form(page: Client, cluster: Cluster, workspace: Workspace) -> None:
    given = {"workspace": "demo", "name": "local", "namespace": "", "create": "yes"}
    answer = page.post(reverse("compute:compute-attach", args=["local"]), given)
    assert answer.status_code == 302
    assert Compute.objects.get().namespace == "mooring-demo-local"


def test_a_reader_sees_computes_and_cannot_submit(reader: User, operator: User, cluster: Cluster, workspace: Workspace) -> None:
    services.attach_compute(operator, workspace, name="local", cluster=cluster)
    client = Client()
    client.force_login(reader)
    answer = client.get(reverse("compute:browse", args=["demo"])).content.decode()
    assert "defaultinstancetype" in answer and "Fits now" in answer
    assert "Submit here" not in answer


def test_the_data_scientists_page_does_not_exist_for_strangers(cluster: Cluster, workspace: Workspace) -> None:
    client = Client()
    client.force_login(User.objects.create_user("stranger"))
    assert client.get(reverse("compute:browse", args=["demo"])).status_code == 404


def test_how_logs_travel_and_whether_pods_reach_the_studio_is_shown(page: Client, cluster: Cluster) -> None:
    for route, word, reach, said in (("proxy", "pod proxy", True, "yes"), ("port-forward", "port-forward", False, "no")):
        Cluster.objects.update(log_route=route, pods_reach_studio=reach, pods_reach_studio_detail="connection refused")
        text = page.get(reverse("compute:cluster", args=["local"])).content.decode()
        shown = dict(re.findall(r"<dt>(Logs travel by|Pods reach studio)</dt><dd>(.*?)</dd>", text))
        assert word in shown["Logs travel by"].lower() and shown["Pods reach studio"] == said
    assert "connection refused" in page.get(reverse("compute:cluster-connection", args=["local"])).content.decode()
