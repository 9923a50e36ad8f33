"""Attaching clusters: what is refused and where it is said, what is kept, and how."""

import socket
from typing import Any

import pytest
from django.db import connection as database

from compute import services
from compute.connections import connection_of, kube_client
from compute.kube.config import KubeconfigRefused, render_kubeconfig
from compute.kube.reach import reach_in
from compute.models import Cluster
from compute.problems import OFFERS_MANIFEST
from studio.accounts.models import User
from studio.audit.models import Entry
from studio.core.errors import ProblemError
from tests.fakekube import Authority, FakeKube

pytestmark = pytest.mark.django_db


def attach(actor: User, text: str, **more: Any) -> Cluster:
    return services.attach_cluster(actor, name=more.pop("name", "local"), kubeconfig=text, **more)


def refused(actor: User, text: str, **more: Any) -> ProblemError:
    with pytest.raises(ProblemError) as raised:
        attach(actor, text, **more)
    assert not Cluster.objects.exists()
    return raised.value


def kubeconfig_with(user: str, *, server: str = "https://127.0.0.1:1") -> str:
    return (
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        f'clusters: [{{name: c, cluster: {{server: "{server}"}}}}]\n'
        f"users: [{{name: u, user: {user}}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )


def test_it_keeps_a_cluster_that_answers(operator: User, fakekube: FakeKube) -> None:
    row = attach(operator, fakekube.kubeconfig())
    assert row.status == "connecting"
    assert row.kubernetes_version == "v1.36.3"
    assert row.uid and row.seen_at
    assert kube_client(row).version()["gitVersion"] == "v1.36.3"


def test_it_records_who_attached_it_without_the_credentials(operator: User, fakekube: FakeKube) -> None:
    text = fakekube.kubeconfig()
    attach(operator, text)
    entry = Entry.objects.get(target_kind="cluster")
    assert entry.actor_name == "olga" and entry.verb == "attached"
    assert not any(token in str(entry.diff) for token in fakekube.tokens)


def test_credentials_are_encrypted_at_rest(operator: User, fakekube: FakeKube) -> None:
    attach(operator, fakekube.kubeconfig())
    with database.cursor() as cursor:
        cursor.execute("SELECT credentials FROM compute_cluster")
        (stored,) = cursor.fetchone()
    assert "token" not in stored and not any(token in stored for token in fakekube.tokens)


def test_it_refuses_a_kubeconfig_with_an_exec_plugin_and_offers_the_manifest(operator: User) -> None:
    problem = refused(operator, kubeconfig_with("{exec: {command: aws}}"))
    assert (problem.problem.id, problem.field) == ("kubeconfig-exec-plugin", "kubeconfig")
    assert "aws" in problem.text
    assert problem.problem.id in OFFERS_MANIFEST


# As the three big clouds' own tools write them.
EKS = """{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [--region, eu-central-1, eks, get-token, \
--cluster-name, models, --output, json], env: [{name: AWS_PROFILE, value: ml}], interactiveMode: IfAvailable, provideClusterInfo: false}}"""
GKE = """{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: gke-gcloud-auth-plugin, installHint: Install the plugin, \
interactiveMode: IfAvailable, provideClusterInfo: true}}"""
AKS = """{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: kubelogin, args: [get-token, --environment, AzurePublicCloud, \
--server-id, 00000000-0000-0000-0000-000000000000, --login, devicecode], env: null, installHint: Install kubelogin, provideClusterInfo: false}}"""


@pytest.mark.parametrize(("user", "program"), [(EKS, "aws"), (GKE, "gke-gcloud-auth-plugin"), (AKS, "kubelogin")], ids=["EKS", "GKE", "AKS"])
def test_what_the_clouds_own_tools_write_is_refused_by_the_name_of_the_program(operator: User, user: str, program: str) -> None:
    problem = refused(operator, kubeconfig_with(user))
    assert problem.problem.id == "kubeconfig-exec-plugin" and program in problem.text


def test_it_refuses_a_kubeconfig_with_an_auth_provider_and_offers_the_manifest(operator: User) -> None:
    problem = refused(operator, kubeconfig_with("{auth-provider: {name: gcp}}"))
    assert problem.problem.id == "kubeconfig-auth-provider"
    assert problem.problem.id in OFFERS_MANIFEST


def test_it_refuses_file_paths(operator: User) -> None:
    assert refused(operator, kubeconfig_with("{tokenFile: /etc/passwd}")).problem.id == "kubeconfig-file-path"


def test_it_asks_for_a_context_at_the_field_of_the_context(operator: User, fakekube: FakeKube) -> None:
    problem = refused(operator, fakekube.kubeconfig(), context="other")
    assert (problem.problem.id, problem.field) == ("kubeconfig-unknown-context", "context")


def test_it_refuses_insecure_tls(operator: User, fakekube: FakeKube) -> None:
    text = render_kubeconfig(fakekube.connection(insecure=True, ca_pem=None))
    assert refused(operator, text).problem.id == "kubeconfig-insecure-tls"


def test_only_an_administrator_may_allow_insecure_tls(operator: User, admin: User, fakekube: FakeKube) -> None:
    text = render_kubeconfig(fakekube.connection(insecure=True, ca_pem=None))
    problem = refused(operator, text, allow_insecure=True)
    assert (problem.problem.id, problem.status) == ("insecure-not-allowed", 403)
    assert attach(admin, text, allow_insecure=True).allow_insecure


def test_it_says_that_the_server_is_unreachable(operator: User) -> None:
    problem = refused(operator, kubeconfig_with("{token: abc}"))
    assert (problem.problem.id, problem.field) == ("kube-unreachable", "kubeconfig")


def test_it_says_that_the_ca_is_wrong(operator: User, fakekube: FakeKube) -> None:
    text = fakekube.kubeconfig(ca_pem=Authority("another").pem)
    assert refused(operator, text).problem.id == "kube-tls-wrong-ca"


def test_it_says_that_the_credentials_are_not_accepted(operator: User, fakekube: FakeKube) -> None:
    text = fakekube.kubeconfig()
    fakekube.revoke()
    assert refused(operator, text).problem.id == "kube-unauthorized"


@pytest.mark.parametrize("version", ["v1.28.15", "v1.19.0+k3s1"])
def test_it_refuses_a_kubernetes_without_native_sidecars(operator: User, version: str) -> None:
    fake = FakeKube(version=version)
    try:
        problem = refused(operator, fake.kubeconfig())
    finally:
        fake.close()
    assert problem.problem.id == "cluster-too-old" and version in problem.text


def test_it_refuses_what_is_no_api_server(operator: User, fakekube: FakeKube) -> None:
    text = fakekube.kubeconfig()
    fakekube.fail("garbage")
    assert refused(operator, text).problem.id == "kube-not-kubernetes"


def test_one_cluster_is_attached_once_whatever_it_is_called(operator: User, fakekube: FakeKube) -> None:
    attach(operator, fakekube.kubeconfig())
    with pytest.raises(ProblemError) as raised:
        attach(operator, fakekube.kubeconfig(auth="cert"), name="again")
    assert raised.value.problem.id == "cluster-already-attached" and "local" in raised.value.text


def test_a_name_is_given_once(operator: User, fakekube: FakeKube) -> None:
    attach(operator, fakekube.kubeconfig())
    other = FakeKube()
    try:
        with pytest.raises(ProblemError) as raised:
            attach(operator, other.kubeconfig())
    finally:
        other.close()
    assert (raised.value.problem.id, raised.value.field) == ("name-taken", "name")


def test_the_own_cluster_takes_that_the_studio_runs_in_one(operator: User) -> None:
    problem = refused(operator, "", in_cluster=True)
    assert (problem.problem.id, problem.field) == ("not-in-a-cluster", "in_cluster")
    assert not services.runs_in_a_cluster()


def test_credentials_are_replaced_when_they_open_the_same_cluster(operator: User, cluster: Cluster, fakekube: FakeKube) -> None:
    fakekube.revoke()
    before = cluster.credentials
    services.replace_credentials(operator, cluster, kubeconfig=fakekube.kubeconfig())
    cluster.refresh_from_db()
    assert cluster.credentials != before
    assert kube_client(cluster).healthz()


def test_credentials_of_another_cluster_are_refused(operator: User, cluster: Cluster) -> None:
    other = FakeKube()
    try:
        with pytest.raises(ProblemError) as raised:
            services.replace_credentials(operator, cluster, kubeconfig=other.kubeconfig())
    finally:
        other.close()
    assert raised.value.problem.id == "cluster-other-than-before"


def test_another_server_address_takes_new_credentials(operator: User, cluster: Cluster) -> None:
    with pytest.raises(ProblemError) as raised:
        services.edit_cluster(operator, cluster, server="https://elsewhere:6443")
    assert (raised.value.problem.id, raised.value.field) == ("credentials-needed-again", "server")


def test_a_cluster_is_renamed(operator: User, cluster: Cluster) -> None:
    services.edit_cluster(operator, cluster, name="other")
    cluster.refresh_from_db()
    assert cluster.name == "other"
    assert Entry.objects.filter(verb="renamed").get().diff == {"name": ["local", "other"]}


def test_where_clusters_may_be_holds_for_new_ones_and_for_those_that_are_there(
    operator: User, fakekube: FakeKube, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = attach(operator, fakekube.kubeconfig())
    settings.CLUSTER_NETWORKS = reach_in("!127.0.0.0/8")
    with pytest.raises(ProblemError) as raised:
        attach(operator, fakekube.kubeconfig(), name="again")
    assert (raised.value.problem.id, raised.value.field, raised.value.status) == ("kube-address-refused", "kubeconfig", 422)
    with pytest.raises(KubeconfigRefused, match="calls no cluster"):
        connection_of(row)
    # A name that leads there is refused when it is called.
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))])
    with pytest.raises(ProblemError) as raised:
        attach(operator, kubeconfig_with("{token: abc}", server="https://innocent.example"), name="again")
    assert (raised.value.problem.id, raised.value.field) == ("kube-address-refused", "kubeconfig")
