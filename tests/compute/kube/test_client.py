"""The sync client against a server that behaves like an API server."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from compute.kube import errors, kinds
from compute.kube.aclient import AsyncKubeClient
from compute.kube.client import KubeClient, Rule
from compute.kube.config import Connection, connection
from compute.kube.transport import proxy_for
from tests.compute.kube.calls import POD, raised
from tests.fakekube import Authority, FakeKube

JOB = {"metadata": {"name": "mj-1"}, "spec": {"template": {"spec": {"containers": [{"name": "job"}]}}}}
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "team"}}


@pytest.mark.parametrize("auth", ["token", "cert"])
def test_it_signs_in(fakekube: FakeKube, auth: str) -> None:
    with KubeClient(connection(fakekube.kubeconfig(user="anna", auth=auth))) as client:
        assert client.whoami()["username"] == "anna"


def test_it_reads_the_version(client: KubeClient) -> None:
    assert client.version()["gitVersion"] == "v1.36.3"
    assert client.healthz()


def test_it_creates_gets_lists_and_deletes(team: FakeKube, client: KubeClient) -> None:
    made = client.create(kinds.JOB, JOB, "team")
    assert client.get(kinds.JOB, "mj-1", "team")["metadata"]["uid"] == made["metadata"]["uid"]
    assert [each["metadata"]["name"] for each in client.list(kinds.JOB)] == ["mj-1"]
    assert client.delete(kinds.JOB, "mj-1", "team")
    assert client.find(kinds.JOB, "mj-1", "team") is None
    assert client.list(kinds.POD, "team") == []
    assert not client.delete(kinds.JOB, "mj-1", "team")


def test_a_name_that_is_taken_is_a_conflict_that_says_so(team: FakeKube, client: KubeClient) -> None:
    client.create(kinds.JOB, JOB, "team")
    error = raised(lambda: client.create(kinds.JOB, JOB, "team"))
    assert isinstance(error, errors.Conflict)
    assert error.already_exists


def test_a_namespace_that_is_missing_is_not_found(client: KubeClient) -> None:
    assert isinstance(raised(lambda: client.create(kinds.JOB, JOB, "nowhere")), errors.NotFound)


def test_it_lists_by_label_and_field_over_many_pages(team: FakeKube, client: KubeClient) -> None:
    for number in range(25):
        manifest = {"metadata": {"name": f"p{number:02}", "labels": {"half": "ab"[number % 2]}}, "spec": {}}
        team.store.create(kinds.POD, "team", manifest)
    pages = list(client.pages(kinds.POD, "team", labels={"half": "a"}, limit=5))
    assert [len(page["items"]) for page in pages] == [5, 5, 3]
    assert len(client.list(kinds.POD, fields="metadata.name=p03")) == 1


def test_a_list_whose_pages_went_stale_is_begun_again(team: FakeKube, client: KubeClient) -> None:
    team.node("n1")
    team.fail(410, times=2, path="/nodes")
    assert len(client.list(kinds.NODE)) == 1


def test_it_applies_and_takes_back_what_it_no_longer_says(team: FakeKube, client: KubeClient) -> None:
    client.apply(kinds.CONFIG_MAP, {**CONFIG, "data": {"a": "1", "b": "2"}})
    assert client.apply(kinds.CONFIG_MAP, {**CONFIG, "data": {"b": "3"}})["data"] == {"b": "3"}


def test_applying_the_same_twice_changes_nothing(team: FakeKube, client: KubeClient) -> None:
    first = client.apply(kinds.CONFIG_MAP, {**CONFIG, "data": {"a": "1"}})
    second = client.apply(kinds.CONFIG_MAP, {**CONFIG, "data": {"a": "1"}})
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


def test_another_managers_field_is_a_conflict_unless_forced(team: FakeKube, client: KubeClient) -> None:
    theirs = {**CONFIG, "data": {"a": "theirs"}}
    team.store.apply(kinds.CONFIG_MAP, "team", "settings", theirs, manager="helm", force=False, dry_run=False)
    ours = {**CONFIG, "data": {"a": "ours"}}
    assert isinstance(raised(lambda: client.apply(kinds.CONFIG_MAP, ours)), errors.Conflict)
    assert client.apply(kinds.CONFIG_MAP, ours, force=True)["data"] == {"a": "ours"}


def test_a_dry_run_changes_nothing(team: FakeKube, client: KubeClient) -> None:
    client.apply(kinds.CONFIG_MAP, CONFIG, dry_run=True)
    client.create(kinds.JOB, JOB, "team", dry_run=True)
    assert client.find(kinds.CONFIG_MAP, "settings", "team") is None
    assert client.list(kinds.JOB) == []


def test_it_merges_a_patch(team: FakeKube, client: KubeClient) -> None:
    client.apply(kinds.CONFIG_MAP, {**CONFIG, "data": {"a": "1", "b": "2"}})
    patched = client.patch(kinds.CONFIG_MAP, "settings", {"data": {"a": None, "c": "3"}}, "team")
    assert patched["data"] == {"b": "2", "c": "3"}


def test_it_does_not_delete_another_object_of_the_same_name(team: FakeKube, client: KubeClient) -> None:
    client.create(kinds.JOB, JOB, "team")
    error = raised(lambda: client.delete(kinds.JOB, "mj-1", "team", uid="00000000-0000-0000-0000-000000000000"))
    assert isinstance(error, errors.Conflict)
    assert client.find(kinds.JOB, "mj-1", "team")


def test_a_custom_resource_is_there_once_its_definition_is(client: KubeClient) -> None:
    assert not client.has_api(kinds.INSTANCE_TYPE)
    assert isinstance(raised(lambda: client.list(kinds.INSTANCE_TYPE)), errors.NotFound)
    client.apply(
        kinds.CRD,
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "instancetypes.mooring.dev"},
            "spec": {
                "group": "mooring.dev",
                "scope": "Cluster",
                "names": {"plural": "instancetypes", "kind": "InstanceType"},
                "versions": [{"name": "v1alpha1", "served": True, "storage": True}],
            },
        },
    )
    assert client.has_api(kinds.INSTANCE_TYPE)
    assert client.api_groups()["mooring.dev"] == ["v1alpha1"]
    assert client.list(kinds.INSTANCE_TYPE) == []


def test_it_asks_what_it_may_do(fakekube: FakeKube, client: KubeClient) -> None:
    fakekube.deny(verb="create", resource="pods", subresource="portforward")
    rules = [
        Rule("create", kinds.JOB, "team"),
        Rule("create", kinds.POD, "team", subresource="portforward"),
    ]
    assert [answer.allowed for answer in client.can_i(rules)] == [True, False]
    assert str(rules[1]) == "create pods/portforward in team"
    assert client.rules("team")["resourceRules"]


def test_it_makes_a_token_for_a_service_account(team: FakeKube, client: KubeClient) -> None:
    client.create(kinds.SERVICE_ACCOUNT, {"metadata": {"name": "mooring"}}, "team")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    answer = client.create(kinds.SERVICE_ACCOUNT, request, "team", name="mooring", subresource="token")
    with KubeClient(Connection(server=team.url, ca_pem=team.authority.pem, token=answer["status"]["token"])) as other:
        assert other.whoami()["username"] == "system:serviceaccount:team:mooring"


def test_events_of_an_object_come_oldest_first(team: FakeKube, client: KubeClient) -> None:
    pod = team.store.create(kinds.POD, "team", POD)
    other = team.store.create(kinds.POD, "team", {"metadata": {"name": "other"}, "spec": {}})
    team.event("team", pod, "Scheduled", "found a node", kind="Normal")
    team.event("team", other, "Failed", "not ours")
    assert [each["reason"] for each in client.events_for("team", pod["metadata"]["uid"])] == ["Scheduled"]


# Errors


@pytest.mark.parametrize(
    ("status", "expected", "retryable"),
    [
        (401, errors.Unauthorized, False),
        (403, errors.Forbidden, False),
        (404, errors.NotFound, False),
        (409, errors.Conflict, False),
        (410, errors.Gone, False),
        (422, errors.Invalid, False),
        (429, errors.TooManyRequests, True),
        (500, errors.ServerFault, True),
        (503, errors.ServerFault, True),
        (504, errors.Timeout, True),
    ],
)
def test_each_status_is_an_error_of_its_own(
    fakekube: FakeKube, client: KubeClient, status: int, expected: type[errors.KubeError], retryable: bool
) -> None:
    fakekube.fail(status, message="because")
    error = raised(client.version)
    assert type(error) is expected
    assert (error.status, error.retryable, str(error)) == (status, retryable, "because")


def test_the_servers_wish_to_wait_is_kept(fakekube: FakeKube, client: KubeClient) -> None:
    fakekube.fail(429, retry_after=7)
    assert raised(client.version).retry_after == 7


def test_a_revoked_token_is_unauthorized(fakekube: FakeKube, client: KubeClient) -> None:
    fakekube.revoke()
    assert raised(client.version).problem_id == "kube-unauthorized"


def test_a_forbidden_call_says_what_was_forbidden(fakekube: FakeKube, client: KubeClient) -> None:
    fakekube.deny(resource="nodes")
    error = raised(lambda: client.list(kinds.NODE))
    assert isinstance(error, errors.Forbidden)
    assert 'User "admin" cannot list resource "nodes"' in error.message


def test_something_that_is_no_kubernetes_is_told(fakekube: FakeKube, client: KubeClient) -> None:
    fakekube.fail("garbage")
    assert raised(client.version).problem_id == "kube-not-kubernetes"


def test_a_wrong_authority_is_told(fakekube: FakeKube) -> None:
    with KubeClient(fakekube.connection(ca_pem=Authority("wrong").pem)) as client:
        error = raised(client.version)
    assert (type(error), error.problem_id) == (errors.TlsFailed, "kube-tls-wrong-ca")
    assert error.__cause__ is not None


async def test_a_wrong_authority_is_told_by_the_other_client_too(fakekube: FakeKube) -> None:
    async with AsyncKubeClient(fakekube.connection(ca_pem=Authority("wrong").pem)) as client:
        with pytest.raises(errors.TlsFailed) as caught:
            await client.call("GET", "/version")
    assert caught.value.problem_id == "kube-tls-wrong-ca"


def test_a_certificate_for_another_name_is_told_and_can_be_named() -> None:
    fake = FakeKube(names=("kubernetes.example",))
    try:
        with KubeClient(fake.connection()) as client:
            assert raised(client.version).problem_id == "kube-tls-name-mismatch"
        with KubeClient(fake.connection(tls_server_name="kubernetes.example")) as client:
            assert client.version()
    finally:
        fake.close()


def test_an_expired_certificate_is_told() -> None:
    fake = FakeKube(expired=True)
    try:
        with KubeClient(fake.connection()) as client:
            assert raised(client.version).problem_id == "kube-tls-expired"
        with KubeClient(fake.connection(insecure=True, ca_pem=None)) as client:
            assert client.version()
    finally:
        fake.close()


def test_a_refused_connection_is_unreachable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server = f"https://127.0.0.1:{closed.getsockname()[1]}"
    with KubeClient(Connection(server=server, token="t")) as client:
        error = raised(client.version)
    assert (error.problem_id, error.reason) == ("kube-unreachable", "Refused")


def test_an_unknown_host_is_unreachable() -> None:
    with KubeClient(Connection(server="https://no-such-host.invalid", token="t")) as client:
        error = raised(client.version)
    assert (error.problem_id, error.reason) == ("kube-unreachable", "UnknownHost")


def test_a_server_without_tls_is_told(fakekube: FakeKube) -> None:
    plain, stop = _plain_server()
    try:
        with KubeClient(Connection(server=f"https://127.0.0.1:{plain}", token="t")) as client:
            assert raised(client.version).problem_id == "kube-tls-not-tls"
    finally:
        stop()


def test_a_black_hole_times_out(fakekube: FakeKube) -> None:
    fakekube.fail("blackhole")
    with KubeClient(fakekube.connection(), timeout=0.3) as client:
        began = time.monotonic()
        error = raised(client.version)
    assert isinstance(error, errors.Timeout)
    assert time.monotonic() - began < 2


def test_it_follows_no_redirect(fakekube: FakeKube, client: KubeClient) -> None:
    fakekube.fail(302)
    assert raised(client.version).problem_id == "kube-not-kubernetes"


def test_a_pooled_connection_that_was_closed_meanwhile_is_no_error(fakekube: FakeKube, client: KubeClient) -> None:
    client.version()
    fakekube.fail("reset", times=1)
    assert client.version()


def test_many_threads_share_a_client(fakekube: FakeKube, client: KubeClient) -> None:
    fakekube.node("n1")
    with ThreadPoolExecutor(16) as pool:
        counts = list(pool.map(lambda _: len(client.list(kinds.NODE)), range(100)))
    assert counts == [1] * 100


# Proxies


@pytest.mark.parametrize(
    ("server", "environ", "expected"),
    [
        ("https://k.example", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://k.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example"}, None),
        ("https://k.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other, K.EXAMPLE"}, None),
        ("https://kk.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "k.example"}, "http://p:1"),
        ("https://10.1.2.3:6443", {"https_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, None),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://k.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("https://k.example", {"HTTP_PROXY": "http://p:1"}, None),
    ],
)
def test_the_environments_proxy_is_used_as_kubectl_uses_it(server: str, environ: dict[str, str], expected: str | None) -> None:
    assert proxy_for(Connection(server=server), environ) == expected


def test_the_kubeconfigs_proxy_wins() -> None:
    made = Connection(server="https://k.example", proxy_url="http://own:1")
    assert proxy_for(made, {"NO_PROXY": "*"}) == "http://own:1"


def _plain_server() -> tuple[int, Callable[[], None]]:
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        try:
            accepted, _ = listening.accept()
            accepted.recv(100)
            accepted.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            accepted.close()
        except OSError:
            return

    threading.Thread(target=answer, daemon=True).start()
    return listening.getsockname()[1], listening.close
